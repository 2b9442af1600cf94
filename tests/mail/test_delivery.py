"""Sending the outbox to a real SMTP server."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.core.sealing import seal
from app.mail import delivery, failing, outbox, servers
from app.mail.models import OutboundEmail, OutboundState, SendingOutage
from tests import factories
from tests.mail.smtp import Inbox, smtp_server

NOW = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)
TICKET = {"number": "TKT-7K2M9QXA", "subject": "Help", "recipient": "Ann", "priority": "High"}


@pytest.fixture
def inbox(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with smtp_server() as inbox:
        use(app, monkeypatch, inbox.url)
        yield inbox


def use(app: Flask, monkeypatch: pytest.MonkeyPatch, url: str | None) -> None:
    settings = dataclasses.replace(app.extensions["settings"], smtp_url=url)
    monkeypatch.setitem(app.extensions, "settings", settings)


def put(recipient: str = "ann@customer.example", **columns: Any) -> OutboundEmail:
    row = outbox.row("assigned", recipient, name="Ann", context=TICKET, now=NOW) | columns
    outbox.queue([row])
    return find(row["message_id"])


def find(message_id: str) -> OutboundEmail:
    mine = sa.select(OutboundEmail).where(OutboundEmail.message_id == message_id)
    return db.session.scalars(mine, execution_options={"populate_existing": True}).one()


def send(later: timedelta = timedelta()) -> delivery.Round:
    return delivery.send_due(lambda: NOW + later)


@pytest.mark.requirement("X49")
def test_what_is_due_is_sent_once(inbox: Inbox) -> None:
    row = put()
    later = put(due_at=NOW + timedelta(seconds=10))
    assert send() == delivery.Round(sent=1)
    assert send() == delivery.Round()
    row = find(row.message_id)
    assert (row.state, row.sent_at, row.error) == (OutboundState.SENT, NOW, "")
    assert row.subject == "[TKT-7K2M9QXA] Yours now: Help"
    assert row.body_text is not None
    [mail] = inbox.mails
    assert mail.message_id == row.message_id
    assert inbox.envelopes[0].rcpt_tos == ["ann@customer.example"]
    assert inbox.envelopes[0].mail_from == "support@desk.example"
    assert find(later.message_id).state is OutboundState.QUEUED


@pytest.mark.requirement("X49")
@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("550 no such user", OutboundState.FAILED),
        ("450 mailbox busy", OutboundState.QUEUED),
        ("452 come back later", OutboundState.QUEUED),
    ],
)
def test_reply_codes_decide_and_hold_nobody_up(
    inbox: Inbox, answer: str, state: OutboundState
) -> None:
    inbox.answers["gone@customer.example"] = answer
    row, other = put("gone@customer.example"), put("bob@customer.example")
    done = send()
    assert (done.sent, done.failed + done.put_off) == (1, 1)
    row = find(row.message_id)
    assert (row.state, row.error) == (state, answer)
    assert find(other.message_id).state is OutboundState.SENT


@pytest.mark.requirement("X49")
def test_tries_get_rarer_and_end_after_two_days(inbox: Inbox) -> None:
    inbox.answers["busy@customer.example"] = "450 busy"
    row = put("busy@customer.example")
    waits, now = [], NOW
    while (row := find(row.message_id)).state is OutboundState.QUEUED:
        now = row.due_at
        send(now - NOW)
        waits.append(find(row.message_id).due_at - now)
    assert waits[:4] == [timedelta(minutes=m) for m in (1, 2, 4, 8)]
    assert max(waits) == timedelta(hours=4)
    assert row.state is OutboundState.FAILED
    assert row.error == "given up after two days: 450 busy"
    assert timedelta(days=2) <= now - NOW < timedelta(days=2, hours=4)


def test_a_retry_sends_what_was_rendered_first(inbox: Inbox) -> None:
    inbox.after_data = lambda envelope: "451 not now"
    row = put()
    send()
    text = find(row.message_id).body_text
    changed = sa.update(OutboundEmail).where(OutboundEmail.id == row.id)
    db.session.execute(changed.values(context={**TICKET, "priority": "Low"}))
    inbox.after_data = lambda envelope: "250 OK"
    assert send(timedelta(hours=1)).sent == 1
    assert find(row.message_id).body_text == text
    assert "Priority: High" in inbox.mails[0].text


def test_a_row_whose_sender_died_is_sent_when_its_lease_is_over(inbox: Inbox) -> None:
    row = put(locked_until=NOW + timedelta(minutes=4), attempts=1)
    assert send() == delivery.Round()
    assert send(timedelta(minutes=5)).sent == 1
    assert inbox.mails[0].message_id == row.message_id


def test_a_dead_server_ends_the_round_and_costs_one_try(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(app, monkeypatch, "smtp://127.0.0.1:1")
    rows = [put(), put("bob@customer.example")]
    assert send() == delivery.Round(put_off=1)
    assert sorted(find(row.message_id).attempts for row in rows) == [0, 1]


def test_a_server_that_hangs_up_is_tried_again(inbox: Inbox) -> None:
    inbox.after_data = lambda envelope: "421 closing"
    row = put()
    assert send() == delivery.Round(put_off=1)
    assert find(row.message_id).error == "421 closing"
    inbox.after_data = lambda envelope: "250 OK"
    assert send(timedelta(minutes=2)).sent == 1


def test_a_mail_that_cannot_be_made_holds_nobody_up(inbox: Inbox) -> None:
    broken = put(context={"number": "TKT-7K2M9QXA"})
    put("bob@customer.example")
    assert send() == delivery.Round(sent=1, put_off=1)
    assert "UndefinedError" in find(broken.message_id).error


def test_a_refused_sign_in_at_the_server_fails_no_mail(
    inbox: Inbox, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(app, monkeypatch, inbox.url.replace("smtp://", "smtp://user:secret@"))
    row = put()
    assert send() == delivery.Round(put_off=1)
    row = find(row.message_id)
    assert row.state is OutboundState.QUEUED
    assert "secret" not in row.error


def test_without_a_server_mails_stay(app: Flask) -> None:
    row = put()
    assert send() == delivery.Round()
    assert (find(row.message_id).state, row.attempts) == (OutboundState.QUEUED, 0)


def test_a_long_round_lets_other_jobs_have_their_turn(inbox: Inbox, app: Flask) -> None:
    put()
    put("bob@customer.example")
    queue = app.extensions["bells"].queue
    db.session.commit()
    queue.empty()
    app.extensions["bells"].redis.flushdb()
    assert delivery.send_due(lambda: NOW, seconds=0) == delivery.Round(sent=1)
    assert [job.func_name for job in queue.jobs] == ["worker.jobs.send_outbox"]
    assert send().sent == 1


def test_what_lets_somebody_in_is_gone_once_it_is_sent(inbox: Inbox) -> None:
    secrets = {"key": "K3Y-of-a-link", "author": "Bob", "body": "Hi", "files": []}
    reply = put(
        kind="ticket_reply",
        context=TICKET | secrets,
        reply_token="T" * 24,
        ticket_id=1,
    )
    link = put(kind="sign_in_link", context={"path": "/l?key=0NCE", "name": "", "minutes": 30})
    assert send().sent == 2
    assert "K3Y-of-a-link" in inbox.mails[0].text
    assert "T" * 24 in inbox.mails[0].reply_to[0].email
    assert "0NCE" in inbox.mails[1].text
    for row in (find(reply.message_id), find(link.message_id)):
        kept = repr([getattr(row, c.key) for c in sa.inspect(OutboundEmail).column_attrs])
        for secret in ("K3Y-of-a-link", "T" * 24, "0NCE"):
            assert secret not in kept
        assert row.subject


def test_a_mail_that_came_back_is_sent_again_whole(inbox: Inbox) -> None:
    row = put(
        kind="ticket_reply",
        context=TICKET | {"key": "K3Y", "author": "Bob", "body": "Hi", "files": []},
        reply_token="T" * 24,
        ticket_id=1,
    )
    send()
    assert not outbox.retry(row.id, now=NOW)  # it arrived, as far as we know
    failing.returned(find(row.message_id), "no such user")
    db.session.flush()
    later = timedelta(days=3)
    assert outbox.retry(row.id, now=NOW + later)
    assert send(later).sent == 1
    first, second = inbox.mails
    assert first.message_id == second.message_id
    assert first.text == second.text
    assert first.reply_to == second.reply_to


def test_a_failed_mail_is_tried_again_for_two_days_more(inbox: Inbox) -> None:
    inbox.answers["ann@customer.example"] = "550 no"
    row = put()
    assert send().failed == 1
    inbox.answers["ann@customer.example"] = "450 not now"
    later = timedelta(days=5)
    assert outbox.retry(row.id, now=NOW + later)
    assert send(later).put_off == 1
    row = find(row.message_id)
    assert (row.state, row.attempts) == (OutboundState.QUEUED, 1)
    assert row.give_up_at == NOW + later + timedelta(days=2)


def test_a_discarded_mail_is_never_sent(inbox: Inbox) -> None:
    row, busy = put(), put(locked_until=NOW + timedelta(minutes=1))
    assert outbox.discard(row.id, now=NOW)
    assert not outbox.discard(busy.id, now=NOW)  # a sender has it
    assert not outbox.retry(row.id, now=NOW)
    assert send() == delivery.Round()
    row = find(row.message_id)
    assert (row.state, row.context, row.body_text) == (OutboundState.CANCELLED, {}, None)


def test_an_address_that_fails_gets_no_mail_of_a_ticket(inbox: Inbox) -> None:
    failing.mark(
        "Ann@customer.example",
        status="5.1.1",
        reason="no such user",
        outbound_email_id=None,
        now=NOW,
    )
    row = put(ticket_id=1)
    link = put(kind="sign_in_link", context={"path": "/l", "name": "", "minutes": 30})
    assert send() == delivery.Round(sent=1, held_back=1)
    row = find(row.message_id)
    assert row.state is OutboundState.HELD_BACK
    assert "no such user" in row.error
    assert inbox.mails[0].message_id == link.message_id
    assert failing.clear("ann@customer.example", send_again=True, now=NOW) == 1
    assert send().sent == 1


def test_each_mailbox_sends_by_its_own_server(
    inbox: Inbox, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with smtp_server() as other:
        sales = factories.make_mailbox("sales@shop.example", smtp_url=seal(other.url))
        plain = factories.make_mailbox("help@desk.example")
        rows = [put(mailbox_id=sales.id), put(mailbox_id=plain.id), put()]
        assert send().sent == 3
        assert [mail.message_id for mail in other.mails] == [rows[0].message_id]
        assert other.envelopes[0].mail_from == "sales@shop.example"
        assert {mail.message_id for mail in inbox.mails} == {r.message_id for r in rows[1:]}
        use(app, monkeypatch, None)  # only that mailbox has a server
        put(mailbox_id=plain.id)
        put()
        put(mailbox_id=sales.id)
        assert send() == delivery.Round(sent=1)


def test_a_dead_server_holds_up_no_other(inbox: Inbox) -> None:
    dead = factories.make_mailbox(smtp_url=seal("smtp://user:secret@127.0.0.1:1"))
    for _ in range(3):
        put(mailbox_id=dead.id)
    put()
    assert send() == delivery.Round(sent=1, put_off=1)


def test_servers_that_take_nothing_are_told_until_they_do(
    inbox: Inbox, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = app.extensions["settings"].smtp_url
    use(app, monkeypatch, "smtp://user:secret@127.0.0.1:1")
    put()
    put("bob@customer.example")
    assert send().put_off == 1
    assert servers.standstills(NOW + timedelta(minutes=4)) == []
    assert send(timedelta(minutes=5)).put_off == 1
    [found] = servers.standstills(NOW + timedelta(minutes=6))
    assert (found.server, found.since) == ("smtp://127.0.0.1:1", NOW)
    assert "refused" in found.error
    db.session.add(SendingOutage(server=url, since=NOW, last_tried_at=NOW, error="full"))
    use(app, monkeypatch, url)  # another server serves now
    [found] = servers.standstills(NOW + timedelta(minutes=10))
    assert found.error == "full"
    assert send(timedelta(minutes=10)).sent == 2
    assert servers.standstills(NOW + timedelta(minutes=10)) == []


def test_mail_that_no_worker_takes_is_told(inbox: Inbox) -> None:
    put()
    put(due_at=NOW + timedelta(days=1))
    assert servers.standstills(NOW + timedelta(minutes=4)) == []
    [found] = servers.standstills(NOW + timedelta(minutes=5))
    assert (found.server, found.since) == ("", NOW)
    send(timedelta(minutes=5))
    assert servers.standstills(NOW + timedelta(hours=1)) == []


def test_a_server_whose_secret_is_lost_is_told_and_nothing_goes_another_way(inbox: Inbox) -> None:
    box = factories.make_mailbox(smtp_url="sealed under another key")
    put(mailbox_id=box.id)
    assert send() == delivery.Round(put_off=1)
    [found] = servers.standstills(NOW + timedelta(minutes=5))
    assert "SECRET_KEY" in found.error
    assert inbox.mails == []

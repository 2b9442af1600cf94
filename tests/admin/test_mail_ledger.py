"""The ledger and the quarantine: what came, reading it again, tickets by hand, raw mails."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.channels import inbound_email, incoming
from app.core.clock import utcnow
from app.core.db import db
from app.mail import blocking, receiving
from app.mail.models import Channel, InboundEmail, InboundState, MailReceipt
from app.tickets.models import Comment, Ticket
from tests.admin.pages import errors, log, post, token
from tests.channels.mails import ANN, NOW, deliver, raw
from tests.factories import make_mailbox, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGES = ("ledger", "ledger/counts", "quarantine")
MOST_STATEMENTS = 12
BOMB = "<img src=x onerror=alert(1)>"


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> InboundEmail:
    """A mail whose reading has failed five times, by the worker itself."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the oven exploded")

    receiving.store(raw("My door is stuck", subject=f"Door {BOMB}"), None, now=NOW)
    db.session.commit()
    with monkeypatch.context() as patch:
        patch.setattr(incoming, "read", fail)
        for n in range(5):
            inbound_email.process_due(partial(_later, n))
    db.session.expire_all()
    return db.session.scalars(sa.select(InboundEmail)).one()


def _later(hours: int) -> object:
    return NOW + timedelta(hours=hours)


def test_only_admins_get_in(app: Flask, sign_in: SignIn, failed: InboundEmail) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR):
        client = sign_in(app.test_client(), make_person(role=role))
        for path in (*PAGES, f"ledger/{failed.id}"):
            assert client.get(f"/admin/mail/{path}").status_code == 403
        for action in ("raw", "replay", "discard", "ticket"):
            page = "/tickets/new"
            data = {"csrf_token": token(client, page)}
            answer = client.post(f"/admin/mail/ledger/{failed.id}/{action}", data=data)
            assert answer.status_code == 403
        data = {"csrf_token": token(client, "/tickets/new"), "mail": str(failed.id)}
        assert client.post("/admin/mail/quarantine", data=data).status_code == 403


def test_the_ledger_tells_what_became_of_each_message(client: FlaskClient, ada: Person) -> None:
    opened = deliver(raw("My oven is cold", subject="Cold oven"))
    deliver(raw("My oven is cold", subject="Cold oven"))
    ignored = deliver(raw("Away", subject="Away", auto_submitted="auto-replied"))
    page = client.get("/admin/mail/ledger").text
    number = db.session.scalars(sa.select(Ticket.number)).one()
    assert page.count("Cold oven") == 2  # the same mail came twice
    assert page.count(">Copy<") == 1
    assert f'href="/desk/tickets/{number}"' in page
    assert ignored.reason in page
    assert opened.state is InboundState.TICKET


def test_the_ledger_is_narrowed_by_mailbox_outcome_day_and_words(
    client: FlaskClient, ada: Person
) -> None:
    deliver(raw("My oven is cold", subject="Cold oven"))
    deliver(raw("Away", subject="Gone fishing", auto_submitted="auto-replied"))
    other = make_mailbox()
    db.session.commit()
    box = db.session.scalars(sa.select(InboundEmail.mailbox_id).limit(1)).one()
    for query, is_cold, is_away in (
        ("q=fish", False, True),
        ("q=100%25", False, False),
        ("outcome=ticket", True, False),
        ("outcome=unread", False, False),
        (f"mailbox={box}", True, True),
        (f"mailbox={other.id}", False, False),
        ("since=2026-11-23&until=2026-11-23", True, True),
        ("until=2026-11-22", False, False),
    ):
        page = client.get(f"/admin/mail/ledger?{query}").text
        assert (("Cold oven" in page), ("Gone fishing" in page)) == (is_cold, is_away), query
    for wrong in ("outcome=x", "mailbox=x", "since=yesterday", "before=x"):
        assert client.get(f"/admin/mail/ledger?{wrong}").status_code == 422


def test_pages_go_on_where_the_last_one_ended(client: FlaskClient, ada: Person) -> None:
    for n in range(60):
        receiving.store(raw(f"Mail {n}", subject=f"Mail-{n}-"), None, now=NOW)
    db.session.commit()
    first = client.get("/admin/mail/ledger?q=Mail").text
    assert "Mail-59-" in first
    assert "Mail-9-" not in first
    oldest = db.session.scalars(sa.select(MailReceipt.id).order_by(MailReceipt.id)).all()[10]
    assert f"/admin/mail/ledger?q=Mail&amp;before={oldest}" in first
    assert "Mail-9-" in client.get(f"/admin/mail/ledger?q=Mail&before={oldest}").text


def test_a_mail_that_failed_five_times_rests_with_its_error_and_is_read_again(
    client: FlaskClient, ada: Person, failed: InboundEmail
) -> None:
    assert failed.state is InboundState.QUARANTINED
    page = client.get("/admin/mail/quarantine").text
    assert "the oven exploded" in page
    assert BOMB not in page
    path = f"/admin/mail/ledger/{failed.id}"
    page = client.get(path).text
    assert "My door is stuck" in page
    assert BOMB not in page
    assert post(client, f"{path}/replay", {}, page=path).status_code == 303
    inbound_email.process_due()
    db.session.expire_all()
    assert failed.state is InboundState.TICKET
    assert db.session.scalars(sa.select(Ticket.subject)).one().startswith("Door")
    assert "the oven exploded" not in client.get("/admin/mail/quarantine").text
    assert log()[-1][1] == "replayed"


def test_what_is_on_a_ticket_is_not_read_twice(client: FlaskClient, ada: Person) -> None:
    email = deliver(raw("My oven is cold", subject="Cold oven"))
    path = f"/admin/mail/ledger/{email.id}"
    assert "Read it again" not in client.get(path).text
    for action in ("replay", "discard"):
        assert post(client, f"{path}/{action}", {}, page=path).status_code == 409
    inbound_email.process_due()
    assert len(db.session.scalars(sa.select(Ticket)).all()) == 1


def test_reading_again_lets_a_blocked_sender_through(client: FlaskClient, ada: Person) -> None:
    blocking.block("customer.example", by=None, now=NOW)
    email = deliver(raw("Let me in", subject="Let me in"))
    assert email.state is InboundState.IGNORED
    path = f"/admin/mail/ledger/{email.id}"
    post(client, f"{path}/replay", {}, page=path)
    inbound_email.process_due()
    db.session.expire_all()
    assert email.state is InboundState.TICKET


def test_a_discarded_mail_stays_in_the_ledger(
    client: FlaskClient, ada: Person, failed: InboundEmail
) -> None:
    path = f"/admin/mail/ledger/{failed.id}"
    assert post(client, f"{path}/discard", {}, page=path).status_code == 303
    db.session.expire_all()
    assert failed.state is InboundState.IGNORED
    assert failed.reason.startswith("Discarded by Ada. It rested here: RuntimeError")
    assert "Discarded by Ada" in client.get("/admin/mail/ledger").text
    assert failed.raw


def test_the_quarantine_is_searched(client: FlaskClient, ada: Person) -> None:
    for subject in ("Pump", "Lamp"):
        deliver(
            raw(subject, subject=subject, message_id=f"<{subject}@x.example>")
        ).state = InboundState.QUARANTINED
    db.session.commit()
    found = client.get("/admin/mail/quarantine?q=pump").text
    assert "Select Pump" in found
    assert "Select Lamp" not in found
    assert "Nothing found" in client.get("/admin/mail/quarantine?q=zebra").text


def test_several_in_quarantine_are_let_through_at_once(client: FlaskClient, ada: Person) -> None:
    three = [_called_spam(n) for n in range(3)]
    page = client.get("/admin/mail/quarantine").text
    boxes = re.findall(r'type="checkbox" form="bulk" name="mail" value="(\d+)"', page)
    assert boxes == [str(email.id) for email in reversed(three)]
    answer = post(client, "/admin/mail/quarantine", {"mail": boxes[:2]})
    assert answer.headers["Location"] == "/admin/mail/quarantine"
    assert "2 mails are read again, and let through." in client.get("/admin/mail/quarantine").text
    inbound_email.process_due()
    db.session.expire_all()
    assert [email.state for email in three] == [InboundState.QUARANTINED] + 2 * [
        InboundState.TICKET
    ]
    assert [line[:2] for line in log()] == [("Lottery 1", "replayed"), ("Lottery 2", "replayed")]


def test_a_search_goes_on_after_what_it_found_was_let_through(
    client: FlaskClient, ada: Person
) -> None:
    _called_spam(1), _called_spam(2)
    page = client.get("/admin/mail/quarantine?q=lottery+1").text
    [box] = re.findall(r'name="mail" value="(\d+)"', page)
    [path] = re.findall(r'id="bulk" method="post" action="([^"]+)"', page)
    answer = post(client, path, {"mail": box}, page="/admin/mail/quarantine")
    assert answer.headers["Location"] == "/admin/mail/quarantine?q=lottery+1"


def test_several_in_quarantine_are_discarded_and_what_has_become_a_ticket_is_not(
    client: FlaskClient, ada: Person
) -> None:
    first, second, ticket = _called_spam(1), _called_spam(2), deliver(raw("Cold oven"))
    ticked = [str(email.id) for email in (first, ticket, second)]
    post(client, "/admin/mail/quarantine", {"mail": ticked, "discard": "1"})
    page = client.get("/admin/mail/quarantine").text
    assert "2 mails are discarded. This mail has become something already" in page
    db.session.expire_all()
    assert (first.state, second.state) == 2 * (InboundState.IGNORED,)
    assert ticket.state is InboundState.TICKET


@pytest.mark.parametrize("ticked", [[], ["x", "-1"], [str(n) for n in range(1, 52)]])
def test_nothing_and_more_than_a_page_is_refused(
    client: FlaskClient, ada: Person, ticked: list[str]
) -> None:
    assert post(client, "/admin/mail/quarantine", {"mail": ticked}).status_code == 422


def _called_spam(number: int) -> InboundEmail:
    email = deliver(b"X-Spam-Flag: YES\r\n" + raw("Win", subject=f"Lottery {number}"))
    assert email.state is InboundState.QUARANTINED
    return email


def test_a_ticket_is_made_by_hand_once(
    client: FlaskClient, ada: Person, failed: InboundEmail
) -> None:
    path = f"/admin/mail/ledger/{failed.id}"
    form = {"email": ANN, "name": "Ann", "subject": "Door", "description": "Stuck"}
    answer = post(client, f"{path}/ticket", {**form, "email": "nobody"}, page=path)
    assert answer.status_code == 422
    assert errors(answer) != []
    answer = post(client, f"{path}/ticket", form, page=path)
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert answer.headers["Location"] == f"/desk/tickets/{ticket.number}"
    assert (ticket.subject, ticket.requester.email, ticket.mailbox_id) == (
        "Door",
        ANN,
        failed.mailbox_id,
    )
    db.session.expire_all()
    assert failed.state is InboundState.TICKET
    assert ticket.number in failed.reason
    again = post(client, f"{path}/ticket", form, page=path)
    assert again.status_code == 422
    assert len(db.session.scalars(sa.select(Ticket)).all()) == 1
    # The customer's answer to it is joined: its Message-ID is known.
    deliver(raw("Any news?", subject="Re: x", message_id="next@c", in_reply_to=_id(failed)))
    assert db.session.scalars(sa.select(Comment.body)).all()[-1] == "Any news?"


def _id(email: InboundEmail) -> str:
    return f"<{email.message_id}>"


def test_a_raw_mail_is_a_download_and_in_the_audit_log(client: FlaskClient, ada: Person) -> None:
    content = raw(f"<script>{BOMB}</script>", subject="Raw")
    email = deliver(content)
    path = f"/admin/mail/ledger/{email.id}"
    answer = post(client, f"{path}/raw", {}, page=path)
    assert answer.data == content
    assert answer.headers["Content-Type"] == "message/rfc822"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="mail-{email.id}.eml"'
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert log()[-1][:2] == ("Raw", "downloaded")
    assert client.get(f"{path}/raw").status_code == 405


def test_a_message_that_could_not_be_fetched_is_told_and_asked_for_again(
    client: FlaskClient, ada: Person
) -> None:
    box = make_mailbox()
    receipt = MailReceipt(
        mailbox_id=box.id,
        channel=Channel.IMAP,
        folder="a@b/INBOX",
        uid_validity=1,
        uid=7,
        error="the server hung up",
        retry_at=NOW + timedelta(days=9_000),
        received_at=NOW,
    )
    db.session.add(receipt)
    db.session.commit()
    page = client.get("/admin/mail/ledger?outcome=unread").text
    assert "the server hung up" in page
    path = f"/admin/mail/receipts/{receipt.id}/fetch"
    assert post(client, path, {}, page="/admin/mail/ledger").status_code == 303
    db.session.expire_all()
    assert receipt.retry_at is not None
    assert receipt.retry_at <= utcnow()
    assert "Not fetched yet" in client.get("/admin/mail/ledger/counts").text


@pytest.mark.parametrize("mails", [1, 30])
def test_pages_need_few_statements(
    client: FlaskClient, ada: Person, statements: list[str], mails: int
) -> None:
    for n in range(mails):
        email = deliver(raw(f"Mail {n}", subject=f"Mail {n}"))
    for path in (*PAGES, f"ledger/{email.id}", "ledger?q=mail"):
        client.get(f"/admin/mail/{path}")
        statements.clear()
        assert client.get(f"/admin/mail/{path}").status_code == 200
        assert len(statements) <= MOST_STATEMENTS, path

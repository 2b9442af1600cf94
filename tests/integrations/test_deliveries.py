"""Deliveries: written with the event, signed, in order, tried again, and never in the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Role
from app.api.v1 import answers
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import db
from app.core.sealing import unseal
from app.integrations import deliveries, health, signing, webhooks
from app.integrations.models import DeliveryState, Webhook, WebhookDelivery
from app.mail.models import OutboundEmail
from app.tickets import conversation, lifecycle, properties, undoing
from app.tickets.models import Ticket
from app.tickets.words import Priority, Source, Status, Visibility
from tests.factories import make_agent, make_person, make_ticket
from tests.integrations.hooks import deliver, make_webhook, rows
from tests.receiver import Got, receiver, says

pytestmark = pytest.mark.usefixtures("app")
Told = dict[str, Any]


def _told(got: Got) -> Told:
    told: Told = json.loads(got.body)
    return told


def _open(subject: str = "The oven is cold") -> Ticket:
    opened = take_in(
        NewTicket(subject, "Since today", RequesterInput("anna@example.com"), Source.WEB),
        now=utcnow(),
    )
    db.session.commit()
    return db.session.get_one(Ticket, opened.id)


@pytest.mark.requirement("R 13-16")
def test_a_new_ticket_is_told_signed_and_as_the_api_shows_it() -> None:
    with receiver() as server:
        hook = make_webhook(server.url, ["ticket.created"])
        ticket = _open()
        assert deliver().delivered == 1
        [got] = server.got
        told = _told(got)
        now_shown = answers.detail(ticket.id, make_agent(role=Role.ADMIN), now=utcnow())
        assert told["type"] == "ticket.created"
        assert told["timestamp"] == ticket.created_at.isoformat()
        assert told["data"]["change"]["kind"] == "created"
        assert told["data"]["ticket"].items() <= now_shown.items()
        assert {"number", "status", "requester", "tags"} <= told["data"]["ticket"].keys()
        stamp = int(got.headers["webhook-timestamp"])
        assert abs(stamp - time.time()) < 60
        signed = f"{got.headers['webhook-id']}.{stamp}.".encode() + got.body
        assert got.headers["webhook-signature"] == signing._signature(unseal(hook.secret), signed)
        [row] = rows(hook)
        assert (row.state, row.status, row.attempts) == (DeliveryState.DELIVERED, 200, 1)
        assert row.duration_ms is not None


def test_an_event_that_is_rolled_back_is_told_to_nobody() -> None:
    with receiver() as server:
        hook = make_webhook(server.url)
        ticket = make_ticket(make_person())
        db.session.commit()
        lifecycle.change_status(ticket, Status.RESOLVED, by=make_agent(), now=utcnow())
        assert rows(hook)
        db.session.rollback()
        assert rows(hook) == []
        deliver()
        assert server.got == []


def test_only_chosen_events_are_told() -> None:
    with receiver() as server:
        make_webhook(server.url, ["ticket.priority_changed"])
        ticket = _open()
        agent = make_agent()
        lifecycle.change_status(ticket, Status.RESOLVED, by=agent, now=utcnow())
        properties.change_priority(ticket, Priority.CRITICAL, by=agent, now=utcnow())
        deliver()
        assert [_told(got)["type"] for got in server.got] == ["ticket.priority_changed"]
        change = _told(server.got[0])["data"]["change"]
        assert (change["field"], change["to"]) == ("priority", "Critical")
        assert change["actor"]["id"] == agent.id


def test_without_webhooks_an_event_costs_no_statement(statements: list[str]) -> None:
    ticket, agent = make_ticket(make_person()), make_agent()
    db.session.commit()
    lifecycle.change_status(ticket, Status.OPEN, by=agent, now=utcnow())
    db.session.commit()
    statements.clear()
    properties.change_subject(ticket, "Another one", by=agent, now=utcnow())
    db.session.commit()
    assert not [one for one in statements if "webhook" in one]


def test_internal_notes_go_only_where_they_may() -> None:
    with receiver() as team, receiver() as outside:
        make_webhook(team.url, with_notes=True)
        make_webhook(outside.url, ["comment.created", "ticket.created"], with_notes=False)
        ticket, agent = _open(), make_agent()
        secret = "They never pay"
        conversation.reply(ticket, secret, by=agent, now=utcnow(), visibility=Visibility.INTERNAL)
        conversation.reply(ticket, "On our way", by=agent, now=utcnow())
        deliver()
        assert any(secret.encode() in got.body for got in team.got)
        assert [_told(got)["type"] for got in outside.got] == ["ticket.created", "comment.created"]
        assert not any(secret.encode() in got.body for got in outside.got)
        assert _told(outside.got[1])["data"]["comment"]["body"] == "On our way"


@pytest.mark.parametrize("is_tried_before", [False, True])
def test_a_note_stays_inside_when_that_is_forbidden_later(is_tried_before: bool) -> None:
    """Also one whose message was made for an earlier try, or is sent again by hand."""
    with receiver(says(500)) as server:
        hook = make_webhook(server.url, ["note.created"])
        ticket, now = make_ticket(make_person()), utcnow()
        conversation.reply(
            ticket, "Quiet", by=make_agent(), now=now, visibility=Visibility.INTERNAL
        )
        if is_tried_before:
            assert deliver(now).put_off == 1
        server.got.clear()
        db.session.get_one(Webhook, hook.id).with_notes = False
        assert deliver(now + timedelta(minutes=30)).dropped == 1
        [row] = rows(hook)
        webhooks.resend(row, by=make_agent(role=Role.ADMIN), now=now)
        assert deliver(now + timedelta(minutes=31)).dropped == 1
        assert server.got == []


def test_a_reply_that_is_taken_back_is_not_told() -> None:
    with receiver() as server:
        make_webhook(server.url, ["comment.created"])
        ticket, agent = make_ticket(make_person()), make_agent()
        now = utcnow()
        until = now + timedelta(seconds=10)
        comment = conversation.reply(ticket, "Oh no", by=agent, now=now, undo_until=until)
        assert deliver(now).delivered == 0
        undoing.take_back(ticket, comment.id, by=agent, now=now)
        assert deliver(until).dropped == 1
        assert server.got == []


def test_a_comment_that_a_merge_has_moved_is_told_all_the_same() -> None:
    with receiver() as server:
        make_webhook(server.url, ["comment.created"])
        one, two, agent = make_ticket(make_person()), make_ticket(make_person()), make_agent()
        comment = conversation.reply(one, "On our way", by=agent, now=utcnow())
        comment.ticket_id = two.id
        assert deliver().delivered == 1
        assert _told(server.got[0])["data"]["comment"]["body"] == "On our way"


def test_events_of_a_ticket_arrive_in_order_though_one_fails_first() -> None:
    refused: list[str] = []

    def behave(handler: BaseHTTPRequestHandler, got: Got) -> None:
        subject = _told(got)["data"]["ticket"]["subject"]
        fails = subject == "First" and len(refused) < 2
        if fails:
            refused.append(got.headers["webhook-id"])
        says(500 if fails else 200)(handler, got)

    with receiver(behave) as server:
        make_webhook(server.url, ["ticket.created", "ticket.priority_changed", "ticket.assigned"])
        first, second = _open("First"), _open("Second")
        agent, now = make_agent(), utcnow()
        for ticket in (first, second):
            properties.change_priority(ticket, Priority.CRITICAL, by=agent, now=now)
            properties.change_priority(ticket, Priority.LOW, by=agent, now=now)
        for _ in range(3):
            deliver(now)
            now += timedelta(minutes=15)
        arrived = [_told(got)["data"] for got in server.got if _status_of(got) == 200]
        for subject in ("First", "Second"):
            its = [data["change"] for data in arrived if data["ticket"]["subject"] == subject]
            versions = [change["version"] for change in its]
            assert versions == sorted(versions)
            assert [change["to"] for change in its][-2:] == ["Critical", "Low"]
        assert len(refused) == 2
        assert len(set(refused)) == 1  # the same message, with the same id
        assert [_told(got)["data"]["ticket"]["subject"] for got in server.got][-1] == "First"


def _status_of(got: Got) -> int:
    """What the log says of a message, in the end."""
    its = sa.select(WebhookDelivery).where(WebhookDelivery.message_id == got.headers["webhook-id"])
    return db.session.scalars(its).one().status or 0


def test_what_fails_is_tried_for_three_days_and_can_be_sent_again() -> None:
    with receiver(says(500, b"out of order")) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        began = now = rows(hook)[0].created_at
        times = []
        while rows(hook)[0].state is DeliveryState.WAITING:
            if deliver(now).put_off:
                times.append(now - began)
            now = max(rows(hook)[0].due_at, now + timedelta(seconds=1))
            assert len(times) < 40
        [row] = rows(hook)
        assert row.state is DeliveryState.FAILED
        assert (row.status, row.answer) == (500, "out of order")
        assert timedelta(days=3) <= (row.tried_at or began) - began < timedelta(days=3, hours=1)
        assert row.attempts > len(row.tries) == 10  # the last ones
        assert row.tries[-1]["at"] == (row.tried_at or began).isoformat()
        assert [one["at"] for one in row.tries] == sorted({one["at"] for one in row.tries})
        assert {(one["status"], one["error"]) for one in row.tries} == {
            (500, "It answered with HTTP status 500.")
        }
        assert all(0 <= one["ms"] < 15_000 for one in row.tries)
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert pauses[0] < timedelta(seconds=20)
        assert 10 <= len(server.got) <= 20
        assert len({got.headers["webhook-id"] for got in server.got}) == 1
        assert len({got.body for got in server.got}) == 1

        server.behave = says(200)
        hook.is_active = True
        webhooks.resend(row, by=make_agent(role=Role.ADMIN), now=now)
        health.forget(health.webhook_key(hook.id))
        assert deliver(now).delivered == 1
        assert server.got[-1].headers["webhook-id"] == server.got[0].headers["webhook-id"]
        tries = rows(hook)[0].tries
        assert ([one["status"] for one in tries], len(tries)) == ([500] * 9 + [200], 10)
        assert tries[-1]["error"] == ""


def test_one_that_fails_for_days_is_stopped_and_admins_are_told() -> None:
    admin = make_agent("chief@desk.example", role=Role.ADMIN)
    with receiver(says(503)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        now = utcnow()
        _open("First")
        while hook.is_active:
            deliver(now)
            now += timedelta(hours=3)
            assert now - utcnow() < timedelta(days=5)
        assert "three days" in hook.stopped_because
        mail = sa.select(OutboundEmail).where(
            OutboundEmail.recipient == admin.email, OutboundEmail.kind == "webhook_stopped"
        )
        assert db.session.scalars(mail).one().context["webhook"] == hook.name
        _open("Second")  # nothing more is written for it
        assert {row.state for row in rows(hook)} == {DeliveryState.FAILED}


def test_one_that_is_gone_for_good_is_stopped_at_once() -> None:
    with receiver(says(410)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        deliver()
        assert not hook.is_active
        assert "410" in hook.stopped_because


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_inward_is_a_failure_and_not_followed(status: int) -> None:
    with receiver() as inside, receiver(says(status, Location=inside.url)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        assert deliver().put_off == 1
        assert rows(hook)[0].status == status
        assert inside.got == []


def test_a_private_address_is_refused_at_connect_time() -> None:
    """Even where it was public, or allowed, when it was entered."""
    hook = make_webhook("https://example.com/hook", ["ticket.created"])
    hook.url = "https://127.0.0.2/hook"
    _open()
    assert deliver().put_off == 1
    assert "private network" in rows(hook)[0].error


def test_a_gigabyte_is_cut_and_its_beginning_kept() -> None:
    with receiver() as server:
        server.behave = server.gigabyte
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        began = time.monotonic()
        assert deliver().delivered == 1
        assert time.monotonic() - began < 25
        assert rows(hook)[0].answer == "g" * 1_024


def test_an_answer_of_any_bytes_can_be_kept() -> None:
    with receiver(says(500, b"\x00\xff\xfe <b>\xf0\x9f\x94\xa5" + b"\x80" * 2_000)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        deliver()
        assert "<b>🔥" in rows(hook)[0].answer
        assert "\x00" not in rows(hook)[0].answer


def test_a_receiver_that_hangs_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten others arrive while one still holds its connection."""
    monkeypatch.setattr(deliveries, "ANSWER_SECONDS", 60.0)
    seen: list[int] = []
    with receiver() as healthy, receiver() as hanging:

        def hold(handler: BaseHTTPRequestHandler, got: Got) -> None:
            deadline = time.monotonic() + 30
            while len(healthy.got) < 10 and time.monotonic() < deadline:
                time.sleep(0.01)
            seen.append(len(healthy.got))
            says()(handler, got)

        hanging.behave = hold
        make_webhook(hanging.url, ["ticket.created"])
        make_webhook(healthy.url, ["ticket.created"])
        for n in range(10):
            _open(f"Ticket {n}")
        assert deliver().delivered == 20
        assert seen[0] == 10


def test_a_receiver_that_never_answers_is_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not one wait after the other for each of ten messages."""
    monkeypatch.setattr(deliveries, "ANSWER_SECONDS", 0.5)
    with receiver() as server:
        server.behave = server.hang
        hook = make_webhook(server.url, ["ticket.created"])
        for n in range(10):
            _open(f"Ticket {n}")
        now = utcnow()
        deliver(now)
        tried = [row for row in rows(hook) if row.attempts]
        assert 0 < len(tried) < 10
        assert {row.error for row in tried} == {"It did not answer within 0.5 seconds."}
        state = health.find(health.webhook_key(hook.id))
        assert state is not None
        assert (state.rests_until or now) > now


def test_one_that_asks_for_time_gets_it() -> None:
    with receiver(says(429, Retry_After="120")) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open("First")
        now = utcnow()
        deliver(now)
        _open("Second")
        deliver(now + timedelta(seconds=100))
        assert len(server.got) == 1
        assert rows(hook)[0].due_at >= now + timedelta(seconds=120)
        server.behave = says()
        assert deliver(now + timedelta(seconds=130)).delivered == 2


def test_after_a_rotation_both_secrets_sign_for_a_day() -> None:
    with receiver() as server:
        hook = make_webhook(server.url, ["ticket.created"])
        old, now = unseal(hook.secret), utcnow()
        new = webhooks.rotate(hook, by=make_agent(role=Role.ADMIN), now=now)
        _open()
        deliver()
        _open()
        deliver(now + timedelta(hours=25))
        for got, secrets in zip(server.got, ([new, old], [new]), strict=True):
            stamp = got.headers["webhook-timestamp"]
            signed = f"{got.headers['webhook-id']}.{stamp}.".encode() + got.body
            made = [signing._signature(secret, signed) for secret in secrets]
            assert got.headers["webhook-signature"].split(" ") == made


def test_a_success_ends_what_was_held_against_it() -> None:
    with receiver(says(500)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        now = utcnow()
        for _ in range(4):
            deliver(now)
            now += timedelta(minutes=12)
        state = health.find(health.webhook_key(hook.id))
        assert state is not None
        assert state.failures == 4
        assert state.rests_until is not None
        server.behave = says()
        deliver(now + timedelta(hours=1))
        db.session.refresh(state)
        assert (state.failures, state.failing_since, state.rests_until) == (0, None, None)


def test_old_deliveries_are_forgotten_and_waiting_ones_never() -> None:
    with receiver() as server:
        hook = make_webhook(server.url, ["ticket.created"])
        _open()
        deliver()
        _open()
        later = utcnow() + timedelta(days=31)
        assert deliveries.forget_old(later) == 1
        assert [row.state for row in rows(hook)] == [DeliveryState.WAITING]


def test_a_worker_delivers_what_a_bell_tells_it(run_jobs: Callable[[], int], app: Flask) -> None:
    with receiver() as server:
        make_webhook(server.url, ["ticket.created"])
        _open()
        assert run_jobs() >= 1
        assert len(server.got) == 1


def test_a_webhook_that_is_deleted_takes_its_deliveries_along() -> None:
    hook = make_webhook("https://example.com/hook", ["ticket.created"])
    _open()
    db.session.delete(hook)
    db.session.commit()
    for model in (Webhook, WebhookDelivery):
        assert db.session.scalar(sa.select(sa.func.count()).select_from(model)) == 0
    assert deliver().delivered == 0

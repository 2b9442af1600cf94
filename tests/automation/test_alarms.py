"""Mail that stands still: told once to admins, by a way that works, and in /readyz."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.automation import alarms, housekeeping
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.core.sealing import seal
from app.core.settings_store import change_setting
from app.mail import receiving
from app.mail.alarms import alarms as standing
from app.mail.models import (
    InboundEmail,
    InboundState,
    Incoming,
    MailboxPoll,
    OutboundEmail,
    OutboundState,
    RawEmail,
    SendingOutage,
)
from tests.channels.mails import raw
from tests.factories import make_agent, make_mailbox

pytestmark = pytest.mark.usefixtures("app")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


@pytest.fixture(autouse=True)
def admins() -> None:
    make_agent("ada@desk.example", role=Role.ADMIN)
    make_agent("gone@desk.example", role=Role.ADMIN, is_active=False)
    make_agent("sue@desk.example", role=Role.SUPERVISOR)


def silent_mailbox(since: datetime = NOW) -> None:
    box = make_mailbox("silent@desk.example", incoming=Incoming.IMAP, imap_host="i.example")
    db.session.add(
        MailboxPoll(
            mailbox_id=box.id, started_at=since, next_poll_at=since, failures=3, error="no route"
        )
    )
    db.session.commit()


def mails(kind: str = "mail_alarm") -> list[OutboundEmail]:
    db.session.expire_all()
    mine = sa.select(OutboundEmail).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(mine.order_by(OutboundEmail.id)))


def test_a_mailbox_that_is_not_fetched_is_told_once_to_admins() -> None:
    silent_mailbox()
    assert alarms.tell(NOW + timedelta(minutes=9)) == 0
    assert alarms.tell(LATER) == 1
    assert alarms.tell(LATER + timedelta(minutes=1)) == 0
    [mail] = mails()
    assert mail.recipient == "ada@desk.example"
    told = mail.context["alarms"][0]
    assert (told["title"], told["text"]) == (
        "Mail of silent@desk.example is not fetched",
        "no route",
    )


def test_what_is_over_is_told_anew_when_it_comes_again_and_its_mail_does_not_leave() -> None:
    silent_mailbox()
    alarms.tell(LATER)
    poll = db.session.scalars(sa.select(MailboxPoll)).one()
    poll.failures, poll.succeeded_at, poll.next_poll_at = 0, LATER, LATER
    db.session.commit()
    assert alarms.tell(LATER) == 0  # nobody has heard that it was broken
    assert [mail.state for mail in mails()] == [OutboundState.CANCELLED]
    poll.failures = 1
    db.session.commit()
    assert alarms.tell(LATER + timedelta(hours=1)) == 1


def test_the_end_is_told_once_to_whoever_heard_of_the_beginning() -> None:
    silent_mailbox()
    alarms.tell(LATER)
    make_agent("new@desk.example", role=Role.ADMIN)
    mails()[0].state = OutboundState.SENT
    poll = db.session.scalars(sa.select(MailboxPoll)).one()
    poll.failures, poll.succeeded_at, poll.next_poll_at = 0, LATER, LATER
    db.session.commit()
    over = LATER + timedelta(minutes=5)
    assert alarms.tell(over) == 2
    assert alarms.tell(over + timedelta(minutes=1)) == 0
    told = mails("mail_works_again")
    assert sorted(mail.recipient for mail in told) == ["ada@desk.example", "new@desk.example"]
    assert told[0].context["alarms"] == [
        {
            "title": "Mail of silent@desk.example is not fetched",
            "since": "2026-11-23T10:00:00+00:00",
            "until": "2026-11-23T11:05:00+00:00",
        }
    ]


def test_mail_that_no_worker_reads_is_told() -> None:
    receiving.store(raw("Hello"), None, now=NOW)
    db.session.commit()
    assert standing(NOW + timedelta(minutes=9)) == []
    assert [alarm.part for alarm in standing(NOW + timedelta(minutes=10))] == ["reading"]


def test_it_goes_by_a_server_that_works(app: Flask) -> None:
    """The installation has none here; one mailbox's server is dead, another's is not."""
    dead, alive = "smtp://dead.example:25", "smtp://alive.example:25"
    make_mailbox(smtp_url=seal(dead))
    box = make_mailbox(smtp_url=seal(alive))
    outage = SendingOutage(server=dead, since=NOW, last_tried_at=NOW, error="full")
    db.session.add(outage)
    db.session.commit()
    assert alarms.tell(LATER) == 1
    assert [mail.mailbox_id for mail in mails()] == [box.id]


def test_raw_mails_go_after_their_days_but_for_what_may_be_read_again() -> None:
    for n, state in enumerate((InboundState.TICKET, InboundState.QUARANTINED, InboundState.HELD)):
        stored = receiving.store(raw(f"Mail {n}"), None, now=NOW)
        db.session.get_one(InboundEmail, stored.id).state = state
    db.session.commit()
    assert housekeeping.forget_raw_mails(NOW + timedelta(days=9_000)) == 0
    change_setting("days_to_keep_raw_mails", 30)
    db.session.commit()
    assert housekeeping.forget_raw_mails(NOW + timedelta(days=29)) == 0
    assert housekeeping.forget_raw_mails(NOW + timedelta(days=31)) == 1
    db.session.expire_all()
    kept = sa.select(InboundEmail.state).join(RawEmail).order_by(InboundEmail.id)
    assert db.session.scalars(kept).all() == [InboundState.QUARANTINED, InboundState.HELD]
    assert len(db.session.scalars(sa.select(InboundEmail.id)).all()) == 3


def test_readyz_tells_which_part_of_mail_stands_still_and_no_names(app: Flask) -> None:
    assert app.test_client().get("/readyz").get_json()["mail"] == {
        "fetching": "ok",
        "reading": "ok",
        "sending": "ok",
    }
    silent_mailbox(utcnow() - timedelta(hours=1))
    cache.clear()
    answer = app.test_client().get("/readyz")
    assert (answer.status_code, answer.get_json()["status"]) == (200, "degraded")
    assert answer.get_json()["mail"]["fetching"] == "stands still"
    assert "silent" not in answer.text


def test_the_desk_tells_admins_alone(
    app: Flask, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    silent_mailbox(utcnow() - timedelta(hours=1))
    for role in (Role.AGENT, Role.SUPERVISOR, Role.ADMIN):
        client = sign_in(app.test_client(), make_agent(role=role))
        told = "Mail of silent@desk.example is not fetched" in client.get("/desk/").text
        assert told == (role is Role.ADMIN)

"""A broken machine that mails without end makes some tickets, and none of its mails is lost."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.channels import inbound_email
from app.core.db import db
from app.core.settings_store import change_setting
from app.mail import resting
from app.mail.models import InboundEmail, InboundState, OutboundEmail
from app.tickets.models import Ticket
from app.tickets.words import Source, Status
from tests.channels.mails import ANN, NOW, deliver, raw
from tests.factories import make_agent, make_person, make_ticket

MOST = 3


@pytest.fixture(autouse=True)
def _few(app: Flask) -> None:
    change_setting("tickets_an_hour", MOST)


def alarm(n: int, *, sender: str = ANN, minutes: int = 0, **fields: str) -> InboundEmail:
    text = raw(f"Sensor {n}", sender=sender, subject=f"Alarm {n}", **fields)
    return deliver(text, NOW + timedelta(minutes=minutes))


def count() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) or 0


def test_a_sender_opens_so_many_tickets_an_hour() -> None:
    states = [alarm(n).state for n in range(MOST + 2)]
    assert states == [InboundState.TICKET] * MOST + [InboundState.QUARANTINED] * 2
    assert count() == MOST
    answers = sa.select(OutboundEmail).where(OutboundEmail.kind == "auto_response")
    assert len(list(db.session.scalars(answers))) <= MOST
    [first, *_] = db.session.scalars(
        sa.select(InboundEmail).where(InboundEmail.state == InboundState.QUARANTINED)
    )
    assert first.reason == f"Mails of {ANN} opened {MOST} tickets within an hour, and may {MOST}."
    assert alarm(10, sender="bo@customer.example").state is InboundState.TICKET
    assert alarm(11, minutes=61).state is InboundState.TICKET


def test_what_waits_becomes_a_ticket_when_an_admin_lets_it() -> None:
    *_, last = [alarm(n) for n in range(MOST + 1)]
    assert last.state is InboundState.QUARANTINED
    resting.replay(last.id, by=make_agent(), now=NOW)
    db.session.commit()
    inbound_email.process_due(lambda: NOW)
    db.session.expire_all()
    assert last.state is InboundState.TICKET
    assert count() == MOST + 1


def test_replies_go_on(app: Flask) -> None:
    """What joins a ticket makes none; a follow-up of one that is over does."""
    *_, last = [alarm(n) for n in range(MOST + 1)]
    going, over, *_ = db.session.scalars(sa.select(Ticket).order_by(Ticket.id))
    over.status, over.closed_at = Status.CLOSED, NOW - timedelta(days=99)
    db.session.commit()
    joined = alarm(20, In_Reply_To=f"<{_id(going)}>")
    assert joined.state is InboundState.COMMENT, joined.reason
    followed = alarm(21, In_Reply_To=f"<{_id(over)}>")
    assert followed.state is InboundState.QUARANTINED
    assert count() == MOST
    assert last.state is InboundState.QUARANTINED


def _id(ticket: Ticket) -> str:
    return db.session.scalars(
        sa.select(InboundEmail.message_id).where(InboundEmail.subject == ticket.subject)
    ).one()


def test_tickets_of_other_ways_do_not_count(app: Flask) -> None:
    ann = make_person(ANN)
    for _ in range(MOST):
        make_ticket(ann, source=Source.API, created_at=NOW)
    db.session.commit()
    assert alarm(1).state is InboundState.TICKET


def test_without_a_limit_every_mail_becomes_a_ticket(app: Flask) -> None:
    change_setting("tickets_an_hour", 0)
    assert {alarm(n).state for n in range(MOST + 2)} == {InboundState.TICKET}


def test_it_costs_one_statement_for_a_known_sender_and_none_for_others(
    app: Flask, statements: list[str]
) -> None:
    def asked(n: int, most: int, sender: str) -> int:
        change_setting("tickets_an_hour", most)
        db.session.commit()
        statements.clear()
        assert alarm(n, sender=sender).state is InboundState.TICKET
        return len(statements)

    alarm(0)
    for sender, more in (("new{}@customer.example", 0), (ANN, 1)):
        without, with_it = (
            asked(n, most, sender.format(n)) for n, most in ((MOST + more, 0), (MOST + more + 9, 9))
        )
        assert with_it - without == more


def test_one_ticket_is_one_ticket() -> None:
    change_setting("tickets_an_hour", 1)
    alarm(1)
    assert alarm(2).reason == f"Mails of {ANN} opened 1 ticket within an hour, and may 1."


def test_a_ticket_holds_so_many_mails_of_strangers_an_hour() -> None:
    """Each is told to its assignee or group: anybody could have them mailed without end."""
    change_setting("comments_an_hour", 3)
    ticket = make_ticket(make_person(ANN), assignee=make_agent(), created_at=NOW)
    db.session.commit()

    def stranger(n: int, minutes: int = 0) -> InboundEmail:
        text = raw(f"Let me in {n}", sender=f"e{n}@evil.example", subject=f"[{ticket.number}] {n}")
        return deliver(text, NOW + timedelta(minutes=minutes))

    made = [stranger(n) for n in range(5)]
    assert [mail.state for mail in made] == [InboundState.HELD] * 3 + [InboundState.QUARANTINED] * 2
    told = sa.select(OutboundEmail).where(OutboundEmail.kind == "mail_held")
    assert len(db.session.scalars(told).all()) == 3
    assert ticket.number in made[-1].reason
    resting.replay(made[-1].id, by=make_agent(), now=NOW)
    db.session.commit()
    inbound_email.process_due(lambda: NOW)
    db.session.expire_all()
    assert made[-1].state is InboundState.HELD
    assert stranger(9, minutes=61).state is InboundState.HELD

"""How long a ticket took: what counts, and what does not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person, Role
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.reports import figures
from app.reports.cuts import Cut
from app.reports.periods import Period
from app.sla.models import Calendar, CalendarInterval, SlaPolicy
from app.tickets import conversation, lifecycle, undoing
from app.tickets.history_models import Reopening
from app.tickets.models import Ticket
from app.tickets.words import Source, Status
from app.web.words import zone
from tests.factories import make_agent

FRIDAY = datetime(2026, 3, 6, 15, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def boss(app: Flask) -> Person:
    return make_agent(role=Role.SUPERVISOR)


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    """Came on a Friday at three, two hours before an office that opens at nine on Monday closes."""
    hours = [CalendarInterval(weekday=n, start_minute=540, end_minute=1020) for n in range(5)]
    office = Calendar(name="Office", time_zone="UTC", intervals=hours)
    db.session.execute(sa.update(SlaPolicy).values(is_active=False))
    minutes = {"first_response_minutes": 60, "resolution_minutes": 600}
    db.session.add(SlaPolicy(name="Office hours", position=1, calendar=office, **minutes))
    db.session.commit()
    asker = RequesterInput(email="ann@customer.example")
    opened = take_in(NewTicket("Door", "It is stuck", asker, Source.WEB), now=FRIDAY)
    return db.session.get_one(Ticket, opened.id)


def change(ticket: Ticket, boss: Person, *changes: tuple[float, Status]) -> None:
    for hours, status in changes:
        lifecycle.change_status(ticket, status, by=boss, now=FRIDAY + hours * HOUR)
        db.session.flush()


@pytest.mark.requirement("X55")
def test_resolution_leaves_out_waiting_and_resting(ticket: Ticket, boss: Person) -> None:
    change(
        ticket,
        boss,
        (1, Status.PENDING),  # an hour of ours
        (3, Status.OPEN),
        (4, Status.RESOLVED),  # another
        (20, Status.OPEN),
        (66, Status.CLOSED),  # 46 more, until Monday at nine
    )
    assert ticket.resolution_seconds == 48 * 3600
    # Of these, Friday from three to four was in office hours, and nothing else.
    assert ticket.resolution_business_seconds == 3600
    assert ticket.finished_at == FRIDAY + 66 * HOUR
    rest = db.session.scalars(sa.select(Reopening)).one()
    assert (rest.finished_at, rest.reopened_at) == (FRIDAY + 4 * HOUR, FRIDAY + 20 * HOUR)
    assert rest.was_status is Status.RESOLVED


def test_closing_what_is_resolved_measures_nothing_anew(ticket: Ticket, boss: Person) -> None:
    change(ticket, boss, (2, Status.RESOLVED), (50, Status.CLOSED))
    assert ticket.resolution_seconds == 2 * 3600
    assert ticket.finished_at == FRIDAY + 2 * HOUR


def test_a_cancelled_ticket_is_done_and_took_no_time(ticket: Ticket, boss: Person) -> None:
    change(ticket, boss, (2, Status.CANCELLED))
    assert ticket.finished_at is not None
    assert ticket.resolution_seconds is None
    change(ticket, boss, (3, Status.OPEN))
    assert ticket.finished_at is None


@pytest.mark.requirement("X56")
def test_first_response_is_the_first_public_reply(ticket: Ticket, boss: Person) -> None:
    conversation.reply(
        ticket, "Hm.", by=boss, now=FRIDAY + HOUR, visibility=conversation.Visibility.INTERNAL
    )
    assert ticket.first_response_seconds is None
    conversation.reply(ticket, "Push it.", by=boss, now=FRIDAY + 3 * HOUR)
    conversation.reply(ticket, "And?", by=boss, now=FRIDAY + 9 * HOUR)
    assert ticket.first_response_seconds == 3 * 3600
    assert ticket.first_response_business_seconds == 2 * 3600


def test_a_reply_taken_back_was_no_answer_and_no_solution(ticket: Ticket, boss: Person) -> None:
    at, until = FRIDAY + HOUR, FRIDAY + HOUR + timedelta(seconds=10)
    reply = conversation.reply(ticket, "Done", by=boss, now=at, then="resolved", undo_until=until)
    db.session.flush()
    assert ticket.resolution_seconds == 3600
    undoing.take_back(ticket, reply.id, by=boss, now=at + timedelta(seconds=5))
    db.session.flush()
    assert ticket.first_response_seconds is None
    assert ticket.resolution_seconds is None
    assert ticket.finished_at is None
    day = Period(FRIDAY.date(), FRIDAY.date(), zone("UTC"))
    report = figures.report(day, Cut(), now=FRIDAY + 5 * HOUR)
    assert (report.solved, report.reopened, report.total.backlog) == (0, 0, 1)


def test_a_phone_call_is_answered_at_once(app: Flask) -> None:
    asker = RequesterInput(email="ann@customer.example")
    opened = take_in(NewTicket("Door", "It is stuck", asker, Source.PHONE), now=FRIDAY)
    ticket = db.session.get_one(Ticket, opened.id)
    assert ticket.first_response_seconds == 0
    assert ticket.first_response_business_seconds == 0

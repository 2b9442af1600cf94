"""Four real processes sweep at once and are killed at random: every clock is told exactly once."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.accounts.models import Role
from app.core.db import begin_write, close_session, db
from app.mail.models import OutboundEmail
from app.sla.models import EscalationKind, SlaEscalation, SlaPolicy
from app.tickets import clocks
from app.tickets.history_models import TicketEvent
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import ClockState, EventKind, Priority
from tests.automation.sweeper import work
from tests.factories import make_agent, make_ticket
from tests.forks import together
from tests.own_desk import own_desk

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
NOW = START + timedelta(hours=7)
PROCESSES = 4
ROUNDS_OF_KILLS = 2
STATEMENTS = 200  # within so many each of them dies
LATE, NEAR, FRESH = 120, 120, 20  # tickets whose first response is overdue, is near, is far

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a desk of its own, with tickets; its application context is on."""
    with own_desk(own_environ):
        begin_write()
        _fill()
        db.session.commit()
        yield own_environ


def _fill() -> None:
    """High: first response in 4 h, so long overdue. Normal: in 8 h, so near. Low: in 24 h."""
    make_agent("boss@desk.example", role=Role.SUPERVISOR)
    ada = make_agent("ada@desk.example")
    for policy in db.session.scalars(sa.select(SlaPolicy)):
        policy.resolution_minutes = 100_000
        policy.escalations = [
            SlaEscalation(kind=EscalationKind.RAISE_PRIORITY, position=1),
            SlaEscalation(kind=EscalationKind.ADD_TAG, value="late", position=2),
        ]
    db.session.flush()
    for priority, count in ((Priority.HIGH, LATE), (Priority.NORMAL, NEAR), (Priority.LOW, FRESH)):
        for _ in range(count):
            ticket = make_ticket(ada, assignee=ada, priority=priority, created_at=START)
            new = clocks.for_new_ticket(clocks.facts_of(ticket), start=START)
            db.session.add_all(SlaClock(ticket_id=ticket.id, **row) for row in new.rows)


def _told() -> int:
    close_session()
    count = sa.select(sa.func.count()).where(
        TicketEvent.kind.in_([EventKind.SLA_BREACHED, EventKind.SLA_WARNED])
    )
    return db.session.scalar(count) or 0


@pytest.mark.requirement("R 6-6", "X37")
def test_every_clock_is_told_once_by_sweepers_that_are_killed(desk: dict[str, str]) -> None:
    for _ in range(ROUNDS_OF_KILLS):  # whatever the moment, nothing is lost or told twice
        with together(PROCESSES, work, desk, NOW, STATEMENTS) as running:
            assert [process.end() for process in running] == [-signal.SIGKILL] * PROCESSES
    assert 0 < _told() < LATE + NEAR  # they were killed in the midst of it

    with together(PROCESSES, work, desk, NOW) as running:
        assert [process.end() for process in running] == [0] * PROCESSES

    _assert_told_once()


def _assert_told_once() -> None:
    close_session()
    events = Counter(
        (row.priority, row.kind)
        for row in db.session.execute(
            sa.select(TicketEvent.ticket_id, TicketEvent.kind, Ticket.priority).join(
                Ticket, Ticket.id == TicketEvent.ticket_id
            )
        )
    )
    raised = Priority.CRITICAL  # from high, once
    assert events == {
        (raised, EventKind.SLA_BREACHED): LATE,
        (raised, EventKind.PRIORITY): LATE,
        (raised, EventKind.TAGS): LATE,
        (raised, EventKind.ESCALATED): LATE,
        (Priority.NORMAL, EventKind.SLA_WARNED): NEAR,
    }
    twice = sa.select(TicketEvent.ticket_id).group_by(TicketEvent.ticket_id, TicketEvent.kind)
    assert db.session.scalars(twice.having(sa.func.count() > 1)).all() == []
    mails = Counter(
        (row.kind, row.recipient)
        for row in db.session.execute(
            sa.select(
                OutboundEmail.kind, OutboundEmail.recipient, OutboundEmail.ticket_id
            ).distinct()
        )
    )
    assert mails == {
        ("sla_breach", "ada@desk.example"): LATE,
        ("sla_breach", "boss@desk.example"): LATE,
        ("sla_warning", "ada@desk.example"): NEAR,
    }
    assert db.session.scalar(sa.select(sa.func.count(OutboundEmail.id))) == 2 * LATE + NEAR
    states = Counter(
        (row.state, row.breached_at is not None, row.warned_at is not None)
        for row in db.session.execute(
            sa.select(SlaClock.state, SlaClock.breached_at, SlaClock.warned_at).where(
                SlaClock.target == "first_response"
            )
        )
    )
    assert states == {
        (ClockState.BREACHED, True, False): LATE,
        (ClockState.RUNNING, False, True): NEAR,
        (ClockState.RUNNING, False, False): FRESH,
    }

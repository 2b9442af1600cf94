"""What is told when a target is near or missed, once, and what a policy does about it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Role
from app.automation import commands, escalation
from app.automation.escalation import Swept
from app.core.db import db
from app.mail.models import OutboundEmail
from app.sla.models import EscalationKind, SlaEscalation, SlaPolicy
from app.sla.targets import Target
from app.tickets import clocks, notifications, properties
from app.tickets.history_models import TicketEvent
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import ClockState, EventKind, Priority, Status
from tests.factories import make_agent, make_group, make_ticket
from worker import jobs

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIRST, RESOLUTION = Target.FIRST_RESPONSE, Target.RESOLUTION


def at(hours: float) -> datetime:
    """So many hours after the tickets were made."""
    return START + timedelta(hours=hours)


def open_ticket(priority: str = "high", **columns: Any) -> Ticket:
    """A ticket made at START, with clocks: high is 4 h for a first response, 8 h to resolve."""
    ticket = make_ticket(priority=Priority(priority), created_at=START, updated_at=START, **columns)
    new = clocks.for_new_ticket(clocks.facts_of(ticket), start=START)
    db.session.add_all(SlaClock(ticket_id=ticket.id, **row) for row in new.rows)
    for name, value in new.columns.items():
        setattr(ticket, name, value)
    db.session.commit()
    return ticket


def steps_of_policy(priority: str, *steps: SlaEscalation) -> None:
    policy = next(
        policy
        for policy in db.session.scalars(sa.select(SlaPolicy))
        if policy.priorities == [priority]
    )
    policy.escalations = list(steps)
    db.session.commit()


def clock_of(ticket: Ticket, target: Target) -> SlaClock:
    query = sa.select(SlaClock).where(SlaClock.ticket_id == ticket.id, SlaClock.target == target)
    return db.session.scalars(query, execution_options={"populate_existing": True}).one()


def history(ticket: Ticket, *kinds: EventKind) -> list[str | None]:
    query = sa.select(TicketEvent.to_value).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind.in_(kinds)
    )
    return list(db.session.scalars(query.order_by(TicketEvent.id)))


def mails(ticket: Ticket) -> list[tuple[str, str]]:
    query = sa.select(OutboundEmail.kind, OutboundEmail.recipient).where(
        OutboundEmail.ticket_id == ticket.id
    )
    return [(kind, to) for kind, to in db.session.execute(query.order_by(OutboundEmail.id))]


@pytest.fixture(autouse=True)
def supervisor(app: Flask) -> None:
    make_agent("boss@desk.example", role=Role.SUPERVISOR)
    make_agent("unrelated@desk.example")


@pytest.mark.requirement("R 6-6", "X37")
def test_breach_is_told_once_to_assignee_and_supervisors() -> None:
    ticket = open_ticket(assignee=make_agent("ada@desk.example"))
    open_ticket("low")

    assert escalation.sweep(at(3)) == Swept()
    assert escalation.sweep(at(4)) == Swept(breached=1)
    assert escalation.sweep(at(4.1)) == Swept()

    clock = clock_of(ticket, FIRST)
    assert (clock.state, clock.breached_at, clock.warned_at) == (ClockState.BREACHED, at(4), None)
    assert history(ticket, *EventKind) == ["First response is overdue"]
    assert mails(ticket) == [
        ("sla_breach", "ada@desk.example"),
        ("sla_breach", "boss@desk.example"),
    ]
    assert ticket.next_due_at == at(4)


def test_warning_is_told_once_to_the_assignee() -> None:
    ticket = open_ticket(assignee=make_agent("ada@desk.example"))

    assert escalation.sweep(at(3.19)) == Swept()
    assert escalation.sweep(at(3.2)) == Swept(warned=1)
    assert escalation.sweep(at(3.3)) == Swept()

    clock = clock_of(ticket, FIRST)
    assert (clock.state, clock.breached_at, clock.warned_at) == (ClockState.RUNNING, None, at(3.2))
    assert history(ticket, *EventKind) == ["First response is due soon"]
    assert mails(ticket) == [("sla_warning", "ada@desk.example")]


def test_group_is_told_where_nobody_holds_the_ticket() -> None:
    group = make_group()
    make_agent("ada@desk.example", groups=(group,))
    ticket = open_ticket(group=group)

    escalation.sweep(at(3.5))
    escalation.sweep(at(4.5))

    assert mails(ticket) == [
        ("sla_warning", "ada@desk.example"),
        ("sla_breach", "ada@desk.example"),
        ("sla_breach", "boss@desk.example"),
    ]


def test_only_the_breach_is_told_where_both_are_past() -> None:
    ticket = open_ticket()

    assert escalation.sweep(at(9)) == Swept(breached=2)

    assert history(ticket, EventKind.SLA_WARNED) == []
    assert history(ticket, EventKind.SLA_BREACHED) == [
        "First response is overdue",
        "Resolution is overdue",
    ]
    assert escalation.sweep(at(99)) == Swept()


@pytest.mark.parametrize(
    ("hour", "status", "told"),
    [
        (1, Status.PENDING, ["First response is overdue"]),  # the resolution waits
        (1, Status.RESOLVED, []),
        (1, Status.CANCELLED, []),
        (5, Status.RESOLVED, ["First response is overdue"]),  # late, and nobody had swept yet
        (9, Status.RESOLVED, ["First response is overdue", "Resolution is overdue"]),
        (9, Status.PENDING, ["First response is overdue", "Resolution is overdue"]),
        (9, Status.CANCELLED, []),
    ],
)
def test_stopped_clock_is_told_if_it_was_late(hour, status, told) -> None:
    ticket = open_ticket()
    was, ticket.status = ticket.status, status
    clocks.follow_status(ticket, was, now=at(hour))
    db.session.commit()

    escalation.sweep(at(20))
    escalation.sweep(at(40))

    assert history(ticket, EventKind.SLA_BREACHED) == told


def test_breach_is_told_once_however_often_the_clock_runs_again() -> None:
    ticket = open_ticket()
    escalation.sweep(at(9))
    for hour, status in ((10, Status.RESOLVED), (11, Status.OPEN), (12, Status.PENDING)):
        was, ticket.status = ticket.status, status
        clocks.follow_status(ticket, was, now=at(hour))
        db.session.commit()

    assert escalation.sweep(at(99)) == Swept()
    assert clock_of(ticket, RESOLUTION).state is ClockState.BREACHED


@pytest.mark.requirement("R 13-10")
@pytest.mark.parametrize(
    ("priority", "steps", "expected", "told"),
    [
        ("low", [("raise_priority", "")], Priority.NORMAL, "priority raised to Normal"),
        ("low", [("raise_priority", "critical")], Priority.CRITICAL, "priority raised to Critical"),
        ("high", [("raise_priority", "low")], Priority.HIGH, None),
        ("critical", [("raise_priority", "")], Priority.CRITICAL, None),
        ("high", [("raise_priority", "shouting")], Priority.HIGH, None),
        ("high", [("add_tag", "late")], Priority.HIGH, "tag late added"),
        ("high", [("reassign_group", "999999")], Priority.HIGH, None),
        ("high", [("reassign_group", "")], Priority.HIGH, None),
        (
            "low",
            [("raise_priority", ""), ("add_tag", "late"), ("raise_priority", "")],
            Priority.HIGH,
            "priority raised to Normal, tag late added, priority raised to High",
        ),
    ],
)
def test_policy_takes_its_steps(priority, steps, expected, told) -> None:
    steps_of_policy(
        priority,
        *(
            SlaEscalation(kind=EscalationKind(kind), value=value, position=position)
            for position, (kind, value) in enumerate(steps)
        ),
    )
    ticket = open_ticket(priority)
    due, policy_id = clock_of(ticket, FIRST).due_at, ticket.sla_policy_id
    assert due is not None

    assert escalation.sweep(due).failed == 0

    assert ticket.priority is expected
    assert history(ticket, EventKind.ESCALATED) == ([f"Escalated: {told}"] if told else [])
    assert [tag.name for tag in ticket.tags] == (["late"] if told and "late" in told else [])
    assert ticket.sla_policy_id == policy_id  # an escalation chooses no policy
    assert clock_of(ticket, FIRST).due_at == due


@pytest.mark.requirement("R 13-10")
def test_escalation_moves_the_ticket_to_a_group() -> None:
    group = make_group("Second line")
    make_agent("senior@desk.example", groups=(group,))
    steps_of_policy("high", SlaEscalation(kind=EscalationKind.REASSIGN_GROUP, value=str(group.id)))
    ticket = open_ticket(assignee=make_agent("ada@desk.example"), status=Status.IN_PROGRESS)

    escalation.sweep(at(4))

    assert (ticket.group_id, ticket.assignee_id) == (group.id, None)
    assert ("sla_breach", "ada@desk.example") in mails(ticket)
    assert mails(ticket)[-1][1] == "senior@desk.example"
    assert history(ticket, EventKind.ESCALATED) == ["Escalated: moved to Second line"]


def test_assignee_who_is_in_the_group_keeps_the_ticket() -> None:
    group = make_group("Second line")
    ada = make_agent("ada@desk.example", groups=(group,))
    steps_of_policy("high", SlaEscalation(kind=EscalationKind.REASSIGN_GROUP, value=str(group.id)))
    ticket = open_ticket(assignee=ada)

    escalation.sweep(at(4))

    assert (ticket.group_id, ticket.assignee_id) == (group.id, ada.id)


def test_step_for_one_target_is_taken_for_that_target() -> None:
    steps_of_policy(
        "high", SlaEscalation(kind=EscalationKind.ADD_TAG, value="late", target="resolution")
    )
    ticket = open_ticket()

    escalation.sweep(at(4))
    assert history(ticket, EventKind.ESCALATED) == []

    escalation.sweep(at(8))
    assert history(ticket, EventKind.ESCALATED) == ["Escalated: tag late added"]


def test_ticket_that_is_done_is_not_escalated() -> None:
    steps_of_policy("high", SlaEscalation(kind=EscalationKind.ADD_TAG, value="late"))
    ticket = open_ticket()
    ticket.status = Status.RESOLVED
    clocks.stop(ticket, now=at(9))
    db.session.commit()

    assert escalation.sweep(at(10)) == Swept(breached=2)
    assert history(ticket, EventKind.ESCALATED) == []


def test_escalations_are_those_of_the_policy_as_it_was() -> None:
    ticket = open_ticket()
    steps_of_policy("high", SlaEscalation(kind=EscalationKind.ADD_TAG, value="late"))

    escalation.sweep(at(4))

    assert history(ticket, EventKind.ESCALATED) == []


def test_step_that_cannot_be_taken_leaves_the_rest() -> None:
    steps_of_policy(
        "low",
        SlaEscalation(kind=EscalationKind.ADD_TAG, value="late", position=1),
        SlaEscalation(kind=EscalationKind.RAISE_PRIORITY, position=2),
    )
    ticket = open_ticket("low")
    names = [f"tag{n}" for n in range(properties.MOST_TAGS)]
    ticket.tags = list(properties.find_or_make_tags(names).values())
    db.session.commit()

    assert escalation.sweep(at(24)) == Swept(breached=1)
    assert history(ticket, EventKind.ESCALATED) == ["Escalated: priority raised to Normal"]


def test_failing_clock_is_tried_again_an_hour_later_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken, sound = open_ticket(), open_ticket()
    tell = notifications.sla_breached

    def fail(ticket: Ticket, clock: SlaClock, *, now: datetime) -> None:
        tell(ticket, clock, now=now)
        if ticket.id == broken.id:
            raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr(notifications, "sla_breached", fail)
        assert escalation.sweep(at(4)) == Swept(breached=1, failed=1)
    assert history(sound, EventKind.SLA_BREACHED) == ["First response is overdue"]
    assert history(broken, EventKind.SLA_BREACHED) == []
    assert mails(broken) == []
    assert escalation.sweep(at(4.9)) == Swept()

    assert escalation.sweep(at(5)) == Swept(breached=1)
    assert history(broken, EventKind.SLA_BREACHED) == ["First response is overdue"]
    assert clock_of(broken, FIRST).retry_at is None


def test_busy_database_postpones_no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    ticket = open_ticket()

    def fail(*_: Any, **__: Any) -> None:
        raise sa.exc.OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))

    with monkeypatch.context() as patch:
        patch.setattr(notifications, "sla_breached", fail)
        with pytest.raises(sa.exc.OperationalError):
            escalation.sweep(at(4))

    assert escalation.sweep(at(4.1)) == Swept(breached=1)
    assert history(ticket, EventKind.SLA_BREACHED) == ["First response is overdue"]


@pytest.mark.requirement("R 2-9")
def test_claims_walk_their_indexes(app: Flask, statements: list[str]) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("reads the plan of SQLite")
    escalation.sweep(at(0))
    claims = [text for text in statements if text.startswith("UPDATE sla_clock")]

    plans = []
    for text in claims:
        marks = ["2026-01-01"] * text.count("?")
        found = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(marks))
        plans.append(" ".join(row[3] for row in found))

    assert len(plans) == 2
    assert "ix_sla_clock_due" in plans[0]
    assert "ix_sla_clock_warn" in plans[1]
    assert not any("SCAN" in plan for plan in plans)


def test_command_sweeps_once_and_says_how_much(app: Flask) -> None:
    open_ticket()

    first = app.test_cli_runner().invoke(commands.sla, ["sweep"])
    second = app.test_cli_runner().invoke(commands.sla, ["sweep"])

    assert (first.exit_code, first.output) == (0, "breaches 2, warnings 0, failed 0\n")
    assert (second.exit_code, second.output) == (0, "breaches 0, warnings 0, failed 0\n")


@pytest.mark.requirement("R 6-6")
def test_job_sweeps(app: Flask) -> None:
    ticket = open_ticket()

    jobs.sweep_sla()

    assert len(history(ticket, EventKind.SLA_BREACHED)) == 2

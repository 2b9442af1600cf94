"""Clocks through the life of a ticket: pauses, stops, reopenings, other policies."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Tier
from app.core.db import db
from app.sla.models import Calendar, CalendarInterval, SlaPolicy
from app.sla.targets import Target
from app.tickets import clocks, lifecycle
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import ClockState, Priority, Source, Status
from tests.factories import category, make_agent, make_group, make_person, make_ticket

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
FIRST, NEXT, RESOLUTION = Target.FIRST_RESPONSE, Target.NEXT_RESPONSE, Target.RESOLUTION


def at(hours: float) -> datetime:
    """So many hours after Monday, 9 o'clock."""
    return MONDAY + timedelta(hours=hours)


def hours_of(moment: datetime | None) -> float | None:
    """The reverse of `at`."""
    return None if moment is None else (moment - MONDAY) / timedelta(hours=1)


@pytest.fixture(autouse=True)
def policies(app: Flask) -> dict[str, SlaPolicy]:
    """In place of the shipped ones: critical and high on 24 x 7, low in office hours."""
    db.session.execute(sa.update(SlaPolicy).values(is_active=False))
    office = Calendar(name="Office", time_zone="UTC")
    office.intervals = [
        CalendarInterval(weekday=day, start_minute=540, end_minute=1020) for day in range(5)
    ]
    always = db.session.scalars(sa.select(Calendar).where(Calendar.is_always)).one()
    db.session.add(office)
    db.session.flush()
    found = {
        name: SlaPolicy(
            name=name,
            position=position,
            calendar_id=calendar.id,
            priorities=[name],
            first_response_minutes=first,
            next_response_minutes=second,
            resolution_minutes=resolution,
        )
        for position, (name, calendar, first, second, resolution) in enumerate(
            [
                ("critical", always, 30, 60, 240),
                ("high", always, 60, 120, 600),
                ("low", office, 120, None, 600),
            ]
        )
    }
    db.session.add_all(found.values())
    db.session.commit()
    return found


def open_ticket(priority: str = "high", **columns: Any) -> Ticket:
    """A ticket made on Monday at 9, with its clocks."""
    ticket = make_ticket(
        priority=Priority(priority), created_at=MONDAY, updated_at=MONDAY, **columns
    )
    new = clocks.for_new_ticket(clocks.facts_of(ticket), start=MONDAY)
    if new.rows:
        db.session.execute(
            sa.insert(SlaClock), [row | {"ticket_id": ticket.id} for row in new.rows]
        )
    for name, value in new.columns.items():
        setattr(ticket, name, value)
    db.session.commit()
    return ticket


def play(ticket: Ticket, *steps: tuple[float, str]) -> None:
    """Let happen: a status, "reply", "customer", "delete", "restore", or a priority."""
    for hour, what in steps:
        now = at(hour)
        if what == "reply":
            clocks.answered(ticket, now=now)
        elif what == "customer":
            clocks.customer_wrote(ticket, now=now)
        elif what == "delete":
            clocks.void(ticket, now=now)
            ticket.deleted_at = now
        elif what == "restore":
            assert ticket.deleted_at is not None
            clocks.restore(ticket, deleted_at=ticket.deleted_at, now=now)
            ticket.deleted_at = None
        elif what == "told":
            clock = of(ticket, RESOLUTION)
            clock.breached_at, clock.state, clock.warn_at = now, ClockState.BREACHED, None
        elif what in tuple(Priority):
            ticket.priority = Priority(what)
            clocks.choose_again(ticket, now=now)
        else:
            was, ticket.status = ticket.status, Status(what)
            clocks.follow_status(ticket, was, now=now)
        db.session.commit()


def of(ticket: Ticket, target: Target, cycle: int = 1) -> SlaClock:
    return next(clock for clock in ticket.clocks if (clock.target, clock.cycle) == (target, cycle))


@pytest.mark.requirement("R 2-7", "R 6-2")
def test_new_ticket_gets_a_first_response_and_a_resolution_clock() -> None:
    ticket = open_ticket()

    assert [
        (clock.target, clock.state, hours_of(clock.warn_at), hours_of(clock.due_at))
        for clock in ticket.clocks
    ] == [(FIRST, ClockState.RUNNING, 0.8, 1), (RESOLUTION, ClockState.RUNNING, 8, 10)]
    assert hours_of(ticket.due_at) == 10
    assert hours_of(ticket.next_due_at) == 1
    assert hours_of(ticket.next_warn_at) == 0.8
    assert ticket.first_response_at is None


@pytest.mark.requirement("X31")
def test_clocks_of_a_new_ticket_count_in_the_policys_calendar() -> None:
    ticket = open_ticket("low")

    assert hours_of(of(ticket, FIRST).due_at) == 2
    assert hours_of(of(ticket, RESOLUTION).due_at) == 26


def test_phone_ticket_has_had_its_first_response() -> None:
    ticket = open_ticket(source=Source.PHONE)

    assert of(ticket, FIRST).state is ClockState.MET
    assert ticket.first_response_at == MONDAY
    assert hours_of(ticket.next_due_at) == 10
    play(ticket, (1, "customer"))
    assert hours_of(of(ticket, NEXT).due_at) == 3


@pytest.mark.requirement("X35")
def test_ticket_without_a_policy_has_no_clocks() -> None:
    ticket = open_ticket("normal")

    assert ticket.clocks == []
    assert (ticket.sla_policy_id, ticket.due_at, ticket.next_due_at) == (None, None, None)
    play(ticket, (1, "reply"), (2, "customer"), (3, "pending"), (4, "open"), (5, "resolved"))
    assert ticket.clocks == []


def test_decision_tells_policy_times_and_misses() -> None:
    ticket = make_ticket(priority=Priority.LOW, created_at=MONDAY)

    new = clocks.for_new_ticket(clocks.facts_of(ticket), start=MONDAY)

    assert new.summary == "SLA policy low, counted in Office."
    assert new.details == [
        {"text": "critical: not for priority low", "result": "missed"},
        {"text": "high: not for priority low", "result": "missed"},
        {"text": "First response within 2 h", "at": at(2).isoformat()},
        {"text": "Resolution within 10 h", "at": at(26).isoformat()},
    ]


def test_decision_without_a_policy_says_so() -> None:
    ticket = make_ticket(priority=Priority.NORMAL, created_at=MONDAY)

    new = clocks.for_new_ticket(clocks.facts_of(ticket), start=MONDAY)

    assert new.summary == "No SLA policy fits, so nothing is due."
    assert [line["text"] for line in new.details] == [
        "critical: not for priority normal",
        "high: not for priority normal",
        "low: not for priority normal",
    ]


@pytest.mark.requirement("R 6-4", "X33")
@pytest.mark.parametrize(
    ("steps", "state", "stopped", "left_hours"),
    [
        ([(0.5, "reply")], ClockState.MET, 0.5, 0.5),
        ([(1, "reply")], ClockState.BREACHED, 1, 0),
        ([(1.5, "reply")], ClockState.BREACHED, 1.5, -0.5),
        ([(0.5, "reply"), (2, "reply")], ClockState.MET, 0.5, 0.5),
        ([(0.5, "resolved")], ClockState.MET, 0.5, 0.5),
        ([(3, "closed")], ClockState.BREACHED, 3, -2),
        ([(0.5, "cancelled")], ClockState.VOID, 0.5, 0.5),
        ([(0.5, "delete")], ClockState.VOID, 0.5, 0.5),
        ([(0.25, "pending"), (0.5, "reply")], ClockState.MET, 0.5, 0.5),
        ([(0.25, "pending"), (1.5, "reply")], ClockState.BREACHED, 1.5, -0.5),  # no pause for it
    ],
)
def test_first_response_ends(steps, state, stopped, left_hours) -> None:
    ticket = open_ticket()

    play(ticket, *steps)

    clock = of(ticket, FIRST)
    assert clock.state is state
    assert hours_of(clock.stopped_at) == stopped
    assert clock.left_seconds == left_hours * 3600
    assert clock.warn_at is None
    assert (clock.due_at is not None) == (state is ClockState.BREACHED)  # for the sweep


@pytest.mark.requirement("R 6-4", "X56")
def test_first_response_time_is_that_of_the_first_reply() -> None:
    ticket = open_ticket()

    play(ticket, (2, "reply"), (3, "reply"))

    assert hours_of(ticket.first_response_at) == 2


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([(0.5, "customer")], []),  # nobody has answered yet
        ([(0.5, "reply"), (1, "customer")], [(ClockState.RUNNING, 1, 3)]),
        ([(0.5, "reply"), (1, "customer"), (2, "customer")], [(ClockState.RUNNING, 1, 3)]),
        ([(0.5, "reply"), (1, "customer"), (2, "reply")], [(ClockState.MET, 1, None)]),
        ([(0.5, "reply"), (1, "customer"), (4, "reply")], [(ClockState.BREACHED, 1, 3)]),
        (
            [(0.5, "reply"), (1, "customer"), (2, "reply"), (3, "reply"), (4, "customer")],
            [(ClockState.MET, 1, None), (ClockState.RUNNING, 4, 6)],
        ),
        ([(0.5, "reply"), (1, "customer"), (2, "pending")], [(ClockState.RUNNING, 1, 3)]),
        ([(0.5, "reply"), (1, "customer"), (2, "resolved")], [(ClockState.MET, 1, None)]),
        ([(0.5, "reply"), (1, "customer"), (2, "cancelled")], [(ClockState.VOID, 1, None)]),
        (
            [(0.5, "reply"), (1, "customer"), (2, "resolved"), (5, "open"), (5, "customer")],
            [(ClockState.MET, 1, None), (ClockState.RUNNING, 5, 7)],
        ),
    ],
)
def test_next_response_runs_from_a_customers_comment_to_the_reply(steps, expected) -> None:
    ticket = open_ticket()

    play(ticket, *steps)

    cycles = [clock for clock in ticket.clocks if clock.target is NEXT]
    assert [clock.cycle for clock in cycles] == list(range(1, len(expected) + 1))
    assert [
        (clock.state, hours_of(clock.started_at), hours_of(clock.due_at)) for clock in cycles
    ] == expected


def test_policy_without_a_next_response_starts_none() -> None:
    ticket = open_ticket("low")

    play(ticket, (0.5, "reply"), (1, "customer"))

    assert [clock.target for clock in ticket.clocks] == [FIRST, RESOLUTION]


@pytest.mark.requirement("R 6-5", "X31", "X34", "X36", "X39")
@pytest.mark.parametrize(
    ("priority", "steps", "state", "due", "left_hours"),
    [
        # 24 x 7, 10 hours
        ("high", [(1, "in_progress")], ClockState.RUNNING, 10, None),
        ("high", [(4, "pending")], ClockState.PAUSED, None, 6),
        ("high", [(4, "pending"), (7, "open")], ClockState.RUNNING, 13, 6),
        ("high", [(4, "pending"), (7, "in_progress")], ClockState.RUNNING, 13, 6),
        ("high", [(4, "pending"), (7, "open"), (9, "pending")], ClockState.PAUSED, None, 4),
        (
            "high",
            [(4, "pending"), (7, "open"), (9, "pending"), (29, "open")],
            ClockState.RUNNING,
            33,
            4,
        ),
        ("high", [(4, "pending"), (1000, "open")], ClockState.RUNNING, 1006, 6),
        ("high", [(12, "pending")], ClockState.BREACHED, 10, -2),
        ("high", [(12, "pending"), (15, "open")], ClockState.RUNNING, 13, -2),  # not told yet
        ("high", [(10, "told"), (12, "pending"), (15, "open")], ClockState.BREACHED, 13, -2),
        # office hours, 10 hours: Monday 9 to 17, Tuesday 9 to 11
        ("low", [(4, "pending")], ClockState.PAUSED, None, 6),
        ("low", [(4, "pending"), (7, "open")], ClockState.RUNNING, 29, 6),
        ("low", [(9, "pending"), (20, "open")], ClockState.RUNNING, 26, 2),  # over night
        ("low", [(6, "pending"), (25, "open")], ClockState.RUNNING, 29, 4),  # 2 h and 1 h
        # stopped
        ("high", [(4, "resolved")], ClockState.MET, None, 6),
        ("high", [(4, "closed")], ClockState.MET, None, 6),
        ("high", [(4, "resolved"), (30, "closed")], ClockState.MET, None, 6),
        ("high", [(4, "cancelled")], ClockState.VOID, None, 6),
        ("high", [(4, "delete")], ClockState.VOID, None, 6),
        ("high", [(10, "resolved")], ClockState.BREACHED, 10, 0),
        ("high", [(12, "resolved")], ClockState.BREACHED, 10, -2),
        ("high", [(12, "cancelled")], ClockState.VOID, None, -2),
        ("high", [(11, "told"), (12, "cancelled")], ClockState.BREACHED, 10, -2),
        ("high", [(4, "pending"), (20, "resolved")], ClockState.MET, None, 6),
        ("high", [(4, "pending"), (20, "cancelled")], ClockState.VOID, None, 6),
        ("high", [(12, "pending"), (20, "resolved")], ClockState.BREACHED, 10, -2),
        # reopened
        ("high", [(4, "resolved"), (100, "open")], ClockState.RUNNING, 106, 6),
        ("high", [(4, "resolved"), (50, "closed"), (100, "open")], ClockState.RUNNING, 106, 6),
        ("high", [(4, "cancelled"), (100, "open")], ClockState.RUNNING, 106, 6),
        ("high", [(12, "resolved"), (100, "open")], ClockState.RUNNING, 98, -2),  # to be told
        ("high", [(11, "told"), (12, "resolved"), (100, "open")], ClockState.BREACHED, 98, -2),
        ("high", [(4, "pending"), (20, "resolved"), (100, "open")], ClockState.RUNNING, 106, 6),
        (
            "high",
            [(2, "pending"), (5, "open"), (7, "resolved"), (9, "open"), (10, "resolved")],
            ClockState.MET,
            None,
            5,
        ),
        ("low", [(4, "resolved"), (24 * 7, "open")], ClockState.RUNNING, 24 * 7 + 6, 6),
        # deleted and restored
        ("high", [(4, "delete"), (100, "restore")], ClockState.RUNNING, 106, 6),
        ("high", [(4, "pending"), (5, "delete"), (9, "restore")], ClockState.PAUSED, None, 6),
        (
            "high",
            [(4, "pending"), (5, "delete"), (9, "restore"), (11, "open")],
            ClockState.RUNNING,
            17,
            6,
        ),
        ("high", [(4, "resolved"), (5, "delete"), (9, "restore")], ClockState.MET, None, 6),
        ("high", [(11, "told"), (12, "delete"), (20, "restore")], ClockState.BREACHED, 18, -2),
    ],
)
def test_resolution_clock_follows_the_status(priority, steps, state, due, left_hours) -> None:
    ticket = open_ticket(priority)
    bystander = open_ticket(priority)

    play(ticket, *steps)

    clock = of(ticket, RESOLUTION)
    assert (clock.state, hours_of(clock.due_at)) == (state, due)
    assert clock.left_seconds == (None if left_hours is None else left_hours * 3600)
    assert of(bystander, RESOLUTION).pauses == []
    assert of(bystander, RESOLUTION).state is ClockState.RUNNING


@pytest.mark.requirement("X39")
@pytest.mark.parametrize(
    ("steps", "due", "next_due", "next_warn"),
    [
        ([(0.5, "reply")], 10, 10, 8),
        ([(0.5, "reply"), (1, "customer")], 10, 3, 2.6),
        ([(0.5, "reply"), (4, "pending")], None, None, None),
        ([(0.5, "pending")], None, 1, 0.8),
        ([(0.5, "reply"), (4, "pending"), (7, "open")], 13, 13, 11),
        ([(4, "resolved")], 10, None, None),  # what it was due stays to be read
        ([(4, "cancelled")], None, None, None),
        ([(4, "delete")], None, None, None),
        ([(0.5, "reply"), (4, "resolved"), (9, "open")], 15, 15, 13),
        ([(0.5, "reply"), (12, "told")], 10, 10, 8),
    ],
)
def test_ticket_shows_what_is_due_next(steps, due, next_due, next_warn) -> None:
    ticket = open_ticket()

    play(ticket, *steps)

    assert hours_of(ticket.due_at) == due
    assert hours_of(ticket.next_due_at) == next_due
    assert hours_of(ticket.next_warn_at) == next_warn


def test_due_time_set_by_hand_is_left_alone() -> None:
    ticket = open_ticket()
    ticket.due_at, ticket.due_at_is_manual = at(99), True

    play(ticket, (0.5, "reply"), (1, "pending"), (2, "open"), (3, "critical"), (3.5, "cancelled"))

    assert hours_of(ticket.due_at) == 99


@pytest.mark.requirement("X32", "X39")
@pytest.mark.parametrize(
    ("steps", "first", "resolution"),
    [
        ([(0.5, "critical")], (ClockState.RUNNING, 0.5), (ClockState.RUNNING, 4)),
        ([(2, "critical")], (ClockState.RUNNING, 0.5), (ClockState.RUNNING, 4)),
        ([(0.5, "reply"), (1, "critical")], (ClockState.MET, None), (ClockState.RUNNING, 4)),
        ([(0.5, "low")], (ClockState.RUNNING, 2), (ClockState.RUNNING, 26)),
        # a pause counts in the calendar of the policy that counts
        (
            [(1, "pending"), (3, "open"), (4, "critical")],
            (ClockState.RUNNING, 0.5),
            (ClockState.RUNNING, 6),
        ),
        (
            [(6, "pending"), (25, "open"), (25, "low")],
            (ClockState.RUNNING, 2),
            (ClockState.RUNNING, 29),
        ),
        ([(1, "pending"), (3, "critical")], (ClockState.RUNNING, 0.5), (ClockState.PAUSED, None)),
        (
            [(1, "pending"), (3, "critical"), (5, "open")],
            (ClockState.RUNNING, 0.5),
            (ClockState.RUNNING, 8),
        ),
        ([(5, "pending"), (6, "critical")], (ClockState.RUNNING, 0.5), (ClockState.BREACHED, 4)),
        # a breach that was told stays
        ([(11, "told"), (12, "low")], (ClockState.RUNNING, 2), (ClockState.BREACHED, 26)),
        # no policy for a while
        ([(0.5, "normal")], (ClockState.VOID, None), (ClockState.VOID, None)),
        ([(0.5, "normal"), (2, "high")], (ClockState.RUNNING, 1), (ClockState.RUNNING, 10)),
        (
            [(0.5, "normal"), (1, "reply"), (2, "high")],
            (ClockState.VOID, None),
            (ClockState.RUNNING, 10),
        ),
        (
            [(1, "normal"), (2, "pending"), (5, "open"), (6, "high")],
            (ClockState.RUNNING, 1),
            (ClockState.RUNNING, 13),
        ),
        (
            [(2, "pending"), (3, "normal"), (5, "open"), (6, "high")],
            (ClockState.RUNNING, 1),
            (ClockState.RUNNING, 13),
        ),
        # what has ended stays, and runs again by the policy of then
        ([(0.5, "resolved"), (1, "critical")], (ClockState.MET, None), (ClockState.MET, None)),
        (
            [(0.5, "resolved"), (1, "critical"), (10, "open")],
            (ClockState.MET, None),
            (ClockState.RUNNING, 13.5),
        ),
        (
            [(0.5, "resolved"), (1, "normal"), (10, "open")],
            (ClockState.MET, None),
            (ClockState.MET, None),
        ),
    ],
)
def test_other_policy_counts_from_the_tickets_creation(steps, first, resolution) -> None:
    ticket = open_ticket()

    play(ticket, *steps)

    for target, expected in ((FIRST, first), (RESOLUTION, resolution)):
        clock = of(ticket, target)
        assert (clock.state, hours_of(clock.due_at)) == expected


def test_warning_that_was_told_stays_told() -> None:
    ticket = open_ticket("critical")
    of(ticket, RESOLUTION).warned_at = at(3.5)

    play(ticket, (3.6, "high"))

    assert hours_of(of(ticket, RESOLUTION).warned_at) == 3.5
    assert hours_of(of(ticket, RESOLUTION).warn_at) == 8


def test_awaited_next_response_moves_with_the_policy() -> None:
    ticket = open_ticket()

    play(ticket, (0.5, "reply"), (1, "customer"), (1.5, "critical"))
    assert hours_of(of(ticket, NEXT).due_at) == 2

    play(ticket, (1.6, "low"))
    assert of(ticket, NEXT).state is ClockState.VOID


def test_ticket_that_comes_under_a_policy_late_is_counted_from_its_creation() -> None:
    ticket = open_ticket("normal")

    play(ticket, (3, "high"))

    assert hours_of(of(ticket, FIRST).due_at) == 1
    assert hours_of(of(ticket, RESOLUTION).due_at) == 10
    assert hours_of(ticket.next_due_at) == 1


def test_what_was_answered_before_any_policy_is_awaited_no_more() -> None:
    ticket = open_ticket("normal")

    play(ticket, (2, "reply"), (3, "high"))

    assert [clock.target for clock in ticket.clocks] == [RESOLUTION]
    assert hours_of(ticket.next_due_at) == 10


@pytest.mark.parametrize(
    ("changes", "state", "due"),
    [
        ([(2, "pending"), (5, "open")], ClockState.RUNNING, 13),
        ([(2, "pending"), (5, "open"), (6, "resolved"), (7, "open")], ClockState.RUNNING, 14),
        ([(2, "pending")], ClockState.PAUSED, None),
    ],
)
def test_waiting_before_any_policy_does_not_count(changes, state, due) -> None:
    ticket, agent = open_ticket("normal"), make_agent()
    for hour, status in changes:
        lifecycle.change_status(ticket, Status(status), by=agent, now=at(hour))

    play(ticket, (8, "high"))

    clock = of(ticket, RESOLUTION)
    assert (clock.state, hours_of(clock.due_at)) == (state, due)
    if state is ClockState.PAUSED:
        assert clock.left_seconds == 8 * 3600
        lifecycle.change_status(ticket, Status.OPEN, by=agent, now=at(9))
        assert hours_of(clock.due_at) == 17


@pytest.mark.requirement("X29", "X32")
def test_change_of_tier_category_or_group_chooses_again(policies) -> None:
    group = make_group("Special")
    customer = make_person(tier=Tier.STANDARD)
    ticket = open_ticket("normal", requester=customer)
    for changed, condition, value in (
        ("tier", "tiers", ["premium"]),
        ("category", "categories", [category("billing").id]),
        ("group", "groups", [group.id]),
    ):
        low = policies["low"]
        low.priorities, low.tiers, low.categories, low.groups = [], [], [], []
        setattr(low, condition, value)
        db.session.commit()
        assert clocks.choose_again(ticket, now=at(1)) is None, changed
        customer.tier = Tier.PREMIUM
        ticket.category = category("billing")
        ticket.group = group
        assert clocks.choose_again(ticket, now=at(1)), changed
        assert ticket.sla_policy_id == low.id
        customer.tier = Tier.STANDARD
        ticket.category = category("general")
        ticket.group = None
        clocks.choose_again(ticket, now=at(1))
        assert ticket.sla_policy_id is None


def test_same_policy_leaves_everything_as_it_is() -> None:
    ticket = open_ticket()
    play(ticket, (4, "pending"))

    assert clocks.choose_again(ticket, now=at(5)) is None
    assert of(ticket, RESOLUTION).state is ClockState.PAUSED


def test_edited_policy_and_calendar_bind_later_tickets_only(policies) -> None:
    before = open_ticket("low")
    play(before, (1, "reply"), (4, "pending"))
    policies["low"].resolution_minutes = 60
    policies["low"].next_response_minutes = 60
    policies["low"].calendar.intervals[0].end_minute = 600
    db.session.commit()
    after = open_ticket("low")

    play(before, (7, "open"), (7, "customer"), (7, "low"))

    assert hours_of(of(before, RESOLUTION).due_at) == 29
    assert [clock.target for clock in before.clocks] == [FIRST, RESOLUTION]
    assert hours_of(of(after, RESOLUTION).due_at) == 1


def test_state_is_shown_as_breached_from_the_due_time_on() -> None:
    clock = of(open_ticket(), RESOLUTION)

    assert clocks.shown_state(clock, at(9.99)) is ClockState.RUNNING
    assert clocks.shown_state(clock, at(10)) is ClockState.BREACHED


def test_clocks_of_a_new_ticket_cost_no_statement(statements: list[str]) -> None:
    facts = clocks.facts_of(open_ticket())
    clocks.for_new_ticket(facts, start=MONDAY)
    statements.clear()

    assert len(clocks.for_new_ticket(facts, start=MONDAY).rows) == 2
    assert statements == []


def test_other_policy_is_told_with_its_times() -> None:
    ticket = open_ticket()
    ticket.priority = Priority.CRITICAL

    decision = clocks.choose_again(ticket, now=at(1))

    assert decision is not None
    assert decision[0] == "SLA policy critical, counted in 24 x 7."
    assert decision[1][-1] == {"text": "Resolution within 4 h", "at": at(4).isoformat()}


def test_what_ended_is_handed_back() -> None:
    ticket = open_ticket()

    assert clocks.answered(ticket, now=at(0.5)) == [of(ticket, FIRST)]
    assert clocks.answered(ticket, now=at(0.6)) == []
    assert clocks.stop(ticket, now=at(1)) == [of(ticket, RESOLUTION)]

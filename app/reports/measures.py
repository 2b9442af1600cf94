"""What a report counts: each measure with its definition, and the very tickets it stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.reports.cuts import Cut
from app.reports.sources import (
    CODES,
    Worked,
    answered,
    decided,
    reopened,
    resolved,
    solved_elsewhen,
    without_clock,
)
from app.tickets.words import ACTIVE_STATUSES, Status, Target

Counted = sa.Select[Any]
"""Selects ``id`` (of a ticket, or a clock) and ``ticket_id``; each row is one of the number."""

Find = Callable[[datetime, datetime, Cut], Counted]


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of a report.

    Attributes:
        key: its name in links and in the API.
        label: as the heading of its list.
        definition: what exactly is counted, in words.
        find: start, end and cut to the rows that are counted.
        counts_clocks: a ticket may be in it more than once.
    """

    key: str
    label: str
    definition: str
    find: Find
    counts_clocks: bool = False


def _of(condition: Callable[[Worked], Any]) -> Find:
    def find(start: datetime, end: datetime, cut: Cut) -> Counted:
        worked = Worked(start, end, cut)
        rows = worked.rows.c
        return sa.select(rows.id, rows.id.label("ticket_id")).where(condition(worked))

    return find


def _in_state(status: Status) -> Find:
    return _of(lambda worked: worked.state == CODES[status])


def _done(source: Callable[[datetime, datetime, Cut], Any], without: Target | None = None) -> Find:
    """Rows of *source*; only those *without* a clock for a target."""

    def find(start: datetime, end: datetime, cut: Cut) -> Counted:
        rows = source(start, end, cut).c
        found = sa.select(rows.id, rows.id.label("ticket_id"))
        return found.where(without_clock(rows.id, without)) if without else found

    return find


def _solved(start: datetime, end: datetime, cut: Cut) -> Counted:
    now = sa.select(resolved(start, end, cut).c.id)
    either = sa.union_all(now, solved_elsewhen(start, end, cut)).subquery("solved")
    return sa.select(either.c.id, either.c.id.label("ticket_id"))


def _reopened(start: datetime, end: datetime, cut: Cut) -> Counted:
    found = reopened(start, end, cut).subquery("reopened")
    return sa.select(found.c.id, found.c.id.label("ticket_id"))


def _clocks(target: Target | None, is_met: bool | None) -> Find:
    def find(start: datetime, end: datetime, cut: Cut) -> Counted:
        rows = decided(start, end, cut).c
        found = sa.select(rows.id, rows.ticket_id)
        if target is not None:
            found = found.where(rows.target == target)
        return found if is_met is None else found.where(rows.is_met == int(is_met))

    return find


LEFT_OUT = "Deleted tickets, and those merged into another, are left out everywhere."
_STATES = {
    Status.NEW: "nobody had taken it up at the period's end",
    Status.OPEN: "somebody or a group had it at the period's end, and had not started",
    Status.IN_PROGRESS: "somebody worked on it at the period's end",
    Status.PENDING: "it waited for the customer at the period's end",
    Status.RESOLVED: "it was resolved by the period's end, and not yet closed",
    Status.CLOSED: "it was closed by the period's end",
    Status.CANCELLED: "it was cancelled by the period's end",
}
_TIMES = {
    Target.FIRST_RESPONSE: "the first public reply by an agent",
    Target.NEXT_RESPONSE: "an agent's next reply to a customer who wrote again",
    Target.RESOLUTION: "the resolution",
}


_TICKETS = (
    Measure(
        "handled",
        "Tickets in the period",
        "Tickets that were open at any time in the period: open when it began, created in it, "
        "or opened again in it. Each has the status that it had when the period ended.",
        _of(lambda worked: worked.state.is_not(None)),
    ),
    Measure(
        "created",
        "Created",
        "Tickets that came in within the period, in whatever way.",
        _of(lambda worked: worked.created),
    ),
    Measure(
        "resolved",
        "Resolved",
        "Tickets that were resolved in the period, or closed without that, whenever they came "
        "in, and that are so still. One that was opened again counts on the day on which it "
        "is resolved for good. Cancelled ones do not count.",
        _done(resolved),
    ),
    Measure(
        "opening_backlog",
        "Open at the start",
        "Tickets that were new, open, in progress or pending when the period began.",
        _of(lambda worked: worked.open_at(worked.start)),
    ),
    Measure(
        "backlog",
        "Open at the end",
        "The backlog: tickets that were new, open, in progress or pending when the period "
        "ended, or are now, where it has not ended.",
        _of(lambda worked: worked.state.in_([CODES[status] for status in ACTIVE_STATUSES])),
    ),
    Measure(
        "answered",
        "First responses",
        "Tickets that got their first response in the period: the first public reply by an "
        "agent. Automatic answers and notes are none; a phone ticket has it when it is made.",
        _done(answered),
    ),
    Measure(
        "answered_without_sla",
        "First responses without a target",
        "First responses of the period on tickets that no SLA policy gave a target for it. "
        "They count neither as met nor as missed.",
        _done(answered, without=Target.FIRST_RESPONSE),
    ),
    Measure(
        "resolved_without_sla",
        "Resolved without a target",
        "Tickets resolved in the period that no SLA policy gave a target for it. They count "
        "neither as met nor as missed.",
        _done(resolved, without=Target.RESOLUTION),
    ),
    Measure(
        "solved",
        "Solved at least once",
        "Tickets that were resolved or closed in the period, opened again later or not.",
        _solved,
    ),
    Measure(
        "reopened",
        "Opened again",
        "Of the tickets that were solved in the period, those that were opened again since.",
        _reopened,
    ),
)


def _at_the_end(status: Status) -> Measure:
    return Measure(
        f"state_{status.value}",
        f"{status.label} at the end",
        f"Tickets in the period of which {_STATES[status]}.",
        _in_state(status),
    )


def _sla(target: Target | None) -> tuple[Measure, Measure, Measure]:
    """In time, too late, and both; None: of all targets."""
    name = target.label if target else "SLA targets"
    what = _TIMES[target] if target else "a response or the resolution"
    key = f"sla_{target.value}" if target else "sla"
    return (
        Measure(
            f"{key}_met",
            f"{name} in time",
            f"SLA clocks that ended in the period within their target for {what}.",
            _clocks(target, True),
            counts_clocks=True,
        ),
        Measure(
            f"{key}_missed",
            f"{name} too late",
            f"SLA clocks that ran out in the period: the target for {what} was missed, "
            "whether it has come since or not.",
            _clocks(target, False),
            counts_clocks=True,
        ),
        Measure(
            key,
            f"{name}: in time or too late",
            f"SLA clocks that were met or missed in the period: targets for {what}. "
            "Compliance is the share that was met. Clocks that still run, and those of "
            "cancelled tickets, are in neither; tickets without a target are told apart.",
            _clocks(target, None),
            counts_clocks=True,
        ),
    )


_ALL = (
    *_TICKETS,
    *map(_at_the_end, Status),
    *(measure for target in (None, *Target) for measure in _sla(target)),
)
MEASURES = {measure.key: measure for measure in _ALL}
# Figures that are worked out from a measure's tickets, and how.
FIGURES = {
    "first_response_time": (
        "First response time",
        "From the ticket's creation to the first public reply by an agent, over the first "
        "responses given in the period. The median is the middle one; nine of ten took no longer "
        "than the 90th percentile. Business hours are those of each ticket's SLA policy.",
    ),
    "resolution_time": (
        "Resolution time",
        "From the ticket's creation to its last resolution, over the tickets resolved in the "
        "period. What it waited for the customer does not count, nor the time between being "
        "resolved and being opened again. The median is the middle one; nine of ten took no "
        "longer than the 90th percentile. Business hours are those of each ticket's SLA policy.",
    ),
    "compliance": (
        "SLA compliance",
        "Of the SLA clocks that were met or missed in the period, the share that was met. "
        "Tickets without a target are not in it: they are told apart.",
    ),
    "reopen_rate": (
        "Reopen rate",
        "Of the tickets that were resolved or closed in the period, the share that was opened "
        "again at any time since. Cancelled tickets do not count.",
    ),
}

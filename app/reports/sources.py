"""The tickets and clocks that a report looks at, as SQL: numbers and lists come from the same.

Three sources, each over one index of its own, so that a report reads what happened in its period
and what is open, however many tickets there are besides. Deleted tickets, and those merged into
another, are in none.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.reports.cuts import Cut
from app.tickets.history_models import Reopening, TicketEvent
from app.tickets.models import ACTIVE, ANSWERED, FINISHED, SlaClock, Ticket
from app.tickets.words import ACTIVE_STATUSES, ClockState, Status, Target

Condition = sa.ColumnElement[bool]

STATES = tuple(Status)
CODES = {status: code for code, status in enumerate(STATES)}  # numbers are sorted quicker
COUNTED = (Ticket.deleted_at.is_(None), Ticket.merged_into_id.is_(None))
DIMENSION_COLUMNS: dict[str, Any] = {
    "priority": Ticket.priority,
    "category": Ticket.category_id,
    "agent": Ticket.assignee_id,
    "group": Ticket.group_id,
    "source": Ticket.source,
}
DIMENSION_NAMES = tuple(column.key for column in DIMENSION_COLUMNS.values())
_WORKED = (
    Ticket.id,
    Ticket.created_at,
    Ticket.finished_at,
    Ticket.closed_at,
    Ticket.status,
    *DIMENSION_COLUMNS.values(),
    Ticket.resolution_seconds,
    Ticket.resolution_business_seconds,
)
_ANSWERED = (
    Ticket.id,
    Ticket.first_response_at,
    *DIMENSION_COLUMNS.values(),
    Ticket.first_response_seconds,
    Ticket.first_response_business_seconds,
)


class Worked:
    """Tickets that were open at some time since *start*, and conditions on them.

    Attributes:
        rows: the subquery, with the columns of `_WORKED`.
    """

    def __init__(self, start: datetime, end: datetime, cut: Cut) -> None:
        self.start, self.end = start, end
        done = (
            sa.select(*_WORKED)
            .where(sa.text(FINISHED), Ticket.finished_at >= start, *cut.where())
            .with_hint(Ticket, "INDEXED BY ix_ticket_finished", "sqlite")
        )
        active = sa.select(*_WORKED).where(
            sa.text(ACTIVE), Ticket.merged_into_id.is_(None), *cut.where()
        )
        self.rows = sa.union_all(done, active).subquery("worked")

    @property
    def created(self) -> Condition:
        """Came in within the period."""
        return sa.and_(self.rows.c.created_at >= self.start, self.rows.c.created_at < self.end)

    @property
    def resolved(self) -> Condition:
        """Was resolved (or closed at once) within the period, and was not opened again since."""
        row = self.rows.c
        return sa.and_(
            row.finished_at >= self.start,
            row.finished_at < self.end,
            row.status != Status.CANCELLED,
        )

    def open_at(self, moment: datetime) -> Condition:
        """Waited for somebody at *moment*, which is *start* or later."""
        row = self.rows.c
        return sa.and_(
            row.created_at < moment,
            sa.or_(row.finished_at.is_(None), row.finished_at >= moment),
            row.id.not_in(resting(moment)),
        )

    @property
    def state(self) -> sa.ColumnElement[int | None]:
        """The status at the period's end of a ticket that was open within it; else null.

        A number of `CODES`.
        """
        row, end = self.rows.c, self.end
        throughout = sa.select(Reopening.ticket_id).where(
            Reopening.finished_at < self.start, Reopening.reopened_at >= end
        )
        done = sa.case(
            (row.status == Status.CANCELLED, CODES[Status.CANCELLED]),
            (row.closed_at < end, CODES[Status.CLOSED]),
            else_=CODES[Status.RESOLVED],
        )
        return sa.case(
            (row.created_at >= end, None),
            (row.finished_at < end, done),
            (row.id.in_(throughout), None),
            (row.id.in_(resting(end)), self._rested()),
            else_=sa.func.coalesce(self._was(), self._is()),
        )

    def _rested(self) -> Any:
        """The status of a ticket that was done then, and is not any more."""
        closed = sa.case(
            (Reopening.was_status == Status.CANCELLED, CODES[Status.CANCELLED]),
            (Reopening.closed_at < self.end, CODES[Status.CLOSED]),
            else_=CODES[Status.RESOLVED],
        )
        its = sa.select(closed).where(
            Reopening.ticket_id == self.rows.c.id,
            Reopening.finished_at < self.end,
            Reopening.reopened_at >= self.end,
        )
        return its.order_by(Reopening.id).limit(1).scalar_subquery()

    def _was(self) -> Any:
        """The open status that it left first after the period, if it did."""
        words = {status.label: CODES[status] for status in ACTIVE_STATUSES}
        left = sa.select(sa.case(words, value=TicketEvent.from_value)).where(
            sa.text("ticket_event.kind = 'status'"),
            TicketEvent.ticket_id == self.rows.c.id,
            TicketEvent.created_at >= self.end,
            TicketEvent.from_value.in_(list(words)),
        )
        in_order = left.order_by(TicketEvent.created_at, TicketEvent.id)
        return in_order.limit(1).scalar_subquery()

    def _is(self) -> Any:
        """The status now, of one that is open; what was imported as done has no history."""
        codes = {status.value: CODES[status] for status in ACTIVE_STATUSES}
        status = sa.type_coerce(self.rows.c.status, sa.String)
        return sa.case(codes, value=status, else_=CODES[Status.OPEN])


def resting(moment: datetime) -> sa.Select[int]:
    """Ids of tickets that were done at *moment*, and were opened again later."""
    return sa.select(Reopening.ticket_id).where(
        Reopening.finished_at < moment, Reopening.reopened_at >= moment
    )


def resolved(start: datetime, end: datetime, cut: Cut) -> Any:
    """Tickets that were resolved within the period and are so still: `Worked.resolved` alone."""
    found = sa.select(*_WORKED).where(
        sa.text(FINISHED),
        Ticket.finished_at >= start,
        Ticket.finished_at < end,
        Ticket.status != Status.CANCELLED,
        *cut.where(),
    )
    return found.with_hint(Ticket, "INDEXED BY ix_ticket_finished", "sqlite").subquery("resolved")


def answered(start: datetime, end: datetime, cut: Cut) -> Any:
    """Tickets whose first response was given within the period, as a subquery."""
    found = sa.select(*_ANSWERED).where(
        sa.text(ANSWERED),
        Ticket.first_response_at >= start,
        Ticket.first_response_at < end,
        *cut.where(),
    )
    return found.with_hint(Ticket, "INDEXED BY ix_ticket_answered", "sqlite").subquery("answered")


def decided(start: datetime, end: datetime, cut: Cut) -> Any:
    """SLA clocks that were met, or told as missed, within the period, as a subquery."""

    def clocks(is_met: int, index: str, *when: Any) -> Any:
        return (
            sa.select(
                SlaClock.id,
                SlaClock.ticket_id,
                SlaClock.target,
                sa.literal(is_met).label("is_met"),
                *DIMENSION_COLUMNS.values(),
            )
            .join(Ticket, Ticket.id == SlaClock.ticket_id)
            .where(*when, *COUNTED, *cut.where())
            .with_hint(SlaClock, f"INDEXED BY {index}", "sqlite")
            .with_hint(Ticket, "NOT INDEXED", "sqlite")
        )

    met = clocks(
        1,
        "ix_sla_clock_met",
        sa.text("sla_clock.state = 'met'"),
        SlaClock.stopped_at >= start,
        SlaClock.stopped_at < end,
    )
    missed = clocks(
        0,
        "ix_sla_clock_missed",
        sa.text("sla_clock.breached_at is not null"),
        SlaClock.breached_at >= start,
        SlaClock.breached_at < end,
    )
    return sa.union_all(met, missed).subquery("decided")


def reopened(start: datetime, end: datetime, cut: Cut) -> sa.Select[int]:
    """Ids of tickets that were solved within the period, and opened again at any time later."""
    return (
        sa.select(Reopening.ticket_id.label("id"))
        .join(Ticket, Ticket.id == Reopening.ticket_id)
        .where(
            Reopening.finished_at >= start,
            Reopening.finished_at < end,
            Reopening.was_status != Status.CANCELLED,
            *COUNTED,
            *cut.where(),
        )
        .with_hint(Ticket, "NOT INDEXED", "sqlite")
        .distinct()
    )


def solved_elsewhen(start: datetime, end: datetime, cut: Cut) -> sa.Select[int]:
    """Those of `reopened` that `resolved` does not have: open now, or done at another time."""
    return reopened(start, end, cut).where(
        sa.or_(
            Ticket.finished_at.is_(None),
            Ticket.finished_at < start,
            Ticket.finished_at >= end,
            Ticket.status == Status.CANCELLED,
        )
    )


def without_clock(ticket_id: Any, target: Target) -> Condition:
    """No clock of *target* was met or missed on the ticket: it is not compliant, nor late."""
    its = sa.select(SlaClock.id).where(
        SlaClock.ticket_id == ticket_id,
        SlaClock.target == target,
        SlaClock.state.in_((ClockState.MET, ClockState.BREACHED)),
    )
    return ~its.exists()

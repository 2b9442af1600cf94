"""How long tickets took: to their first response, and until they were resolved.

A resolution takes the time in which the ticket was on our side: what it waited for the customer
does not count, nor the time between being done and being opened again. Each duration is kept in
seconds that passed, and in those of the business hours of the ticket's SLA policy (all hours,
where it has none).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.core.db import db
from app.sla import queries
from app.sla.business_time import ALWAYS_OPEN, WorkingHours, business_time_between
from app.sla.targets import Target
from app.tickets.history_models import Reopening, TicketEvent
from app.tickets.models import STATUS_CHANGES, Ticket
from app.tickets.words import Status

Change = tuple[datetime, str]
"""When a ticket changed its status, and the label of the new one."""

WORKED_ON = (Status.NEW.label, Status.OPEN.label, Status.IN_PROGRESS.label)
_CHANGES = (
    sa.select(TicketEvent.created_at, TicketEvent.to_value)
    .where(TicketEvent.ticket_id == sa.bindparam("ticket_id"), sa.text(STATUS_CHANGES))
    .order_by(TicketEvent.created_at, TicketEvent.id)
)


def answered(ticket: Any) -> None:
    """Measure the first response, after it was given or taken back; no statement."""
    seconds = business_seconds = None
    if ticket.first_response_at is not None:
        span = [(ticket.created_at, ticket.first_response_at)]
        seconds, business_seconds = _seconds(span, _hours(ticket))
    ticket.first_response_seconds = seconds
    ticket.first_response_business_seconds = business_seconds


def finished(ticket: Any, changes: Iterable[Change], *, at: datetime) -> None:
    """The ticket is resolved, closed or cancelled; only what was resolved has a duration.

    Args:
        changes: of its status, oldest first.
    """
    ticket.finished_at = at
    seconds = business_seconds = None
    if ticket.status is not Status.CANCELLED:
        spans = worked_on(ticket.created_at, changes, until=at)
        seconds, business_seconds = _seconds(spans, _hours(ticket))
    ticket.resolution_seconds, ticket.resolution_business_seconds = seconds, business_seconds


def reopened(ticket: Any, was: Status, *, at: datetime) -> dict[str, Any] | None:
    """The ticket waits for somebody again.

    Returns:
        Columns of the `Reopening`; None where nothing is known of when it was done.
    """
    finished_at = ticket.finished_at
    ticket.finished_at = None
    ticket.resolution_seconds = ticket.resolution_business_seconds = None
    if finished_at is None:
        return None
    return {
        "ticket_id": ticket.id,
        "was_status": was,
        "finished_at": finished_at,
        "closed_at": ticket.closed_at,
        "reopened_at": at,
    }


def note_reopened(ticket: Ticket, was: Status, *, at: datetime) -> None:
    """Remember the span in which *ticket* was done; before its stamps are cleared."""
    if columns := reopened(ticket, was, at=at):
        db.session.add(Reopening(**columns))


def changes_of(ticket_id: int) -> list[Change]:
    """Changes of a ticket's status, oldest first; one statement."""
    found = db.session.execute(_CHANGES, {"ticket_id": ticket_id})
    return [(at, label or "") for at, label in found]


def worked_on(
    start: datetime, changes: Iterable[Change], *, until: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """The spans in which it was on our side, from *start* on."""
    since: datetime | None = start
    for at, label in changes:
        if label in WORKED_ON:
            since = since or at
        elif since is not None:
            yield since, min(at, until)
            since = None
    if since is not None:
        yield since, until


def _seconds(spans: Iterable[tuple[datetime, datetime]], hours: WorkingHours) -> tuple[int, int]:
    found = list(spans)
    passed = sum((max(end - start, timedelta()) for start, end in found), timedelta())
    if hours.is_always_open:
        return round(passed.total_seconds()), round(passed.total_seconds())
    open_time = (business_time_between(start, end, hours) for start, end in found)
    return round(passed.total_seconds()), round(sum(open_time, timedelta()).total_seconds())


def _hours(ticket: Any) -> WorkingHours:
    for clock in ticket.clocks:
        if clock.target is Target.RESOLUTION:
            return queries.terms(clock.terms_id).hours
    return ALWAYS_OPEN

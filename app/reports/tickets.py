"""The very tickets that a number counts, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import MAIN_ADDRESS, Organization, Person
from app.core.db import db
from app.reports.cuts import Cut
from app.reports.measures import Measure
from app.reports.periods import Period
from app.search.conditions import unindexed
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import Priority, Status, Target
from app.web import words

ROWS = 50


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a list, in words.

    ``clock`` says which target it is about, where clocks are counted, and ``was_met`` how it
    ended; ``id`` is the clock's then.
    """

    id: int
    number: str
    subject: str
    status: Status
    priority: Priority
    requester: str
    organization: str
    assignee: str
    created_text: str
    created_iso: str
    created_title: str
    response: str
    resolution: str
    clock: str = ""
    was_met: bool = False


def count(measure: Measure, period: Period, cut: Cut) -> int:
    """How many there are; one statement."""
    found = measure.find(period.start, period.end, cut).subquery()
    return db.session.scalar(sa.select(sa.func.count()).select_from(found)) or 0


def ids(
    measure: Measure, period: Period, cut: Cut, *, before: int = 0, most: int | None = None
) -> sa.Select[Any]:
    """What a measure counts, newest first: ``id`` and ``ticket_id``, from below an id on."""
    found = measure.find(period.start, period.end, cut).subquery("counted")
    # Sorted, not walked: SQLite would else read all tickets backwards until it has some.
    rows = sa.select(found.c.id, found.c.ticket_id).order_by(unindexed(found.c.id).desc())
    if before:
        rows = rows.where(unindexed(found.c.id) < before)
    return rows.limit(most) if most else rows


def page(
    measure: Measure,
    period: Period,
    cut: Cut,
    *,
    before: int,
    zone: ZoneInfo,
    now: datetime,
) -> tuple[list[Row], int]:
    """A page of the rows that a number counts, and where the next begins (0: there is none).

    Two statements.
    """
    wanted = ids(measure, period, cut, before=before, most=ROWS + 1)
    keys = db.session.execute(wanted).all()
    shown = keys[:ROWS]
    rows = _rows(measure, [key.ticket_id for key in shown], [key.id for key in shown])
    agents = directory.agents()
    found = []
    for key in shown:
        row = rows[key.id]
        agent = agents.get(row.assignee_id)
        found.append(
            Row(
                id=key.id,
                number=row.number,
                subject=row.subject,
                status=row.status,
                priority=row.priority,
                requester=row.requester,
                organization=row.organization,
                assignee=agent.name if agent else "Former agent" if row.assignee_id else "",
                created_text=words.moment(row.created_at, now, zone),
                created_iso=words.iso(row.created_at),
                created_title=words.exact(row.created_at, zone),
                response=duration(row.first_response_seconds),
                resolution=duration(row.resolution_seconds),
                clock=_clock(row) if measure.counts_clocks else "",
                was_met=measure.counts_clocks and row.breached_at is None,
            )
        )
    return found, shown[-1].id if len(keys) > ROWS else 0


def duration(seconds: float | None) -> str:
    """ "2 h 10 min"; "" where nothing was measured."""
    if seconds is None:
        return ""
    return words.duration(timedelta(seconds=seconds)) if seconds >= 60 else "under 1 min"


def _rows(measure: Measure, ticket_ids: Sequence[int], keys: Sequence[int]) -> dict[int, Any]:
    """What the lines show, by key: tickets, or clocks with their tickets; one statement."""
    columns = (
        Ticket.number,
        Ticket.subject,
        Ticket.status,
        Ticket.priority,
        Ticket.assignee_id,
        Ticket.created_at,
        Ticket.first_response_seconds,
        Ticket.resolution_seconds,
        sa.func.coalesce(sa.func.nullif(Person.name, ""), MAIN_ADDRESS, "").label("requester"),
        sa.func.coalesce(Organization.name, "").label("organization"),
    )
    people = sa.outerjoin(
        sa.outerjoin(Ticket, Person, Person.id == Ticket.requester_id),
        Organization,
        Organization.id == Person.organization_id,
    )
    if measure.counts_clocks:
        clock = (SlaClock.id, SlaClock.target, SlaClock.cycle, SlaClock.breached_at)
        of_clocks = sa.join(people, SlaClock, SlaClock.ticket_id == Ticket.id)
        found: Any = sa.select(*clock, *columns).select_from(of_clocks)
        found = found.where(SlaClock.id.in_(keys))
    else:
        found = sa.select(Ticket.id, *columns).select_from(people).where(Ticket.id.in_(ticket_ids))
    return {row.id: row for row in db.session.execute(found)}


def _clock(row: Any) -> str:
    if row.target is Target.NEXT_RESPONSE:
        return f"{row.target.label} {row.cycle}"
    return str(row.target.label)

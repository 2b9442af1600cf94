"""One row a ticket, as CSV: made in batches, so that a hundred thousand need no memory."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import MAIN_ADDRESS, Organization, Person
from app.core import csv_export
from app.core.db import db
from app.reports import cuts
from app.reports.cuts import Cut
from app.reports.measures import Measure
from app.reports.periods import Period
from app.tickets import catalog
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import ClockState, Target

BATCH = 500
HEAD = (
    *("Number", "Subject", "Status", "Priority", "Category", "Source", "Group", "Assignee"),
    *("Requester", "Address", "Organization", "Created", "First response", "Resolved", "Closed"),
    *("First response, minutes", "First response, business minutes"),
    *("Resolution, minutes", "Resolution, business minutes"),
    *("First response target", "Next response targets", "Resolution target"),
)
_ROWS = (
    sa.select(
        Ticket.id,
        Ticket.number,
        Ticket.subject,
        Ticket.status,
        Ticket.priority,
        Ticket.category_id,
        Ticket.source,
        Ticket.group_id,
        Ticket.assignee_id,
        sa.func.coalesce(Person.name, "").label("requester"),
        MAIN_ADDRESS.label("address"),
        Organization.name.label("organization"),
        Ticket.created_at,
        Ticket.first_response_at,
        Ticket.resolved_at,
        Ticket.closed_at,
        Ticket.first_response_seconds,
        Ticket.first_response_business_seconds,
        Ticket.resolution_seconds,
        Ticket.resolution_business_seconds,
    )
    .select_from(
        sa.outerjoin(
            sa.outerjoin(Ticket, Person, Person.id == Ticket.requester_id),
            Organization,
            Organization.id == Person.organization_id,
        )
    )
    .where(Ticket.id.in_(sa.bindparam("ids", expanding=True)))
)
_CLOCKS = sa.select(
    SlaClock.ticket_id, SlaClock.target, SlaClock.state, SlaClock.breached_at
).where(SlaClock.ticket_id.in_(sa.bindparam("ids", expanding=True)))


def lines(measure: Measure, period: Period, cut: Cut) -> Iterator[str]:
    """CSV of the tickets that a measure counts, newest first; times in the period's zone.

    Two statements for each `BATCH`; between them no transaction is open, so that a slow reader
    holds up nobody. What is exported is settled at the start.
    """
    return csv_export.lines(HEAD, _cells(_ids(measure, period, cut), period.zone))


def _ids(measure: Measure, period: Period, cut: Cut) -> array[int]:
    """Four bytes a ticket; one statement."""
    found = measure.find(period.start, period.end, cut).subquery("counted")
    statement = sa.select(found.c.ticket_id).distinct()
    rows = db.session.connection().execute(statement, execution_options={"yield_per": 5_000})
    ids = array("i", (row[0] for row in rows))
    return array("i", sorted(ids, reverse=True))


def _cells(ids: array[int], zone: ZoneInfo) -> Iterator[tuple[object, ...]]:
    for start in range(0, len(ids), BATCH):
        batch = list(ids[start : start + BATCH])
        names = {name: cuts.names(name) for name in ("agent", "group", "category")}
        outcomes = _outcomes(batch)
        rows = {row.id: row for row in db.session.connection().execute(_ROWS, {"ids": batch})}
        db.session.rollback()
        for ticket_id in batch:
            if row := rows.get(ticket_id):
                yield _line(row, outcomes, names, zone)


def _line(
    row: Any,
    outcomes: dict[tuple[int, Target], str],
    names: dict[str, dict[str, str]],
    zone: ZoneInfo,
) -> tuple[object, ...]:
    durations = (
        row.first_response_seconds,
        row.first_response_business_seconds,
        row.resolution_seconds,
        row.resolution_business_seconds,
    )
    return (
        *(row.number, row.subject, row.status.label, row.priority.label),
        catalog.categories()[row.category_id].name,
        cuts.SOURCES[row.source],
        names["group"].get(str(row.group_id), "") if row.group_id else "",
        _assignee(row.assignee_id),
        *(row.requester, row.address, row.organization),
        _time(row.created_at, zone),
        _time(row.first_response_at, zone),
        _time(row.resolved_at, zone),
        _time(row.closed_at, zone),
        *(None if seconds is None else round(seconds / 60, 1) for seconds in durations),
        *(outcomes.get((row.id, target), "") for target in Target),
    )


def _assignee(assignee_id: int | None) -> str:
    if assignee_id is None:
        return ""
    card = directory.agents().get(assignee_id)
    return card.name if card else "Former agent"


def _outcomes(ids: list[int]) -> dict[tuple[int, Target], str]:
    """Met, missed or neither yet, by ticket and target; one clock missed is missed."""
    found: dict[tuple[int, Target], str] = {}
    for clock in db.session.connection().execute(_CLOCKS, {"ids": ids}):
        key = (clock.ticket_id, clock.target)
        if clock.breached_at is not None:
            found[key] = "missed"
        elif clock.state is ClockState.MET:
            found.setdefault(key, "met")
    return found


def _time(moment: datetime | None, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).isoformat(sep=" ", timespec="seconds") if moment else ""

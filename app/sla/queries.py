"""Policies and terms from the process cache; a statement only after somebody changed them."""

from __future__ import annotations

from collections import defaultdict
from datetime import date

import sqlalchemy as sa

from app.core.cache import forget_stamp, reference
from app.core.db import db
from app.sla.business_time import ALWAYS_OPEN, CalendarError, WorkingHours
from app.sla.models import Calendar, CalendarInterval, Holiday, SlaEscalation, SlaPolicy, SlaTerms
from app.sla.targets import Escalation, Policy, Target, Terms


def active_policies() -> tuple[Policy, ...]:
    """The active policies by position."""
    return reference("sla_policies", _load_policies)


def terms(terms_id: int) -> Terms:
    """The terms that a clock refers to. KeyError for an unknown id."""
    known = reference("sla_terms", _load_terms)
    if terms_id not in known:  # written since this request or job began
        forget_stamp()
        known = reference("sla_terms", _load_terms)
    return known[terms_id]


def terms_id(wanted: Terms) -> int:
    """The id of the row that keeps *wanted*, written where these terms are used the first time.

    Costs no statement otherwise; the first use needs a transaction that writes.
    """
    digest = wanted.digest
    known = reference("sla_terms_ids", _load_terms_ids).get(digest)
    if known is not None:
        return known
    try:
        with db.session.begin_nested():
            row = SlaTerms(digest=digest, content=wanted.to_json())
            db.session.add(row)
            db.session.flush()
    except sa.exc.IntegrityError:  # another process was first
        return db.session.scalars(sa.select(SlaTerms.id).where(SlaTerms.digest == digest)).one()
    return row.id


def _load_terms() -> dict[int, Terms]:
    rows = db.session.execute(sa.select(SlaTerms.id, SlaTerms.content))
    return {row.id: Terms.from_json(row.content) for row in rows}


def _load_terms_ids() -> dict[str, int]:
    return {
        row.digest: row.id for row in db.session.execute(sa.select(SlaTerms.digest, SlaTerms.id))
    }


def _load_policies() -> tuple[Policy, ...]:
    """Five statements. A policy whose calendar makes no sense never opens, and so never matches."""
    hours = load_calendars()
    steps: dict[int, list[Escalation]] = defaultdict(list)
    for step in db.session.scalars(sa.select(SlaEscalation).order_by(SlaEscalation.position)):
        steps[step.policy_id].append(Escalation(step.kind.value, step.value, step.target))
    rows = db.session.scalars(
        sa.select(SlaPolicy).where(SlaPolicy.is_active).order_by(SlaPolicy.position, SlaPolicy.id)
    )
    return tuple(_policy(row, *hours[row.calendar_id], tuple(steps[row.id])) for row in rows)


def _policy(
    row: SlaPolicy, calendar: str, hours: WorkingHours, escalations: tuple[Escalation, ...]
) -> Policy:
    minutes = {
        Target.FIRST_RESPONSE: row.first_response_minutes,
        Target.NEXT_RESPONSE: row.next_response_minutes,
        Target.RESOLUTION: row.resolution_minutes,
    }
    promised = {target: value for target, value in minutes.items() if value}
    return Policy(
        Terms(row.id, row.name, calendar, promised, hours, escalations),
        priorities=frozenset(row.priorities),
        categories=frozenset(row.categories),
        tiers=frozenset(row.tiers),
        groups=frozenset(row.groups),
        sources=frozenset(row.sources),
    )


def load_calendars() -> dict[int, tuple[str, WorkingHours]]:
    """Name and hours of each calendar, by id; three statements."""
    intervals: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for part in db.session.scalars(sa.select(CalendarInterval)):
        intervals[part.calendar_id].append((part.weekday, part.start_minute, part.end_minute))
    holidays: dict[int, list[date]] = defaultdict(list)
    for holiday in db.session.execute(sa.select(Holiday.calendar_id, Holiday.day)):
        holidays[holiday.calendar_id].append(holiday.day)
    found = {}
    for calendar in db.session.scalars(sa.select(Calendar)):
        hours = ALWAYS_OPEN
        if not calendar.is_always:
            try:
                hours = WorkingHours.from_intervals(
                    calendar.time_zone, intervals[calendar.id], holidays[calendar.id]
                )
            except CalendarError:
                hours = WorkingHours(week=((),) * 7)
        found[calendar.id] = (calendar.name, hours)
    return found

"""SLA policies and calendars, as a supervisor changes them. They bind later tickets only."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.core import audit, ordering
from app.core.audit import Actor, Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.unique import unique
from app.sla.business_time import (
    ALWAYS_OPEN,
    MINUTES_A_DAY,
    CalendarError,
    WorkingHours,
    add_business_time,
)
from app.sla.models import (
    Calendar,
    CalendarInterval,
    EscalationKind,
    Holiday,
    SlaEscalation,
    SlaPolicy,
)
from app.sla.queries import load_calendars
from app.sla.targets import Target
from app.web.words import DAYS

MOST_STEPS = 6
MOST_HOLIDAYS = 1_000
LONGEST_TARGET = 10 * 365 * MINUTES_A_DAY

Names = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Step:
    """An escalation as it was typed; fields as in `models.SlaEscalation`."""

    kind: EscalationKind
    value: str = ""
    target: Target | None = None


@dataclass(frozen=True, slots=True)
class PolicyDraft:
    """A policy as it was typed; fields as in `models.SlaPolicy`."""

    name: str
    description: str
    is_active: bool
    calendar_id: int | None
    priorities: list[str]
    categories: list[int]
    tiers: list[str]
    groups: list[int]
    sources: list[str]
    first_response_minutes: int
    next_response_minutes: int | None
    resolution_minutes: int
    steps: tuple[Step, ...] = ()


def save_policy(
    policy: SlaPolicy | None,
    draft: PolicyDraft,
    *,
    groups: Names,
    categories: Names,
    by: Actor,
    now: datetime,
) -> SlaPolicy:
    """Make a policy, which is asked last, or change one.

    Args:
        groups, categories: names by id, of those that there are.
    Raises:
        Invalid: no calendar, one in which a target never falls due, a step that leads nowhere or
            back to where it came from, or the name is taken.
    """
    before = policy_facts(policy, groups, categories) if policy else {}
    calendar = _calendar(draft, now)
    _check_steps(draft, groups)
    _refuse_circles(policy, draft, groups)
    with unique("name", "Another policy has this name."):
        if policy is None:
            last = sa.select(sa.func.coalesce(sa.func.max(SlaPolicy.position), 0))
            policy = SlaPolicy(position=db.session.scalars(last).one() + 1)
            db.session.add(policy)
        for name in (
            *("name", "description", "is_active", "priorities", "categories", "tiers", "groups"),
            *("sources", "first_response_minutes", "next_response_minutes", "resolution_minutes"),
        ):
            setattr(policy, name, getattr(draft, name))
        policy.calendar = calendar
        policy.escalations = [
            SlaEscalation(
                position=n,
                kind=step.kind,
                value=step.value,
                target=step.target.value if step.target else None,
            )
            for n, step in enumerate(draft.steps, start=1)
        ]
    after = policy_facts(policy, groups, categories)
    audit.note("SLA policy", policy.id, policy.name, before=before, after=after, by=by, now=now)
    return policy


def policy_facts(policy: SlaPolicy, groups: Names, categories: Names) -> Facts:
    """A policy in words."""
    named = {
        "Groups": [groups.get(i, f"group {i}") for i in policy.groups],
        "Categories": [categories.get(i, f"category {i}") for i in policy.categories],
        "Priorities": policy.priorities,
        "Tiers": policy.tiers,
        "Sources": policy.sources,
    }
    steps = (step_words(step, groups) for step in policy.escalations)
    return {
        "Name": policy.name,
        "Description": policy.description,
        "In use": "yes" if policy.is_active else "no",
        "Calendar": policy.calendar.name,
        **{key: ", ".join(values) or "all" for key, values in named.items()},
        "First response": span(policy.first_response_minutes),
        "Next response": span(policy.next_response_minutes),
        "Resolution": span(policy.resolution_minutes),
        "Escalations": "; ".join(steps),
    }


def step_words(step: SlaEscalation, groups: Names) -> str:
    """ "Resolution: move to Second level"."""
    when = Target(step.target).label if step.target else "Any target"
    match step.kind:
        case EscalationKind.RAISE_PRIORITY:
            what = f"raise the priority to {step.value}" if step.value else "raise the priority"
        case EscalationKind.REASSIGN_GROUP:
            group = groups.get(int(step.value), "a group that is gone")
            what = f"move to {group}"
        case EscalationKind.ADD_TAG:
            what = f"add the tag {step.value}"
    return f"{when}: {what}"


def span(minutes: int | None) -> str:
    """ "1 h 30 min", "90 min" as an admin types and reads it, "" for none."""
    if not minutes:
        return ""
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{n} {unit}" for n, unit in ((hours, "h"), (rest, "min")) if n)


def _calendar(draft: PolicyDraft, now: datetime) -> Calendar:
    """The draft's calendar, in which every target must fall due within ten years."""
    calendar = db.session.get(Calendar, draft.calendar_id or 0)
    if calendar is None:
        raise _wrong("calendar", "Choose a calendar: without one no target ever falls due.")
    hours = load_calendars()[calendar.id][1]
    for field in ("first_response", "next_response", "resolution"):
        minutes = getattr(draft, f"{field}_minutes")
        if minutes is None:
            continue
        try:
            if not 0 < minutes <= LONGEST_TARGET:
                raise _wrong(field, "Between one minute and ten years.")
            add_business_time(now, timedelta(minutes=minutes), hours)
        except CalendarError as error:
            raise _wrong("calendar", f"{calendar.name}: {error}") from None
    return calendar


def _check_steps(draft: PolicyDraft, groups: Names) -> None:
    if len(draft.steps) > MOST_STEPS:
        raise _wrong("steps", f"At most {MOST_STEPS} steps.")
    for step in draft.steps:
        if step.kind is EscalationKind.REASSIGN_GROUP:
            if not step.value.isdigit() or int(step.value) not in groups:
                raise _wrong("steps", "Choose the group that a ticket moves to.")
        elif step.kind is EscalationKind.ADD_TAG and not step.value:
            raise _wrong("steps", "Write the tag that is added.")


def _refuse_circles(policy: SlaPolicy | None, draft: PolicyDraft, groups: Names) -> None:
    """Refuse steps by which a ticket would come back to a group that it was moved from.

    An edge goes from each group that a policy is for to each group that it moves tickets to.
    """
    edges: dict[int, set[int]] = {}
    others = sa.select(SlaPolicy).where(SlaPolicy.is_active)
    for other in db.session.scalars(others):
        if policy is None or other.id != policy.id:
            steps = [step.value for step in other.escalations if _moves(step.kind)]
            _add_edges(edges, other.groups, steps)
    if draft.is_active:
        steps = [step.value for step in draft.steps if _moves(step.kind)]
        _add_edges(edges, draft.groups, steps)
        for start in draft.groups:
            way = _way_back(edges, start)
            if way:
                told = " → ".join(groups.get(group, "?") for group in way)
                raise _wrong("steps", f"These steps would send tickets in a circle: {told}.")


def _moves(kind: EscalationKind) -> bool:
    return kind is EscalationKind.REASSIGN_GROUP


def _add_edges(edges: dict[int, set[int]], sources: Iterable[int], targets: list[str]) -> None:
    for source in sources:
        edges.setdefault(source, set()).update(int(target) for target in targets)


def _way_back(edges: Mapping[int, set[int]], start: int) -> list[int]:
    """The way by which *start* is reached again, with it at both ends; [] where there is none."""
    ways = [[start]]
    seen: set[int] = set()
    while ways:
        way = ways.pop(0)
        for group in sorted(edges.get(way[-1], ())):
            if group == start:
                return [*way, start]
            if group not in seen:
                seen.add(group)
                ways.append([*way, group])
    return []


def save_calendar(
    calendar: Calendar | None,
    *,
    name: str,
    time_zone: str,
    is_always: bool,
    intervals: Sequence[tuple[int, int, int]],
    holidays: Mapping[dt.date, str],
    by: Actor,
    now: datetime,
) -> Calendar:
    """Make a calendar, or change one.

    Args:
        intervals: weekday (0 Monday) and minutes of the day, from and to; any number a day.
        holidays: names by day.
    Raises:
        Invalid: the name is taken, or it never opens while a policy uses it, or at all.
    """
    before = calendar_facts(calendar) if calendar else {}
    hours = _hours(time_zone, is_always, intervals, holidays)
    if calendar is not None:
        _refuse_too_little(calendar, hours, now)
    if len(holidays) > MOST_HOLIDAYS:
        raise _wrong("holidays", f"At most {MOST_HOLIDAYS:,} days.")
    with unique("name", "Another calendar has this name."):
        if calendar is None:
            calendar = Calendar()
            db.session.add(calendar)
        calendar.name = name
        calendar.time_zone = time_zone
        calendar.is_always = is_always
        week = () if is_always else hours.week
        calendar.intervals = [
            CalendarInterval(weekday=day, start_minute=start, end_minute=end)
            for day, spans in enumerate(week)
            for start, end in spans
        ]
        _set_holidays(calendar, {} if is_always else holidays)
    after = calendar_facts(calendar)
    audit.note("calendar", calendar.id, calendar.name, before=before, after=after, by=by, now=now)
    return calendar


def _set_holidays(calendar: Calendar, holidays: Mapping[dt.date, str]) -> None:
    """Keep the rows of days that stay: their key is the day itself."""
    kept = {row.day: row for row in calendar.holidays}
    calendar.holidays = [
        kept.get(day) or Holiday(day=day, name=name[:100]) for day, name in sorted(holidays.items())
    ]
    for row in calendar.holidays:
        row.name = holidays[row.day][:100]


def calendar_facts(calendar: Calendar) -> Facts:
    """A calendar in words."""
    days = sorted(calendar.holidays, key=lambda row: row.day)
    return {
        "Name": calendar.name,
        "Time zone": calendar.time_zone,
        "Open": "always" if calendar.is_always else week_words(calendar.intervals),
        "Holidays": ", ".join(f"{row.day.isoformat()} {row.name}".strip() for row in days),
    }


def week_words(intervals: Iterable[CalendarInterval]) -> str:
    """ "Monday to Friday 09:00-12:00 13:00-17:00; Saturday 09:00-12:00"."""
    by_day = ["", "", "", "", "", "", ""]
    for part in sorted(intervals, key=lambda part: (part.weekday, part.start_minute)):
        text = f"{minute_words(part.start_minute)}-{minute_words(part.end_minute)}"
        by_day[part.weekday] = f"{by_day[part.weekday]} {text}".strip()
    said, first = [], 0
    for day in range(7):
        if day < 6 and by_day[day + 1] == by_day[first]:
            continue
        if by_day[first]:
            days = DAYS[first] if first == day else f"{DAYS[first]} to {DAYS[day]}"
            said.append(f"{days} {by_day[first]}")
        first = day + 1
    return "; ".join(said) or "never"


def minute_words(minute: int) -> str:
    """ "09:00"; the day's end is "24:00"."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _hours(
    time_zone: str,
    is_always: bool,
    intervals: Sequence[tuple[int, int, int]],
    holidays: Iterable[dt.date],
) -> WorkingHours:
    if is_always:
        return ALWAYS_OPEN
    try:
        hours = WorkingHours.from_intervals(time_zone, intervals, holidays)
    except CalendarError as error:
        raise _wrong("time_zone", str(error)) from None
    if hours.never_opens:
        raise _wrong("monday", "This calendar never opens. Enter hours for at least one day.")
    return hours


def _refuse_too_little(calendar: Calendar, hours: WorkingHours, now: datetime) -> None:
    """Refuse hours in which a target of a policy that uses them would never fall due."""
    for policy in db.session.scalars(sa.select(SlaPolicy).where(SlaPolicy.calendar == calendar)):
        try:
            add_business_time(now, timedelta(minutes=policy.resolution_minutes), hours)
        except CalendarError:
            message = f"Too few hours: {policy.name} would take over ten years in them."
            raise _wrong("monday", message) from None


def refuse_last_calendar(calendar: Calendar) -> None:
    """A policy always has a calendar, so one stays.

    Raises:
        Conflict: *calendar* is the only one.
    """
    if db.session.scalars(sa.select(sa.func.count()).select_from(Calendar)).one() < 2:
        raise Conflict(f"{calendar.name} is the only calendar. Make another one first.")


def put_policies_in_order(ids: Sequence[int], *, by: Actor, now: datetime) -> None:
    """Ask the policies in the order of *ids*, the first one first.

    Raises:
        Conflict: somebody has made or deleted one meanwhile.
    """
    rows = db.session.scalars(sa.select(SlaPolicy).order_by(SlaPolicy.position, SlaPolicy.id))
    ordering.put_in_order(rows, ids, thing="SLA policy", name=lambda row: row.name, by=by, now=now)


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, {field: message})

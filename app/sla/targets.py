"""Which SLA policy a ticket gets, and when its targets fall due."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from app.sla.business_time import (
    ALWAYS_OPEN,
    HORIZON,
    CalendarError,
    WorkingHours,
    add_business_time,
    business_time_between,
)


class Target(StrEnum):
    """What a policy promises."""

    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"

    @property
    def label(self) -> str:
        """For people: "First response"."""
        return self.value.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class Escalation:
    """One step on a breach; fields as in `models.SlaEscalation`."""

    kind: str
    value: str = ""
    target: str | None = None


@dataclass(frozen=True)
class Terms:
    """What a policy promises and does, as it was when a ticket came under it."""

    policy_id: int
    policy: str  # its name
    calendar: str  # its name
    minutes: Mapping[Target, int]  # a target that is missing is not promised
    hours: WorkingHours = ALWAYS_OPEN
    escalations: tuple[Escalation, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything, in an order that makes equal terms equal JSON."""
        hours = {
            "zone": self.hours.zone,
            "week": [[list(interval) for interval in day] for day in self.hours.week],
            "holidays": sorted(day.isoformat() for day in self.hours.holidays),
        }
        return {
            "policy_id": self.policy_id,
            "policy": self.policy,
            "calendar": self.calendar,
            "minutes": {target.value: self.minutes[target] for target in sorted(self.minutes)},
            "hours": None if self.hours.is_always_open else hours,
            "escalations": [asdict(step) for step in self.escalations],
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `to_json`, by which equal terms are known."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Terms:
        """The reverse of `to_json`."""
        hours = ALWAYS_OPEN
        if kept := content["hours"]:
            week = tuple(tuple((start, end) for start, end in day) for day in kept["week"])
            holidays = frozenset(map(date.fromisoformat, kept["holidays"]))
            hours = WorkingHours(kept["zone"], week, holidays)
        return cls(
            content["policy_id"],
            content["policy"],
            content["calendar"],
            {Target(target): minutes for target, minutes in content["minutes"].items()},
            hours,
            tuple(Escalation(**step) for step in content["escalations"]),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """Terms and for which tickets they are. An empty condition matches all."""

    terms: Terms
    priorities: frozenset[str] = frozenset()
    categories: frozenset[int] = frozenset()
    tiers: frozenset[str] = frozenset()
    groups: frozenset[int] = frozenset()
    sources: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Facts:
    """What a ticket's policy is chosen by; the names are for people."""

    priority: str
    category_id: int | None
    tier: str
    group_id: int | None
    source: str
    category_name: str = ""
    group_name: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """When a clock is told to run out, and when it has."""

    warn_at: datetime
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Miss:
    """A policy that came first but was not taken, and why: "not for priority low"."""

    policy: str
    reason: str


@dataclass(frozen=True, slots=True)
class Choice:
    """The terms for a ticket (None: no policy fits) and the policies that missed before them."""

    terms: Terms | None
    due: Mapping[Target, Due] = field(default_factory=dict)  # of each promised target, from start
    missed: tuple[Miss, ...] = ()


Pause = tuple[datetime, datetime]


def choose(
    policies: Iterable[Policy], facts: Facts, *, start: datetime, warning_percent: int
) -> Choice:
    """The terms of the first of *policies* (active, by position) whose conditions all match.

    A policy whose calendar opens too little for it to fall due is passed over: a mistake there
    must not keep tickets out.

    Args:
        start: from when its targets count.
        warning_percent: how much of a target is used up at its warning point.
    """
    missed: list[Miss] = []
    for policy in policies:
        reason = _mismatch(policy, facts)
        if reason is None:
            terms = policy.terms
            try:
                due = {
                    target: due_times(start, minutes, terms.hours, warning_percent=warning_percent)
                    for target, minutes in terms.minutes.items()
                }
            except CalendarError as error:
                reason = str(error)
            else:
                return Choice(terms, due, tuple(missed))
        missed.append(Miss(policy.terms.policy, reason))
    return Choice(None, missed=tuple(missed))


def _mismatch(policy: Policy, facts: Facts) -> str | None:
    """Why *policy* is not for such a ticket; None where it is."""
    if policy.priorities and facts.priority not in policy.priorities:
        return f"not for priority {facts.priority}"
    if policy.categories and facts.category_id not in policy.categories:
        return f"not for category {facts.category_name or 'none'}"
    if policy.tiers and facts.tier not in policy.tiers:
        return f"not for tier {facts.tier}"
    if policy.groups and facts.group_id not in policy.groups:
        return f"not for group {facts.group_name or 'none'}"
    if policy.sources and facts.source not in policy.sources:
        return f"not for source {facts.source}"
    return None


def due_times(
    start: datetime,
    minutes: int,
    hours: WorkingHours,
    *,
    pauses: Iterable[Pause] = (),
    now: datetime | None = None,
    warning_percent: int,
) -> Due:
    """When a target of *minutes* counted from *start* is near and past, moved by its pauses.

    Args:
        pauses: spans that ended; what of them was open time does not count.
        now: gives old clocks as much room to the horizon as new ones.
    Raises:
        CalendarError: as `add_business_time`.
    """
    paused = sum(
        (business_time_between(since, until, hours) for since, until in pauses), timedelta(0)
    )
    target = timedelta(minutes=minutes)
    horizon = HORIZON + max(timedelta(0), now - start) if now else HORIZON
    due_at = add_business_time(start, target + paused, hours, horizon=horizon)
    warn_after = target * warning_percent / 100 + paused
    return Due(add_business_time(start, warn_after, hours, horizon=horizon), due_at)

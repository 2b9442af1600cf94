"""What stands around every page of the desk: views with counts, groups, and oneself."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request

from app.accounts import directory
from app.accounts.access import current_person
from app.accounts.models import Person
from app.automation import alarms
from app.core.cache import for_seconds
from app.core.clock import utcnow
from app.core.db import db
from app.mail.alarms import Alarm
from app.routing.assignment import LOAD_OF_ONE
from app.search.counts import BUILT_IN, KEPT_SECONDS, ViewCount, rail_counts

PARTS = ("/reports/", "/desk/articles", "/help/")


@dataclass(frozen=True, slots=True)
class RailItem:
    """One link of the rail; ``count`` is in words ("12", "1,000+", "")."""

    label: str
    path: str
    icon: str
    count: str
    current: bool
    late: bool


@dataclass(frozen=True, slots=True)
class Me:
    """Who is signed in."""

    name: str
    initials: str
    hue: int
    presence: str
    presence_text: str
    is_supervisor: bool


@dataclass(frozen=True, slots=True)
class Rail:
    """All that the rail shows; its HTML is made from this, and kept."""

    views: tuple[RailItem, ...]
    groups: tuple[RailItem, ...]
    saved: tuple[RailItem, ...]
    part: str  # which of `PARTS` the page belongs to, ""
    me: Me


@dataclass(slots=True)
class DeskFrame:
    """For layouts/desk.html."""

    rail: Rail
    alarms: list[Alarm]


def desk_frame() -> DeskFrame:
    """The rail for whoever is signed in."""
    person = current_person()
    counts = rail_counts(person)
    here = request.args.get("view", "unresolved") if request.path == "/desk/" else ""

    def items(views: list[ViewCount]) -> tuple[RailItem, ...]:
        return tuple(
            RailItem(v.label, v.path, v.icon, v.count, v.key == here, _is_late(v)) for v in views
        )

    views = items(counts.views[: len(BUILT_IN)])
    saved = items(counts.views[len(BUILT_IN) :])
    told = alarms.recent(utcnow()) if person.is_admin else []
    part = next((path for path in PARTS if request.path.startswith(path)), "")
    rail = Rail(views, items(counts.groups), saved, part, _me(person))
    return DeskFrame(rail, told)


def _is_late(view: ViewCount) -> bool:
    """Whether the view's count is a warning."""
    return view.key == "overdue" and view.count != "0"


def _me(person: Person) -> Me:
    card = directory.agents()[person.id]
    load = for_seconds(f"load:{person.id}", KEPT_SECONDS, lambda: _load_of(person))
    state = person.presence.value.capitalize()
    return Me(
        name=card.name,
        initials=card.initials,
        hue=card.hue,
        presence=person.presence.value,
        presence_text=f"{state}, {load} of {card.max_tickets} tickets",
        is_supervisor=person.is_supervisor,
    )


def _load_of(person: Person) -> int:
    return db.session.scalar(LOAD_OF_ONE, {"agent_id": person.id}) or 0

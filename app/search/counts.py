"""The desk's views and how many tickets each holds: one capped statement, kept five seconds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.core.cache import for_seconds, reference
from app.core.clock import utcnow
from app.core.db import db
from app.search import conditions
from app.tickets import views as saved
from app.tickets.filters import TicketFilters, from_view
from app.tickets.models import Ticket
from app.tickets.words import ACTIVE_STATUSES, Status
from app.web import words

CAP = 1_000
KEPT_SECONDS = 5
ROWS = 25  # of a page of the desk
MOST_GROUPS = 30
MOST_SAVED = 40


@dataclass(frozen=True, slots=True)
class DeskView:
    """A named list of the desk; ``key`` is what `/desk/?view=` takes.

    ``change_path`` is of a saved view's form, "" where the viewer may not change it.
    """

    key: str
    label: str
    icon: str
    filters: TicketFilters
    change_path: str = ""

    @property
    def path(self) -> str:
        """Where it is."""
        return f"/desk/?view={self.key}"


@dataclass(frozen=True, slots=True)
class ViewCount:
    """A view with its count in words: "12", "1,000+"."""

    key: str
    label: str
    path: str
    icon: str
    count: str


@dataclass(frozen=True, slots=True)
class RailCounts:
    """All views of a person: the built-in and saved ones, and the groups."""

    views: list[ViewCount]
    groups: list[ViewCount]

    def text_of(self, key: str) -> str:
        """The count of one view, or ""."""
        return next((v.count for v in (*self.views, *self.groups) if v.key == key), "")


def _queue(**filters: Any) -> TicketFilters:
    """Filters with the desk's order: priority, then age."""
    return replace(TicketFilters(sort="priority", limit=ROWS), **filters)


BUILT_IN = (
    DeskView("mine", "Mine", "user", _queue(status=ACTIVE_STATUSES, assignee=("me",))),
    DeskView(
        "unassigned", "Unassigned", "inbox", _queue(status=ACTIVE_STATUSES, assignee=("none",))
    ),
    DeskView("unresolved", "Unresolved", "circle", _queue(status=ACTIVE_STATUSES)),
    DeskView(
        "overdue",
        "Overdue",
        "triangle-alert",
        _queue(status=ACTIVE_STATUSES, overdue=True, sort="next_due_at", order="asc"),
    ),
    DeskView("waiting", "Waiting on customer", "circle-pause", _queue(status=(Status.PENDING,))),
    DeskView("held", "Held mail", "mail", _queue(held=True)),
)
# Reachable by its address and from links, without a count in the rail.
ALL = DeskView("all", "All tickets", "layout-list", _queue(sort="updated_at"))


def view_of(key: str, viewer: Person) -> DeskView | None:
    """The view of a key, as *viewer* has it; None for what is unknown or not theirs."""
    rail = _rail(viewer)
    return next((v for v in (*rail.views, *rail.groups, ALL) if v.key == key), None)


def rail_counts(viewer: Person) -> RailCounts:
    """Every view of *viewer* with its count; at most one statement in five seconds."""
    rail = _rail(viewer)
    key = f"rail-counts:{viewer.id}:{rail.serial}"
    counts = for_seconds(key, KEPT_SECONDS, lambda: _count(rail, utcnow()))

    def counted(views: tuple[DeskView, ...]) -> list[ViewCount]:
        return [ViewCount(v.key, v.label, v.path, v.icon, counts[v.key]) for v in views]

    return RailCounts(counted(rail.views), counted(rail.groups))


_serial = count()  # tells counts of former views apart


@dataclass(frozen=True, slots=True)
class _Rail:
    """The views of one person and the statement that counts them."""

    views: tuple[DeskView, ...]
    groups: tuple[DeskView, ...]
    statement: sa.CompoundSelect[Any]
    values: dict[str, Any]
    serial: int


def _rail(viewer: Person) -> _Rail:
    return reference(f"rail:{viewer.id}", lambda: _prepare(viewer))


def _prepare(viewer: Person) -> _Rail:
    """Build what changes only with reference data: views, groups and the statement."""
    views, groups = (*BUILT_IN, *_saved(viewer)), _groups(viewer)
    parts: list[sa.Select[str, int]] = []
    values: dict[str, Any] = {}
    for place, view in enumerate((*views, *groups)):
        found = conditions.select_for(view.filters, viewer=viewer, now=utcnow())
        suffix = f"_{place}"
        rows = sa.select(sa.literal(1)).select_from(Ticket)
        rows = rows.where(*conditions.where(found.counted_shape, suffix)).limit(CAP + 1)
        if found.count_hint:
            rows = rows.with_hint(Ticket, found.count_hint, "sqlite")
        counted = sa.func.count().label("found")
        parts.append(
            sa.select(sa.literal(view.key).label("key"), counted).select_from(rows.subquery())
        )
        values |= {f"{name}{suffix}": value for name, value in found.values.items()}
    return _Rail(views, groups, sa.union_all(*parts), values, next(_serial))


def _count(rail: _Rail, now: datetime) -> dict[str, str]:
    times = {name: now for name in rail.values if name.startswith("now_")}
    rows = db.session.execute(rail.statement, rail.values | times)
    return {row.key: words.capped(row.found, CAP) for row in rows}


def _groups(viewer: Person) -> tuple[DeskView, ...]:
    """The groups of *viewer*; all that they may see where they have none or supervise."""
    hidden = hidden_group_ids(viewer)
    cards = [card for card in directory.groups().values() if card.id not in hidden]
    own = [card for card in cards if viewer.id in card.member_ids]
    shown = cards if viewer.is_supervisor or not own else own
    return tuple(
        DeskView(
            f"group-{card.id}",
            card.name,
            "lock" if card.is_private else "users",
            _queue(status=ACTIVE_STATUSES, group=(str(card.id),)),
        )
        for card in shown[:MOST_GROUPS]
    )


def _saved(viewer: Person) -> tuple[DeskView, ...]:
    """Views that *viewer* saved, that their groups have, or that everybody has; one statement."""
    return tuple(
        DeskView(
            saved.key(row.id),
            row.name,
            "tag",
            from_view(row.filters, limit=ROWS),
            saved.path(row.id) if saved.may_change(row, viewer) else "",
        )
        for row in db.session.execute(saved.seen_by(viewer).limit(MOST_SAVED))
    )

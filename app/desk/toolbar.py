"""The queue's toolbar: its order, and filters as chips."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from flask import get_template_attribute
from markupsafe import Markup

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.directory import zone_of
from app.accounts.models import Person
from app.core.cache import reference_for
from app.desk.menus import Choice
from app.search import counts
from app.tickets import catalog
from app.tickets.filters import TicketFilters
from app.tickets.words import ACTIVE_STATUSES, Priority, Source, Status

QUEUE = "/desk/"
NEW_VIEW = "/desk/views/new"
FLAGS = (("overdue", "Overdue"), ("held", "With held mail"))
UNRESOLVED = {status.value for status in ACTIVE_STATUSES}


@dataclass(slots=True)
class Filter:
    """A chip of the toolbar, edited in its own popover."""

    name: str
    label: str
    text: str
    active: bool
    kind: str
    choices: list[Choice] = field(default_factory=list)
    value: str = ""
    after: str = ""
    before: str = ""


@dataclass(slots=True)
class SortLink:
    """One order of the list."""

    label: str
    path: str
    current: bool


SORTS = (
    ("Priority, then age", "priority", "desc"),
    ("Next due", "next_due_at", "asc"),
    ("Last change", "updated_at", "desc"),
    ("Newest", "created_at", "desc"),
    ("Oldest", "created_at", "asc"),
)
# Orders that an address may ask for; offered to nobody, but named where they hold.
RARE_SORTS = (
    ("Lowest priority", "priority", "asc"),
    ("Last due", "next_due_at", "desc"),
    ("Longest unchanged", "updated_at", "asc"),
    ("Resolution due", "due_at", "asc"),
    ("Resolution due last", "due_at", "desc"),
)


def toolbar(filters: TicketFilters, view: counts.DeskView, person: Person) -> Markup:
    """The toolbar of *view*, narrowed by *filters*; kept while reference data stays as it is."""
    narrowed = replace(filters, page=1, cursor="")

    def make() -> Markup:
        fixed = {"view": view.key}
        if (narrowed.sort, narrowed.order) != (view.filters.sort, view.filters.order):
            fixed |= {"sort": narrowed.sort, "order": narrowed.order}
        is_view = narrowed.narrowing == view.filters.narrowing
        html: Markup = get_template_attribute("desk/_filters.html", "toolbar")(
            _sorts(narrowed, view),
            _chips(narrowed, view.filters, person),
            fixed,
            "" if is_view else view.path,
            _saving(narrowed, view),
        )
        return html

    return reference_for(("toolbar", person.id, view, narrowed), make)


def in_words(filters: TicketFilters, person: Person) -> list[tuple[str, str]]:
    """Each filter that is set: its name (`covered` says of which fields), and itself in words."""
    chips = _chips(filters, TicketFilters(), person)
    set_ones = [(chip.name, f"{chip.label}: {chip.text}") for chip in chips if chip.active]
    return [*set_ones, *((name, words) for name, words in FLAGS if getattr(filters, name))]


def covered(name: str) -> tuple[str, ...]:
    """The fields of `TicketFilters` that the chip *name* sets."""
    return (f"{name}_after", f"{name}_before") if name in ("created", "due") else (name,)


def _saving(filters: TicketFilters, view: counts.DeskView) -> list[tuple[str, str, str]]:
    """Where the list as it stands becomes a view: words, path and icon of each link."""
    changes = filters.to_query(view.filters)
    if not changes:
        return [("Edit view", view.change_path, "pencil")] if view.change_path else []
    links = [("Save as view", f"{NEW_VIEW}?view={view.key}&{changes}", "plus")]
    if view.change_path:
        links.append(("Change view", f"{view.change_path}?{changes}", "pencil"))
    return links


def _sorts(filters: TicketFilters, view: counts.DeskView) -> list[SortLink]:
    now = (filters.sort, filters.order)
    return [
        SortLink(
            label,
            f"{QUEUE}?view={view.key}&{filters.to_query(view.filters, sort=sort, order=order)}",
            now == (sort, order),
        )
        for label, sort, order in (*SORTS, *(rare for rare in RARE_SORTS if now == rare[1:]))
    ]


def _chips(filters: TicketFilters, base: TicketFilters, person: Person) -> list[Filter]:
    """The toolbar's chips; no statement."""
    hidden, zone = hidden_group_ids(person), zone_of(person)
    agents = [card for card in directory.agents().values() if card.is_active]
    groups = [card for card in directory.groups().values() if card.id not in hidden]
    categories = catalog.active_categories()
    chips = [
        _choices("status", "Status", filters, base, [(s.value, s.label) for s in Status]),
        _choices("priority", "Priority", filters, base, [(p.value, p.label) for p in Priority]),
        _choices(
            "assignee",
            "Assignee",
            filters,
            base,
            [("me", "Me"), ("none", "Nobody"), *((str(a.id), a.name) for a in agents)],
        ),
        _choices("category", "Category", filters, base, [(c.key, c.name) for c in categories]),
    ]
    if groups or filters.group:
        found = [("none", "No group"), *((str(g.id), g.name) for g in groups)]
        chips.append(_choices("group", "Group", filters, base, found))
    chips += [
        _text("tag", "Tag", ", ".join(filters.tag)),
        _text("requester", "Requester", ", ".join(filters.requester)),
        _choices(
            "source", "Source", filters, base, [(s.value, s.value.capitalize()) for s in Source]
        ),
        _dates("created", "Created", filters.created_after, filters.created_before, zone),
        _dates("due", "Due", filters.due_after, filters.due_before, zone),
        _text("q", "Text", filters.q),
    ]
    return chips


def _choices(
    name: str,
    label: str,
    filters: TicketFilters,
    base: TicketFilters,
    options: list[tuple[str, str]],
) -> Filter:
    chosen = {str(value) for value in getattr(filters, name)}
    choices = [Choice(value, text, value in chosen) for value, text in options]
    names = [choice.label for choice in choices if choice.selected]
    if others := len(chosen) - len(names):  # closed, gone, hidden from the viewer, by address
        names.append(f"{others} not listed")
    is_changed = getattr(filters, name) != getattr(base, name)
    text = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
    if chosen == UNRESOLVED:
        text = "not resolved"
    return Filter(name, label, text or "any", bool(names) or is_changed, "choices", choices)


def _text(name: str, label: str, value: str) -> Filter:
    return Filter(name, label, value or "any", bool(value), "text", value=value)


def _dates(name: str, label: str, after: Any, before: Any, zone: ZoneInfo) -> Filter:
    """Days in the viewer's zone, in which they come back."""
    first, last = (
        moment.astimezone(zone).date().isoformat() if moment else "" for moment in (after, before)
    )
    text = " to ".join(part or "…" for part in (first, last)) if first or last else "any time"
    return Filter(name, label, text, bool(first or last), "dates", after=first, before=last)

"""The queue and the search: lists of tickets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import directory
from app.accounts.access import agent_required, current_person, hidden_group_ids
from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.errors import Invalid
from app.desk.frame import viewer_zone
from app.desk.menus import Choice
from app.desk.ticket_routes import bp
from app.search import counts, lists
from app.tickets import catalog
from app.tickets.filters import TicketFilters, clean, from_query
from app.tickets.queries import NUMBER
from app.tickets.words import Priority, Source, Status

QUEUE, SEARCH = "/desk/", "/desk/search"


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
ORDERS = {"newest": "Newest first", "best": "Best first"}
EMPTY = {
    "mine": ("Nothing for you right now", "Tickets that are assigned to you will be here."),
    "unassigned": ("Everything has somebody", "Tickets that nobody holds will be here."),
    "unresolved": ("All done", "Tickets that wait for an answer will be here."),
    "overdue": ("Nothing is overdue", "Tickets that are past their due time will be here."),
    "waiting": ("No customer keeps you waiting", "Tickets that wait for a customer are here."),
    "held": ("No mail is held", "Mail from someone new that names a ticket waits here."),
}


@bp.get("/desk/")
@agent_required
def queue() -> ResponseReturnValue:
    """The list of a view, narrowed by filters."""
    person = current_person()
    view = counts.view_of(request.args.get("view", "unresolved"), person)
    if view is None:
        return redirect(QUEUE, 302)
    try:
        filters = from_query(
            request.args, base=view.filters, zone=viewer_zone(person), limit=counts.ROWS
        )
        problem = ""
    except Invalid as error:
        filters, problem = view.filters, error.message
    is_view = filters.narrowing == view.filters.narrowing
    total = counts.rail_counts(person).text_of(view.key) if is_view else None
    page = lists.list_tickets(
        filters,
        viewer=person,
        now=utcnow(),
        path=view.path,
        base=view.filters,
        total=total or None,
    )
    return render_template(
        "desk/index.html",
        title=view.label,
        total_text=page.total_text,
        rows=page.rows,
        page=page.page,
        filters=_chips(filters, view.filters, person),
        sorts=_sorts(filters, view),
        view=view.key,
        empty=_empty(view, is_view),
        clear_path="" if is_view else view.path,
        q=filters.q,
        problem=problem,
    ), (400 if problem else 200)


@bp.get("/desk/search")
@agent_required
def search() -> ResponseReturnValue:
    """Full text over everything that the agent may see; a whole number goes to its ticket."""
    person = current_person()
    text = request.args.get("q", "")
    if NUMBER.fullmatch(text.strip()):
        return redirect(f"/desk/tickets/{text.strip().upper()}", 302)
    text = clean(text)
    order = request.args.get("order", "newest")
    order = order if order in ORDERS else "newest"
    found, problem = None, ""
    if text:
        cursor = request.args.get("cursor", "")
        try:
            found = lists.search_tickets(
                text, viewer=person, now=utcnow(), order=order, cursor=cursor, path=SEARCH
            )
        except Invalid as error:
            problem = error.message
    orders = [
        SortLink(label, f"{SEARCH}?{urlencode({'q': text, 'order': key})}", key == order)
        for key, label in ORDERS.items()
    ]
    return render_template(
        "desk/search.html",
        q=text,
        rows=found.rows if found else [],
        page=found.page if found else None,
        total_text=f"{found.total_text} tickets" if found else "",
        orders=orders if found else [],
        problem=problem,
    ), (400 if problem else 200)


def _sorts(filters: TicketFilters, view: counts.DeskView) -> list[SortLink]:
    links = [
        SortLink(
            label,
            f"{QUEUE}?view={view.key}&{filters.to_query(view.filters, sort=sort, order=order)}",
            (filters.sort, filters.order) == (sort, order),
        )
        for label, sort, order in SORTS
    ]
    if not any(link.current for link in links):
        links[0].current = True
    return links


def _empty(view: counts.DeskView, is_view: bool) -> tuple[str, str]:
    if not is_view:
        return "Nothing fits", "No ticket of this view has all that the filters ask for."
    default = ("Nothing here", f"Tickets of {view.label} will be here.")
    return EMPTY.get(view.key, default)


def _chips(filters: TicketFilters, base: TicketFilters, person: Person) -> list[Filter]:
    """The toolbar's chips; no statement."""
    hidden, zone = hidden_group_ids(person), viewer_zone(person)
    agents = [card for card in directory.agents().values() if card.is_active]
    groups = [card for card in directory.groups().values() if card.id not in hidden]
    categories = [card for card in catalog.categories().values() if card.is_active]
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
    if groups:
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
    is_changed = getattr(filters, name) != getattr(base, name)
    text = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
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

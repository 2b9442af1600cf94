"""The queue and the search: lists of tickets."""

from __future__ import annotations

from functools import partial
from urllib.parse import urlencode

from flask import redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from app.accounts.access import agent_required, current_person
from app.accounts.directory import zone_of
from app.core.clock import utcnow
from app.core.errors import Invalid
from app.core.text import search_words
from app.desk.ticket_routes import bp
from app.desk.toolbar import QUEUE, SortLink, toolbar
from app.search import counts, lists
from app.tickets.filters import from_query
from app.tickets.queries import NUMBER

SEARCH = "/desk/search"
NEW_TICKET = "/desk/tickets/new"
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
    read = partial(from_query, base=view.filters, zone=zone_of(person), limit=counts.ROWS)
    try:
        filters, problem = read(request.args), ""
    except Invalid as error:  # the others narrow the list all the same
        sent = request.args.items(multi=True)
        right = [pair for pair in sent if pair[0] not in error.errors]
        filters, problem = read(MultiDict(right)), error.message
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
        toolbar=toolbar(filters, view, person),
        empty=_empty(view, is_view),
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
    text = search_words(text)
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
        orders=orders if found and found.rows else [],
        problem=problem,
    ), (400 if problem else 200)


def _empty(view: counts.DeskView, is_view: bool) -> tuple[str, str, str, str]:
    """Title and text of a list without tickets, and the way on: its path and its words."""
    if not is_view:
        text = "No ticket of this view has all that the filters ask for."
        return "Nothing fits", text, view.path, "Clear the filters"
    default = ("Nothing here", f"Tickets of {view.label} will be here.")
    on = (QUEUE, "Open Unresolved") if view.key != "unresolved" else (NEW_TICKET, "New ticket")
    return *EMPTY.get(view.key, default), *on

"""Merging a ticket with another one on the desk, and undoing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import directory
from app.accounts.access import agent_required, current_person
from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, DomainError, Invalid, NotFound
from app.core.text import search_words
from app.desk.ticket_routes import bp
from app.search import lists
from app.search.lists import TicketRow
from app.tickets import merging
from app.tickets.filters import TicketFilters
from app.tickets.merging import Outlook
from app.tickets.models import Ticket
from app.tickets.queries import NUMBER, get_visible
from app.tickets.words import ACTIVE_STATUSES

OFFERED = 10


@dataclass(frozen=True, slots=True)
class Ahead:
    """A merge as it would be: which ticket ends, which stays, and what happens."""

    merged: Ticket
    survivor: Ticket
    outlook: Outlook
    problem: str
    private_group: str  # the survivor's, which the merged ticket is not in yet

    @property
    def agreed(self) -> str:
        """The value of the box to tick: of whom somebody was told."""
        return ",".join(str(i) for i in sorted(self.outlook.strangers))


@bp.get("/desk/tickets/<number>/merges")
@agent_required
def choose_merge(number: str) -> ResponseReturnValue:
    """Choose the other ticket; then see what will happen."""
    person = current_person()
    ticket = get_visible(number, to=person)
    other = request.args.get("with", "").strip()
    if not other:
        return _choose(ticket, person)
    try:
        return _preview(ticket, get_visible(other, to=person), keep=request.args.get("keep", ""))
    except NotFound as error:
        return _choose(ticket, person, problem=error.message)


@bp.post("/desk/tickets/<number>/merges")
@agent_required
def merge(number: str) -> ResponseReturnValue:
    """Merge this ticket into another one."""
    person, into = current_person(), request.form.get("into", "").strip().upper()
    number = number.upper()
    merged, survivor = merging.lock_pair(number, into, by=person)
    try:
        merging.merge(merged, survivor, agreed=_agreed(), by=person, now=utcnow())
    except DomainError as error:
        db.session.rollback()
        merged, survivor = (get_visible(n, to=person) for n in (number, into))
        return _preview(merged, survivor, keep=into, problem=error.message, status=error.status)
    db.session.commit()
    flash(f"{number} is part of this ticket now. Its history has the way back.", "success")
    return redirect(f"/desk/tickets/{into}", 303)


@bp.post("/desk/tickets/<number>/merges/<int(max=2147483647):merge_id>/reversal")
@agent_required
def undo_merge(number: str, merge_id: int) -> ResponseReturnValue:
    """Make two tickets of one again."""
    person = current_person()
    done, merged, survivor = merging.find(merge_id, by=person)
    if number.upper() not in (merged.number, survivor.number):
        raise NotFound("There is no such merge, or it is not for you.")
    try:
        merging.undo(done, merged, survivor, by=person, now=utcnow())
    except Conflict as error:
        db.session.rollback()
        flash(error.message, "error")
        return redirect(f"/desk/tickets/{number.upper()}?tab=history", 303)
    db.session.commit()
    flash(f"{merged.number} is a ticket of its own again.", "success")
    return redirect(f"/desk/tickets/{merged.number}", 303)


def _agreed() -> list[int]:
    """Ids that the ticked box stands for."""
    text = request.form.get("agreed", "")[:10_000]
    return [int(part) for part in text.split(",") if part.isascii() and part.isdigit()]


def _choose(ticket: Ticket, person: Person, *, problem: str = "") -> ResponseReturnValue:
    """The same requester's open tickets first; or what a search finds."""
    text, now = search_words(request.args.get("q", "")), utcnow()
    if ticket.merged_into_id is not None:
        raise Conflict(f"{ticket.number} was merged already. Undo that first.")
    if NUMBER.fullmatch(text):
        return redirect(f"/desk/tickets/{ticket.number}/merges?with={text.upper()}", 302)
    theirs = TicketFilters(
        requester=(str(ticket.requester_id),), status=ACTIVE_STATUSES, limit=OFFERED + 1
    )
    own = lists.list_tickets(theirs, viewer=person, now=now, total="").rows
    found: list[TicketRow] = []
    if text:
        try:
            found = lists.search_tickets(text, viewer=person, now=now).rows
        except Invalid as error:
            problem = error.message
    page = render_template(
        "desk/merge.html",
        ticket=ticket,
        path=f"/desk/tickets/{ticket.number}",
        ahead=None,
        own=[row for row in own if row.id != ticket.id][:OFFERED],
        found=[row for row in found if row.id != ticket.id][:OFFERED],
        q=text,
        problem=problem,
    )
    return page, (404 if problem else 200)


def _preview(
    ticket: Ticket, other: Ticket, *, keep: str = "", problem: str = "", status: int = 200
) -> ResponseReturnValue:
    """What will happen. The older ticket stays, unless *keep* names the other."""
    merged, survivor = sorted((ticket, other), key=lambda t: t.id, reverse=True)
    if keep.upper() == merged.number:
        merged, survivor = survivor, merged
    if ticket.id == other.id:
        raise Conflict("A ticket cannot be merged into itself. Choose another one.")
    card = directory.groups().get(survivor.group_id or 0)
    is_new = card is not None and card.is_private and merged.group_id != survivor.group_id
    ahead = Ahead(
        merged,
        survivor,
        merging.outlook(merged, survivor),
        problem or merging.refusal(merged, survivor, now=utcnow()),
        card.name if card is not None and is_new else "",
    )
    context: dict[str, Any] = {
        "ticket": ticket,
        "path": f"/desk/tickets/{ticket.number}",
        "ahead": ahead,
        "problem": ahead.problem,
        "undo_days": merging.UNDO_DAYS,
    }
    return render_template("desk/merge.html", **context), status

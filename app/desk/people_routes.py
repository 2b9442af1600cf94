"""People who take part in a ticket: adding and removing them."""

from __future__ import annotations

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, DomainError, Invalid
from app.desk.forms import clean_line
from app.desk.ticket_routes import SHOW, bp, load, page_of
from app.tickets import participants
from app.tickets.queries import get_visible
from app.web.htmx import render, wants_fragment


@bp.post("/desk/tickets/<number>/participants")
@agent_required
def add_participant(number: str) -> ResponseReturnValue:
    """Let whoever has the typed address hear of public replies, and answer."""
    typed = clean_line(request.form.get("address"))[:300]
    ticket = get_visible(number, to=current_person(), lock=True)
    try:
        found = participants.addresses_of(typed)
        if not found:
            raise Invalid("Type a mail address.")
        for address in found:
            participants.add(ticket, address, by=current_person(), now=utcnow())
    except (Invalid, Conflict) as error:
        return _refused(number, error, typed)
    db.session.commit()
    names = "They take" if len(found) > 1 else f"{found[0]} takes"
    return _changed(number, f"{names} part now")


@bp.post("/desk/tickets/<number>/participants/<int(max=2147483647):person_id>/removal")
@agent_required
def remove_participant(number: str, person_id: int) -> ResponseReturnValue:
    """Let somebody hear and see no more of the ticket."""
    ticket = get_visible(number, to=current_person(), lock=True)
    try:
        name = participants.remove(ticket, person_id, by=current_person(), now=utcnow())
    except Conflict as error:
        return _refused(number, error, "")
    db.session.commit()
    return _changed(number, f"{name} takes part no more")


def _changed(number: str, notice: str) -> ResponseReturnValue:
    if not wants_fragment():
        flash(notice, "success")
        return redirect(f"/desk/tickets/{number.upper()}", 303)
    page = page_of(load(number), notice=notice)
    return render(SHOW, fragment="people", also=("recipients", "newest_event", "notice"), **page)


def _refused(number: str, error: DomainError, typed: str) -> ResponseReturnValue:
    db.session.rollback()
    page = page_of(load(number)) | {"people_problem": error.message, "typed_address": typed}
    if not wants_fragment():
        return render_template(SHOW, **page), error.status
    return render(SHOW, fragment="people", status=error.status, **page)

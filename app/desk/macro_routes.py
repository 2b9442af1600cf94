"""Macros in the composer: one click makes their changes and puts their reply there, unsent."""

from __future__ import annotations

from flask import flash, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError, Invalid
from app.core.paging import MOST_ID
from app.desk.forms import ReplyForm
from app.desk.ticket_routes import bp, load, talk_changed
from app.tickets import macros
from app.tickets.queries import get_visible
from app.web.htmx import wants_fragment
from app.web.security import reads_first, takes_files


@bp.post("/desk/tickets/<number>/macros")
@takes_files
@reads_first
@agent_required
def use_macro(number: str) -> ResponseReturnValue:
    """Use one; what was typed, and files that were chosen, stay in the composer."""
    person = current_person()
    form = ReplyForm()
    get_visible(number, to=person)  # before anything is kept on disk
    form.keep_files()
    begin_write()
    ticket = get_visible(number, to=person, lock=True)
    try:
        macro = macros.card(_id())
        macros.apply(macro, ticket, by=person, now=utcnow())
        reply = macros.fill(macro.reply, ticket, person)
        db.session.commit()
    except DomainError as error:
        db.session.rollback()
        form.body.errors = (error.message,)
        return talk_changed(load(number), "", reply=form, status=error.status)
    form.body.data = "\n\n".join(part for part in ((form.body.data or "").strip(), reply) if part)
    done = ", ".join(macros.words(macro.changes).values())
    notice = f"{macro.name}: {done}" if done else f"{macro.name} is in the composer"
    if not wants_fragment():
        flash(notice, "success")
    return talk_changed(load(number), notice, reply=form)


def _id() -> int:
    text = request.form.get("macro", "")
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("Choose a macro of the list.")
    return int(text)

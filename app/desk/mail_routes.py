"""A ticket's outgoing mail on the desk: taking a reply back."""

from __future__ import annotations

from flask import flash, redirect
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.clock import utcnow
from app.core.db import db
from app.desk.ticket_routes import bp, load, talk_changed
from app.tickets import undoing
from app.tickets.queries import get_visible
from app.web.htmx import wants_fragment

LARGEST = 2_147_483_647


@bp.post(f"/desk/tickets/<number>/comments/<int(max={LARGEST}):comment_id>/withdrawal")
@agent_required
def take_back(number: str, comment_id: int) -> ResponseReturnValue:
    """Take a reply back before it leaves; its text is in the composer again."""
    person = current_person()
    ticket = get_visible(number, to=person, lock=True)
    try:
        undoing.take_back(ticket, comment_id, by=person, now=utcnow())
    except undoing.TooLate as error:
        if wants_fragment():
            raise
        db.session.rollback()  # perhaps the second click of two: the page shows how it stands
        flash(error.message, "error")
    else:
        db.session.commit()
        done = "Taken back: the customer has not seen it"
        if wants_fragment():
            return talk_changed(load(number), done, focus=True)
        flash(done, "success")
    return redirect(f"/desk/tickets/{ticket.number}#reply-body", 303)

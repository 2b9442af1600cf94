"""A ticket's outgoing mail on the desk: replies taken back, mails that did not arrive."""

from __future__ import annotations

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.desk.ticket_routes import bp, load, talk_changed
from app.mail import failing, outbox
from app.mail.models import OutboundEmail
from app.tickets import undoing
from app.tickets.queries import get_visible
from app.tickets.timeline import record
from app.tickets.words import EventKind
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


@bp.post(f"/desk/tickets/<number>/mails/<int(max={LARGEST}):mail_id>/delivery")
@agent_required
def deliver(number: str, mail_id: int) -> ResponseReturnValue:
    """Try a mail again that did not arrive, or give it up."""
    person, now = current_person(), utcnow()
    ticket = get_visible(number, to=person, lock=True)
    mail = db.session.get(OutboundEmail, mail_id)
    if mail is None or mail.ticket_id != ticket.id:
        raise NotFound("This ticket has no such mail.")
    if request.form.get("decision") == "retry":
        did, done = "sends the mail to {} again", failing.try_again(mail, now=now)
    else:
        did, done = "gave up the mail to {}", outbox.discard(mail.id, now=now)
    if not done:
        raise Conflict("This mail has been sent, or is being sent just now. Look again.")
    told = f"{person.display_name} {did.format(mail.recipient)}"
    record(ticket, EventKind.MAIL_RETRIED, by=person, now=now, new=told)
    db.session.commit()
    flash("It is sent again" if "again" in did else "The mail is given up", "success")
    return redirect(f"/desk/tickets/{ticket.number}", 303)

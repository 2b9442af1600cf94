"""What agents decide about those who write: who asks, which address works, and what is spam."""

from __future__ import annotations

from flask import flash, redirect, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.accounts.models import PersonEmail
from app.channels import forwarding, returned_mail, spam
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.desk.ticket_routes import bp
from app.tickets import participants
from app.tickets.models import Ticket
from app.tickets.queries import get_visible


@bp.post("/desk/tickets/<number>/requester")
@agent_required
def decide_requester(number: str) -> ResponseReturnValue:
    """Whose ticket it is: of who wrote the forwarded mail, or of who forwarded it."""
    ticket, now = get_visible(number, to=current_person(), lock=True), utcnow()
    decision = request.form.get("decision")
    if decision == "accepted":
        done = forwarding.accept(ticket, by=current_person(), now=now)
    elif decision == "dismissed":
        done = forwarding.dismiss(ticket, by=current_person(), now=now)
    else:
        raise Invalid("Choose whose ticket it is.")
    return _done(ticket, done)


@bp.post("/desk/tickets/<number>/cleared-addresses")
@agent_required
def clear_address(number: str) -> ResponseReturnValue:
    """Mail an address of this ticket again, or another of the same person in its place."""
    ticket = get_visible(number, to=current_person(), lock=True)
    address = request.form.get("address", "").lower()
    theirs = {email.address for email in ticket.requester.emails}
    if address not in theirs | {one.address for one in participants.others(ticket.id)}:
        raise NotFound("Nobody with this address takes part in the ticket.")
    by, now = current_person(), utcnow()
    if other := request.form.get("other", ""):
        person = db.session.get_one(PersonEmail, address).person
        return _done(ticket, returned_mail.use_instead(person, address, other, by=by, now=now))
    again = request.form.get("missed") == "send"
    return _done(ticket, returned_mail.clear(address, send_again=again, by=by, now=now))


@bp.post("/desk/tickets/<number>/spam")
@agent_required
def mark_as_spam(number: str) -> ResponseReturnValue:
    """Cancel the ticket as spam, and read no more of its sender's mail."""
    ticket = get_visible(number, to=current_person(), lock=True)
    return _done(ticket, spam.mark(ticket, by=current_person(), now=utcnow()))


def _done(ticket: Ticket, notice: str) -> ResponseReturnValue:
    db.session.commit()
    flash(notice, "success")
    return redirect(f"/desk/tickets/{ticket.number}", 303)

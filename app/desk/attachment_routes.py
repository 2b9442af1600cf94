"""Files of tickets, for agents: those of internal notes as well."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.db import db
from app.core.errors import NotFound
from app.desk.ticket_routes import bp
from app.tickets import attachments
from app.tickets.models import Ticket
from app.tickets.queries import get_visible
from app.tickets.serving import serve


@bp.get("/desk/tickets/<number>/attachments/<int(max=2147483647):attachment_id>")
@bp.get("/desk/tickets/<number>/attachments/<int(max=2147483647):attachment_id>/<name>")
@agent_required
def attachment(number: str, attachment_id: int, name: str = "") -> ResponseReturnValue:
    """A file of a ticket that the agent may see; *name* is for people."""
    person = current_person()
    ticket = get_visible(number, to=person, deleted=person.is_supervisor)
    if ticket.merged_into_id is not None:  # its files went along
        survivor = db.session.get_one(Ticket, ticket.merged_into_id)
        ticket = get_visible(survivor.number, to=person, deleted=person.is_supervisor)
    file = attachments.find(ticket.id, attachment_id, with_internal=True)
    if file is None:
        raise NotFound("There is no such file.")
    return serve(file)

"""A mail with the pictures that only other servers have: on a page of its own, when asked for."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.desk.ticket_routes import bp
from app.tickets import messages
from app.tickets.queries import get_visible
from app.web.mail_page import mail_page


@bp.get("/desk/tickets/<number>/comments/description/pictures", defaults={"comment_id": None})
@bp.get("/desk/tickets/<number>/comments/<int(max=2147483647):comment_id>/pictures")
@agent_required
def pictures(number: str, comment_id: int | None) -> ResponseReturnValue:
    """All of a mail, remote pictures as well."""
    person = current_person()
    ticket = get_visible(number, to=person, deleted=person.is_supervisor)
    path = f"/desk/tickets/{ticket.number}"
    html, is_remote = messages.whole(ticket.id, comment_id, path, with_internal=True)
    return mail_page(html, ticket.number, ticket.subject, back=path, is_remote=is_remote)

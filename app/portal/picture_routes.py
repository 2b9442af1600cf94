"""A mail with the pictures that only other servers have: on a page of its own, when asked for."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.accounts.access import everyone
from app.portal.ticket_routes import bp
from app.portal.viewing import find_own
from app.tickets import messages
from app.web.mail_page import mail_page


@bp.get("/tickets/<number>/comments/description/pictures", defaults={"comment_id": None})
@bp.get("/tickets/<number>/comments/<int(max=2147483647):comment_id>/pictures")
@everyone
def pictures(number: str, comment_id: int | None) -> ResponseReturnValue:
    """All of a mail that the viewer may see, remote pictures as well."""
    own, _ = find_own(number)
    path = f"/tickets/{own.number}"
    html, is_remote = messages.whole(own.id, comment_id, path, with_internal=False)
    return mail_page(html, own.number, own.subject, back=path, is_remote=is_remote)

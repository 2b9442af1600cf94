"""Who looks at a customer's page: somebody signed in, or a guest whose link was traded."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Response, current_app, request

from app.accounts.access import person_or_none
from app.core.clock import utcnow
from app.core.errors import NotFound
from app.tickets import keys, portal_queries
from app.tickets.mail_models import TicketAccess
from app.tickets.portal_queries import OwnTicket, Viewer

COOKIE = "deskhand_ticket"


def find_own(number: str) -> tuple[OwnTicket, Viewer]:
    """The ticket of *number* and as whom this browser sees it: its account first, else its link.

    Raises:
        NotFound: unknown, deleted and foreign alike.
    """
    for viewer in _viewers():
        try:
            return portal_queries.show_own(number, to=viewer), viewer
        except NotFound:
            continue
    raise NotFound("There is no such ticket, or it is not for you.")


def remember_access(response: Response, number: str, access: TicketAccess) -> None:
    """Give the browser a cookie for this ticket alone, in place of the key in the link."""
    response.set_cookie(
        COOKIE,
        keys.cookie_value(access, now=utcnow()),
        max_age=keys.LIFETIME,
        path=f"/tickets/{number}",
        secure=current_app.config["SESSION_COOKIE_SECURE"],
        httponly=True,
        samesite="Lax",
    )


def _viewers() -> Iterator[Viewer]:
    person = person_or_none()
    if person is not None:
        yield Viewer(person)
    cookie = request.cookies.get(COOKIE, "")
    access = keys.open_cookie(cookie, now=utcnow()) if cookie else None
    if access is not None:
        viewer = Viewer.by_access(access)
        if viewer.person.is_active:
            yield viewer

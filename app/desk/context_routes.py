"""Customer data beside a ticket: a fragment that is loaded after the page, or a page of its own."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.accounts.directory import zone_of
from app.accounts.models import MAIN_ADDRESS, Organization, Person
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import NotFound
from app.desk.ticket_routes import bp, load
from app.integrations import context
from app.integrations.models import ContextAnswer
from app.tickets.models import Ticket
from app.web import words
from app.web.htmx import render

MOST_LOOKS = 10  # a second apart; then whoever wants it presses the button
ASKED = (
    sa.select(
        Ticket.number.label("ticket"),
        MAIN_ADDRESS.label("email"),
        Person.name,
        Organization.name.label("organization"),
        Ticket.external_id.label("ticket_external_id"),
        Person.external_id,
        Organization.external_id.label("organization_external_id"),
    )
    .select_from(Ticket)
    .join(Person, Person.id == Ticket.requester_id)
    .outerjoin(Organization, Organization.id == Person.organization_id)
    .where(Ticket.id == sa.bindparam("ticket_id"))
)


@bp.get("/desk/tickets/<number>/context")
@agent_required
def show_context(number: str) -> ResponseReturnValue:
    """What is kept; where that is too old a worker is asked to fetch it, and nobody waits."""
    return _context(number)


@bp.post("/desk/tickets/<number>/context")
@agent_required
def fetch_context(number: str) -> ResponseReturnValue:
    """Fetch it anew."""
    ticket_id = _ticket_id(number)
    context.want(ticket_id, _asked(ticket_id), now=utcnow())
    db.session.commit()
    return _context(number, then=f"/desk/tickets/{number}/context")


def _ticket_id(number: str) -> int:
    if not context.is_on():
        raise NotFound("No program is asked for customer data.")
    return load(number).id


def _asked(ticket_id: int) -> dict[str, str]:
    row = db.session.execute(ASKED, {"ticket_id": ticket_id}).one()
    return {name: value for name, value in row._mapping.items() if value}


def _context(number: str, *, then: str | None = None) -> ResponseReturnValue:
    ticket_id = _ticket_id(number)
    asked, now = _asked(ticket_id), utcnow()
    row = context.find(ticket_id)
    if context.is_wanted(row, asked, now=now):
        begin_write()
        row = context.want(ticket_id, asked, now=now)
        db.session.commit()
    assert row is not None  # noqa: S101  (else it was wanted)
    return render(
        "desk/context.html",
        fragment="context",
        then=then,
        number=number,
        path=f"/desk/tickets/{number}",
        email=asked.get("email", ""),
        **_shown(row),
    )


def _shown(row: ContextAnswer) -> dict[str, Any]:
    """What the template shows: an older answer is better than none."""
    now, looks = utcnow(), _looks()
    is_waiting = row.due_at is not None
    fetched = row.fetched_at
    return {
        "answer": row.answer if fetched else None,
        "fetched_text": words.moment(fetched, now, zone_of(current_person())) if fetched else "",
        "error": "" if is_waiting else row.error,
        "is_waiting": is_waiting,
        "next_look": looks + 1 if is_waiting and looks < MOST_LOOKS else 0,
    }


def _looks() -> int:
    text = request.args.get("look", "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else 0

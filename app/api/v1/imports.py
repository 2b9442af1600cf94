"""Tickets under the ids of another program: made once, however often they are sent."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import request
from flask.typing import ResponseReturnValue

from app.accounts.models import Person
from app.api.access import agent, token_required
from app.api.etags import refuse_unread, tagged
from app.api.v1 import answers, changes, examples
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.schemas import (
    Named,
    TicketDetail,
    TicketIn,
    in_part,
    key_in_path,
    status_field,
)
from app.api.v1.tickets import load, new_ticket, open_once
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.tickets.models import Ticket
from app.tickets.queries import get_visible, visible_to

PATH = "/tickets/external/<path:value>"


class TicketPut(TicketIn):
    """A ticket of another program. One that is here keeps its description and its requester."""

    class Meta:
        """The external id stands in the address."""

        exclude = ("external_id",)

    status = status_field()
    assignee = Named(allow_none=True)
    group = Named(allow_none=True)


@bp.route(PATH, endpoint="show_external_ticket", methods=["GET"], tags=["Tickets"])
@bp.doc(summary="Find a ticket by external id")
@bp.response(200, TicketDetail, example=examples.TICKET)
@documented(403, 404)
@limited
@token_required
def show(value: str) -> ResponseReturnValue:
    """By the id that another program knows; with an agent's token."""
    person = agent()
    number = _number(value, to=person)
    if number is None:
        raise NotFound("There is no ticket with this external id, or it is not for you.")
    ticket = get_visible(number, to=person)
    return tagged(answers.detail(ticket.id, person, now=utcnow()))


@bp.route(PATH, endpoint="put_external_ticket", methods=["PUT"], tags=["Tickets"])
@bp.doc(summary="Open or change a ticket by external id", parameters=[examples.IF_MATCH])
@limited
@token_required
@bp.arguments(in_part(TicketPut), example=examples.TICKET_IN | {"status": "open"})
@bp.response(200, TicketDetail, example=examples.TICKET)
@bp.alt_response(
    201, schema=TicketDetail, description="Opened.", example=examples.TICKET, success=True
)
@documented(400, 403, 404, 409, 412)
def put(data: dict[str, Any], value: str) -> ResponseReturnValue:
    """The same request twice opens one, so that an import may be run again.

    The id of a ticket that is not for the caller is taken, and answers 409: but only to a request
    that would else have opened a ticket, so that nobody looks for such ids without a trace.
    """
    person, key = agent(), key_in_path(value)
    number = _number(key, to=person)
    is_new = number is None
    if is_new:
        whole = bp.ARGUMENTS_PARSER.parse(TicketPut(), request, location="json")
        new = new_ticket({**whole, "external_id": key}, person)
        refuse_unread(None)
        number = open_once(new).number
        data = {name: data[name] for name in ("status", "assignee", "group") if name in data}
    assert number is not None  # noqa: S101  (found or opened)
    ticket = load(number, lock=True)
    if not is_new:
        refuse_unread(ticket)
    changes.apply(ticket, data, by=person)
    db.session.commit()
    response = tagged(answers.detail(ticket.id, person, now=utcnow()), 201 if is_new else 200)
    response.headers["Location"] = f"/api/v1/tickets/{number}"
    return response


def _number(value: str, *, to: Person) -> str | None:
    found = sa.select(Ticket.number).where(Ticket.external_id == value, visible_to(to))
    return db.session.scalar(found.where(Ticket.deleted_at.is_(None)))

"""Merging a ticket into another one over the API."""

from __future__ import annotations

from typing import Any

from flask.typing import ResponseReturnValue
from marshmallow import fields, validate

from app.api.access import agent, token_required
from app.api.base import Schema
from app.api.etags import refuse_unread, tagged
from app.api.idempotency import idempotent
from app.api.v1 import answers, examples
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.schemas import Line, TicketDetail
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.core.paging import MOST_ID
from app.tickets import merging
from app.tickets.models import Ticket


class MergeIn(Schema):
    """Into which ticket; ``agreed`` are ids of people who may read more than before."""

    into = Line(required=True, validate=validate.Length(1, 20))
    agreed = fields.List(
        fields.Integer(strict=True, validate=validate.Range(1, MOST_ID)),
        load_default=list,
        validate=validate.Length(max=1_000),
    )


@bp.route("/tickets/<number>/merge", methods=["POST"], tags=["Tickets"])
@bp.doc(summary="Merge a ticket into another one", parameters=[examples.IF_MATCH])
@limited
@token_required
@bp.arguments(MergeIn, example={"into": "TKT-7K2M9QXA", "agreed": [41]})
@bp.response(200, TicketDetail, example=examples.TICKET)
@documented(400, 403, 404, 409, 412)
@idempotent
def merge(data: dict[str, Any], number: str) -> ResponseReturnValue:
    """The ticket is closed, and its conversation goes on in the other one, which is shown.

    Where customers would read what they could not read before, the answer names them, and
    nothing is done until they are named in `agreed`.
    """
    person, now = agent(), utcnow()
    merged, survivor = merging.lock_pair(number.upper(), data["into"].upper(), by=person)
    refuse_unread(merged)
    if merged is not survivor:
        _refuse_strangers(merged, survivor, data["agreed"])
    merging.merge(merged, survivor, agreed=data["agreed"], by=person, now=now)
    db.session.flush()
    return tagged(answers.detail(survivor.id, person, now=now))


def _refuse_strangers(merged: Ticket, survivor: Ticket, agreed: list[int]) -> None:
    if merging.refusal(merged, survivor, now=utcnow()):
        return  # which is told first
    ahead = merging.outlook(merged, survivor)
    new = ahead.strangers - set(agreed)
    if new:
        people = {person.id: person.name for person in (*ahead.read_survivor, *ahead.read_merged)}
        named = ", ".join(f"{people[i]} ({i})" for i in sorted(new))
        raise Invalid(
            "People would read what they could not read before. Name those who may.",
            {"agreed": f"Not named yet: {named}."},
        )

"""Files of tickets over the API, for programs that hold a token and no session."""

from __future__ import annotations

from flask.typing import ResponseReturnValue

from app.api.access import caller, token_required
from app.api.v1 import examples
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.tickets import load
from app.core.db import db
from app.core.errors import NotFound
from app.core.paging import MOST_ID
from app.tickets import attachments
from app.tickets.models import Ticket
from app.tickets.serving import serve

BYTES = {"type": "string", "format": "binary"}


@bp.route("/tickets/<number>/attachments/<int:id>", methods=["GET"], tags=["Tickets"])
@bp.doc(summary="Read a file of a ticket", parameters=[examples.IF_NONE_MATCH])
@bp.response(200, BYTES, content_type="*/*", example="Hold 5 s.")
@bp.alt_response(304, description="As it was read.", success=True)
@documented(404)
@limited
@token_required
def read(number: str, id: int) -> ResponseReturnValue:
    """The bytes of a file, with its own type and name. `url` of each file leads here.

    Customers get what came with the description and with public comments.
    """
    ticket = load(number)
    if ticket.merged_into_id is not None:  # its files went along
        ticket = load(db.session.get_one(Ticket, ticket.merged_into_id).number)
    wanted = id if id <= MOST_ID else 0  # no database has such an id
    file = attachments.find(ticket.id, wanted, with_internal=caller().is_agent)
    if file is None:
        raise NotFound("There is no such file.")
    return serve(file)

"""Whole mails over the API, for mail providers and scripts that hand them on by HTTP."""

from __future__ import annotations

from flask import jsonify, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import UnsupportedMediaType

from app.accounts.models import Role
from app.api.access import caller, token_required
from app.api.v1 import examples, schemas
from app.api.v1.blueprint import ApiBlueprint, documented, limited
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Forbidden, Invalid
from app.mail import mailboxes, receiving
from app.mail.models import Channel
from app.mail.receiving import Origin
from app.web.security import reads_first, takes_up_to

MIME = "message/rfc822"

bp = ApiBlueprint("api_mail", __name__, url_prefix="/api/v1", description="Mail")


@bp.route("/mail", methods=["POST"], tags=["Mail"])
@takes_up_to(receiving.MAX_SIZE)
@reads_first
@bp.doc(
    summary="Hand in a mail",
    requestBody={
        "required": True,
        "content": {
            MIME: {"schema": {"type": "string", "format": "binary"}, "example": examples.RAW_MAIL}
        },
    },
    parameters=[
        {
            "in": "query",
            "name": "mailbox",
            "schema": {"type": "string"},
            "description": "Address of the mailbox; without it the mail's recipients decide.",
        }
    ],
)
@bp.response(202, schemas.MailReceived, example=examples.MAIL)
@bp.alt_response(
    200,
    schema=schemas.MailReceived,
    description="It was here before.",
    example=examples.MAIL | {"is_copy": True},
    success=True,
)
@documented(400, 403, 413, 415)
@limited
@token_required
def receive() -> ResponseReturnValue:
    """Store a raw mail (RFC 5322) for good; a worker reads it. A mail may be sent again safely.

    Only with an admin's token: what a mail's header says of its way is believed.
    """
    if caller().role is not Role.ADMIN:
        raise Forbidden("Only admins may hand in mails.")
    if request.mimetype != MIME:
        raise UnsupportedMediaType(f"Send the mail as it is, as {MIME}.")
    raw = request.get_data(cache=False)
    if not raw.strip():
        raise Invalid("The mail is empty.")
    address = request.args.get("mailbox", "")
    box = mailboxes.for_recipients([address]) if address else None
    if address and box is None:
        raise Invalid("Some of the input is wrong.", {"mailbox": "There is no such mailbox."})
    begin_write()
    stored = receiving.store(raw, box, now=utcnow(), origin=Origin(Channel.HTTP))
    db.session.commit()
    body = {"id": stored.id, "state": stored.state.value, "is_copy": not stored.is_new}
    return jsonify(body), 202 if stored.is_new else 200

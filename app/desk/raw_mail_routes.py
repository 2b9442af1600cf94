"""Raw mails of a ticket, for admins: as they came, to be saved and looked into."""

from __future__ import annotations

import sqlalchemy as sa
from flask import Response, make_response
from flask.typing import ResponseReturnValue

from app.accounts.access import admin_required, current_person
from app.core.db import db
from app.core.errors import NotFound
from app.desk.ticket_routes import bp
from app.mail import receiving
from app.mail.models import InboundEmail
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Comment, Ticket
from app.tickets.queries import get_visible

FIRST = 0  # stands for the mail that opened the ticket


@bp.get("/desk/tickets/<number>/raw-mails/<int(max=2147483647):email_id>")
@admin_required
def raw_mail(number: str, email_id: int) -> ResponseReturnValue:
    """A mail of this ticket as it came; 0 is the one that opened it."""
    ticket = get_visible(number, to=current_person(), deleted=True)
    found = _first(ticket) if email_id == FIRST else email_id
    if found is None or (email_id != FIRST and not _belongs(ticket, email_id)):
        raise NotFound("There is no such mail on this ticket, or it is not kept any more.")
    response: Response = make_response(receiving.find(found).raw)
    response.headers["Content-Type"] = "message/rfc822"
    response.headers["Content-Disposition"] = f'attachment; filename="{ticket.number}-{found}.eml"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cache-Control"] = "private, no-store"
    return response


def _belongs(ticket: Ticket, email_id: int) -> bool:
    here = (
        sa.select(model.inbound_email_id).where(
            model.ticket_id == ticket.id, model.inbound_email_id == email_id
        )
        for model in (Comment, HeldEmail)
    )
    return db.session.scalar(sa.union_all(*here).limit(1)) is not None


def _first(ticket: Ticket) -> int | None:
    """The mail whose Message-ID was the first of the ticket."""
    first = (
        sa.select(InboundEmail.id)
        .join(TicketMessageId, TicketMessageId.message_id == InboundEmail.message_id)
        .where(
            TicketMessageId.ticket_id == ticket.id,
            InboundEmail.mailbox_id == ticket.mailbox_id,
            InboundEmail.received_at <= ticket.created_at,
        )
        .order_by(InboundEmail.id)
        .limit(1)
    )
    return db.session.scalar(first)

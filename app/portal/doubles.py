"""A form for a new ticket that is sent twice, by a double click or a reload, counts once.

A chat window gets into the ticket that it is told of. So there the same words are not enough: it
shows that it has sent them, by a secret that it made up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts.models import PersonEmail
from app.channels.new_ticket import NewTicket, Opened
from app.core.db import db
from app.core.statements import Read
from app.routing import assignment
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Attachment, Ticket
from app.tickets.portal_queries import ANSWER_DUE
from app.tickets.words import Source

WITHIN = timedelta(minutes=1)
SAME = ("subject", "description", "source", "category_id", "subcategory_id", "priority")


_NEWEST = (
    sa.select(
        Ticket.id,
        Ticket.number,
        Ticket.requester_id,
        Ticket.assignee_id,
        Ticket.group_id,
        Ticket.subject,
        Ticket.description,
        Ticket.source,
        Ticket.category_id,
        Ticket.subcategory_id,
        sa.case((Ticket.priority_is_computed, None), else_=Ticket.priority).label("priority"),
        Ticket.created_at,
        ANSWER_DUE.label("due_at"),
    )
    .order_by(Ticket.id.desc())
    .limit(1)
)
_OWNER = sa.select(PersonEmail.person_id).where(PersonEmail.address == sa.bindparam("address"))
BY_ADDRESS: Read[Any] = Read(_NEWEST.where(Ticket.requester_id == _OWNER.scalar_subquery()))
_SENT = sa.select(TicketMessageId.ticket_id).where(
    TicketMessageId.message_id == sa.bindparam("message_id")
)
BY_MESSAGE: Read[Any] = Read(
    _NEWEST.where(Ticket.requester_id == _OWNER.scalar_subquery(), Ticket.id.in_(_SENT))
)
BY_ID: Read[Any] = Read(_NEWEST.where(Ticket.requester_id == sa.bindparam("person_id")))


def sent_before(new: NewTicket, *, now: datetime) -> Opened | None:
    """The newest ticket of whoever asks, if it is the same and was opened just now.

    In the transaction that would open it: on PostgreSQL the routing lock keeps two apart. One
    statement, one more for a ticket with the same words.
    """
    assignment.lock()
    if new.source is Source.CHAT:
        message_id = next(iter(new.inbound_message_ids), "")
        row = BY_MESSAGE.one(address=new.requester.email, message_id=message_id)
    elif new.requester.person_id is None:
        row = BY_ADDRESS.one(address=new.requester.email)
    else:
        row = BY_ID.one(person_id=new.requester.person_id)
    if row is None or now - row.created_at > WITHIN:
        return None
    if any(getattr(row, name) != getattr(new, name) for name in SAME):
        return None
    files = sa.select(Attachment.sha256).where(Attachment.ticket_id == row.id)
    kept = db.session.scalars(files.where(Attachment.comment_id.is_(None))).all()
    if sorted(kept) != sorted(file.sha256 for file in new.files):
        return None
    return Opened(row.id, row.number, row.requester_id, row.assignee_id, row.group_id, row.due_at)

"""A customer's reply, whatever way it came: joined to its ticket, or a follow-up of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Person
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.settings_store import setting
from app.mail.models import SenderCheck
from app.tickets import conversation
from app.tickets.attachments import StoredFile
from app.tickets.history_models import TicketEvent
from app.tickets.models import Comment, Ticket
from app.tickets.timeline import System, record
from app.tickets.words import EventKind, Source, Status


@dataclass(frozen=True, slots=True)
class Reply:
    """What the customer said; ``body_html``, ``quoted`` and ids come with mails."""

    body: str
    source: Source
    files: Sequence[StoredFile] = ()
    body_html: str | None = None
    quoted: str = ""
    inbound_email_id: int | None = None
    message_ids: Sequence[str] = ()
    is_automatic: bool = False
    automatic_reason: str = ""  # why no machine answers it; of lists and bulk mail too
    is_quiet: bool = False  # a mere thank-you: joined, and nothing else happens
    sender_check: SenderCheck = SenderCheck.UNKNOWN


@dataclass(frozen=True, slots=True)
class Received:
    """Where the reply went: a comment, or (``comment`` None) a new ticket that follows up."""

    ticket_id: int
    number: str
    comment: Comment | None


def receive(ticket: Ticket, reply: Reply, *, by: Person, now: datetime) -> Received:
    """Join *reply* to *ticket* (whose row is locked), or open its follow-up.

    A ticket that was closed too long ago, cancelled or deleted is not opened again.
    """
    if not is_over(ticket, now=now):
        comment = conversation.customer_comment(
            ticket,
            reply.body,
            by=by,
            now=now,
            files=reply.files,
            source=reply.source,
            body_html=reply.body_html,
            quoted=reply.quoted,
            inbound_email_id=reply.inbound_email_id,
            is_automatic=reply.is_automatic,
            is_quiet=reply.is_quiet,
        )
        comment.sender_check = reply.sender_check
        return Received(ticket.id, ticket.number, comment)
    opened = take_in(
        NewTicket(
            subject=ticket.subject,
            description=reply.body,
            description_html=reply.body_html,
            description_quoted=reply.quoted,
            requester=RequesterInput(person_id=by.id),
            source=reply.source,
            category_id=ticket.category_id,
            subcategory_id=ticket.subcategory_id,
            mailbox_id=ticket.mailbox_id,
            group_id=_private_group(ticket),
            files=reply.files,
            follow_up_of_id=ticket.id,
            inbound_message_ids=reply.message_ids,
            automatic_reason=reply.automatic_reason,
            sender_check=reply.sender_check,
            decisions=[
                ("threading", f"{ticket.number} is over, so its reply became a follow-up.", [])
            ],
        ),
        now=now,
    )
    if ticket.deleted_at is None:
        record(
            ticket,
            EventKind.FOLLOW_UP,
            by=by,
            now=now,
            new=f"A late reply became {opened.number}",
            details={"number": opened.number},
        )
    return Received(opened.id, opened.number, None)


def _private_group(ticket: Ticket) -> int | None:
    """What was for a private group's eyes stays so; everything else is routed anew."""
    group = directory.groups().get(ticket.group_id or 0)
    return group.id if group and group.is_private else None


def is_over(ticket: Ticket, *, now: datetime) -> bool:
    """True where a customer's reply opens a follow-up in place of the ticket."""
    return ticket.deleted_at is not None or is_ended(ticket.status, ticket.closed_at, now=now)


def is_ended(status: Status, closed_at: datetime | None, *, now: datetime) -> bool:
    """True for a cancelled ticket, and for one that was closed too long ago to open again."""
    if status is not Status.CLOSED or closed_at is None:
        return status is Status.CANCELLED
    return closed_at < now - timedelta(days=int(setting("days_to_reopen")))


def is_flood(ticket: Ticket, person_id: int, *, now: datetime) -> bool:
    """True where somebody, or a machine of theirs, writes here without end; one statement."""
    most = int(setting("comments_an_hour"))
    newest = (
        sa.select(Comment.id)
        .where(
            Comment.ticket_id == ticket.id,
            Comment.author_id == person_id,
            Comment.created_at > now - timedelta(hours=1),
        )
        .limit(most)
    )
    return len(db.session.scalars(newest).all()) >= most


def tell_flood(ticket: Ticket, told: str, *, now: datetime) -> None:
    """Say so in the history, once an hour; one statement."""
    newest = (
        sa.select(TicketEvent.id)
        .where(
            TicketEvent.ticket_id == ticket.id,
            TicketEvent.kind == EventKind.MAIL_FLOOD,
            TicketEvent.created_at > now - timedelta(hours=1),
        )
        .limit(1)
    )
    if db.session.scalar(newest) is None:
        record(ticket, EventKind.MAIL_FLOOD, by=System("Mail"), now=now, new=told)

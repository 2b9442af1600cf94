"""The conversation of a chat window: what it shows of its one ticket, and which mails it spares.

Whoever writes in the window has only claimed an address. So it shows what was written there and
what agents answered, and no more once the address's owner has answered in another way: the
conversation goes on by mail then.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person, PersonEmail
from app.core.db import db
from app.core.settings_store import setting
from app.mail.models import OutboundEmail, OutboundState
from app.tickets import keys
from app.tickets.mail_models import TicketAccess, TicketMessageId
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.queries import SHOWN_TO_CUSTOMERS
from app.tickets.timeline import System, record
from app.tickets.words import AuthorKind, EventKind, Source, Status

MOST_SHOWN = 100
REPLY = "ticket_reply"  # the kind of mail that brings an agent's reply


@dataclass(frozen=True, slots=True)
class Chat:
    """How the ticket of a window's key stands; ``newest`` is the last comment shown (0: none)."""

    ticket_id: int
    number: str
    status: Status
    closed_at: datetime | None
    requester_id: int
    assignee_id: int | None
    description: str
    created_at: datetime
    access_id: int
    newest: int
    count: int
    is_over: bool  # deleted, merged, or somebody else's
    goes_on_by_mail: bool


@dataclass(frozen=True, slots=True)
class Said:
    """One message of the conversation."""

    id: int
    is_agent: bool
    name: str
    body: str
    has_files: bool
    created_at: datetime


def _shown(ticket: Any) -> tuple[sa.ColumnElement[bool], ...]:
    """Conditions on a comment of *ticket* that the window shows."""
    by_visitor = sa.and_(
        Comment.author_kind == AuthorKind.REQUESTER,
        Comment.author_id == ticket.requester_id,
        Comment.source == Source.CHAT,
    )
    return (
        Comment.ticket_id == ticket.id,
        SHOWN_TO_CUSTOMERS,
        Comment.is_automatic.is_(False),  # they may name whoever has the address
        Comment.origin_ticket_id.is_(None),
        sa.or_(Comment.author_kind == AuthorKind.AGENT, by_visitor),
    )


def _went_on(ticket: Any) -> sa.ColumnElement[bool]:
    """Condition: the requester has answered by mail or in the portal, where the address counts."""
    return (
        sa.exists()
        .where(
            Comment.ticket_id == ticket.id,
            Comment.author_kind == AuthorKind.REQUESTER,
            Comment.author_id == ticket.requester_id,
            Comment.source != Source.CHAT,
            Comment.is_automatic.is_(False),
            Comment.origin_ticket_id.is_(None),
        )
        .correlate(Ticket)
    )


def _of_shown(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
    return sa.select(column).where(*_shown(Ticket)).correlate(Ticket).scalar_subquery()


_holder = sa.func.coalesce(Person.merged_into_id, Person.id)
STATE = (
    sa.select(
        TicketAccess,
        Ticket.id,
        Ticket.number,
        Ticket.status,
        Ticket.closed_at,
        Ticket.requester_id,
        Ticket.assignee_id,
        Ticket.description,
        Ticket.created_at,
        sa.func.coalesce(_of_shown(sa.func.max(Comment.id)), 0).label("newest"),
        _of_shown(sa.func.count()).label("count"),
        sa.or_(
            Ticket.deleted_at.is_not(None),
            Ticket.merged_into_id.is_not(None),
            Ticket.requester_id != _holder,
        ).label("is_over"),
        _went_on(Ticket).label("goes_on_by_mail"),
    )
    .join(Ticket, Ticket.id == TicketAccess.ticket_id)
    .join(Person, Person.id == TicketAccess.person_id)
    .where(TicketAccess.id == sa.bindparam("access_id"), Ticket.source == Source.CHAT)
)
MESSAGES = (
    sa.select(
        Comment.id,
        Comment.author_kind,
        Person.name,
        Comment.body,
        sa.exists().where(Attachment.comment_id == Comment.id).label("has_files"),
        Comment.created_at,
    )
    .select_from(Comment)
    .join(Ticket, Ticket.id == Comment.ticket_id)
    .outerjoin(Person, Person.id == Comment.author_id)
    .where(Ticket.id == sa.bindparam("ticket_id"), *_shown(Ticket))
    .order_by(Comment.created_at.desc(), Comment.id.desc())
    .limit(MOST_SHOWN)
)


def find(key: str, *, now: datetime) -> Chat | None:
    """The ticket of a window's key; None if it is forged, expired or revoked. One statement."""
    signed = keys.read_chat_key(key, now=now)
    if signed is None:
        return None
    access_id, signed_at = signed
    row = db.session.execute(STATE, {"access_id": access_id}).one_or_none()
    if row is None or not keys.is_good(row.TicketAccess, signed_at, now=now):
        return None
    rest = dict(row._mapping)
    ticket_id, access = rest.pop("id"), rest.pop("TicketAccess")
    return Chat(ticket_id=ticket_id, access_id=access.id, **rest)


def messages(chat: Chat) -> list[Said]:
    """What was said, oldest first: the newest `MOST_SHOWN` comments; one statement."""
    rows = db.session.execute(MESSAGES, {"ticket_id": chat.ticket_id}).all()
    return [
        Said(
            row.id,
            row.author_kind is AuthorKind.AGENT,
            row.name or "",
            row.body,
            row.has_files,
            row.created_at,
        )
        for row in reversed(rows)
    ]


def mail_waits_until(ticket: Ticket, *, now: datetime) -> datetime | None:
    """Until when the requester's mail with an answer waits for them to see it in the window.

    None: it leaves at once, as on every ticket that did not come by chat (no statement then).
    """
    minutes = int(setting("chat_mail_minutes")) if ticket.source is Source.CHAT else 0
    if not minutes:
        return None
    went_on = sa.select(_went_on(Ticket)).where(Ticket.id == ticket.id)
    return None if db.session.scalar(went_on) else now + timedelta(minutes=minutes)


def see(ticket: Ticket, *, newest: int, now: datetime) -> int:
    """The visitor has the answers up to the comment *newest* before their eyes: spare their mails.

    Not of answers with files, which travel by mail alone, and not those that a sender has taken
    up. *ticket* is locked. How many mails are spared.
    """
    answers = sa.select(Comment.id).where(
        *_shown(ticket), Comment.author_kind == AuthorKind.AGENT, Comment.id <= newest
    )
    with_files = sa.select(Attachment.comment_id).where(
        Attachment.ticket_id == ticket.id, Attachment.comment_id.is_not(None)
    )
    theirs = sa.select(PersonEmail.address).where(PersonEmail.person_id == ticket.requester_id)
    spare = (
        sa.update(OutboundEmail)
        .where(
            OutboundEmail.ticket_id == ticket.id,
            OutboundEmail.kind == REPLY,
            OutboundEmail.state == OutboundState.QUEUED,
            OutboundEmail.attempts == 0,
            OutboundEmail.comment_id.in_(answers),
            OutboundEmail.comment_id.not_in(with_files),
            OutboundEmail.recipient.in_(theirs),
        )
        .values(state=OutboundState.CANCELLED, context={}, reply_token="")
        .returning(OutboundEmail.message_id)
    )
    spared = db.session.scalars(spare, execution_options={"synchronize_session": False}).all()
    if spared:
        never_sent = TicketMessageId.message_id.in_(spared)
        its = sa.delete(TicketMessageId).where(never_sent, TicketMessageId.ticket_id == ticket.id)
        db.session.execute(its)
        record(ticket, EventKind.CHAT_SEEN, by=System("Chat"), now=now)
    return len(spared)

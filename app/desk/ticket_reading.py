"""Reads what the ticket page shows: columns instead of entities, statements made once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts.access import hidden_group_ids
from app.accounts.models import MAIN_ADDRESS, Organization, Person, Tier
from app.core.clock import utcnow
from app.core.db import UTCDateTime
from app.core.errors import NotFound
from app.core.statements import Read
from app.mail.models import InboundEmail, OutboundEmail, SenderCheck
from app.search.lists import BETWEEN_TAGS, ITS_TAGS
from app.tickets.history_models import DecisionRecord
from app.tickets.mail_models import HeldEmail
from app.tickets.models import Attachment, Comment, Participant, ReplyDraft, SlaClock, Ticket
from app.tickets.participants import FAILS
from app.tickets.queries import NUMBER
from app.tickets.words import Priority, Source, Status

MOST_HELD = 20
MOST_DECISIONS = 100
OTHERS = 4


@dataclass(slots=True)
class TicketFacts:
    """A ticket with its requester, as one statement reads them; ``tags`` is one text or None."""

    id: int
    number: str
    version: int
    subject: str
    description: str
    description_html: str | None
    description_quoted: str
    status: Status
    priority: Priority
    priority_score: int | None
    category_id: int
    subcategory_id: int | None
    assignee_id: int | None
    group_id: int | None
    source: Source
    custom_fields: dict[str, Any]
    next_due_at: datetime | None
    next_warn_at: datetime | None
    sla_policy_id: int | None
    created_at: datetime
    deleted_at: datetime | None
    sender_check: SenderCheck
    forwarded_from: str
    forwarded_name: str
    merged_into: str | None  # the survivor's number
    tags: str | None
    has_files: bool
    has_held_mail: bool
    has_people: bool  # beside the requester
    requester_id: int
    requester_name: str
    phone: str
    time_zone: str
    tier: Tier | None
    email: str | None
    has_undelivered_mail: bool
    is_failing: bool  # mails to that address came back
    organization: str | None
    organization_tier: Tier | None
    draft: str | None
    draft_files: list[str] | None
    channel: str

    @property
    def page_words(self) -> str:
        """ ", on shop.example/ovens" for what was written there in a chat window, else ""."""
        return f", on {self.channel}" if self.source is Source.CHAT and self.channel else ""

    @property
    def tag_names(self) -> list[str]:
        """The tags, sorted."""
        return sorted(self.tags.split(BETWEEN_TAGS)) if self.tags else []


def _any(model: type[Any], *where: Any) -> sa.Exists:
    return sa.exists(sa.select(model.id).where(model.ticket_id == Ticket.id, *where))


WAITING = sa.text("held_email.state = 'waiting'")  # as the partial index spells it
_survivor = sa.orm.aliased(Ticket)
_SURVIVOR = (
    sa.select(_survivor.number)
    .where(_survivor.id == Ticket.merged_into_id)
    .correlate(Ticket)
    .scalar_subquery()
)
_origin = sa.orm.aliased(Ticket)
SLOW = timedelta(minutes=15)  # a mail that waits so long is shown
MOST_UNDELIVERED = 20
# Failed, held back, or tried in vain for a while.
# In literals, or SQLite does not see that it has indexes for both.
NOT_DELIVERED = sa.or_(
    sa.text("outbound_email.state in ('failed', 'held_back')"),
    sa.and_(
        sa.text("outbound_email.state = 'queued'"),
        sa.text("outbound_email.attempts > 0"),
        OutboundEmail.created_at
        <= sa.bindparam("slow_since", callable_=lambda: utcnow() - SLOW, type_=UTCDateTime()),
    ),
)
FACTS: Read[TicketFacts] = Read(
    sa.select(
        Ticket.id,
        Ticket.number,
        Ticket.version,
        Ticket.subject,
        Ticket.description,
        Ticket.description_html,
        Ticket.description_quoted,
        Ticket.status,
        Ticket.priority,
        Ticket.priority_score,
        Ticket.category_id,
        Ticket.subcategory_id,
        Ticket.assignee_id,
        Ticket.group_id,
        Ticket.source,
        Ticket.custom_fields,
        Ticket.next_due_at,
        Ticket.next_warn_at,
        Ticket.sla_policy_id,
        Ticket.created_at,
        Ticket.deleted_at,
        Ticket.sender_check,
        Ticket.forwarded_from,
        Ticket.forwarded_name,
        _SURVIVOR,
        ITS_TAGS,
        _any(Attachment),
        _any(HeldEmail, WAITING),
        sa.exists().where(Participant.ticket_id == Ticket.id),
        Person.id,
        Person.name,
        Person.phone,
        Person.time_zone,
        Person.tier,
        MAIN_ADDRESS,
        _any(OutboundEmail, NOT_DELIVERED),
        FAILS,
        Organization.name,
        Organization.tier,
        ReplyDraft.body,
        ReplyDraft.files,
        Ticket.channel,
    )
    .join(Person, Person.id == Ticket.requester_id)
    .outerjoin(Organization, Organization.id == Person.organization_id)
    .outerjoin(
        ReplyDraft,
        sa.and_(
            ReplyDraft.ticket_id == Ticket.id, ReplyDraft.person_id == sa.bindparam("viewer_id")
        ),
    )
    .where(Ticket.number == sa.bindparam("number")),
    TicketFacts,
)
UNDELIVERED_MAILS: Read[Any] = Read(
    sa.select(
        OutboundEmail.id,
        OutboundEmail.recipient,
        OutboundEmail.recipient_name,
        OutboundEmail.kind,
        OutboundEmail.state,
        OutboundEmail.error,
        OutboundEmail.attempts,
        OutboundEmail.created_at,
        OutboundEmail.due_at,
    )
    .where(OutboundEmail.ticket_id == sa.bindparam("ticket_id"), NOT_DELIVERED)
    .order_by(OutboundEmail.id)
    .limit(MOST_UNDELIVERED)
)
COMMENTS: Read[Any] = Read(
    sa.select(
        Comment.id,
        Comment.author_id,
        Comment.author_kind,
        Comment.visibility,
        Comment.body,
        Comment.body_html,
        Comment.quoted,
        Comment.is_automatic,
        Comment.is_quiet,
        Comment.sender_check,
        Comment.source,
        Comment.created_at,
        Comment.undo_until,
        Comment.sent_to,
        Comment.inbound_email_id,
        _origin.number.label("origin"),
        Person.name,
    )
    .outerjoin(Person, Person.id == Comment.author_id)
    .outerjoin(_origin, _origin.id == Comment.origin_ticket_id)
    .where(Comment.ticket_id == sa.bindparam("ticket_id"))
    .order_by(Comment.created_at.desc(), Comment.id.desc())
    .limit(sa.bindparam("most"))
)
CLOCKS: Read[Any] = Read(
    sa.select(
        SlaClock.target,
        SlaClock.state,
        SlaClock.target_minutes,
        SlaClock.started_at,
        SlaClock.due_at,
        SlaClock.warn_at,
        SlaClock.left_seconds,
        SlaClock.stopped_at,
        SlaClock.breached_at,
    )
    .where(SlaClock.ticket_id == sa.bindparam("ticket_id"))
    .order_by(SlaClock.target, SlaClock.id)  # in time's order: first, next response, resolution
)
OTHER_TICKETS: Read[Any] = Read(
    sa.select(Ticket.number, Ticket.subject, Ticket.status, Ticket.created_at)
    .where(
        Ticket.requester_id == sa.bindparam("person_id"),
        Ticket.id != sa.bindparam("ticket_id"),
        Ticket.deleted_at.is_(None),
        Ticket.merged_into_id.is_(None),
        sa.or_(
            Ticket.group_id.is_(None),
            Ticket.group_id.not_in(sa.bindparam("hidden", expanding=True)),
        ),
    )
    .order_by(Ticket.id.desc())
    .limit(OTHERS)
)
HELD: Read[Any] = Read(
    sa.select(
        HeldEmail.id,
        HeldEmail.from_name,
        HeldEmail.from_address,
        HeldEmail.reason,
        HeldEmail.body,
        HeldEmail.created_at,
        HeldEmail.inbound_email_id,
        InboundEmail.subject,
        InboundEmail.sender_check,
        InboundEmail.size,
    )
    .join(InboundEmail, InboundEmail.id == HeldEmail.inbound_email_id)
    .where(HeldEmail.ticket_id == sa.bindparam("ticket_id"), WAITING)
    .order_by(HeldEmail.id)
    .limit(MOST_HELD)
)
DECISIONS: Read[Any] = Read(
    sa.select(
        DecisionRecord.kind,
        DecisionRecord.summary,
        DecisionRecord.details,
        DecisionRecord.created_at,
    )
    .where(DecisionRecord.ticket_id == sa.bindparam("ticket_id"))
    .order_by(DecisionRecord.id.desc())
    .limit(MOST_DECISIONS)
)


def find(number: str, *, to: Person) -> TicketFacts:
    """The ticket of *number* for reading; supervisors may look at a deleted one. One statement.

    Raises:
        NotFound: unknown, deleted and foreign alike.
    """
    facts = None
    if NUMBER.fullmatch(number):
        facts = FACTS.one(number=number.upper(), viewer_id=to.id)
    if facts is not None:
        is_there = facts.deleted_at is None or to.is_supervisor
        if is_there and facts.group_id not in hidden_group_ids(to):
            return facts
    raise NotFound("There is no such ticket, or it is not for you.")

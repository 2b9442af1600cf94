"""Tickets, their conversation, clocks and people."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import Dialect
from sqlalchemy.orm import Mapped, mapped_column, relationship

import app.sla.models  # noqa: F401  (tables that foreign keys here name)
from app.accounts.models import Group, Person
from app.core.db import Base, partial_index
from app.mail.models import SenderCheck
from app.tickets.catalog_models import Category, Subcategory, Tag, ticket_tag
from app.tickets.words import (
    ACTIVE_STATUSES,
    TRANSITIONS,
    AuthorKind,
    ClockState,
    ParticipantKind,
    Priority,
    Source,
    Status,
    Target,
    Visibility,
)

# Conditions of partial indexes. SQLite uses such an index only for a query that spells the same
# condition with the same literals: always write sa.text(ACTIVE), never status.in_(...).
ACTIVE = "ticket.status in ('new', 'open', 'in_progress', 'pending') and ticket.deleted_at is null"
LOAD = "ticket.status in ('new', 'open', 'in_progress') and ticket.deleted_at is null"
WAITING = "ticket.status = 'pending' and ticket.deleted_at is null"
# Of reports: tickets that are done, or answered, neither deleted nor merged into another.
_COUNTED = "ticket.deleted_at is null and ticket.merged_into_id is null"
GONE = "deleted_at is not null or merged_into_id is not null"
FINISHED = f"ticket.finished_at is not null and {_COUNTED}"
ANSWERED = f"ticket.first_response_at is not null and {_COUNTED}"
STATUS_CHANGES = "ticket_event.kind = 'status'"


def _partial(name: str, *columns: str, where: str) -> sa.Index:
    return partial_index(name, *columns, where=where.replace("ticket.", ""))


class PriorityRank(sa.types.TypeDecorator[Priority]):
    """A priority stored by rank, 1 critical to 4 low: sorting is by severity."""

    impl = sa.SmallInteger
    cache_ok = True

    def process_bind_param(self, value: Priority | None, dialect: Dialect) -> int | None:
        return None if value is None else Priority(value).rank

    def process_result_value(self, value: int | None, dialect: Dialect) -> Priority | None:
        return None if value is None else Priority.of_rank(value)


class Ticket(Base):
    """One request for help.

    ``version`` grows with every change to a field. ``due_at`` is the resolution clock's due time
    (None while paused) unless ``due_at_is_manual``; ``next_due_at`` and ``next_warn_at`` belong to
    the earliest running clock. ``preview`` is one line of the newest comment, for agents.
    ``forwarded_from`` is whom an agent's forwarded mail came from: proposed as the requester.
    """

    __tablename__ = "ticket"
    __table_args__ = (
        sa.CheckConstraint("length(subject) between 1 and 500", name="subject"),
        # The queue walks one of these in its own order; status and deleted_at are in them so that
        # counts need the index alone.
        _partial(
            "ix_ticket_active",
            "priority",
            "id",
            "group_id",
            "status",
            "deleted_at",
            where=ACTIVE,
        ),
        _partial(
            "ix_ticket_active_assignee",
            "assignee_id",
            "priority",
            "id",
            "group_id",
            "status",
            "deleted_at",
            where=ACTIVE,
        ),
        _partial(
            "ix_ticket_active_group",
            "group_id",
            "priority",
            "id",
            "status",
            "deleted_at",
            where=ACTIVE,
        ),
        _partial(
            "ix_ticket_active_status",
            "status",
            "priority",
            "id",
            "group_id",
            "deleted_at",
            where=ACTIVE,
        ),
        _partial(
            "ix_ticket_active_next_due",
            "next_due_at",
            "id",
            "group_id",
            "status",
            "deleted_at",
            where=ACTIVE,
        ),
        _partial("ix_ticket_load", "assignee_id", "status", "deleted_at", where=LOAD),
        # Status and deleted_at as above: else SQLite may prefer all tickets of the requester.
        _partial(
            "ix_ticket_waiting_requester",
            "requester_id",
            "status",
            "id",
            "deleted_at",
            where=WAITING,
        ),
        sa.Index("ix_ticket_status_id", "status", "id"),
        sa.Index("ix_ticket_priority_id", "priority", "id"),
        sa.Index("ix_ticket_assignee_id_id", "assignee_id", "id"),
        sa.Index("ix_ticket_group_id_id", "group_id", "id"),
        sa.Index("ix_ticket_requester_id_id", "requester_id", "id"),
        sa.Index("ix_ticket_category_id_id", "category_id", "id"),
        # With what every list asks besides: all tickets are counted in the index alone.
        sa.Index(
            "ix_ticket_created_at_id",
            "created_at",
            "id",
            "group_id",
            "deleted_at",
            "merged_into_id",
        ),
        sa.Index("ix_ticket_updated_at_id", "updated_at", "id"),
        sa.Index("ix_ticket_due_at_id", "due_at", "id"),
        partial_index(
            "ix_ticket_merged_into", "merged_into_id", where="merged_into_id is not null"
        ),
        partial_index(
            "ix_ticket_follow_up_of_id", "follow_up_of_id", where="follow_up_of_id is not null"
        ),
        partial_index(
            "uq_ticket_external_id", "external_id", where="external_id is not null", unique=True
        ),
        partial_index("ix_ticket_gone", "group_id", where=GONE),
        partial_index(
            "ix_ticket_resolved",
            "status",  # constant in it, but else SQLite prefers the index on status and id
            "resolved_at",
            where="status = 'resolved'",
        ),
        # For reports, which read nothing else of these tickets. No new ticket is in them, but
        # those of phone calls.
        _partial(
            "ix_ticket_finished",
            "finished_at",
            "created_at",
            *("status", "priority", "category_id", "assignee_id", "group_id", "source"),
            *("requester_id", "closed_at", "resolution_seconds", "resolution_business_seconds"),
            where=FINISHED,
        ),
        _partial(
            "ix_ticket_answered",
            "first_response_at",
            *("priority", "category_id", "assignee_id", "group_id", "source", "requester_id"),
            *("first_response_seconds", "first_response_business_seconds"),
            where=ANSWERED,
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(sa.String(12), unique=True)
    external_id: Mapped[str | None] = mapped_column(sa.String(255))
    subject: Mapped[str] = mapped_column(sa.String(500))
    description: Mapped[str] = mapped_column(sa.Text)
    description_html: Mapped[str | None] = mapped_column(sa.Text)  # sanitised
    description_quoted: Mapped[str] = mapped_column(sa.Text, default="")  # folded away
    status: Mapped[Status] = mapped_column(default=Status.NEW)
    priority: Mapped[Priority] = mapped_column(PriorityRank, default=Priority.NORMAL)
    priority_is_computed: Mapped[bool] = mapped_column(default=False)
    priority_score: Mapped[int | None]
    category_id: Mapped[int] = mapped_column(sa.ForeignKey("category.id", ondelete="RESTRICT"))
    subcategory_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("subcategory.id", ondelete="SET NULL")
    )
    requester_id: Mapped[int] = mapped_column(sa.ForeignKey("person.id", ondelete="RESTRICT"))
    assignee_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="SET NULL"))
    group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("agent_group.id", ondelete="SET NULL")
    )
    mailbox_id: Mapped[int | None] = mapped_column(sa.ForeignKey("mailbox.id", ondelete="SET NULL"))
    follow_up_of_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="SET NULL")
    )
    # Where its conversation goes on; never a ticket that was itself merged.
    merged_into_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="SET NULL")
    )
    source: Mapped[Source]
    channel: Mapped[str] = mapped_column(sa.String(100), default="")
    sender_check: Mapped[SenderCheck] = mapped_column(default=SenderCheck.UNKNOWN)
    forwarded_from: Mapped[str] = mapped_column(sa.String(254), default="")  # until decided
    forwarded_name: Mapped[str] = mapped_column(sa.String(200), default="")
    custom_fields: Mapped[dict[str, Any]] = mapped_column(default=dict)
    preview: Mapped[str] = mapped_column(sa.String(200), default="")
    due_at: Mapped[datetime | None]
    due_at_is_manual: Mapped[bool] = mapped_column(default=False)
    next_due_at: Mapped[datetime | None]
    next_warn_at: Mapped[datetime | None]
    sla_policy_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("sla_policy.id", ondelete="SET NULL")
    )
    first_response_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    # When it was last resolved, closed or cancelled; None while it waits for somebody.
    finished_at: Mapped[datetime | None]
    # How long these took, see `durations`; the second in the business hours of its SLA policy.
    first_response_seconds: Mapped[int | None]
    first_response_business_seconds: Mapped[int | None]
    resolution_seconds: Mapped[int | None]
    resolution_business_seconds: Mapped[int | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    version: Mapped[int] = mapped_column(default=1)
    deleted_at: Mapped[datetime | None]
    deleted_by_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )

    requester: Mapped[Person] = relationship(foreign_keys=[requester_id])
    assignee: Mapped[Person | None] = relationship(foreign_keys=[assignee_id])
    group: Mapped[Group | None] = relationship()
    category: Mapped[Category] = relationship()
    subcategory: Mapped[Subcategory | None] = relationship()
    tags: Mapped[list[Tag]] = relationship(secondary=ticket_tag, order_by=Tag.name)
    clocks: Mapped[list[SlaClock]] = relationship(
        back_populates="ticket", passive_deletes=True, order_by="SlaClock.id"
    )

    def can_become(self, status: Status) -> bool:
        """True where the table of status changes allows it (whoever asks)."""
        return status in TRANSITIONS[self.status]

    @property
    def is_active(self) -> bool:
        """True while somebody has to do something about it."""
        return self.status in ACTIVE_STATUSES


class Comment(Base):
    """One message on a ticket after its description.

    ``body`` is the new text alone; ``quoted`` is what was folded away (quotes, signature);
    ``body_html`` is the sanitised whole of an HTML mail. ``author_id`` None is the system.
    """

    __tablename__ = "comment"
    __table_args__ = (
        # In order of time: what a merge brings is older than its id.
        sa.Index("ix_comment_ticket_id_created_at_id", "ticket_id", "created_at", "id"),
        partial_index(
            "uq_comment_ticket_id_inbound_email_id",  # one mail, one comment
            *("ticket_id", "inbound_email_id"),
            where="inbound_email_id is not null",
            unique=True,
        ),
        partial_index("ix_comment_author_id", "author_id", where="author_id is not null"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="SET NULL"))
    author_kind: Mapped[AuthorKind]
    visibility: Mapped[Visibility] = mapped_column(default=Visibility.PUBLIC)
    body: Mapped[str] = mapped_column(sa.Text)
    body_html: Mapped[str | None] = mapped_column(sa.Text)
    quoted: Mapped[str] = mapped_column(sa.Text, default="")
    is_automatic: Mapped[bool] = mapped_column(default=False)  # an auto-response, an out-of-office
    is_quiet: Mapped[bool] = mapped_column(default=False)  # a mere thank-you: opened nothing again
    sender_check: Mapped[SenderCheck] = mapped_column(default=SenderCheck.UNKNOWN)
    source: Mapped[Source] = mapped_column(default=Source.WEB)
    inbound_email_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("inbound_email.id", ondelete="SET NULL")
    )
    created_at: Mapped[datetime]
    # The ticket on which it was written, where a merge has brought it here.
    origin_ticket_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="SET NULL")
    )
    sent_to: Mapped[str] = mapped_column(sa.Text, default="")  # an agent's reply: names, in words
    # Until then its mails wait, its author can take it back, and no customer sees it.
    undo_until: Mapped[datetime | None]
    author: Mapped[Person | None] = relationship()


class ReplyUndo(Base):
    """What a reply has changed on its ticket, for as long as it can be taken back.

    ``before`` holds the ticket's values and its clocks' as they were, ``version`` is the ticket's
    after the reply.
    """

    __tablename__ = "reply_undo"
    comment_id: Mapped[int] = mapped_column(
        sa.ForeignKey("comment.id", ondelete="CASCADE"), primary_key=True
    )
    before: Mapped[dict[str, Any]]
    version: Mapped[int]
    until: Mapped[datetime] = mapped_column(index=True)


class ReplyDraft(Base):
    """What an agent has in the composer of a ticket: a reply that was taken back.

    ``files`` are the columns of `StoredFile`; their bytes are in the storage.
    """

    __tablename__ = "reply_draft"
    ticket_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    body: Mapped[str] = mapped_column(sa.Text)
    files: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    saved_at: Mapped[datetime]


class Attachment(Base):
    """A file of a ticket (``comment_id`` None: sent with the description) or of a comment.

    ``sha256`` names the bytes in the storage; equal files are stored once.
    """

    __tablename__ = "attachment"
    __table_args__ = (sa.Index("ix_attachment_ticket_id_id", "ticket_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    comment_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("comment.id", ondelete="CASCADE"), index=True
    )
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    filename: Mapped[str] = mapped_column(sa.String(255))
    content_type: Mapped[str] = mapped_column(sa.String(100))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    is_inline: Mapped[bool] = mapped_column(default=False)
    content_id: Mapped[str] = mapped_column(sa.String(255), default="")
    uploader_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL"), index=True
    )
    created_at: Mapped[datetime]


class SlaClock(Base):
    """One target running on one ticket; next response starts a new cycle each time.

    ``due_at`` and ``warn_at`` are None while paused, met or void; a breach keeps ``due_at``.
    ``pauses`` are the spans, from and to in ISO 8601, in which it was paused or stopped;
    ``left_seconds`` is the calendar time that was left (negative: overdue) when it last paused or
    stopped. ``breached_at`` and ``warned_at`` say that it was told.
    """

    __tablename__ = "sla_clock"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "target", "cycle"),
        partial_index(
            "ix_sla_clock_due",
            "due_at",
            where="due_at is not null and breached_at is null",
        ),
        partial_index(
            "ix_sla_clock_warn",
            "warn_at",
            where="warn_at is not null and warned_at is null",
        ),
        partial_index(
            "ix_sla_clock_met",
            *("stopped_at", "target", "ticket_id"),
            where="state = 'met'",
        ),
        partial_index(
            "ix_sla_clock_missed",
            *("breached_at", "target", "ticket_id"),
            where="breached_at is not null",
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    target: Mapped[Target]
    cycle: Mapped[int] = mapped_column(default=1)
    state: Mapped[ClockState] = mapped_column(default=ClockState.RUNNING)
    terms_id: Mapped[int] = mapped_column(sa.ForeignKey("sla_terms.id", ondelete="RESTRICT"))
    target_minutes: Mapped[int]
    started_at: Mapped[datetime]
    due_at: Mapped[datetime | None]
    warn_at: Mapped[datetime | None]
    paused_at: Mapped[datetime | None]
    pauses: Mapped[list[list[str]]] = mapped_column(sa.JSON, default=list)
    left_seconds: Mapped[int | None]
    stopped_at: Mapped[datetime | None]
    warned_at: Mapped[datetime | None]
    breached_at: Mapped[datetime | None]
    retry_at: Mapped[datetime | None]  # a row whose escalation failed waits until then
    ticket: Mapped[Ticket] = relationship(back_populates="clocks")


class Participant(Base):
    """A person beside the requester who takes part: a follower, or somebody cc'd."""

    __tablename__ = "participant"
    ticket_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True
    )
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    kind: Mapped[ParticipantKind] = mapped_column(default=ParticipantKind.FOLLOWER)
    created_at: Mapped[datetime]
    person: Mapped[Person] = relationship()

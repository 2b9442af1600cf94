"""E-mail at rest: support addresses, what came in, and the outbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, deferred, mapped_column

from app.core.db import Base


class Mailbox(Base):
    """One support address; ``incoming`` and ``outgoing`` say how mail comes and goes (later)."""

    __tablename__ = "mailbox"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str] = mapped_column(sa.String(254), unique=True)
    name: Mapped[str] = mapped_column(sa.String(200), default="")
    group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("agent_group.id", ondelete="SET NULL")
    )
    category_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("category.id", ondelete="SET NULL")
    )
    signature: Mapped[str] = mapped_column(sa.Text, default="")
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]


class InboundState(StrEnum):
    """What became of a mail that came in."""

    WAITING = "waiting"
    TICKET = "ticket"
    COMMENT = "comment"
    HELD = "held"
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


class InboundEmail(Base):
    """A mail as it came, stored before it is acknowledged.

    Unique by mailbox, Message-ID and content, since different mails do reuse a Message-ID and some
    have none (stored as ""). ``due_at`` is when a worker may (again) try it.
    """

    __tablename__ = "inbound_email"
    __table_args__ = (
        sa.UniqueConstraint("mailbox_id", "message_id", "content_hash"),
        sa.Index(
            "ix_inbound_email_due",
            "due_at",
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        ),
        sa.Index("ix_inbound_email_state_id", "state", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(sa.ForeignKey("mailbox.id", ondelete="RESTRICT"))
    message_id: Mapped[str] = mapped_column(sa.String(255), default="")
    content_hash: Mapped[str] = mapped_column(sa.String(64))
    return_path: Mapped[str | None] = mapped_column(sa.String(254))  # "" is the null return path
    sender: Mapped[str] = mapped_column(sa.String(254), default="")
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    raw: Mapped[bytes] = deferred(mapped_column(sa.LargeBinary))
    size: Mapped[int]
    state: Mapped[InboundState] = mapped_column(default=InboundState.WAITING)
    reason: Mapped[str] = mapped_column(sa.Text, default="")  # why ignored, held or quarantined
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime]
    due_at: Mapped[datetime]
    done_at: Mapped[datetime | None]


class OutboundState(StrEnum):
    """Where a mail of the outbox stands."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class OutboundEmail(Base):
    """One mail to one recipient, written in the transaction of the change that caused it.

    ``template`` and ``context`` (JSON) are rendered by the worker; ``subject``, ``body_text`` and
    ``body_html`` hold what was rendered, so that a retry sends the same.
    ``locked_until`` is the lease of the worker that is sending it.
    """

    __tablename__ = "outbound_email"
    __table_args__ = (
        sa.Index(
            "ix_outbound_email_due",
            "due_at",
            sqlite_where=sa.text("state = 'queued'"),
            postgresql_where=sa.text("state = 'queued'"),
        ),
        sa.Index("ix_outbound_email_state_id", "state", "id"),
        sa.Index("ix_outbound_email_recipient_created_at", "recipient", "kind", "created_at"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(40))  # the folder's name in templates/email
    recipient: Mapped[str] = mapped_column(sa.String(254))
    recipient_name: Mapped[str] = mapped_column(sa.String(200), default="")
    mailbox_id: Mapped[int | None] = mapped_column(sa.ForeignKey("mailbox.id", ondelete="SET NULL"))
    message_id: Mapped[str] = mapped_column(sa.String(255), unique=True)
    in_reply_to: Mapped[str] = mapped_column(sa.String(255), default="")
    references: Mapped[str] = mapped_column("reference_ids", sa.Text, default="")
    reply_token: Mapped[str] = mapped_column(sa.String(64), default="")
    is_automatic: Mapped[bool] = mapped_column(default=False)
    context: Mapped[dict[str, Any]] = mapped_column(default=dict)
    subject: Mapped[str] = mapped_column(sa.String(500), default="")
    body_text: Mapped[str | None] = mapped_column(sa.Text)
    body_html: Mapped[str | None] = mapped_column(sa.Text)
    state: Mapped[OutboundState] = mapped_column(default=OutboundState.QUEUED)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.Text, default="")
    # A ticket's id as a plain number: this area knows no ticket. Indexed for the ticket's page.
    ticket_id: Mapped[int | None] = mapped_column(index=True)
    comment_id: Mapped[int | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]

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
    BOUNCE = "bounce"  # a report about a mail that we sent, noted where that mail belongs
    IGNORED = "ignored"
    QUARANTINED = "quarantined"


class SenderCheck(StrEnum):
    """Whether a mail is from whom it says (DMARC, RFC 7489); most mails tell nothing."""

    UNKNOWN = "unknown"
    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"


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
    sender_check: Mapped[SenderCheck] = mapped_column(default=SenderCheck.UNKNOWN)
    authentication: Mapped[str] = mapped_column(sa.String(300), default="")  # what told it
    is_released: Mapped[bool] = mapped_column(default=False)  # an admin says that it is no spam
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
    HELD_BACK = "held_back"  # the address fails; sent once somebody says that it works again


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
        # Small, since few mails fail: pages of tickets ask it for each.
        sa.Index(
            "ix_outbound_email_failed",
            "ticket_id",
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
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
    give_up_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]


class SendingOutage(Base):
    """A mail server that takes nothing: a row from the first failure to the next success.

    ``server`` is its URL without user and password.
    """

    __tablename__ = "sending_outage"
    server: Mapped[str] = mapped_column(sa.String(300), primary_key=True)
    since: Mapped[datetime]
    last_tried_at: Mapped[datetime]
    error: Mapped[str] = mapped_column(sa.Text, default="")


class FailingAddress(Base):
    """An address that gave back what we sent there; not mailed until somebody clears it.

    ``status`` is an enhanced status code (RFC 3463) or empty, ``reason`` the other server's words.
    """

    __tablename__ = "failing_address"
    address: Mapped[str] = mapped_column(sa.String(254), primary_key=True)
    since: Mapped[datetime]
    status: Mapped[str] = mapped_column(sa.String(20), default="")
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    outbound_email_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("outbound_email.id", ondelete="SET NULL"), index=True
    )


class BlockedSender(Base):
    """Whose mail is not read: ``pattern`` is an address, or a domain with all below it."""

    __tablename__ = "blocked_sender"
    __reference__ = True
    pattern: Mapped[str] = mapped_column(sa.String(254), primary_key=True)
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    created_by_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )
    created_at: Mapped[datetime]

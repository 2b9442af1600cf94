"""E-mail at rest: support addresses, what came in, and the outbox."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.associationproxy import AssociationProxy, association_proxy
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base, partial_index


class Incoming(StrEnum):
    """How mail of a mailbox comes in, beside LMTP, pipes and HTTP, which serve every mailbox."""

    NONE = "none"
    IMAP = "imap"


class Security(StrEnum):
    """How the connection to a mail server is protected; certificates are always checked."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class ImapAuth(StrEnum):
    """How we sign in at the IMAP server; ``imap_secret`` holds what that needs."""

    PASSWORD = "password"  # noqa: S105  (the kind, not a password)
    OAUTH2 = "oauth2"


class AfterStoring(StrEnum):
    """What happens to a message on the IMAP server once it is stored here."""

    KEEP = "keep"
    FLAG = "flag"  # marked as read
    MOVE = "move"


class Mailbox(Base):
    """One support address, and the servers that its mail comes from and goes to.

    What is secret is sealed (`app.core.sealing`) and empty where there is none: ``imap_secret`` as
    `app.mail.credentials` writes it, ``smtp_url`` with user and password (empty: the desk's own),
    ``dkim_key`` in PEM. How fetching goes is in `MailboxPoll`: it changes all the time.
    """

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
    incoming: Mapped[Incoming] = mapped_column(default=Incoming.NONE)
    imap_host: Mapped[str] = mapped_column(sa.String(253), default="")
    imap_port: Mapped[int] = mapped_column(default=993)
    imap_security: Mapped[Security] = mapped_column(default=Security.TLS)
    imap_user: Mapped[str] = mapped_column(sa.String(254), default="")
    imap_auth: Mapped[ImapAuth] = mapped_column(default=ImapAuth.PASSWORD)
    imap_secret: Mapped[str] = mapped_column(sa.Text, default="")
    imap_folder: Mapped[str] = mapped_column(sa.String(255), default="INBOX")
    imap_after: Mapped[AfterStoring] = mapped_column(default=AfterStoring.KEEP)
    imap_after_folder: Mapped[str] = mapped_column(sa.String(255), default="")
    # False: what was in the folder before we first looked is left alone.
    imap_takes_old: Mapped[bool] = mapped_column(default=True)
    smtp_url: Mapped[str] = mapped_column(sa.Text, default="")
    from_name: Mapped[str] = mapped_column(sa.String(200), default="")
    dkim_selector: Mapped[str] = mapped_column(sa.String(63), default="")
    dkim_key: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime]


class MailboxPoll(Base):
    """How fetching one mailbox goes; made at the first look, written with every round.

    Messages of ``folder`` under ``uid_validity`` with a UID below ``start_uid`` are none of ours;
    up to ``last_uid`` every other has a `MailReceipt`. ``server_count`` and ``missing_count`` are
    of ``counted_at``: messages in the folder, and those of them that have no receipt.
    ``token`` is the sealed OAuth2 token in use.
    """

    __tablename__ = "mailbox_poll"
    mailbox_id: Mapped[int] = mapped_column(
        sa.ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True
    )
    source: Mapped[str] = mapped_column(sa.String(800), default="")  # as MailReceipt.folder
    uid_validity: Mapped[int | None] = mapped_column(sa.BigInteger)
    start_uid: Mapped[int] = mapped_column(sa.BigInteger, default=1)
    last_uid: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    started_at: Mapped[datetime]
    polled_at: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    next_poll_at: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)  # one after the other
    error: Mapped[str] = mapped_column(sa.Text, default="")
    is_idling: Mapped[bool] = mapped_column(default=False)  # the server tells us of new mail
    server_count: Mapped[int | None]
    missing_count: Mapped[int | None]
    counted_at: Mapped[datetime | None]
    token: Mapped[str] = mapped_column(sa.Text, default="")


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
        partial_index(
            "ix_inbound_email_due",
            "due_at",
            where="state = 'waiting'",
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
    content: Mapped[RawEmail] = relationship(cascade="all, delete-orphan", passive_deletes=True)
    raw: AssociationProxy[bytes] = association_proxy(
        "content", "raw", creator=lambda raw: RawEmail(raw=raw)
    )


class RawEmail(Base):
    """The bytes of a mail that came in.

    A table of its own, because SQLite writes a row anew, whole, with every change of it, and what
    becomes of a mail is written several times.
    """

    __tablename__ = "raw_email"
    inbound_email_id: Mapped[int] = mapped_column(
        sa.ForeignKey("inbound_email.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    raw: Mapped[bytes] = mapped_column(sa.LargeBinary)


class Channel(StrEnum):
    """The way by which a message came in."""

    IMAP = "imap"
    LMTP = "lmtp"
    SMTP = "smtp"
    PIPE = "pipe"
    HTTP = "http"


class MailReceipt(Base):
    """The ledger: one row for each message that reached a mailbox, by whatever way, and each time.

    ``inbound_email_id`` is the mail that it became (its outcome is there); None: it could not be
    read from the server yet (``error``, tried again at ``retry_at``). ``is_copy``: we had that
    mail already. On an IMAP server ``folder`` (user@host/name), ``uid_validity`` and ``uid`` name
    it, and ``is_filed`` is false until it was flagged or moved as the mailbox wants.
    """

    __tablename__ = "mail_receipt"
    __table_args__ = (
        # NULLs differ from each other: other ways in are not touched by this.
        sa.UniqueConstraint("mailbox_id", "folder", "uid_validity", "uid"),
        partial_index(
            "ix_mail_receipt_open",
            "mailbox_id",
            where="retry_at is not null or not is_filed",
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(sa.ForeignKey("mailbox.id", ondelete="RESTRICT"))
    channel: Mapped[Channel]
    folder: Mapped[str | None] = mapped_column(sa.String(800))
    uid_validity: Mapped[int | None] = mapped_column(sa.BigInteger)
    uid: Mapped[int | None] = mapped_column(sa.BigInteger)
    inbound_email_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("inbound_email.id", ondelete="RESTRICT"), index=True
    )
    is_copy: Mapped[bool] = mapped_column(default=False)
    is_filed: Mapped[bool] = mapped_column(default=True)
    attempts: Mapped[int] = mapped_column(default=0)
    error: Mapped[str] = mapped_column(sa.Text, default="")
    retry_at: Mapped[datetime | None]
    received_at: Mapped[datetime]


class OutboundState(StrEnum):
    """Where a mail of the outbox stands."""

    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"
    HELD_BACK = "held_back"  # the address fails; sent once somebody says that it works again


# As the partial index of the outbox spells it.
UNDELIVERED = "outbound_email.state in ('failed', 'held_back')"


class OutboundEmail(Base):
    """One mail to one recipient, written in the transaction of the change that caused it.

    ``template`` and ``context`` (JSON) are rendered by the worker; ``subject``, ``body_text`` and
    ``body_html`` hold what was rendered, so that a retry sends the same.
    ``locked_until`` is the lease of the worker that is sending it.
    """

    __tablename__ = "outbound_email"
    __table_args__ = (
        partial_index(
            "ix_outbound_email_due",
            "due_at",
            where="state = 'queued'",
        ),
        # Small, since few mails fail: pages of tickets ask it for each.
        partial_index(
            "ix_outbound_email_undelivered",
            "ticket_id",
            where="state in ('failed', 'held_back')",
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


class ToldAlarm(Base):
    """An alarm that admins were told of; gone once it is over, and that is told."""

    __tablename__ = "told_alarm"
    key: Mapped[str] = mapped_column(sa.String(320), primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(400))
    since: Mapped[datetime]
    told_at: Mapped[datetime]


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
    id: Mapped[int] = mapped_column(primary_key=True)
    pattern: Mapped[str] = mapped_column(sa.String(254), unique=True)
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    created_by_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )
    created_at: Mapped[datetime]

"""Storing a mail durably before anybody is told that we have it. Reading it comes later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.core.db import db
from app.core.jobs import Job, ring
from app.mail import headers, mailboxes, mime
from app.mail.mailboxes import MailboxCard
from app.mail.models import InboundEmail, InboundState
from app.mail.parsing import DELIVERY_FIELDS

MAX_SIZE = 60_000_000  # bytes of a mail that is read; a larger one is kept in quarantine


@dataclass(frozen=True, slots=True)
class Envelope:
    """What storing needs to know of a raw mail."""

    message_id: str
    content_hash: str
    return_path: str | None
    sender: str
    subject: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the mail is; ``is_new`` is false where we had it already."""

    is_new: bool
    state: InboundState
    reason: str


def envelope(raw: bytes) -> Envelope:
    """Read the header (pure).

    The hash is over From, Date, Subject and body, line ends apart: the same mail may come by
    different ways, and different mails do reuse a Message-ID.
    """
    root = mime.read(raw)
    told = [value for name, value in root.fields if name in ("from", "date", "subject")]
    body = raw[root.start :].replace(b"\r\n", b"\n").rstrip()
    ids = headers.message_ids(root.get("message-id")[:2000])
    paths = [value.strip() for value in root.get_all("return-path")]
    senders = headers.addresses(root.get("from"))
    named = [
        address.email
        for name in (*DELIVERY_FIELDS, "to", "cc")
        for value in root.get_all(name)
        for address in headers.addresses(value)
    ]
    return Envelope(
        message_id=ids[0] if ids else "",
        content_hash=hashlib.sha256(b"\0".join([*told, body])).hexdigest(),
        return_path=paths[0].strip("<>")[:254] if paths else None,
        sender=senders[0].email[:254] if senders else "",
        subject=headers.decode_words(root.get("subject"))[:500],
        recipients=tuple(named),
    )


def store(raw: bytes, mailbox: MailboxCard | None, *, now: datetime) -> Stored:
    """Put a raw mail into the ledger, once, and ring for a worker; the caller commits.

    Args:
        mailbox: whose it is; None: by its recipients, else the default mailbox.
    """
    told = envelope(raw)
    box = mailbox or mailboxes.for_recipients(told.recipients) or mailboxes.default(now=now)
    reason = ""
    if not raw.strip():
        reason = "The mail is empty."
    elif len(raw) > MAX_SIZE:
        reason = f"The mail has {len(raw):,} bytes, at most {MAX_SIZE:,} are read."
    state = InboundState.QUARANTINED if reason else InboundState.WAITING
    dialect = postgresql if db.engine.dialect.name == "postgresql" else sqlite
    insert = (
        dialect.insert(InboundEmail)
        .values(
            mailbox_id=box.id,
            message_id=told.message_id,
            content_hash=told.content_hash,
            return_path=told.return_path,
            sender=told.sender,
            subject=told.subject,
            raw=raw,
            size=len(raw),
            state=state,
            reason=reason,
            attempts=0,
            received_at=now,
            due_at=now,
        )
        .on_conflict_do_nothing()
    )
    is_new = db.session.scalar(insert.returning(InboundEmail.id)) is not None
    if is_new and state is InboundState.WAITING:
        ring(Job.PROCESS_MAIL)
    return Stored(is_new, state, reason)


RAW = sa.select(InboundEmail.raw, InboundEmail.return_path, InboundEmail.mailbox_id).where(
    InboundEmail.id == sa.bindparam("email_id")
)


def find(email_id: int) -> sa.Row[bytes, str | None, int]:
    """A stored mail: raw bytes, return path, mailbox."""
    return db.session.connection().execute(RAW, {"email_id": email_id}).one()

"""Storing a mail durably before anybody is told that we have it. Reading it comes later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.core.db import db, insert_into
from app.core.errors import NotFound
from app.core.jobs import Job, ring
from app.mail import headers, large, mailboxes, mime
from app.mail.mailboxes import MailboxCard
from app.mail.models import Channel, InboundEmail, InboundState, MailReceipt, RawEmail
from app.mail.parsing import DELIVERY_FIELDS

MAX_SIZE = 60_000_000  # bytes of a mail that is read; a larger one is kept in quarantine
PIECE = 1 << 20


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
class Origin:
    """The way a message came; on an IMAP server also where it is, and whether it stays so."""

    channel: Channel
    folder: str | None = None
    uid_validity: int | None = None
    uid: int | None = None
    is_filed: bool = True


PIPE = Origin(Channel.PIPE)


@dataclass(frozen=True, slots=True)
class Stored:
    """Where the mail is; ``is_new`` is false where we had it already."""

    is_new: bool
    state: InboundState
    reason: str
    id: int


def envelope(raw: bytes) -> Envelope:
    """Read the header (pure).

    The hash is over From, Date, Subject and body, line ends apart: the same mail may come by
    different ways, and different mails do reuse a Message-ID. Devices send the same alarm again
    with neither id nor date: then the newest Received tells one from the other.
    """
    root = mime.read(raw)
    told = [value for name, value in root.fields if name in ("from", "date", "subject")]
    ids = headers.message_ids(root.get("message-id")[:2000])
    if not ids and not root.get("date"):
        told += [value for name, value in root.fields if name == "received"][:1]
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
        content_hash=_hash(told, raw, root.start),
        return_path=paths[0].strip("<>")[:254] if paths else None,
        sender=senders[0].email[:254] if senders else "",
        subject=headers.decode_words(root.get("subject"))[:500],
        recipients=tuple(named),
    )


def _hash(told: list[bytes], raw: bytes, start: int) -> str:
    """SHA-256 of what a mail tells and its body from *start*, read piece by piece."""
    digest = hashlib.sha256(b"".join(value + b"\0" for value in told))
    end = len(raw)
    while end > start:
        tail = raw[max(start, end - PIECE) : end]
        end -= len(tail) - len(kept := tail.rstrip())
        if kept:
            break
    while start < end:
        stop = min(start + PIECE, end)
        if raw[stop - 1 : stop + 1] == b"\r\n" and stop < end:
            stop += 1  # a line end stays in one piece
        digest.update(raw[start:stop].replace(b"\r\n", b"\n"))
        start = stop
    return digest.hexdigest()


def store(
    raw: bytes,
    mailbox: MailboxCard | None,
    *,
    now: datetime,
    origin: Origin = PIPE,
    quarantine: str = "",
) -> Stored:
    """Put a raw mail into the ledger, once, and ring for a worker; the caller commits.

    Args:
        mailbox: whose it is; None: by its recipients, else the default mailbox.
        quarantine: why it is not to be read, if so.
    """
    told = envelope(raw)
    box = mailbox or mailboxes.for_recipients(told.recipients) or mailboxes.default(now=now)
    reason = quarantine
    if not raw or raw.isspace():
        reason = "The mail is empty."
    elif len(raw) > MAX_SIZE:
        reason = f"The mail has {len(raw):,} bytes, at most {MAX_SIZE:,} are read."
    state = InboundState.QUARANTINED if reason else InboundState.WAITING
    insert = (
        insert_into(InboundEmail)
        .values(
            mailbox_id=box.id,
            message_id=told.message_id,
            content_hash=told.content_hash,
            return_path=told.return_path,
            sender=told.sender,
            subject=told.subject,
            size=len(raw),
            state=state,
            reason=reason,
            attempts=0,
            received_at=now,
            due_at=now,
        )
        .on_conflict_do_nothing()
    )
    email_id = db.session.scalar(insert.returning(InboundEmail.id))
    is_new = email_id is not None
    if email_id is None:
        email_id, state, reason = _stored_before(box.id, told)
    else:
        large.insert(email_id, raw)
        if state is InboundState.WAITING:
            ring(Job.PROCESS_MAIL)
    _write_receipt(box.id, email_id, origin, is_copy=not is_new, now=now)
    return Stored(is_new, state, reason, email_id)


def _stored_before(mailbox_id: int, told: Envelope) -> tuple[int, InboundState, str]:
    found = sa.select(InboundEmail.id, InboundEmail.state, InboundEmail.reason).where(
        InboundEmail.mailbox_id == mailbox_id,
        InboundEmail.message_id == told.message_id,
        InboundEmail.content_hash == told.content_hash,
    )
    email_id, state, reason = db.session.execute(found).one()
    return email_id, state, reason


def _write_receipt(
    mailbox_id: int, email_id: int, origin: Origin, *, is_copy: bool, now: datetime
) -> None:
    """Note that a message came; one that an IMAP server shows twice has one row."""
    told = {
        "inbound_email_id": email_id,
        "is_copy": is_copy,
        "is_filed": origin.is_filed,
        "error": "",
        "retry_at": None,
    }
    insert = insert_into(MailReceipt).values(
        mailbox_id=mailbox_id,
        channel=origin.channel,
        folder=origin.folder,
        uid_validity=origin.uid_validity,
        uid=origin.uid,
        attempts=1,
        received_at=now,
        **told,
    )
    if origin.uid is not None:  # it may have been noted as one that could not be read
        insert = insert.on_conflict_do_update(
            index_elements=["mailbox_id", "folder", "uid_validity", "uid"],
            set_=told,
            where=MailReceipt.inbound_email_id.is_(None),
        )
    db.session.execute(insert)


@dataclass(frozen=True, slots=True)
class Found:
    """A stored mail; ``is_released``: let through as no spam."""

    raw: bytes
    return_path: str | None
    mailbox_id: int
    is_released: bool


FOUND = (
    sa.select(
        sa.case((InboundEmail.size <= large.LARGE, RawEmail.raw)).label("raw"),
        InboundEmail.size,
        InboundEmail.return_path,
        InboundEmail.mailbox_id,
        InboundEmail.is_released,
    )
    .join_from(InboundEmail, RawEmail)
    .where(InboundEmail.id == sa.bindparam("email_id"))
)


def find(email_id: int) -> Found:
    """A stored mail, its bytes in memory once.

    Raises:
        NotFound: its bytes are past their days.
    """
    row = db.session.connection().execute(FOUND, {"email_id": email_id}).one_or_none()
    if row is None:
        raise NotFound("The raw mail is not kept any more.")
    raw = large.read(email_id, row.size) if row.raw is None else row.raw
    return Found(raw, row.return_path, row.mailbox_id, row.is_released)

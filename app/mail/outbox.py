"""The outbox: a mail is a row in the transaction of its cause, and a worker sends it."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import current_app

from app.core.db import db
from app.core.jobs import Job, ring
from app.mail.models import OutboundEmail, OutboundState
from app.settings import Settings

_table: Any = OutboundEmail.__table__  # the session's bulk inserts take twice as long
INSERT = sa.insert(_table)
GIVE_UP_AFTER = timedelta(days=2)


def row(
    kind: str,
    recipient: str,
    *,
    name: str = "",
    context: dict[str, Any],
    now: datetime,
    mailbox_id: int | None = None,
    ticket_id: int | None = None,
    comment_id: int | None = None,
    in_reply_to: str = "",
    references: str = "",
    reply_token: str = "",
    is_automatic: bool = False,
    due_at: datetime | None = None,
) -> dict[str, Any]:
    """Columns of an `OutboundEmail`, with its Message-ID, which a retry keeps.

    Args:
        kind: the folder in templates/email that the worker renders with *context* (JSON).
        references: Message-IDs with blanks between, without brackets.
        due_at: before which it must not leave; None for at once.
    """
    return {
        "kind": kind,
        "recipient": recipient,
        "recipient_name": name,
        "context": context,
        "message_id": make_message_id(),
        "mailbox_id": mailbox_id,
        "ticket_id": ticket_id,
        "comment_id": comment_id,
        "in_reply_to": in_reply_to,
        "reference_ids": references,
        "reply_token": reply_token,
        "is_automatic": is_automatic,
        "state": OutboundState.QUEUED,
        "created_at": now,
        "due_at": due_at or now,
        "give_up_at": (due_at or now) + GIVE_UP_AFTER,
    }


def queue(rows: Sequence[dict[str, Any]]) -> None:
    """Put *rows* into the outbox and ring for a worker once this is committed.

    Without a server to send by nobody is rung for: mails stay here.
    """
    if rows:
        db.session.connection().execute(INSERT, list(rows))
        settings: Settings = current_app.extensions["settings"]
        if settings.smtp_url is not None and any(
            row["due_at"] == row["created_at"] for row in rows
        ):
            ring(Job.SEND_OUTBOX)


def take_back(ticket_id: int, comment_id: int) -> list[str] | None:
    """Cancel a comment's mails, all or (as None, for a rollback) not: no sender has had one.

    Safe beside a sender that claims at the same moment: one of the two statements comes first.
    Returns their Message-IDs.
    """
    its = OutboundEmail.ticket_id == ticket_id, OutboundEmail.comment_id == comment_id
    waits = OutboundEmail.state == OutboundState.QUEUED, OutboundEmail.attempts == 0
    cancel = sa.update(OutboundEmail).where(*its, *waits).returning(OutboundEmail.message_id)
    gone = {"state": OutboundState.CANCELLED, "context": {}, "reply_token": ""}
    options = {"synchronize_session": False}
    cancelled = db.session.scalars(cancel.values(**gone), execution_options=options).all()
    others = sa.select(OutboundEmail.id).where(*its, OutboundEmail.state != OutboundState.CANCELLED)
    if db.session.scalar(others.limit(1)) is not None:
        return None
    return list(cancelled)


def is_ours(message_id: str) -> bool:
    """True for the Message-ID of a mail of ours; asks only where it bears our site's name."""
    if message_id.rpartition("@")[2] != _id_domain():
        return False
    ours = sa.select(OutboundEmail.id).where(OutboundEmail.message_id == message_id)
    return db.session.scalar(ours) is not None


def make_message_id() -> str:
    """A Message-ID of ours, without brackets, under the site's name (RFC 5322, 3.6.4)."""
    return f"{secrets.token_hex(16)}@{_id_domain()}"


def _id_domain() -> str:
    settings: Settings = current_app.extensions["settings"]
    return urlsplit(settings.base_url).hostname or "localhost"

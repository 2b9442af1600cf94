"""The outbox: a mail is a row in the transaction of its cause, and a worker sends it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import current_app
from markupsafe import escape

from app.core.db import db
from app.core.jobs import Job, ring
from app.core.sealing import seal, unseal
from app.core.statements import Write
from app.mail.models import OutboundEmail, OutboundState
from app.settings import Settings

_table: Any = OutboundEmail.__table__  # the session's bulk inserts take twice as long
INSERT = Write(sa.insert(_table))
GIVE_UP_AFTER = timedelta(days=2)
AGAIN = (OutboundState.QUEUED, OutboundState.FAILED, OutboundState.HELD_BACK)
SECRETS = ("key", "path")  # in a context: what lets somebody in
BLANK = "…"
_no_sync = {"synchronize_session": False}
_fresh = {"populate_existing": True}


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

    Nobody is rung for where all wait, or where there is no server to send by.
    """
    if rows:
        INSERT.many(rows)
        settings: Settings = current_app.extensions["settings"]
        has_server = settings.smtp_url is not None or any(row["mailbox_id"] for row in rows)
        if has_server and any(row["due_at"] == row["created_at"] for row in rows):
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
    cancelled = db.session.scalars(cancel.values(**gone), execution_options=_no_sync).all()
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


def without_secrets(row: OutboundEmail) -> dict[str, Any]:
    """Columns of a mail that was sent, without its link's key and reply token in the clear.

    What a ticket's mail is made from stays, sealed, so that it can be sent again if it came back;
    a link to sign in is of no use by then.
    """
    held = {"context": row.context, "reply_token": row.reply_token}
    context = {"sealed": seal(json.dumps(held))} if row.ticket_id else {}
    blanked = {"body_text": row.body_text or "", "body_html": row.body_html or ""}
    for secret in (str(row.context[name]) for name in SECRETS if row.context.get(name)):
        for name, text in blanked.items():
            blanked[name] = text.replace(secret, BLANK).replace(str(escape(secret)), BLANK)
    return {"context": context, "reply_token": "", **blanked}


def retry(email_id: int, *, now: datetime) -> bool:
    """Try a mail again that failed, is held back or waits for its next try: at once, for two days.

    False where it is none of these (any more).
    """
    return bool(send_again([email_id], now=now))


def send_again(email_ids: Sequence[int], *, now: datetime) -> int:
    """The same for several mails, also such as came back. How many they are."""
    ids = OutboundEmail.id.in_(email_ids)
    mine = sa.select(OutboundEmail).where(ids, OutboundEmail.state.in_(AGAIN), _unclaimed(now))
    rows = db.session.scalars(mine.with_for_update(), execution_options=_fresh).all()
    for row in rows:
        if sealed := row.context.get("sealed"):
            held = json.loads(unseal(sealed))
            row.context, row.reply_token = held["context"], held["reply_token"]
            row.body_text = row.body_html = None  # rendered again, with what was blanked
        row.state, row.error, row.attempts = OutboundState.QUEUED, "", 0
        row.due_at, row.give_up_at, row.locked_until = now, now + GIVE_UP_AFTER, None
        row.sent_at = None
    db.session.flush()
    if rows:
        ring(Job.SEND_OUTBOX)
    return len(rows)


def discard(email_id: int, *, now: datetime) -> bool:
    """Never send a mail that failed, is held back or waits. False where it is none of these."""
    return bool(discard_all(OutboundEmail.id == email_id, now=now))


def discard_all(*its: sa.ColumnElement[bool], now: datetime) -> Sequence[int]:
    """The same for all mails of which *its* is true. Their ids."""
    mine = (*its, OutboundEmail.state.in_(AGAIN), _unclaimed(now))
    gone = {"state": OutboundState.CANCELLED, "context": {}, "reply_token": ""}
    drop = sa.update(OutboundEmail).where(*mine).values(**gone, body_text=None, body_html=None)
    found = db.session.scalars(drop.returning(OutboundEmail.id), execution_options=_no_sync)
    return found.all()


def _unclaimed(now: datetime) -> sa.ColumnElement[bool]:
    """Condition: no sender has it at the moment."""
    locked_until = OutboundEmail.locked_until
    return sa.or_(locked_until.is_(None), locked_until <= now)


def make_message_id() -> str:
    """A Message-ID of ours, without brackets, under the site's name (RFC 5322, 3.6.4)."""
    return f"{secrets.token_hex(16)}@{_id_domain()}"


def _id_domain() -> str:
    settings: Settings = current_app.extensions["settings"]
    return urlsplit(settings.base_url).hostname or "localhost"

"""Mails that became nothing: tried again, let through, or left alone, by hand."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.core import audit
from app.core.audit import Actor
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.jobs import Job, ring
from app.mail.models import InboundEmail, InboundState, MailReceipt, RawEmail
from app.mail.receiving import MAX_SIZE

RESTING = (InboundState.QUARANTINED, InboundState.IGNORED, InboundState.WAITING)


def lock(email_id: int) -> InboundEmail:
    """A mail that something is to be done with; no worker settles it meanwhile.

    Raises:
        NotFound: there is none.
    """
    mine = sa.select(InboundEmail).where(InboundEmail.id == email_id).with_for_update()
    email = db.session.scalar(mine, execution_options={"populate_existing": True})
    if email is None:
        raise NotFound("There is no such mail in the ledger.")
    return email


def replay(email_id: int, *, by: Actor, now: datetime) -> InboundEmail:
    """Read a mail again, as if it had just come. Spam and blocked senders are let through.

    Raises:
        Conflict: it is on a ticket already, or cannot be read (any more).
    """
    email = lock(email_id)
    refuse_done(email)
    if email.size > MAX_SIZE:
        raise Conflict("It is too large to be read. Download it, and make a ticket by hand.")
    kept = sa.select(RawEmail.inbound_email_id).where(RawEmail.inbound_email_id == email.id)
    if db.session.scalar(kept) is None:
        raise Conflict("The raw mail is not kept any more.")
    _note("replayed", email, by=by, now=now)
    email.state, email.reason, email.attempts = InboundState.WAITING, "", 0
    email.due_at, email.done_at, email.is_released = now, None, True
    db.session.flush()
    ring(Job.PROCESS_MAIL)
    return email


def discard(email_id: int, *, by: Actor, now: datetime) -> InboundEmail:
    """Leave a mail alone for good; it stays in the ledger, with who said so.

    Raises:
        Conflict: it is on a ticket already.
    """
    email = lock(email_id)
    refuse_done(email)
    _note("discarded", email, by=by, now=now)
    before = f" It rested here: {email.reason}" if email.reason else ""
    email.state, email.reason = InboundState.IGNORED, f"Discarded by {by.display_name}.{before}"
    email.done_at = now
    db.session.flush()
    return email


def settle_by_hand(email: InboundEmail, number: str, *, by: Actor, now: datetime) -> None:
    """Note the ticket that somebody made of a locked mail.

    Raises:
        Conflict: it is on a ticket already.
    """
    refuse_done(email)
    _note("made a ticket of", email, by=by, now=now)
    email.state, email.done_at = InboundState.TICKET, now
    email.reason = f"Opened {number}, by hand, by {by.display_name}."
    db.session.flush()


def fetch_now(receipt_id: int, *, now: datetime) -> None:
    """Ask the server again, with the next round, for a message that could not be read.

    Raises:
        NotFound: it was read meanwhile.
    """
    receipt = db.session.get(MailReceipt, receipt_id, with_for_update=True)
    if receipt is None or receipt.inbound_email_id is not None:
        raise NotFound("This message was read meanwhile.")
    receipt.retry_at = now
    db.session.flush()
    ring(Job.FETCH_MAIL)


def refuse_done(email: InboundEmail) -> None:
    """Raise Conflict where a mail has become something."""
    if email.state not in RESTING:
        raise Conflict("This mail has become something already: once more would make it twice.")


def _note(action: str, email: InboundEmail, *, by: Actor, now: datetime) -> None:
    name = email.subject or email.sender or "(no subject)"
    audit.write(action, "mail", email.id, name, old=email.reason or None, by=by, now=now)

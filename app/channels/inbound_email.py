"""The queue of stored mails: each is claimed, read, acted upon and settled, whatever happens."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from app.channels import incoming
from app.channels.incoming import NO_PROOF, ingest
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, db, write_patiently
from app.core.errors import DomainError
from app.core.jobs import Job, bells, is_stopping
from app.core.outages import outage
from app.mail.authenticity import Proof
from app.mail.models import InboundEmail, InboundState

log = structlog.get_logger(__name__)

# Longer than reading a mail usually takes. One that takes longer may be read by two, and only the
# first of them still finds it waiting: it becomes a ticket once all the same.
LEASE = timedelta(minutes=1)
MOST_TRIES = 5
TRIES_WHILE_BUSY = 10


# Made once: every mail needs them.
_due = (sa.text("state = 'waiting'"), InboundEmail.due_at <= sa.bindparam("now"))  # as the index
_oldest = sa.select(InboundEmail.id).where(*_due)
_oldest = _oldest.order_by(InboundEmail.due_at, InboundEmail.id).limit(1)
_oldest = _oldest.with_for_update(skip_locked=True)  # PostgreSQL: workers pass each other by
_table: Any = InboundEmail.__table__
CLAIM = (
    sa.update(_table)
    .where(InboundEmail.id == _oldest.scalar_subquery(), *_due)
    .values(due_at=sa.bindparam("until"), attempts=InboundEmail.attempts + 1)
    .returning(InboundEmail.id, InboundEmail.attempts)
)
STILL_WAITS = (
    sa.select(InboundEmail.id)
    .where(InboundEmail.id == sa.bindparam("email_id"), InboundEmail.state == InboundState.WAITING)
    .with_for_update()
)
OUTCOME = (
    sa.update(_table)
    .where(InboundEmail.id == sa.bindparam("email_id"), InboundEmail.state == InboundState.WAITING)
    .values(
        state=sa.bindparam("to"),
        reason=sa.bindparam("why"),
        done_at=sa.bindparam("now"),
        sender_check=sa.bindparam("check"),
        authentication=sa.bindparam("told"),
    )
)


def process_due(clock: Callable[[], datetime] = utcnow, *, seconds: float = math.inf) -> int:
    """Read every stored mail that is due, oldest first. Returns how many.

    A mail that fails is tried again after 1, 2, 4... minutes; after five tries it rests in
    quarantine with its error. None holds up the rest. When the *seconds* are over, other jobs
    have their turn before the rest is read.
    """
    count = 0
    until = time.monotonic() + seconds

    def goes_on() -> bool:
        return not is_stopping() and time.monotonic() < until

    claimed = None if is_stopping() else _claim(clock())
    while claimed is not None:
        count += 1
        (email_id, attempts), claimed = claimed, None
        try:
            if attempts > MOST_TRIES:
                raise RuntimeError("reading it has ended the worker five times")
            claimed = _take(email_id, clock, goes_on)
        except DomainError as error:
            # It will not get better by waiting.
            _settle(email_id, InboundState.QUARANTINED, error.message, now=clock())
        except Exception as error:
            if outage(error):  # not this mail's fault, so no try of its five
                _give_back(email_id, now=clock())
                raise
            log.exception("mail cannot be taken in", mail=email_id)
            told = f"{type(error).__name__}: {error}"[:2000]
            if attempts >= MOST_TRIES:
                _settle(email_id, InboundState.QUARANTINED, told, now=clock())
            else:
                _put_off(email_id, attempts, told, now=clock())
        if claimed is None and goes_on():
            claimed = _claim(clock())
    if time.monotonic() > until:
        bells().ring(Job.PROCESS_MAIL)
    return count


def _claim(now: datetime) -> tuple[int, int] | None:
    """Lease the oldest mail that is due, and count the try before anything can go wrong."""
    begin_write()
    cache.forget_stamp()
    claimed = _lease(now)
    db.session.commit()
    return claimed


def _lease(now: datetime) -> tuple[int, int] | None:
    row = db.session.connection().execute(CLAIM, {"now": now, "until": now + LEASE}).one_or_none()
    return (row.id, row.attempts) if row else None


def _take(
    email_id: int, clock: Callable[[], datetime], goes_on: Callable[[], bool]
) -> tuple[int, int] | None:
    """Read one mail without any lock, then act on it in one transaction.

    The next mail is claimed in the same transaction, where the round *goes on*: half as many
    commits, each of which waits for the disk.
    """
    mail = incoming.read(email_id)
    db.session.rollback()

    def write() -> tuple[int, int] | None:
        cache.forget_stamp()
        db.session.expire_all()  # what mails before have loaded may have changed since
        now = clock()
        if _still_waits(email_id):
            state, reason = ingest(mail, now=now)
            _write_outcome(email_id, state, reason, now=now, proof=mail.proof)
        return _lease(now) if goes_on() else None

    return write_patiently(write, tries=TRIES_WHILE_BUSY)


def _still_waits(email_id: int) -> bool:
    return db.session.connection().scalar(STILL_WAITS, {"email_id": email_id}) is not None


def _still(email_id: int) -> sa.ColumnElement[bool]:
    """It waits, unless somebody else was quicker."""
    return sa.and_(InboundEmail.id == email_id, InboundEmail.state == InboundState.WAITING)


def _settle(email_id: int, state: InboundState, reason: str, *, now: datetime) -> None:
    begin_write()
    _write_outcome(email_id, state, reason, now=now)
    db.session.commit()


def _write_outcome(
    email_id: int, state: InboundState, reason: str, *, now: datetime, proof: Proof = NO_PROOF
) -> None:
    outcome = {"email_id": email_id, "to": state, "why": reason, "now": now}
    outcome |= {"check": proof.check, "told": proof.told}
    db.session.connection().execute(OUTCOME, outcome)


def _put_off(email_id: int, attempts: int, error: str, *, now: datetime) -> None:
    begin_write()
    mine = sa.update(InboundEmail).where(_still(email_id))
    later = now + timedelta(minutes=2 ** (attempts - 1))
    db.session.execute(
        mine.values(due_at=later, reason=error),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def _give_back(email_id: int, *, now: datetime) -> None:
    """Let it be tried again in a minute; where not even that can be written, after its lease."""
    begin_write()
    mine = sa.update(InboundEmail).where(_still(email_id))
    with suppress(sa.exc.DBAPIError):
        db.session.execute(
            mine.values(due_at=now + timedelta(minutes=1), attempts=InboundEmail.attempts - 1),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
    db.session.rollback()

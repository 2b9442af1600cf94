"""Sending the outbox over SMTP.

A row is claimed by a lease, rendered, sent, and marked, each step committed. The lease is short and
renewed while its mail is on its way. Whoever dies keeps at most one row: its lease runs out and
another worker sends it, with the same Message-ID. So one duplicate is possible where the death fell
between the server's 250 and our commit, and no loss.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from flask import Flask, current_app

from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db, write_patiently
from app.core.jobs import Job, bells, is_stopping
from app.core.outages import outage
from app.mail import bounces, composing, failing, outbox, wire
from app.mail.models import Mailbox, OutboundEmail, OutboundState
from app.mail.servers import Servers
from app.mail.smtp import PutOff, Rejected, ServerDown

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)
RENEW_SECONDS = 20.0
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=4)
_no_sync = {"synchronize_session": False}


@dataclass(slots=True)
class Round:
    """What one round did: ``failed`` for ever, ``put_off`` to be tried again, ``held_back`` since
    the address fails."""

    sent: int = 0
    failed: int = 0
    put_off: int = 0
    held_back: int = 0


def send_due(clock: Callable[[], datetime] = utcnow, *, seconds: float = math.inf) -> Round:
    """Send every mail that is due and that there is a server for, in order.

    A mail that cannot be sent now is tried again after 1, 2, 4... minutes, for two days. A server
    that takes nothing is left alone for this round. When the *seconds* are over, other jobs have
    their turn before the rest is sent.
    """
    done = Round()
    if not _is_any_due(clock()):
        return done
    servers = Servers()
    until = time.monotonic() + seconds
    with _Keeper() as keeper:
        try:
            while not is_stopping() and (row := _claim(clock(), servers)) is not None:
                with keeper.keeps(row, clock):
                    _send(row, servers, done, clock)
                if time.monotonic() > until:
                    bells().ring(Job.SEND_OUTBOX)
                    break
        finally:
            servers.close()
    return done


def _send(row: OutboundEmail, servers: Servers, done: Round, clock: Callable[[], datetime]) -> None:
    """Send one claimed row and mark what came of it."""
    try:
        if (why := _held_back(row)) is not None:
            done.held_back += _mark(row, OutboundState.HELD_BACK, clock(), error=why)
            return
        mailbox = servers.mailbox(row)
        data = _prepared(row, mailbox)
        db.session.commit()  # no transaction stays open while the network is waited for
        servers.send(row, wire.return_path(row, mailbox), wire.wire_address(row.recipient), data)
    except Rejected as error:
        servers.works(row)
        done.failed += _refused(row, str(error), clock())
    except ServerDown as error:
        servers.is_down(row, str(error), clock())
        done.put_off += _put_off(row, clock(), error=str(error))
    except PutOff as error:
        done.put_off += _put_off(row, clock(), error=str(error))
    except Exception as error:
        if outage(error):
            raise  # not this mail's fault; the lease runs out and it is tried again
        log.exception("mail cannot be made", mail=row.id, kind=row.kind)
        done.put_off += _put_off(row, clock(), error=f"{type(error).__name__}: {error}")
    else:
        servers.works(row)
        done.sent += _mark(row, OutboundState.SENT, clock(), **outbox.without_secrets(row))


def _is_due(now: datetime) -> tuple[Any, ...]:
    return (
        sa.text("state = 'queued'"),  # spelled like the partial index
        OutboundEmail.due_at <= now,
        sa.or_(OutboundEmail.locked_until.is_(None), OutboundEmail.locked_until <= now),
    )


def _is_any_due(now: datetime) -> bool:
    """A look that takes no lock: most rounds find nothing."""
    due = sa.select(OutboundEmail.id).where(*_is_due(now)).limit(1)
    return db.session.scalar(due) is not None


def _claim(now: datetime, servers: Servers) -> OutboundEmail | None:
    """Lease the row that is due longest, of those whose server works; committed."""
    begin_write()
    cache.forget_stamp()
    due = (*_is_due(now), *servers.within_reach())
    oldest = sa.select(OutboundEmail.id).where(*due).order_by(OutboundEmail.due_at).limit(1)
    oldest = oldest.with_for_update(skip_locked=True)  # PostgreSQL: senders pass each other by
    claim = (
        sa.update(OutboundEmail)
        .where(OutboundEmail.id == oldest.scalar_subquery(), *due)
        .values(locked_until=now + LEASE, attempts=OutboundEmail.attempts + 1)
        .returning(OutboundEmail)
    )
    row = db.session.scalar(claim, execution_options={"populate_existing": True})
    db.session.commit()
    return row


def _held_back(row: OutboundEmail) -> str | None:
    """Why a ticket's mail does not go to an address that gives mails back."""
    fails = failing.find(row.recipient) if row.ticket_id else None
    if fails is None:
        return None
    return f"the address gave back a mail before: {fails.reason or fails.status}"


def _prepared(row: OutboundEmail, mailbox: Mailbox | None) -> bytes:
    """The mail's bytes; rendered the first time, and stored."""
    if row.body_text is None:
        context = wire.with_attached(row.context)
        message = composing.compose(
            row.kind, context, signature=mailbox.signature if mailbox else ""
        )
        begin_write()
        row.subject, row.body_text, row.body_html = message.subject, message.text, message.html
        row.context = context
        db.session.commit()
    try:
        return wire.build(row, mailbox)
    except ValueError as error:
        raise Rejected(f"the mail cannot be written: {error}") from error


def _mark(
    row: OutboundEmail, state: OutboundState, now: datetime, *, error: str = "", **values: Any
) -> int:
    sent_at = now if state is OutboundState.SENT else None
    told = {"state": state, "sent_at": sent_at, "error": error[:2000], "locked_until": None}
    _store(row, told | values)
    return 1


def _refused(row: OutboundEmail, words: str, now: datetime) -> int:
    """Mark a mail that was refused; an address that is wrong for ever is mailed no more."""
    address, email_id = row.recipient, row.id
    status = bounces.status_in(words)
    is_hard = row.ticket_id is not None and bounces.is_hard(status, words)
    error = f"{failing.RETURNED}{words}" if is_hard else words
    _mark(row, OutboundState.FAILED, now, error=error)
    if is_hard:
        begin_write()
        failing.mark(address, status=status, reason=words, outbound_email_id=email_id, now=now)
        db.session.commit()
    return 1


def _put_off(row: OutboundEmail, now: datetime, *, error: str) -> int:
    if now >= row.give_up_at:
        return _mark(row, OutboundState.FAILED, now, error=f"given up after two days: {error}")
    wait = min(FIRST_RETRY * 2 ** min(row.attempts - 1, 10), LONGEST_RETRY)
    _store(row, {"due_at": now + wait, "error": error[:2000], "locked_until": None})
    return 1


def _store(row: OutboundEmail, values: dict[str, Any]) -> None:
    """Write the outcome; patiently, since a mail that was sent and is not marked goes out twice."""
    mine = sa.update(OutboundEmail).where(OutboundEmail.id == row.id).values(**values)
    write_patiently(lambda: db.session.execute(mine, execution_options=_no_sync))
    db.session.expunge(row)


class _Keeper:
    """Renews the lease of the mail that is being sent: a slow server may take minutes for it.

    In a thread of its own, with a session of its own, which wakes only for slow mails.
    """

    def __init__(self) -> None:
        self._app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
        self._mail: tuple[int, Callable[[], datetime]] | None = None
        self._began = 0.0
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    def __enter__(self) -> _Keeper:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def keeps(self, row: OutboundEmail, clock: Callable[[], datetime]) -> _Kept:
        """For the time of a ``with``, the lease of *row* is renewed."""
        return _Kept(self, (row.id, clock))

    def turn_to(self, mail: tuple[int, Callable[[], datetime]] | None) -> None:
        """Renew the lease of this mail alone."""
        with self._lock:
            self._mail, self._began = mail, time.monotonic()

    def _run(self) -> None:
        while not self._over.wait(RENEW_SECONDS):
            with self._lock, self._app.app_context():
                if self._mail is None or time.monotonic() - self._began < RENEW_SECONDS / 2:
                    continue
                try:
                    self._renew(*self._mail)
                except sa.exc.SQLAlchemyError as error:
                    log.warning("lease not renewed", mail=self._mail[0], error=str(error))
                finally:
                    close_session()

    def _renew(self, mail_id: int, clock: Callable[[], datetime]) -> None:
        begin_write()
        mine = sa.update(OutboundEmail).where(
            OutboundEmail.id == mail_id, OutboundEmail.locked_until.is_not(None)
        )
        db.session.execute(mine.values(locked_until=clock() + LEASE), execution_options=_no_sync)
        db.session.commit()


@dataclass(slots=True)
class _Kept:
    keeper: _Keeper
    mail: tuple[int, Callable[[], datetime]]

    def __enter__(self) -> None:
        self.keeper.turn_to(self.mail)

    def __exit__(self, *_: object) -> None:
        self.keeper.turn_to(None)

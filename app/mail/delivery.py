"""Sending the outbox over SMTP.

A row is claimed by a lease, rendered, sent, and marked, each step committed. Whoever dies keeps
at most one row: its lease runs out and another worker sends it, with the same Message-ID. So one
duplicate is possible where the death fell between the server's 250 and our commit, and no loss.
"""

from __future__ import annotations

import math
import smtplib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ssl import create_default_context
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
import structlog
from flask import current_app

from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, db, is_busy
from app.core.jobs import Job, bells, is_stopping
from app.core.outages import outage
from app.mail import composing
from app.mail.models import Mailbox, OutboundEmail, OutboundState
from app.settings import Settings

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)  # longer than one mail can take
TIMEOUT_SECONDS = 30.0  # for each answer of the server
GIVE_UP_AFTER = timedelta(days=2)
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=4)
TRIES_TO_MARK = 6
MOST_HANG_UPS = 3  # in a row: then it is the server, not the mails
SIGN_IN_NEEDED = (530, 538)  # RFC 4954, section 6: our setting is wrong, not the mail


@dataclass(slots=True)
class Round:
    """What one round did; ``failed`` for ever, ``put_off`` to be tried again."""

    sent: int = 0
    failed: int = 0
    put_off: int = 0


class ServerDown(Exception):
    """The server cannot be reached or will take nothing now: the rest of the round waits too."""


class Rejected(Exception):
    """The server, or the mail itself, says that it can never be sent."""


class PutOff(Exception):
    """The server says that this mail may be tried again."""


class HungUp(PutOff):
    """The server ended the conversation, or fell silent, in the midst of this mail."""


def send_due(clock: Callable[[], datetime] = utcnow, *, seconds: float = math.inf) -> Round:
    """Send every mail that is due, in order. Nothing where no server is set.

    A mail that cannot be sent now is tried again after 1, 2, 4... minutes, for two days. When
    the *seconds* are over, other jobs have their turn before the rest is sent.
    """
    settings: Settings = current_app.extensions["settings"]
    done = Round()
    if settings.smtp_url is None:
        return done
    server = Server(settings.smtp_url, urlsplit(settings.base_url).hostname or "localhost")
    until = time.monotonic() + seconds
    try:
        while not is_stopping() and (row := _claim(clock())) is not None:
            if not _send(row, server, done, clock):
                break
            if time.monotonic() > until:
                bells().ring(Job.SEND_OUTBOX)
                break
    finally:
        server.close()
    return done


def _send(row: OutboundEmail, server: Server, done: Round, clock: Callable[[], datetime]) -> bool:
    """Send one claimed row and mark what came of it; False where the round has to end."""
    goes_on = True
    try:
        mailbox = db.session.get(Mailbox, row.mailbox_id) if row.mailbox_id else None
        data = _prepared(row, mailbox)
        db.session.commit()  # no transaction stays open while the network is waited for
        server.send(composing.sender(mailbox)[1], composing.wire_address(row.recipient), data)
    except Rejected as error:
        done.failed += _mark(row, OutboundState.FAILED, clock(), error=str(error))
    except (ServerDown, PutOff) as error:
        goes_on = not isinstance(error, ServerDown)
        done.put_off += _put_off(row, clock(), error=str(error))
    except Exception as error:
        if outage(error):
            raise  # not this mail's fault; the lease runs out and it is tried again
        log.exception("mail cannot be made", mail=row.id, kind=row.kind)
        done.put_off += _put_off(row, clock(), error=f"{type(error).__name__}: {error}")
    else:
        done.sent += _mark(row, OutboundState.SENT, clock())
    return goes_on


def _claim(now: datetime) -> OutboundEmail | None:
    """Lease the row that is due longest; committed."""
    begin_write()
    cache.forget_stamp()
    due = (
        sa.text("state = 'queued'"),  # spelled like the partial index
        OutboundEmail.due_at <= now,
        sa.or_(OutboundEmail.locked_until.is_(None), OutboundEmail.locked_until <= now),
    )
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


def _prepared(row: OutboundEmail, mailbox: Mailbox | None) -> bytes:
    """The mail's bytes; rendered the first time, and stored."""
    if row.body_text is None:
        message = composing.compose(row.kind, row.context)
        begin_write()
        row.subject, row.body_text, row.body_html = message.subject, message.text, message.html
        db.session.commit()
    try:
        return composing.build_mime(row, mailbox)
    except ValueError as error:
        raise Rejected(f"the address cannot be written: {error}") from error


def _mark(row: OutboundEmail, state: OutboundState, now: datetime, *, error: str = "") -> int:
    sent_at = now if state is OutboundState.SENT else None
    _store(row, {"state": state, "sent_at": sent_at, "error": error[:2000], "locked_until": None})
    return 1


def _put_off(row: OutboundEmail, now: datetime, *, error: str) -> int:
    if now - row.created_at >= GIVE_UP_AFTER:
        return _mark(row, OutboundState.FAILED, now, error=f"given up after two days: {error}")
    wait = min(FIRST_RETRY * 2 ** min(row.attempts - 1, 10), LONGEST_RETRY)
    _store(row, {"due_at": now + wait, "error": error[:2000], "locked_until": None})
    return 1


def _store(row: OutboundEmail, values: dict[str, object]) -> None:
    """Write the outcome; patiently, since a mail that was sent and is not marked goes out twice."""
    for left in reversed(range(TRIES_TO_MARK)):
        begin_write()
        try:
            mine = sa.update(OutboundEmail).where(OutboundEmail.id == row.id)
            db.session.execute(
                mine.values(**values), execution_options={"synchronize_session": False}
            )
            db.session.commit()
        except sa.exc.OperationalError as error:
            db.session.rollback()
            if not left or not is_busy(error):
                raise
            time.sleep(0.5)
        else:
            db.session.expunge(row)
            return


class Server:
    """One SMTP connection at a time for a round, made when a mail needs it."""

    def __init__(self, url: str, own_name: str) -> None:
        self._parts = urlsplit(url)
        self._own_name = own_name
        self._connection: smtplib.SMTP | None = None
        self._hung_up = 0  # times in a row

    def send(self, sender: str, recipient: str, data: bytes) -> None:
        """Hand over one mail; returns once the server has taken responsibility for it.

        Raises:
            ServerDown, PutOff, Rejected: by the server's reply code (RFC 5321, section 4.2.1).
        """
        try:
            connection = self._addressed(sender, recipient, len(data))
            with self._conversation(connection):
                _transfer(connection, data)
        except HungUp as error:
            self._hung_up += 1
            if self._hung_up == MOST_HANG_UPS:
                raise ServerDown(str(error)) from error
            raise
        self._hung_up = 0

    def _addressed(self, sender: str, recipient: str, size: int) -> smtplib.SMTP:
        """A connection whose server waits for the content of a mail to *recipient*."""
        while True:
            is_kept = self._connection is not None
            connection = self._connection or self._connect()
            options = [f"SIZE={size}"] if connection.has_extn("size") else []
            if not recipient.isascii():
                if not connection.has_extn("smtputf8"):
                    raise Rejected("the mail server takes no addresses beyond ASCII")
                options.append("SMTPUTF8")
            try:
                with self._conversation(connection):
                    _check(*connection.mail(sender, options))
                    _check(*connection.rcpt(recipient))
            except HungUp:
                if is_kept:  # servers end old connections, also after many wrong recipients
                    continue
                raise
            return connection

    @contextmanager
    def _conversation(self, connection: smtplib.SMTP) -> Iterator[None]:
        """Afterwards the connection is ready for the next mail, or gone."""
        try:
            yield
        except HungUp:
            self._drop()
            raise
        except (Rejected, PutOff, ServerDown):
            self._reset(connection)
            raise
        except (OSError, smtplib.SMTPException) as error:
            self._drop()
            raise HungUp(_said(error)) from error

    def _reset(self, connection: smtplib.SMTP) -> None:
        try:
            connection.rset()
        except (OSError, smtplib.SMTPException):
            self._drop()

    def _drop(self) -> None:
        """End the connection without a word."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> smtplib.SMTP:
        parts = self._parts
        host = parts.hostname or "localhost"
        try:
            if parts.scheme == "smtps":
                connection: smtplib.SMTP = smtplib.SMTP_SSL(
                    host,
                    parts.port or 465,
                    local_hostname=self._own_name,
                    timeout=TIMEOUT_SECONDS,
                    context=create_default_context(),
                )
            else:
                port = parts.port or (587 if parts.scheme == "smtp+starttls" else 25)
                connection = smtplib.SMTP(
                    host, port, local_hostname=self._own_name, timeout=TIMEOUT_SECONDS
                )
            self._connection = connection
            if parts.scheme == "smtp+starttls":
                connection.starttls(context=create_default_context())
            connection.ehlo_or_helo_if_needed()
            if parts.username:
                connection.login(unquote(parts.username), unquote(parts.password or ""))
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            raise ServerDown(f"{host}: {_said(error)}") from error
        return connection

    def close(self) -> None:
        """Say good-bye, if there is anybody to say it to."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.quit()
            except (OSError, smtplib.SMTPException):
                connection.close()


def _transfer(connection: smtplib.SMTP, data: bytes) -> None:
    try:
        _check(*connection.data(data))
    except smtplib.SMTPDataError as error:  # it did not ask for the content
        _check(error.smtp_code, error.smtp_error)
        raise HungUp(_said(error)) from error


def _check(code: int, text: bytes | str) -> None:
    """Return on success.

    Raises:
        Rejected, HungUp, ServerDown, PutOff: 5xx is for ever, but for a sign-in that is missing;
            421 and what is no reply end the conversation; the rest may be tried again.
    """
    if 200 <= code < 300:
        return
    words = _words(code, text)
    if code in SIGN_IN_NEEDED:
        raise ServerDown(words)
    if 500 <= code < 600:
        raise Rejected(words)
    raise (HungUp if code == 421 or code < 200 else PutOff)(words)


def _words(code: int, text: bytes | str) -> str:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return f"{code if code > 0 else 'no reply in SMTP:'} {' '.join(said.split())}"


def _said(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _words(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__

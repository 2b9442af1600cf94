"""The listener: mail servers hand mails over by LMTP (RFC 2033) or SMTP (RFC 5321).

A mail is acknowledged once it is committed; until then the other side keeps it. Whatever fails on
our side is answered with 4xx. Mails are taken for our own mailboxes alone, so nothing is relayed.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from email.utils import format_datetime
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from urllib.parse import urlsplit

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask

from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError
from app.core.outages import outage
from app.mail import mailboxes, receiving
from app.mail.models import Channel
from app.mail.receiving import Origin
from app.settings import Settings

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 100
MOST_RECIPIENTS = 100  # of a mail: RFC 5321, section 4.5.3.1.8, asks for no less
SILENCE_SECONDS = 300.0  # RFC 5321, section 4.5.3.2.7: at least five minutes for a command
IN_MEMORY = 256 * 1024  # bytes of a mail that arrives; what is longer goes to a file
MOST_AT_ONCE = 1 << 20  # bytes of a line, or part of a line, in memory
STOP_SECONDS = 5.0  # how long a mail in hand may take when we are to stop

STORED = "250 2.0.0 Stored"
NOT_NOW = "451 4.3.0 Not stored, try again"
TOO_LARGE = f"552 5.3.4 At most {receiving.MAX_SIZE} bytes are taken"
UNKNOWN = "550 5.1.1 No such mailbox here"
TOO_MANY = "452 4.5.3 Too many recipients"
STOPPING = "421 4.3.2 Shutting down, try again"
BUSY = b"421 4.3.2 Too many connections, try again\r\n"


class Desk:
    """What the conversations share: the application, and two threads that talk to the database.

    One thread looks up recipients, so that nobody waits for it, and one stores: SQLite has one
    writer, and only one mail at a time is whole in memory.
    """

    def __init__(self, app: Flask, *, is_lmtp: bool) -> None:
        self.app, self.is_lmtp = app, is_lmtp
        self._channel = Channel.LMTP if is_lmtp else Channel.SMTP
        self.conversations: set[Conversation] = set()
        self._looking = ThreadPoolExecutor(1, thread_name_prefix="recipients")
        self._storing = ThreadPoolExecutor(1, thread_name_prefix="storing")

    async def handle_EHLO(  # noqa: N802 (this and the next: aiosmtpd's names)
        self, server: SMTP, session: Session, envelope: Envelope, name: str, answers: list[str]
    ) -> list[str]:
        """Also say what RFC 2033, section 5, asks for."""
        session.host_name = name
        return [*answers[:-1], "250-PIPELINING", "250 ENHANCEDSTATUSCODES"]

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take addresses of our mailboxes, with a reply token or without."""
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY
        is_ours = await self._run(self._looking, _is_ours, address)
        if not is_ours:
            return NOT_NOW if is_ours is None else UNKNOWN
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def store(self, content: IO[bytes], envelope: Envelope) -> list[str]:
        """Store the mail once for each mailbox; an answer for each recipient, in their order."""
        found = await self._run(
            self._storing, _store, content, tuple(envelope.rcpt_tos), self._channel
        )
        return found or [NOT_NOW] * len(envelope.rcpt_tos)

    async def handle_exception(self, error: Exception) -> str:
        """Never tell a peer what went wrong inside; it keeps the mail."""
        log.error("conversation failed", exc_info=error)
        return "451 4.3.0 Something went wrong, try again"

    async def _run(self, thread: ThreadPoolExecutor, work: Callable[..., Any], *args: Any) -> Any:
        """Do it off the event loop in an application context; None where it failed."""

        def in_context() -> Any:
            with self.app.app_context():
                try:
                    return work(*args)
                except Exception as error:
                    _tell(error)
                    return None

        return await asyncio.get_running_loop().run_in_executor(thread, in_context)

    async def stop(self) -> None:
        """Finish the mails in hand, refuse the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                while any(one.has_mail for one in self.conversations):
                    await asyncio.sleep(0.02)
        for one in list(self.conversations):
            with suppress(ConnectionError):
                await one.push(STOPPING)
            if one.transport is not None:
                one.transport.close()
        self._storing.shutdown(cancel_futures=True)
        self._looking.shutdown(cancel_futures=True)


class Conversation(SMTP):
    """One connection. Unlike the library it keeps no mail in memory, and takes lines of any length.

    (Its own DATA refuses mails with a line of more than 998 bytes, of which there are many, and
    needs three times the size of a mail.)
    """

    line_length_limit = MOST_AT_ONCE
    event_handler: Desk
    has_mail = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count it."""
        self.event_handler.conversations.add(self)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it no more."""
        self.event_handler.conversations.discard(self)
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802
        """Take a mail into a file, and answer when it is stored."""
        if await self.check_helo_needed():
            return
        if self.envelope is None or not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Name a recipient first")
            return
        if arg:
            await self.push("501 5.5.4 Syntax: DATA")
            return
        self.has_mail = True
        try:
            with SpooledTemporaryFile(IN_MEMORY) as content:
                content.write(self._trace(utcnow()))
                await self.push("354 End with <CR><LF>.<CR><LF>")
                answers = await self._take(content)
                self.envelope = self._create_envelope()
                for answer in answers:
                    await self.push(answer)
        finally:
            self.has_mail = False

    async def _take(self, content: IO[bytes]) -> list[str]:
        """Read the mail and have it stored; LMTP wants an answer for each recipient."""
        envelope = self.envelope
        assert envelope is not None  # noqa: S101 (for the type checker: DATA has looked)
        if await self._read_into(content) > receiving.MAX_SIZE:
            answers = [TOO_LARGE] * len(envelope.rcpt_tos)
        else:
            if self._timeout_handle is not None:
                self._timeout_handle.cancel()  # from here on they wait for us
            content.seek(0)
            answers = await self.event_handler.store(content, envelope)
            self._reset_timeout()
        if self.event_handler.is_lmtp:
            return answers
        return [max(answers)]  # one that failed fails all: what comes again is known by then

    async def _read_into(self, content: IO[bytes]) -> int:
        """Read as far as the lone dot, undo what hides dots (RFC 5321, 4.5.2); how many bytes.

        Lines end with CR LF alone: who takes others lets mails be smuggled into mails.
        """
        size, starts_line = 0, True
        while True:
            try:
                line = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError as error:
                line = await self._reader.read(error.consumed)
            if starts_line:
                if line == b".\r\n":
                    return size
                line = line.removeprefix(b".")
            starts_line = line.endswith(b"\r\n")
            before, size = size, size + len(line)
            if before >> 20 != size >> 20:
                self._reset_timeout()  # slow, but alive
            if size <= receiving.MAX_SIZE:
                content.write(line)

    def _trace(self, now: datetime) -> bytes:
        """What the one who delivers finally puts on top (RFC 5321, section 4.4)."""
        assert self.session is not None  # noqa: S101 (there is one as long as we are connected)
        assert self.envelope is not None  # noqa: S101
        sender = (self.envelope.mail_from or "").strip("<>")
        peer = self.session.peer
        where = f" ([{peer[0]}])" if isinstance(peer, tuple) else ""
        how = "LMTP" if self.event_handler.is_lmtp else "ESMTP"
        lines = [
            f"Return-Path: <{sender}>",
            *(f"Delivered-To: {address}" for address in self.envelope.rcpt_tos),
            f"Received: from {self.session.host_name}{where}\r\n"
            f"\tby {self.hostname} with {how}; {format_datetime(now)}",
        ]
        clean = ("".join(c for c in line if c.isprintable() or c in "\r\n\t") for line in lines)
        return "".join(f"{line}\r\n" for line in clean).encode("utf-8", "replace")


class LmtpConversation(Conversation, LMTP):
    """LHLO in place of HELO and EHLO."""


class Refusal(asyncio.Protocol):
    """What one too many gets."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say so and hang up."""
        if isinstance(transport, asyncio.WriteTransport):
            transport.write(BUSY)
        transport.close()


def listen(app: Flask) -> None:
    """Serve on ``DESKHAND_LMTP_LISTEN`` until SIGTERM or SIGINT; what is in hand is finished.

    Raises:
        OSError: the address cannot be listened on.
    """
    logging.getLogger("mail.log").setLevel("WARNING")  # aiosmtpd tells every command
    asyncio.run(_serve(app))


async def _serve(app: Flask) -> None:
    settings: Settings = app.extensions["settings"]
    where = urlsplit(settings.lmtp_listen or "")
    desk = Desk(app, is_lmtp=where.scheme == "lmtp")
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    make = partial(_conversation, desk, urlsplit(settings.base_url).hostname or "localhost", loop)
    if where.path:
        server = await loop.create_unix_server(make, _free_socket(Path(where.path)))
        # As with a port of this machine everybody here may deliver; the folder can forbid it.
        os.chmod(where.path, 0o666)  # noqa: S103
    else:
        server = await loop.create_server(make, where.hostname, where.port or 0)
    log.info("mail listener is ready", listen=settings.lmtp_listen)
    await stop.wait()
    server.close()
    await desk.stop()
    if where.path:
        Path(where.path).unlink(missing_ok=True)


def _conversation(desk: Desk, name: str, loop: asyncio.AbstractEventLoop) -> asyncio.BaseProtocol:
    if len(desk.conversations) >= MOST_CONNECTIONS:
        return Refusal()
    kind = LmtpConversation if desk.is_lmtp else Conversation
    return kind(
        desk,
        data_size_limit=receiving.MAX_SIZE,
        enable_SMTPUTF8=True,
        hostname=name,
        ident="Deskhand",
        timeout=SILENCE_SECONDS,
        loop=loop,
    )


def _free_socket(path: Path) -> Path:
    """Take away the socket that one who was killed has left; anything else is none of ours."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.lstat().st_mode):
            path.unlink()
    return path


def _is_ours(address: str) -> bool:
    return mailboxes.for_recipients([address]) is not None or mailboxes.is_own(address)


def _store(content: IO[bytes], recipients: tuple[str, ...], channel: Channel) -> list[str]:
    """Store the mail once for each mailbox that it came to, each with a commit of its own."""
    raw = content.read()
    answers: dict[int, str] = {}
    told = []
    for address in recipients:
        box = mailboxes.for_recipients([address])
        key = box.id if box else 0
        if key not in answers:
            try:
                begin_write()
                receiving.store(raw, box, now=utcnow(), origin=Origin(channel))
                db.session.commit()
                answers[key] = STORED
            except Exception as error:
                db.session.rollback()
                _tell(error)
                answers[key] = NOT_NOW
        told.append(answers[key])
    return told


def _tell(error: Exception) -> None:
    """A line for what is known to happen, a traceback for what is not."""
    known = isinstance(error, DomainError) or outage(error) is not None
    log.error("mail not stored", error=str(error), exc_info=None if known else error)

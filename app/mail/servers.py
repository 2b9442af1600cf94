"""Which server a mail leaves by, and servers that take nothing: told on pages and at /readyz."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog
from flask import current_app

from app.core.cache import reference
from app.core.db import begin_write, db
from app.core.sealing import Unreadable, unseal
from app.mail.models import Mailbox, OutboundEmail, OutboundState, SendingOutage
from app.mail.smtp import Server, ServerDown, public_name
from app.settings import Settings

log = structlog.get_logger(__name__)

UNREADABLE = "unreadable://"
STILL_AFTER = timedelta(minutes=5)  # shorter is a restart, longer somebody should know


@dataclass(frozen=True, slots=True)
class Standstill:
    """Mail that does not leave: since when, by which server ("" for no worker), and its words."""

    server: str
    since: datetime
    error: str


class Servers:
    """The connections of one round: a server by which some mailbox sends, once it is needed."""

    def __init__(self) -> None:
        settings: Settings = current_app.extensions["settings"]
        self._own_name = urlsplit(settings.base_url).hostname or "localhost"
        self._mail_from = settings.mail_from.lower()
        self._default = settings.smtp_url
        self._urls = reference("servers of mailboxes", _urls)
        self._open: dict[str, Server] = {}
        self._down: set[str] = set()
        self._out = set(db.session.scalars(sa.select(SendingOutage.server)))

    def mailbox(self, row: OutboundEmail) -> Mailbox | None:
        """The mailbox that *row* comes from: its own, else the installation's, if it is one."""
        if row.mailbox_id is not None:
            return db.session.get(Mailbox, row.mailbox_id)
        return db.session.scalar(sa.select(Mailbox).where(Mailbox.address == self._mail_from))

    def within_reach(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Conditions on a mail: there is a server for it, which was not found dead this round."""
        no_default = self._default is None or self._default in self._down
        own = {i for i, url in self._urls.items() if url}
        dead = {i for i in own if self._urls[i] in self._down}
        if no_default:
            return (OutboundEmail.mailbox_id.in_(sorted(own - dead)),)
        if not dead:
            return ()
        reachable = OutboundEmail.mailbox_id.not_in(sorted(dead))
        return (sa.or_(OutboundEmail.mailbox_id.is_(None), reachable),)

    def send(self, row: OutboundEmail, sender: str, recipient: str, data: bytes) -> None:
        """Hand over one mail by its mailbox's server.

        Raises:
            ServerDown, PutOff, Rejected: as `Server.send`.
        """
        url = self._url_of(row.mailbox_id)
        if url.startswith(UNREADABLE):
            raise ServerDown("the server's address cannot be read: DESKHAND_SECRET_KEY has changed")
        if url not in self._open:
            self._open[url] = Server(url, self._own_name)
        self._open[url].send(sender, recipient, data)

    def is_down(self, row: OutboundEmail, error: str, now: datetime) -> None:
        """Leave the server of *row* alone for this round, and remember that it is dead."""
        url = self._url_of(row.mailbox_id)
        self._down.add(url)
        begin_write()
        name = public_name(url)
        known = db.session.get(SendingOutage, name)
        if known is None:
            log.warning("mail server takes nothing", server=name, error=error)
            known = SendingOutage(server=name, since=now)
            db.session.add(known)
        known.last_tried_at, known.error = now, error[:2000]
        db.session.commit()
        self._out.add(name)

    def works(self, row: OutboundEmail) -> None:
        """The server of *row* has answered for a mail: whatever it had is over."""
        name = public_name(self._url_of(row.mailbox_id))
        if name in self._out:
            begin_write()
            mine = SendingOutage.server == name
            db.session.execute(sa.delete(SendingOutage).where(mine))
            db.session.commit()
            self._out.discard(name)
            log.info("mail server takes mail again", server=name)

    def close(self) -> None:
        """Say good-bye to each."""
        for server in self._open.values():
            server.close()

    def _url_of(self, mailbox_id: int | None) -> str:
        return self._urls.get(mailbox_id or 0) or self._default or ""


def standstills(now: datetime, *, after: timedelta = STILL_AFTER) -> list[Standstill]:
    """Where sending stands still for longer than *after*; [] where all is well. Two statements.

    Servers that take nothing; and mails that nobody tries, though there is a server.
    """
    settings: Settings = current_app.extensions["settings"]
    in_use = {url for url in reference("servers of mailboxes", _urls).values() if url}
    names = sorted(map(public_name, in_use | {settings.smtp_url or ""}))
    dead = sa.select(SendingOutage).where(
        SendingOutage.since <= now - after, SendingOutage.server.in_(names)
    )
    found = [
        Standstill(row.server, row.since, row.error)
        for row in db.session.scalars(dead.order_by(SendingOutage.since))
    ]
    if not found and settings.smtp_url is not None:
        waiting: sa.Select[Any] = sa.select(sa.func.min(OutboundEmail.due_at)).where(
            sa.text("state = 'queued'"), OutboundEmail.locked_until.is_(None)
        )
        since = db.session.scalar(waiting)
        if since is not None and since <= now - after:
            found.append(Standstill("", since, "no worker sends mail"))
    return found


def waiting_count() -> int:
    """How many mails wait to be sent, or to be tried again; one statement."""
    waiting = sa.select(sa.func.count()).where(OutboundEmail.state == OutboundState.QUEUED)
    return db.session.scalar(waiting) or 0


def _urls() -> dict[int, str]:
    """By mailbox; "" where the installation's server serves."""
    rows = db.session.execute(sa.select(Mailbox.id, Mailbox.smtp_url)).all()
    return {row.id: _readable(row.id, row.smtp_url) for row in rows}


def _readable(mailbox_id: int, sealed: str) -> str:
    try:
        return unseal(sealed) if sealed else ""
    except Unreadable:  # its mails wait and the outage is told: they must not go by another way
        return f"{UNREADABLE}mailbox-{mailbox_id}"

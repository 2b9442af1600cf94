"""Watches every IMAP mailbox: a thread for each, which idles where the server can, else polls."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from flask import Flask

from app.core.clock import utcnow
from app.core.db import close_session
from app.mail import fetch_state, fetching, imap
from app.mail.credentials import ImapAccount, imap_accounts
from app.mail.fetch_state import FIRST_PAUSE, POLL_SECONDS
from app.mail.imap import Client

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 5.0  # between two looks whether a mailbox was added, changed or taken away
IDLE_SECONDS = 300.0  # some firewalls forget a connection that is silent for longer
STOP_SECONDS = 5.0  # how long a message in hand may take when we are to stop


class Watcher:
    """One mailbox's thread."""

    def __init__(self, app: Flask, account: ImapAccount) -> None:
        self.app, self.account = app, account
        self._wake, self._waker = socket.socketpair()
        self._stopping = threading.Event()
        # A daemon: a server that hangs must not keep the process from ending. What is cut off
        # there was not stored, and is fetched again.
        name = f"imap {account.address}"
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Ask it to end after the message in hand."""
        self._stopping.set()
        self._waker.send(b"\0")

    def _run(self) -> None:
        careful = False
        while not self._stopping.is_set():
            with self.app.app_context():
                try:
                    with fetching.session(self.account) as client:
                        client.wake = self._wake
                        self._stay(client, careful=careful)
                except Exception as error:  # the boundary: this mailbox is tried again, for ever
                    close_session()
                    careful = isinstance(error, imap.LOST)
                    self._stopping.wait(self._note(error))
                finally:
                    close_session()

    def _stay(self, client: Client, *, careful: bool) -> None:
        """Look again and again, until somebody stops us."""
        while not self._stopping.is_set():
            fetching.take_round(client, self.account, careful=careful)
            careful = False
            if client.has_capability("IDLE"):
                now = utcnow()
                until = now + timedelta(seconds=IDLE_SECONDS)
                fetch_state.note_idling(self.account.mailbox_id, until=until, now=now)
                close_session()
                client.wait_for_news(IDLE_SECONDS)
            else:
                close_session()
                self._stopping.wait(POLL_SECONDS)

    def _note(self, error: Exception) -> float:
        """Tell what went wrong; returns the seconds until the next try."""
        if not isinstance(error, imap.TROUBLE):
            log.error("mailbox cannot be watched", mailbox=self.account.address, exc_info=error)
        told = imap.words(error)
        try:
            now = utcnow()
            again = fetch_state.note_trouble(self.account.mailbox_id, told, now=now)
        except Exception as worse:  # the database is away as well
            log.warning("state of a mailbox not written", error=str(worse))
            return float(FIRST_PAUSE)
        log.warning("mailbox not fetched", mailbox=self.account.address, error=told)
        return (again - now).total_seconds()


def watch(app: Flask, *, is_over: Callable[[], bool], may_end: bool = False) -> None:
    """Keep a thread for each IMAP mailbox until *is_over*; *may_end*: or until there is none."""
    watchers: dict[int, Watcher] = {}
    while not is_over():
        accounts = _accounts(app)
        if accounts is not None:
            _follow(app, watchers, accounts)
            if may_end and not accounts:
                break
        until = time.monotonic() + REFRESH_SECONDS
        while time.monotonic() < until and not is_over():
            time.sleep(0.2)
    for watcher in watchers.values():
        watcher.stop()
    deadline = time.monotonic() + STOP_SECONDS
    for watcher in watchers.values():
        watcher.thread.join(max(0.0, deadline - time.monotonic()))


def _accounts(app: Flask) -> dict[int, ImapAccount] | None:
    """All accounts by mailbox; None where the database does not answer."""
    with app.app_context():
        try:
            return {account.mailbox_id: account for account in imap_accounts()}
        except Exception as error:  # watching goes on with those that we know
            log.warning("mailboxes cannot be read", error=str(error))
            return None
        finally:
            close_session()


def _follow(app: Flask, watchers: dict[int, Watcher], accounts: dict[int, ImapAccount]) -> None:
    """Stop what is no longer wanted as it is, start what is new or has changed."""
    for mailbox_id, watcher in list(watchers.items()):
        if accounts.get(mailbox_id) != watcher.account:
            watcher.stop()
            del watchers[mailbox_id]
    for mailbox_id, account in accounts.items():
        if mailbox_id not in watchers:
            watchers[mailbox_id] = Watcher(app, account)

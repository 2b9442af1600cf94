"""``deskhand imap``: fetches the mailboxes; takes little memory while there is none to fetch."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from types import FrameType

from app.process.heap import share_one_heap
from app.process.migrations import wait_for_migrations
from app.settings import Settings

LOOK_SECONDS = 5.0  # between two looks whether there is a mailbox to fetch
SOME = "select 1 from mailbox where is_active and incoming = 'imap' limit 1"


def fetch(settings: Settings) -> None:
    """Fetch every IMAP mailbox until SIGTERM or SIGINT; waits while there is none.

    The application is loaded once there is one, and given back by starting anew once there is none.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    while settings.imap_url is None and not _has_mailbox(settings):
        time.sleep(LOOK_SECONDS)
    if _watch(settings):
        os.execv(sys.executable, [sys.executable, "-m", "app", "imap"])  # noqa: S606


def _stop(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


def _watch(settings: Settings) -> bool:
    """Fetch until told to stop (False) or until there is no mailbox left (True)."""
    from app import create_store
    from app.core.clock import utcnow
    from app.core.db import begin_write, db
    from app.mail.credentials import make_first_mailbox
    from app.mail.watching import watch

    over: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: over.append(number))
    share_one_heap()
    app = create_store(settings)
    wait_for_migrations(app)
    if settings.imap_url is not None:
        with app.app_context():
            begin_write()
            make_first_mailbox(now=utcnow())
            db.session.commit()
            db.session.remove()
    watch(app, is_over=lambda: bool(over), may_end=settings.imap_url is None)
    return not over


def _has_mailbox(settings: Settings) -> bool:
    """One small statement, without the libraries that hold the rest of the application."""
    if not settings.is_sqlite:
        import psycopg

        url = settings.database_url.replace("postgresql+psycopg://", "postgresql://")
        with suppress(psycopg.Error), psycopg.connect(url, connect_timeout=5) as connection:
            return connection.execute(SOME).fetchone() is not None
        return False
    path = Path(settings.database_url.removeprefix("sqlite:///").partition("?")[0])
    with (
        suppress(sqlite3.Error),  # not made or not migrated yet
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection,
    ):
        return connection.execute(SOME).fetchone() is not None
    return False

"""Processes that fetch by IMAP: killed between two steps, two at once, waiting for news."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.core.sealing import seal
from app.mail import fetch_state, fetching
from app.mail.credentials import imap_accounts, make_first_mailbox
from app.mail.models import (
    AfterStoring,
    InboundEmail,
    Incoming,
    Mailbox,
    MailboxPoll,
    MailReceipt,
    Security,
)
from tests.faults.conftest import own_app
from tests.mail.dovecot import PASSWORD, Dovecot, dovecot
from tests.mail.proxy import Proxy, proxy_to
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import wait_until


@pytest.fixture
def server() -> Dovecot:
    return dovecot()


def mail(subject: str, *, size: int = 10) -> bytes:
    body = "word " * (size // 5)
    return f"From: thabo@customer.example\r\nSubject: {subject}\r\n\r\n{body}\r\n".encode()


@contextmanager
def desk(folder: Path, user: str, port: int) -> Iterator[Flask]:
    """A database whose first mailbox is fetched through *port*."""
    with own_app(folder, DESKHAND_IMAP_URL=url(user, port)) as app:
        begin_write()
        make_first_mailbox(now=utcnow())
        db.session.commit()
        yield app


def url(user: str, port: int) -> str:
    return f"imap://{user}:{quote(PASSWORD)}@127.0.0.1:{port}/INBOX"


def start(folder: Path, user: str, port: int, *command: str) -> subprocess.Popen[bytes]:
    """A command of the desk in *folder*, as a process of its own."""
    settings = environment(folder, DESKHAND_IMAP_URL=url(user, port), DESKHAND_LOG_LEVEL="ERROR")
    return subprocess.Popen([*DESKHAND, *command], env=settings)


def counts() -> tuple[int, int]:
    """Mails, and receipts, as others have committed them."""
    db.session.rollback()
    both = [
        db.session.scalar(sa.select(sa.func.count(c))) for c in (InboundEmail.id, MailReceipt.id)
    ]
    db.session.rollback()
    return both[0] or 0, both[1] or 0


def test_killed_between_storing_and_filing_files_the_next_time(
    server: Dovecot, tmp_path: Path
) -> None:
    """SIGKILL when the command to move is on its way, and again when it was answered."""
    server.add("killed", mail("One"), mail("Two"))
    with proxy_to(server.port) as proxy, desk(tmp_path / "data", "killed", proxy.port):
        begin_write()
        row = db.session.scalars(sa.select(Mailbox)).one()
        row.incoming, row.imap_security = Incoming.IMAP, Security.NONE
        row.imap_host, row.imap_port, row.imap_user = "127.0.0.1", proxy.port, "killed"
        row.imap_secret = seal(PASSWORD)
        row.imap_after, row.imap_after_folder = AfterStoring.MOVE, "Done"
        db.session.commit()
        for moment in (b" UID MOVE ", b" UID MOVE "):
            process = start(tmp_path / "data", "killed", proxy.port, "mail", "poll")
            kill_at(proxy, moment, process)
            assert process.wait(timeout=120) == -signal.SIGKILL
            assert counts() == (2, 2)
        proxy.heal()
        assert start(tmp_path / "data", "killed", proxy.port, "mail", "poll").wait(120) == 0
        assert counts() == (2, 2)
        assert not db.session.scalar(sa.select(sa.func.count()).where(~MailReceipt.is_filed))
    with server.client("killed") as client:
        assert client.search("ALL") == []
        assert client.select_folder("Done")[b"EXISTS"] == 2


def kill_at(proxy: Proxy, words: bytes, process: subprocess.Popen[bytes]) -> None:
    """Kill the process when it says these words; the server does not hear them."""

    def heard(data: bytes) -> bool:
        if words not in data:
            return True
        process.kill()
        return False

    proxy.from_client = heard


def test_killed_at_any_point_of_a_fetch_loses_and_doubles_nothing(
    server: Dovecot, tmp_path: Path
) -> None:
    server.add("anytime", *(mail(f"Number {n}", size=40_000) for n in range(30)))
    with proxy_to(server.port) as proxy, desk(tmp_path / "data", "anytime", proxy.port):
        for passed in (30_000, 1_000_000, 1_100_000):
            process = start(tmp_path / "data", "anytime", proxy.port, "mail", "poll")
            said = {"bytes": 0}

            def from_server(data: bytes, process: Any = process, said: Any = said) -> bool:
                said["bytes"] += len(data)
                if said["bytes"] > passed:  # noqa: B023 (this round's)
                    process.kill()
                return True

            proxy.from_server = from_server
            process.wait(timeout=120)
        proxy.heal()
        assert start(tmp_path / "data", "anytime", proxy.port, "mail", "poll").wait(120) == 0
        assert counts() == (30, 30)


def test_two_who_fetch_at_once_store_nothing_twice(server: Dovecot, tmp_path: Path) -> None:
    server.add("twice", *(mail(f"Number {n}") for n in range(200)))
    with desk(tmp_path / "data", "twice", server.port) as app:
        account = imap_accounts()[0]
        close_session()
        together = threading.Barrier(3)
        done: list[fetching.Round] = []

        def poll() -> None:
            with app.app_context():
                together.wait()
                done.append(fetching.poll(account))
                close_session()

        threads = [threading.Thread(target=poll) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(done) == 3
        assert sum(one.stored for one in done) == 200
        assert counts() == (200, 200)


@contextmanager
def fetcher(folder: Path, user: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """``deskhand imap``, which waits for news by the end of the first line."""
    process = start(folder, user, port, "imap")
    try:
        wait_until(is_idling)
        yield process
    finally:
        process.terminate()
        assert process.wait(timeout=120) in (0, -signal.SIGKILL)


def is_idling() -> bool:
    db.session.rollback()
    found = bool(db.session.scalar(sa.select(MailboxPoll.is_idling)))
    db.session.rollback()
    return found


@pytest.mark.requirement("X42")
def test_a_new_mail_is_here_within_two_seconds_and_after_every_cut(
    server: Dovecot, tmp_path: Path
) -> None:
    with (
        proxy_to(server.port) as proxy,
        desk(tmp_path / "data", "idle", proxy.port),
        fetcher(tmp_path / "data", "idle", proxy.port),
    ):
        seconds = []
        for n in range(1, 4):
            server.add("idle", mail(f"Number {n}"))
            began = time.monotonic()
            wait_until(lambda n=n: counts() == (n, n))  # type: ignore[misc]
            seconds.append(time.monotonic() - began)
        assert min(seconds) < 2.5  # Dovecot looks once a second; this machine may be busy
        proxy.cut_all()
        wait_until(lambda: proxy.connections > 1)
        server.add("idle", mail("Number 4"))
        wait_until(lambda: counts() == (4, 4))


@pytest.mark.parametrize("moment", ["IDLE", "RFC822.SIZE", "BODY.PEEK"])
def test_a_mail_that_comes_before_idle_has_begun_is_seen_at_once(
    server: Dovecot, tmp_path: Path, moment: str
) -> None:
    """The server tells of it along with its answer to IDLE, or to a command before."""
    user = f"began{moment[:4]}"
    server.add(user, mail("One"))
    with proxy_to(server.port) as proxy, desk(tmp_path / "data", user, proxy.port):
        account = imap_accounts()[0]
        close_session()

        def add_first(data: bytes) -> bool:
            if moment.encode() in data:
                proxy.heal()
                server.add(user, mail("Two"))
            return True

        proxy.from_client = add_first
        with fetching.session(account) as client:
            fetching.take_round(client, account)
            began = time.monotonic()
            client.wait_for_news(30)
            assert time.monotonic() - began < 25
            assert fetching.take_round(client, account).stored == 1


def test_a_mailbox_is_fetched_from_when_an_admin_adds_it_until_it_is_switched_off(
    server: Dovecot, tmp_path: Path
) -> None:
    """Without one the process takes little memory: it has not loaded the application."""
    folder = tmp_path / "data"
    server.add("added", mail("One"))
    with own_app(folder):
        process = subprocess.Popen(
            [*DESKHAND, "imap"], env=environment(folder, DESKHAND_LOG_LEVEL="ERROR")
        )
        try:
            begin_write()
            row = Mailbox(
                address="help@desk.example",
                created_at=utcnow(),
                incoming=Incoming.IMAP,
                imap_host="127.0.0.1",
                imap_port=server.port,
                imap_security=Security.NONE,
                imap_user="added",
                imap_secret=seal(PASSWORD),
            )
            db.session.add(row)
            db.session.commit()
            wait_until(lambda: counts() == (1, 1))
            assert _kilobytes(process.pid) > 40_000
            begin_write()
            row.is_active = False
            db.session.commit()
            wait_until(lambda: _kilobytes(process.pid) < 30_000)
            server.add("added", mail("Two"))
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(timeout=120) in (0, -signal.SIGTERM)
        assert counts() == (1, 1)


def _kilobytes(pid: int) -> int:
    """Memory of a process that is its alone."""
    told = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in told.splitlines() if line.startswith("Private_"))


def test_the_worker_stands_in_for_a_fetcher_that_died(server: Dovecot, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with desk(folder, "standin", server.port), fetcher(folder, "standin", server.port) as process:
        server.add("standin", mail("One"))
        wait_until(lambda: counts() == (1, 1))
        process.kill()
        process.wait()
        server.add("standin", mail("Two"))
        fetching.poll_overdue()  # not at once: a new one may be starting
        assert counts() == (1, 1)
        begin_write()
        db.session.execute(
            sa.update(MailboxPoll).values(next_poll_at=utcnow() - 2 * fetch_state.OVERDUE),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
        fetching.poll_overdue()
        assert counts() == (2, 2)

"""A desk whose processes are killed in turn while customers write: it loses nothing they sent."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.faults.conftest import Running, running_desk
from tests.faults.site import Site
from tests.process.test_run import children, deskhand, web_processes
from tests.process.test_supervisor import lives, wait_until

pytestmark = pytest.mark.slow
PARTS = ("worker", "web", "redis", "scheduler", "worker")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A desk with the Redis that comes along; the last test stops it."""
    with running_desk(tmp_path_factory.mktemp("desk")) as desk:
        yield desk


class Customer(threading.Thread):
    """Opens tickets by the API, one after the other, until told to stop; keeps what was taken."""

    def __init__(self, api: Site) -> None:
        super().__init__(daemon=True)
        self.api = api
        self.accepted: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        n = 0
        while not self.done.wait(0.05):
            n += 1
            subject = f"Ticket {n}."
            requester = {"email": f"p{n}@customer.example"}
            body = {"subject": subject, "description": "Help", "requester": requester}
            try:
                if self.api.api("/tickets", body).status == 201:
                    self.accepted.append(subject)
            except (OSError, HTTPException):
                continue  # the web server is being killed: not accepted, so not promised

    def has_sent(self, count: int) -> bool:
        return len(self.accepted) >= count


def test_a_second_run_says_that_one_runs(running: Running) -> None:
    folder = running.desk.folder
    done = deskhand("run", "--port", str(running.desk.port), folder=folder)
    assert done.returncode == 1
    assert done.stderr == f"Error: Deskhand is already running on {folder}\n"


@pytest.mark.requirement("X11")
def test_parts_killed_one_after_the_other(running: Running) -> None:
    desk = running.desk
    customer = Customer(running.api)
    customer.start()
    for part in PARTS:
        running.kill(part)
        enough = len(customer.accepted) + 4
        wait_until(partial(customer.has_sent, enough))
    customer.done.set()
    customer.join()
    with database_in(desk.folder) as database:
        subjects = Counter(row[0] for row in database.execute("select subject from ticket"))
    assert [subject for subject in customer.accepted if subjects[subject] != 1] == []
    end_leases(desk.folder)
    running.kill("scheduler")  # it rings when it starts
    wait_until(lambda: queued(desk.folder) == 0)
    arrived = Counter(mail.message_id for mail in running.inbox.mails)
    told = "\n".join(mail.subject for mail in running.inbox.mails)
    assert [subject for subject in customer.accepted if subject not in told] == []
    assert arrived.total() - len(arrived) <= PARTS.count("worker")


@contextmanager
def database_in(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "deskhand.db", timeout=60)) as database, database:
        yield database


def queued(folder: Path) -> int:
    with database_in(folder) as database:
        count = "select count(*) from outbound_email where state = 'queued'"
        number: int = database.execute(count).fetchone()[0]
    return number


def end_leases(folder: Path) -> None:
    """As if the minutes were over that a dead worker keeps its mail."""
    wait_until(lambda: queued(folder) <= PARTS.count("worker"))
    with database_in(folder) as database:
        database.execute("update outbound_email set locked_until = null where state = 'queued'")


def test_stopped_in_the_middle_of_a_mail(running: Running) -> None:
    """The mail server takes its time over a mail: it is sent to the end, and only once."""
    at_work = threading.Event()

    def slowly(envelope: object) -> str:
        at_work.set()
        time.sleep(2)
        return "250 OK"

    running.inbox.after_data = slowly
    body = {"subject": "Slow", "description": "Help", "requester": {"email": "ann@c.example"}}
    assert running.api.api("/tickets", body).status == 201
    assert at_work.wait(60)
    parts = children(running.desk.process.pid)
    everyone = [*parts.values(), *web_processes(parts["web"])]
    assert len(everyone) == 7  # Redis, worker, scheduler, fetcher, web server and its processes
    assert running.desk.stop() < 10
    assert running.desk.process.returncode == 0
    assert not any(map(lives, everyone))
    arrived = Counter(mail.message_id for mail in running.inbox.mails if "Slow" in mail.subject)
    with database_in(running.desk.folder) as database:
        of_slow = "select message_id, state, locked_until from outbound_email order by id desc"
        rows = database.execute(of_slow).fetchmany(2)
    assert {row[0] for row in rows if row[1] == "sent"} == set(arrived)
    assert set(arrived.values()) == {1}
    assert not any(row[2] for row in rows)  # the rest goes out at once when it starts again

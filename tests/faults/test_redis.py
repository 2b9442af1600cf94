"""Redis dies, hangs and is emptied: tickets come in all the same, quickly, and mails go out."""

from __future__ import annotations

import subprocess
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.faults.conftest import Running, running_desk
from tests.faults.own_redis import OwnRedis
from tests.faults.site import Answer, Site
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import ROOT, wait_until

pytestmark = pytest.mark.slow

# Of requests that each asked a Redis that hangs, again and again, none were quicker than this.
LONGEST, USUAL = 10.0, 1.5
MAIL = b"""From: Ada <ada@customer.example>
To: support@desk.example
Subject: By mail %(word)s
Message-ID: <%(word)s@customer.example>

The printer is on fire.
"""


@contextmanager
def stopped(redis: OwnRedis) -> Iterator[None]:
    redis.kill()
    yield
    redis.start()


@contextmanager
def hanging(redis: OwnRedis) -> Iterator[None]:
    redis.freeze()
    yield
    redis.thaw()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A desk that these tests share; each leaves it working."""
    folder = tmp_path_factory.mktemp("faults")
    redis = OwnRedis(folder)
    with running_desk(folder, redis) as desk:
        yield desk
    redis.kill()


def ingest(running: Running, word: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*DESKHAND, "mail", "ingest"],
        input=MAIL % {b"word": word.encode()},
        env=environment(running.desk.folder, DESKHAND_REDIS_URL=running.redis.url),
        cwd=ROOT,
        capture_output=True,
        timeout=30,
    )


def api_ticket(subject: str) -> dict[str, object]:
    requester = {"email": f"{subject.replace(' ', '-').lower()}@customer.example"}
    return {"subject": subject, "description": "By a program.", "requester": requester}


def subjects_told(running: Running) -> str:
    return "\n".join(mail.subject for mail in running.inbox.mails)


@pytest.mark.parametrize("trouble", [stopped, hanging])
def test_tickets_come_in_quickly_without_redis_and_mails_go_out_after(
    running: Running, trouble: Callable[[OwnRedis], AbstractContextManager[None]]
) -> None:
    word = trouble.__name__
    site, api = running.site, running.api
    assert api.get("/readyz").json()["status"] == "ok"
    with trouble(running.redis):
        answers: list[Answer] = []
        for n in range(5):
            by_form = site.open_ticket(subject=f"By form {word} {n}", email=f"{word}{n}@c.example")
            by_api = api.api("/tickets", api_ticket(f"By program {word} {n}"))
            assert (by_form.status, by_api.status) == (303, 201)
            answers += [by_form, by_api, site.get("/tickets/sent"), api.api("/tickets")]
        ready = api.get("/readyz")
        assert (ready.status, ready.json()["status"]) == (200, "degraded")
        assert ingest(running, word).returncode == 0
    seconds = sorted(answer.seconds for answer in answers)
    assert seconds[-1] < LONGEST
    assert seconds[len(seconds) // 2] < USUAL
    running.kill("scheduler")  # it rings when it starts; else the rows wait for the next minute
    wanted = [f"By {way} {word} {n}" for way in ("form", "program") for n in range(5)]
    wanted.append(f"By mail {word}")
    wait_until(lambda: all(one in subjects_told(running) for one in wanted))


def test_limits_hold_without_redis(running: Running) -> None:
    with stopped(running.redis):
        visitor = Site(running.desk.port, ip="198.51.100.7")
        statuses = Counter(
            visitor.open_ticket(email=f"flood{n}@c.example").status for n in range(45)
        )
    assert set(statuses) == {303, 429}
    assert statuses[303] <= 40  # twenty in the memory of each of two processes


def test_emptied_at_any_moment_nothing_is_forgotten(running: Running) -> None:
    done = threading.Event()

    def empty_again_and_again() -> None:
        while not done.wait(0.01):
            running.redis.empty()

    emptying = threading.Thread(target=empty_again_and_again)
    emptying.start()
    try:
        for n in range(30):
            body = api_ticket(f"Emptied {n}")
            assert running.api.api("/tickets", body).status == 201
    finally:
        done.set()
        emptying.join()
    running.redis.empty()
    running.kill("scheduler")
    wanted = [f"Emptied {n}" for n in range(30)]
    wait_until(lambda: all(one in subjects_told(running) for one in wanted))
    ids = Counter(mail.message_id for mail in running.inbox.mails)
    assert max(ids.values()) == 1
    wait_until(lambda: running.api.get("/readyz").json()["queue"]["workers"] == 1)

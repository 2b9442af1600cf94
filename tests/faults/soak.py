"""A desk whose parts are killed, starved and cut off while mail flows through it, and the count."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import smtplib
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from aiosmtpd.smtp import Envelope

from app.core.jobs import Bells, Job
from tests.faults.own_redis import OwnRedis
from tests.mail.smtp import Inbox
from tests.process.test_run import DESKHAND, environment
from tests.process.test_supervisor import wait_until
from tests.servers import free_port

SUPPORT = "support@desk.example"
MAIL = """From: {sender}
To: {to}
Subject: {subject}
Message-ID: <{name}@customer.example>
{more}Date: Mon, 2 Mar 2026 09:00:00 +0000

This is mail-{name}-end.
"""

# What can come between the mail server's yes and our note of it; how many mails it can hit.
CAUSES = {
    "worker 1 killed": 1,
    "worker 2 killed": 1,
    "everything killed": 2,
    "disk full": 2,
    "mail server accepts and hangs up": 1000,
}
SLOW = 15.0  # seconds for noting it, on a machine that is busy


def id_of(envelope: Envelope) -> str:
    """The Message-ID of a mail of ours, with its brackets."""
    found = re.search(rb"(?im)^message-id:\s*(\S+)", bytes(envelope.content or b""))
    assert found
    return found[1].decode()


class Parts:
    """The processes of a desk in *folder*, each started again as soon as it was killed.

    A *small* desk has a listener and a worker: the others take their time to start.
    """

    def __init__(self, folder: Path, *, small: bool, **settings: str) -> None:
        self.folder, self.port, self.lmtp = folder, free_port(), free_port()
        self.environ = environment(
            folder,
            DESKHAND_MAIL_FROM=SUPPORT,
            DESKHAND_LMTP_LISTEN=f"lmtp://127.0.0.1:{self.lmtp}",
            DESKHAND_LOG_LEVEL="ERROR",
            DESKHAND_RATE_LIMITS="off",
            **settings,
        )
        self.small = small
        self.commands = {"worker 1": ["worker"], "lmtp": ["lmtp"]}
        if not small:
            self.commands |= {
                "worker 2": ["worker"],
                "web": ["web", "--port", str(self.port), "--workers", "1"],
                "scheduler": ["scheduler"],
            }
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *names: str) -> None:
        """Start the named parts, or all; those that have ended by themselves, too."""
        for name in names or self.commands:
            before = self.running.get(name)
            if before is None or before.poll() is not None:
                self.running[name] = subprocess.Popen(
                    [*DESKHAND, *self.commands[name]],
                    env=self.environ,
                    stderr=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )

    def kill(self, name: str) -> None:
        """Kill a part and all its processes, and start it again."""
        self._signal(name, signal.SIGKILL)
        self.running.pop(name).wait()
        self.start(name)

    def stop(self, number: int = signal.SIGTERM) -> None:
        for name in self.running:
            self._signal(name, number)
        for process in self.running.values():
            process.wait(timeout=120)
        self.running.clear()

    def _signal(self, name: str, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.running[name].pid, number)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "deskhand.db", timeout=30)) as database:
            yield database

    def count(self, statement: str) -> int:
        with self.database() as database:
            number: int = database.execute(statement).fetchone()[0]
        return number

    def answers(self, port: int) -> bool:
        """True if somebody listens there."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True
        return False


class MailServer(threading.Thread):
    """Brings mails to the desk one after the other, and each again until it is acknowledged."""

    def __init__(self, name: str, parts: Parts, token: str) -> None:
        super().__init__(daemon=True)
        self.label, self.parts, self.token = name, parts, token
        self.done = threading.Event()
        self.acknowledged: list[str] = []
        self.tries = 0

    def run(self) -> None:
        number = 0
        ways = [self.by_lmtp] * 6 + [self.by_lmtp if self.parts.small else self.by_http] * 2
        while not self.done.is_set():
            number += 1
            self.bring(f"{self.label}{number}", ways[number % len(ways)])
            time.sleep(0.15)

    def bring(self, name: str, way: Callable[[bytes], bool]) -> None:
        raw = self.mail(name)
        while True:
            self.tries += 1
            with suppress(OSError, smtplib.SMTPException):
                if way(raw):
                    self.acknowledged.append(name)
                    return
            time.sleep(0.2)

    def mail(self, name: str) -> bytes:
        """Every third answers one before."""
        before = self.acknowledged[-2] if len(self.acknowledged) > 2 else None
        more, sender = "", f"{name}@customer.example"
        if before is not None and len(self.acknowledged) % 3 == 0:
            more, sender = (
                f"References: <{before}@customer.example>\n",
                f"{before}@customer.example",
            )
        told = {"sender": sender, "to": SUPPORT, "subject": f"About {name}", "name": name}
        return MAIL.format(more=more, **told).encode()

    def by_lmtp(self, raw: bytes) -> bool:
        with smtplib.LMTP("127.0.0.1", self.parts.lmtp, timeout=60) as client:
            return client.sendmail("sender@customer.example", [SUPPORT], raw) == {}

    def by_http(self, raw: bytes) -> bool:
        headers = {"Content-Type": "message/rfc822", "Authorization": f"Bearer {self.token}"}
        address = f"http://127.0.0.1:{self.parts.port}/api/v1/mail"
        request = urllib.request.Request(address, raw, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status in (200, 202)


@dataclass
class Soak:
    """Faults at random; ``Soak.run`` plays some rounds, ``Soak.count`` looks what has become."""

    parts: Parts
    redis: OwnRedis
    inbox: Inbox
    token: str
    disk: Path | None  # where the data folder is on a small disk of its own
    chance: random.Random
    played: list[tuple[str, float, float]] = field(default_factory=list)  # begin and end
    arrivals: dict[str, list[float]] = field(default_factory=dict)  # by Message-ID
    mood: Callable[[Envelope], str] = lambda _: "250 OK"  # of the mail server
    hung_up: set[str] = field(default_factory=set)

    def run(self, rounds: int, *, longest: float) -> list[str]:
        """Play that many faults, each up to *longest* seconds; the names of all mails."""
        self.inbox.after_data = self.arrives
        wait_until(lambda: self.parts.answers(self.parts.lmtp))
        servers = [MailServer(name, self.parts, self.token) for name in ("ada", "bob")]
        for server in servers:
            server.start()
        faults = self.faults(longest)
        order = [*faults, *self.chance.choices(list(faults), k=max(0, rounds - len(faults)))]
        self.chance.shuffle(order)
        for name in order[:rounds]:
            time.sleep(self.chance.uniform(0.1, 0.8))
            began = time.monotonic()
            faults[name]()
            self.played.append((name, began, time.monotonic()))
            self.parts.start()  # what a fault has ended
        for server in servers:
            server.done.set()
        for server in servers:
            server.join(timeout=300)
            assert not server.is_alive(), "a mail is never acknowledged"
        return [name for server in servers for name in server.acknowledged]

    def faults(self, longest: float) -> dict[str, Callable[[], None]]:
        def pause() -> None:
            time.sleep(self.chance.uniform(0.1, longest))

        def database_locked() -> None:
            with self.parts.database() as database:
                database.execute("BEGIN IMMEDIATE")
                pause()
                database.rollback()

        def disk_full() -> None:
            assert self.disk
            with (self.disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(bytes(65_536))
            pause()
            (self.disk / "filler").unlink()

        def redis_gone() -> None:
            self.redis.kill()
            pause()
            self.redis.start()

        def redis_hangs() -> None:
            self.redis.freeze()
            pause()
            self.redis.thaw()

        def everything_killed() -> None:
            self.parts.stop(signal.SIGKILL)

        def told(answer: Callable[[Envelope], str]) -> Callable[[], None]:
            def play() -> None:
                self.mood = answer
                pause()
                self.mood = lambda envelope: "250 OK"

            return play

        faults: dict[str, Callable[[], None]] = {
            **{f"{name} killed": partial(self.parts.kill, name) for name in self.parts.commands},
            "everything killed": everything_killed,
            "database locked": database_locked,
            "Redis gone": redis_gone,
            "Redis hangs": redis_hangs,
            "Redis emptied": self.redis.empty,
            "mail server refuses": told(lambda envelope: "451 4.3.0 not now"),
            "mail server accepts and hangs up": told(self.accept_and_hang_up),
        }
        if self.disk is not None:
            faults["disk full"] = disk_full
        return faults

    def arrives(self, envelope: Envelope) -> str:
        """Answer as the mood is, and note when a mail was kept."""
        answer = self.mood(envelope)
        if answer.startswith("250"):
            self.arrivals.setdefault(id_of(envelope), []).append(time.monotonic())
        return answer

    def accept_and_hang_up(self, envelope: Envelope) -> str:
        """Keep the mail, and be gone before it is said: the other side has to send it again."""
        message_id = id_of(envelope)
        if message_id in self.hung_up:
            return "250 OK"
        self.hung_up.add(message_id)
        self.arrivals.setdefault(message_id, []).append(time.monotonic())
        return "421 4.3.2 gone"  # the conversation ends; what was kept was kept

    def explains(self, moment: float) -> bool:
        """True where something died or failed right after a mail had arrived at *moment*."""
        return any(
            name in CAUSES and began - 0.1 <= moment + SLOW and moment <= ended + 0.1
            for name, began, ended in self.played
        )

    def finish(self) -> None:
        """Start all again as if the minutes were over that the dead keep what they had."""
        self.parts.stop()
        with self.parts.database() as database, database:
            database.execute(
                "UPDATE inbound_email SET due_at = received_at WHERE state = 'waiting'"
            )
            database.execute(
                "UPDATE outbound_email SET due_at = created_at, locked_until = NULL"
                " WHERE state = 'queued'"
            )
        self.parts.start("worker 1")
        bells = Bells(self.redis.url)
        waiting = (
            "SELECT (SELECT count(*) FROM inbound_email WHERE state = 'waiting')"
            " + (SELECT count(*) FROM outbound_email WHERE state = 'queued')"
        )

        def is_over() -> bool:
            bells.ring(Job.PROCESS_MAIL)
            bells.ring(Job.SEND_OUTBOX)
            return self.parts.count(waiting) == 0

        wait_until(is_over, 900)
        bells.redis.close()
        self.parts.stop()

    def check(self, names: list[str]) -> None:
        """Every mail is there once, every answer went out, with few duplicates."""
        with self.parts.database() as database:
            texts = [
                *database.execute("SELECT description FROM ticket"),
                *database.execute("SELECT body FROM comment"),
            ]
            states = Counter(row[0] for row in database.execute("SELECT state FROM inbound_email"))
            sent = dict(database.execute("SELECT message_id, state FROM outbound_email").fetchall())
            copies = database.execute("SELECT count(*) FROM mail_receipt WHERE is_copy").fetchone()
        found = Counter(name for row in texts for name in re.findall(r"mail-(\w+)-end", row[0]))
        assert found == Counter(names)
        assert set(states) <= {"ticket", "comment"}, states
        assert set(sent.values()) == {"sent"}, Counter(sent.values())
        assert {f"<{message_id}>" for message_id in sent} == set(self.arrivals)
        # All but the last time a mail was sent, something kept us from noting that it was.
        again = [moment for moments in self.arrivals.values() for moment in sorted(moments)[:-1]]
        unexplained = [moment for moment in again if not self.explains(moment)]
        assert unexplained == [], self.played
        faults = Counter(name for name, *_ in self.played)
        assert len(again) <= sum(faults[name] * most for name, most in CAUSES.items())
        report = {
            "faults": dict(faults),
            "mails": len(names),
            "became": dict(states),
            "came again": copies[0],
            "sent": len(sent),
            "sent again": len(again),
            "most often": max(map(len, self.arrivals.values())),
        }
        sys.stdout.write(f"\n{json.dumps(report, indent=1)}\n")

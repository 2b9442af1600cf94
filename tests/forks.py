"""Processes forked from one that has loaded the application and opened nothing.

Started as commands, each would load it anew, which takes longer than what most of them do.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from typing import Any

import sqlalchemy as sa

from app.core.db import close_session, db, is_busy

SECONDS = 240  # for all to come up, and for each to end

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(
    ["tests.automation.sweeper", "tests.channels.mail_worker", "tests.routing.process"]
)


@contextmanager
def together(count: int, work: Callable[..., None], *arguments: Any) -> Iterator[list[Forked]]:
    """*count* processes that call *work* with a barrier and *arguments*; begun, in the body.

    Whoever still lives at the end is killed.
    """
    start = processes.Barrier(count + 1, timeout=SECONDS)
    arguments = work, start, *arguments
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            process = processes.Process(target=_politely, args=arguments, daemon=True)
            process.start()
            stack.callback(process.join, SECONDS)
            stack.callback(process.kill)
            found.append(Forked(process))
        start.wait()
        yield found


def _politely(work: Callable[..., None], *arguments: Any) -> None:
    """Whoever watches them gets its turn, however busy they keep the machine."""
    os.nice(3)
    work(*arguments)


def die_by_chance(most: int) -> None:
    """Kill this process at one of the next *most* statements, before the database hears it."""
    left = random.randint(1, most)

    @sa.event.listens_for(db.engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)


def patiently(act: Callable[[], Any]) -> Any:
    """What *act* returns, once the database has a turn for it: here many ask at the same moment."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            return act()
        except sa.exc.OperationalError as error:
            close_session()
            if not is_busy(error) or time.monotonic() > deadline:
                raise


def wait_for(count: Callable[[], int], enough: int) -> None:
    """Until *count* has come to *enough*."""
    deadline = time.monotonic() + SECONDS
    while count() < enough:
        assert time.monotonic() < deadline, f"no more than {count()} of {enough}"
        time.sleep(0.001)


class Forked:
    """One of them."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    def kill(self) -> None:
        self._process.kill()

    def is_over(self, seconds: float = SECONDS) -> bool:
        """Whether it ends in time; any thread may ask."""
        return bool(wait([self._process.sentinel], seconds))

    def end(self) -> int | None:
        """How it ended (negative: the signal), None where it does not; for one thread alone."""
        self._process.join(SECONDS)
        return self._process.exitcode

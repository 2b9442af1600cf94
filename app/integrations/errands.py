"""Requests to servers elsewhere, each in a thread of its own, none of which knows the database."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog

from app.core.outgoing import Answer, NoAnswer

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Errands(Generic[T]):
    """What is under way; ``len()`` tells how many. Daemons: nothing waits for them at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._back: queue.SimpleQueue[tuple[T, Answer | NoAnswer]] = queue.SimpleQueue()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def send_off(self, thing: T, ask: Callable[[], Answer]) -> None:
        """Call *ask*; its answer comes back with *thing*."""
        self._count += 1
        arguments = (thing, ask)
        threading.Thread(target=self._run, args=arguments, name=self._name, daemon=True).start()

    def next_back(self, seconds: float) -> tuple[T, Answer | NoAnswer] | None:
        """Whatever comes back first; None where nothing does within *seconds*."""
        try:
            found = self._back.get(timeout=seconds)
        except queue.Empty:
            return None
        self._count -= 1
        return found

    def _run(self, thing: T, ask: Callable[[], Answer]) -> None:
        answer: Answer | NoAnswer
        started = time.monotonic()
        try:
            answer = ask()
        except NoAnswer as error:
            answer = error
        except Exception as error:  # the boundary: each comes back, whatever happens
            log.exception("request failed", errand=self._name)
            answer = NoAnswer(f"{type(error).__name__}: {error}")
        if isinstance(answer, NoAnswer):
            answer.seconds = time.monotonic() - started
        self._back.put((thing, answer))

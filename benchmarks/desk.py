"""Desks to measure: made once and kept, started, weighed and stopped."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSWORD = "a password for benchmarks"
READY_SECONDS = 90


def prepare(folder: Path, tickets: int) -> Path:
    """A data folder with demo tickets; one that was kept from a run before is used again."""
    made = folder / f"demo-{tickets}"
    if not (made / "deskhand.db").exists():
        fresh = folder / f"demo-{tickets}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        run(fresh, "db", "upgrade")
        began = time.monotonic()
        run(fresh, "demo", "--tickets", str(tickets))
        print(f"made {tickets:,} tickets in {time.monotonic() - began:.0f} s", flush=True)
        with sqlite3.connect(fresh / "deskhand.db") as database:
            database.execute("pragma wal_checkpoint(truncate)")
        fresh.rename(made)
    return made


def copy(made: Path, folder: Path) -> Path:
    """A copy to write into. All agents are online and have room, so that tickets are assigned."""
    target = folder / f"{made.name}.copy"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target)
    with sqlite3.connect(target / "deskhand.db") as database:
        database.execute(
            "update person set presence = 'online', presence_is_chosen = 0, max_tickets = 1000000,"
            " last_active_at = strftime('%Y-%m-%d %H:%M:%f000', 'now', '+1 day')"
            " where role = 'agent'"
        )
        database.execute("update stamp set value = value + 1")
    os.sync()  # else the copy is written to the disk while new tickets wait for it
    return target


def environ(folder: Path) -> dict[str, str]:
    """The settings of a desk that is measured: no limits, no SMTP server, a Redis of its own."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("DESKHAND_")}
    return plain | {
        "DESKHAND_DATA_DIR": str(folder),
        "DESKHAND_DEMO_PASSWORD": PASSWORD,
        "DESKHAND_RATE_LIMITS": "off",
        "DESKHAND_FORM_MIN_SECONDS": "0",
        "DESKHAND_LOG_LEVEL": "WARNING",
    }


def run(folder: Path, *arguments: str) -> None:
    """One ``deskhand`` command."""
    command = [sys.executable, "-m", "app", *arguments]
    subprocess.run(command, cwd=ROOT, env=environ(folder), check=True, stdout=subprocess.DEVNULL)


def token(folder: Path) -> str:
    """A new API token of an agent."""
    made = "token", "create", "--email", "agent1@demo.example", "--name", "Benchmark"
    command = [sys.executable, "-m", "app", *made]
    told = subprocess.run(
        command, cwd=ROOT, env=environ(folder), check=True, capture_output=True, text=True
    )
    return told.stdout.split()[-1]


@contextmanager
def floor(made: Path) -> Iterator[int]:
    """Serve the floor from the database of a desk; its port."""
    port = free_port()
    env = environ(made) | {"FLOOR_DATABASE": str(made / "deskhand.db")}
    with _started([sys.executable, "-m", "benchmarks.floor", str(port)], env, port, "/hello"):
        yield port


@contextmanager
def desk(folder: Path) -> Iterator[tuple[int, int]]:
    """``deskhand run`` on a data folder: its port and the supervisor's process id."""
    port = free_port()
    command = [sys.executable, "-m", "app", "run", "--port", str(port)]
    with _started(command, environ(folder), port, "/healthz") as process:
        yield port, process.pid


@contextmanager
def _started(
    command: list[str], env: dict[str, str], port: int, path: str
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not _serves(port, path):
            assert process.poll() is None, f"{command} ended with {process.returncode}"
            assert time.monotonic() < deadline, f"{command} does not get ready"
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


def _serves(port: int, path: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
            client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
            return b" 200 " in client.recv(64)
    except OSError:
        return False


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def weigh(pid: int) -> dict[str, float]:
    """PSS of a process and all below it, in MB, by what they are."""
    found: dict[str, float] = {}
    for each in [pid, *_children(pid)]:
        try:
            lines = Path(f"/proc/{each}/smaps_rollup").read_text().splitlines()
            words = Path(f"/proc/{each}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended
        pss = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        name = words.partition("-m app ")[2].split(" ")[0] or words.split(" ")[0]
        found[Path(name).name] = found.get(Path(name).name, 0) + pss / 1000
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found

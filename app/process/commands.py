"""``deskhand run``, its parts one by one, and ``prepare``, which makes the database ready."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import click

from app.process import bundled_redis
from app.process.supervisor import Part, Supervisor, say
from app.settings import DEFAULT_BASE_URL, Settings, load

DESKHAND = (sys.executable, "-m", "app")
READY_SECONDS = 60.0

HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
PORT = click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65_535),
    help="TCP port to listen on.",
)


@click.command()
@HOST
@PORT
@click.option("--demo", is_flag=True, help="Fill an empty desk with demo data first.")
@click.option("--dev", is_flag=True, help="Show tracebacks, and load changed code again.")
def run(host: str, port: int, demo: bool, dev: bool) -> None:
    """Run everything: migrations, web server, worker, scheduler, ways in for mail, Redis."""
    settings = load()
    url = _announce(settings, host, port)
    with alone(settings.data_dir), Supervisor() as supervisor:
        _check_address(host, port)
        _check_listener(settings)
        if settings.redis_url is None:
            supervisor.start(_redis(settings))
        # Loads beside the migrations, which take as long, and waits for their end.
        supervisor.start(Part("web server", _web_command(host, port, dev=dev)))
        prepared = supervisor.complete([*DESKHAND, "prepare", *(["--demo"] if demo else [])])
        if supervisor.told_to_stop:
            return
        if prepared != 0:
            sys.exit(1)  # it has said why
        if supervisor.wait_for(lambda: _serves(host, port), seconds=READY_SECONDS):
            say(f"ready at {url} (Ctrl-C stops)")
        supervisor.start(Part("worker", (*DESKHAND, "worker")))
        supervisor.start(Part("scheduler", (*DESKHAND, "scheduler")))
        if settings.lmtp_listen is not None:
            supervisor.start(Part("mail listener", (*DESKHAND, "lmtp")))
        supervisor.start(Part("mail fetcher", (*DESKHAND, "imap")))
        supervisor.run()


@click.command()
@HOST
@PORT
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64))
def web(host: str, port: int, workers: int) -> None:
    """Serve the pages and the API."""
    from app.process.web import serve

    _check_address(host, port)
    serve(host=host, port=port, workers=workers)


@click.command()
def worker() -> None:
    """Do what waits: send and read mail, hand out tickets, watch the clocks."""
    import_module("worker.run").work()


@click.command()
def scheduler() -> None:
    """Ring for the periodic jobs; one for an installation is enough."""
    import_module("worker.schedule").run(load().queue_url)


@click.command()
def lmtp() -> None:
    """Take mails that mail servers deliver, where ``DESKHAND_LMTP_LISTEN`` says."""
    settings = load()
    if settings.lmtp_listen is None:
        raise click.ClickException("DESKHAND_LMTP_LISTEN is not set: where should it listen?")
    _check_listener(settings)
    from app import create_store
    from app.mail.lmtp import listen
    from app.process.heap import share_one_heap
    from app.process.migrations import wait_for_migrations

    share_one_heap()
    app = create_store(settings)
    wait_for_migrations(app)
    listen(app)


@click.command()
def imap() -> None:
    """Fetch the mailboxes by IMAP as soon as mail arrives; one for an installation is enough."""
    from app.process.fetcher import fetch

    fetch(load())


@click.command(hidden=True)
@click.option("--demo", is_flag=True)
def prepare(demo: bool) -> None:
    """Migrate the database, fill in demo data, print the link that makes the first admin."""
    import flask_migrate
    import sqlalchemy as sa

    from app import create_app
    from app.accounts.invitations import first_admin_link
    from app.core.db import begin_write, db
    from app.tickets.models import Ticket

    app = create_app()
    with app.app_context():
        begin_write()
        flask_migrate.upgrade()
        if demo and not db.session.scalar(sa.select(sa.exists(sa.select(Ticket.id)))):
            db.session.remove()
            if subprocess.run([*DESKHAND, "demo"], check=False).returncode != 0:
                sys.exit(1)  # it has said why
        begin_write()
        if link := first_admin_link():
            say(f"open this link once to make the first admin: {link}")
        db.session.commit()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the data folder's lock, so that nobody starts a second supervisor on it."""
    with (folder / "run.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(f"Deskhand is already running on {folder}") from None
        yield


def _redis(settings: Settings) -> Part:
    """The bundled Redis. It stops last: the others put back what they hold."""
    try:
        command = bundled_redis.command(
            bundled_redis.find_server(),
            socket_path=settings.redis_socket,
            folder=settings.data_dir / "redis",
        )
    except bundled_redis.RedisUnavailable as error:
        raise click.ClickException(str(error)) from None
    return Part("Redis", command, stop_round=1, stop_seconds=2)


def _web_command(host: str, port: int, *, dev: bool) -> tuple[str, ...]:
    address = ("--host", host, "--port", str(port))
    if dev:
        return (sys.executable, "-m", "flask", "--app", "wsgi", "--debug", "run", *address)
    return (*DESKHAND, "web", *address)


def _announce(settings: Settings, host: str, port: int) -> str:
    """Return the address to open; links use it too, unless ``DESKHAND_BASE_URL`` says otherwise."""
    if settings.base_url != DEFAULT_BASE_URL:
        return settings.base_url
    shown = f"[{host}]" if ":" in host else host
    if host in ("0.0.0.0", "::"):  # noqa: S104 - all addresses: this machine's own is one of them
        shown = "localhost"
    os.environ["DESKHAND_BASE_URL"] = f"http://{shown}:{port}"
    return os.environ["DESKHAND_BASE_URL"]


def _check_address(host: str, port: int) -> None:
    """Say in one line why we cannot listen; the server itself would share a port silently."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[
            0
        ]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {host}, port {port}: {error.strerror}"
        ) from None


def _check_listener(settings: Settings) -> None:
    """The same for the mail listener, where there is one on a port."""
    where = urlsplit(settings.lmtp_listen or "")
    if where.hostname and where.port:
        _check_address(where.hostname, where.port)


def _serves(host: str, port: int) -> bool:
    """True once the web server answers that it is up."""
    try:
        with socket.create_connection((host, port), timeout=2) as client:
            client.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
            return client.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False

"""A whole desk that runs, with a Redis and a mail server in the test's hand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.accounts.models import Role
from app.accounts.tokens import make_token
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.settings import load
from tests import servers
from tests.conftest import Browser
from tests.factories import make_agent
from tests.faults.own_redis import OwnRedis
from tests.faults.site import Site
from tests.mail.smtp import Inbox, smtp_server
from tests.process.test_run import Desk, children
from tests.process.test_supervisor import wait_until


@dataclass
class Running:
    """``deskhand run`` and what it leans on."""

    desk: Desk
    inbox: Inbox
    token: str
    own_redis: OwnRedis | None

    @property
    def redis(self) -> OwnRedis:
        """The test's, where the desk has not brought its own."""
        assert self.own_redis
        return self.own_redis

    @property
    def site(self) -> Site:
        return Site(self.desk.port)

    @property
    def api(self) -> Site:
        return Site(self.desk.port, token=self.token)

    def kill(self, part: str) -> None:
        """Kill a part of the desk, and wait for the one that takes its place."""
        supervisor = self.desk.process.pid
        before: list[int] = []  # another's death may have taken it along

        def lives() -> bool:
            before[:] = [pid for name, pid in children(supervisor).items() if name == part]
            return bool(before)

        wait_until(lives)
        os.kill(before[0], signal.SIGKILL)
        wait_until(lambda: children(supervisor).get(part, before[0]) != before[0])


@contextmanager
def running_desk(folder: Path, redis: OwnRedis | None = None) -> Iterator[Running]:
    """Run a desk in *folder* with a mail server, and stop it."""
    settings = {"DESKHAND_REDIS_URL": redis.url} if redis else {}
    with smtp_server() as inbox:
        desk = Desk(
            folder,
            **settings,
            DESKHAND_SMTP_URL=inbox.url,
            DESKHAND_FORM_MIN_SECONDS="0",
            DESKHAND_TRUSTED_PROXIES="1",
        )
        try:
            desk.wait_until_ready()
            yield Running(desk, inbox, _token(desk.folder), redis)
        finally:
            if desk.process.poll() is None:
                desk.stop()


@contextmanager
def own_app(folder: Path, **environ: str) -> Iterator[Flask]:
    """An application with a database of its own in *folder*, in its context."""
    app = create_app(
        load(
            {
                "DESKHAND_DATA_DIR": str(folder),
                "DESKHAND_REDIS_URL": servers.redis_url(),
                "DESKHAND_LOG_LEVEL": "ERROR",
                "DESKHAND_RATE_LIMITS": "off",
                "DESKHAND_FORM_MIN_SECONDS": "0",
                **environ,
            }
        )
    )
    app.testing = True
    app.test_client_class = Browser
    with app.app_context():
        upgrade()
        cache.clear()
        try:
            yield app
        finally:
            close_session()
            db.engine.dispose()
            cache.clear()


def _token(folder: Path) -> str:
    """An API token of a supervisor on the desk in *folder*."""
    environ = {"DESKHAND_DATA_DIR": str(folder), "DESKHAND_LOG_LEVEL": "ERROR"}
    with create_app(load(environ)).app_context():
        begin_write()
        agent = make_agent("boss@desk.example", role=Role.SUPERVISOR)
        token = make_token(agent, "faults", now=utcnow())
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return token

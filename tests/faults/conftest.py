"""A whole desk that runs, with a Redis and a mail server in the test's hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import create_app
from app.accounts.models import Role
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.settings import load
from tests.factories import make_agent
from tests.faults.own_redis import OwnRedis
from tests.faults.site import Site
from tests.mail.smtp import Inbox, smtp_server
from tests.process.test_run import Desk


@dataclass
class Running:
    """``deskhand run`` and what it leans on."""

    desk: Desk
    redis: OwnRedis
    inbox: Inbox
    token: str

    @property
    def site(self) -> Site:
        return Site(self.desk.port)

    @property
    def api(self) -> Site:
        return Site(self.desk.port, token=self.token)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A desk that the tests of one file share; each leaves it working."""
    folder = tmp_path_factory.mktemp("faults")
    redis = OwnRedis(folder)
    with smtp_server() as inbox:
        desk = Desk(
            folder,
            DESKHAND_REDIS_URL=redis.url,
            DESKHAND_SMTP_URL=inbox.url,
            DESKHAND_FORM_MIN_SECONDS="0",
            DESKHAND_TRUSTED_PROXIES="1",
        )
        try:
            desk.wait_until_ready()
            yield Running(desk, redis, inbox, _token(desk.folder, redis))
        finally:
            desk.stop()
            redis.kill()


def _token(folder: Path, redis: OwnRedis) -> str:
    """An API token of a supervisor on the desk in *folder*."""
    environ = {"DESKHAND_DATA_DIR": str(folder), "DESKHAND_REDIS_URL": redis.url}
    with create_app(load(environ)).app_context():
        begin_write()
        agent = make_agent("boss@desk.example", role=Role.SUPERVISOR)
        token = make_token(agent, "faults", now=utcnow())
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    return token

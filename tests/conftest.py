"""One application for the run; each test in a transaction that is rolled back.

SQLite serves by default. ``TEST_DATABASE_URL`` names another database, and the word ``postgres``
there starts a real PostgreSQL.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, has_app_context
from flask.testing import FlaskClient
from flask_migrate import upgrade
from hypothesis import settings as hypothesis
from redis import Redis

from app import create_app
from app.accounts.models import Person
from app.core import cache
from app.core.db import begin_read, db
from app.settings import load
from tests import servers
from tests.requirements.proof import Outcomes

# No test asserts a time; examples are the same in each run, so that a red run can be repeated.
hypothesis.register_profile("deskhand", deadline=None, derandomize=True, database=None)
hypothesis.load_profile("deskhand")

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


def pytest_configure(config: pytest.Config) -> None:
    """Note how tests end, for ``make requirements``."""
    config.pluginmanager.register(Outcomes(config))


class Browser(FlaskClient):
    """Every request gets an application context of its own, as a server gives it.

    In the test's own context Flask would share ``g`` and the session between requests: whoever
    was signed in before would stay so.
    """

    def open(self, *args: Any, **kwargs: Any) -> Any:
        answer = Context().run(super().open, *args, **kwargs)
        if has_app_context():
            db.session.expire_all()  # the test sees what the request has changed
        return answer


@pytest.fixture(scope="session")
def is_postgres() -> bool:
    """Whether this run is one with PostgreSQL, for desks that a test makes by itself."""
    return bool(os.environ.get("TEST_DATABASE_URL"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With another database, only what asks one: the rest has been run with SQLite."""
    if not os.environ.get("TEST_DATABASE_URL"):
        return
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        asks = {"app", "is_postgres"}.intersection(getattr(item, "fixturenames", ()))
        (kept if asks else left_out).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """The application on an empty, migrated database and a real Redis."""
    folder = tmp_path_factory.mktemp("data")
    environ = {
        "DESKHAND_DATA_DIR": str(folder),
        "DESKHAND_REDIS_URL": servers.redis_url(),
        "DESKHAND_BASE_URL": "http://localhost",
        "DESKHAND_MAIL_FROM": "support@desk.example",
        "DESKHAND_RATE_LIMITS": "off",
        "DESKHAND_FORM_MIN_SECONDS": "0",
        "DESKHAND_OUTBOUND_ALLOW": "127.0.0.1",  # the tests’ own servers
        "DESKHAND_LOG_LEVEL": "WARNING",
    }
    if os.environ.get("TEST_DATABASE_URL"):
        environ["DESKHAND_DATABASE_URL"] = servers.postgres_url()
    app = create_app(load(environ))
    app.testing = True
    app.test_client_class = Browser
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(autouse=True)
def _rolled_back(request: pytest.FixtureRequest) -> Iterator[None]:
    """Bind sessions to one outer transaction; tests marked ``real_commits`` go without it."""
    if "app" not in request.fixturenames or request.node.get_closest_marker("real_commits"):
        yield
        return
    app: Flask = request.getfixturevalue("app")
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    # With a client of its own: requests wait for Redis no longer than a moment.
    with Redis.from_url(app.extensions["settings"].queue_url) as redis:
        redis.flushdb()
    with app.app_context():
        cache.clear()
        connection = db.engine.connect()
        outer = connection.begin()
        monkeypatch.setitem(db.engines, None, connection)
        db.session.info["writes_freely"] = True  # the test itself; requests keep to the rule
        yield
        db.session.remove()
        outer.rollback()
        connection.close()
        begin_read()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def own_environ(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a desk of its own, on either database; see `tests.own_desk`."""
    environ = {
        "DESKHAND_DATA_DIR": str(tmp_path),
        "DESKHAND_REDIS_URL": servers.redis_url(),
        "DESKHAND_RATE_LIMITS": "off",
        "DESKHAND_LOG_LEVEL": "WARNING",
    }
    if request.param == "postgres":
        environ["DESKHAND_DATABASE_URL"] = servers.postgres_url("own")
    return environ


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript that is not signed in."""
    return app.test_client()


@pytest.fixture
def htmx(app: Flask) -> FlaskClient:
    """A browser whose every request comes from htmx."""
    client = app.test_client()
    client.environ_base["HTTP_HX_REQUEST"] = "true"
    return client


@pytest.fixture
def sign_in(app: Flask) -> Callable[[FlaskClient, Person], FlaskClient]:
    """Sign a person in on a client, as the sign-in page does."""
    from app.accounts.sign_in import start_session

    def sign(client: FlaskClient, person: Person) -> FlaskClient:
        db.session.commit()
        with app.test_request_context():
            key = start_session(person)
            db.session.commit()
        with client.session_transaction() as session:
            session["_user_id"] = key
            session["_fresh"] = True
        return client

    return sign


@pytest.fixture
def run_jobs(app: Flask) -> Callable[[], int]:
    """Run what was queued, like a worker; a failed job fails the test. Returns how many ran."""
    from rq import SimpleWorker

    def run() -> int:
        queue = app.extensions["bells"].queue
        waiting = len(queue)
        SimpleWorker([queue], connection=queue.connection).work(burst=True, logging_level="ERROR")
        failed = [
            job.exc_info
            for job in map(queue.fetch_job, queue.failed_job_registry.get_job_ids())
            if job
        ]
        assert not failed, failed[0]
        db.session.expire_all()
        cache.forget_stamp()
        return waiting

    return run


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """Every SQL statement from here on; clear it before the request that is counted."""
    seen: list[str] = []

    def note(conn: object, cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK", "BEGIN", "PRAGMA")):
            seen.append(statement)

    engine = db.engine
    engine = engine.engine if isinstance(engine, sa.Connection) else engine
    sa.event.listen(engine, "before_cursor_execute", note)
    yield seen
    sa.event.remove(engine, "before_cursor_execute", note)


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The collection of real mails beside the project."""
    folder = SHARED / "corpora"
    if not folder.is_dir():
        pytest.skip("needs the mail corpora in ../shared/corpora")
    return folder

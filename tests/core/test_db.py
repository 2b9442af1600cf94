"""Transactions: one writer after the other on SQLite, and nobody waits for ever."""

from __future__ import annotations

import multiprocessing
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.accounts.models import PersonEmail
from app.accounts.tokens import make_token
from app.core import db as database
from app.core.clock import utcnow
from app.core.db import UTCDateTime, begin_write, db, postgres_options, sqlite_options
from app.core.settings_store import Setting
from app.settings import load
from tests import servers
from tests.factories import make_agent

ROUNDS, PROCESSES = 25, 4


def make_app(folder: Path) -> Flask:
    """An application on an SQLite file of its own."""
    return create_app(
        load(
            {
                "DESKHAND_DATA_DIR": str(folder),
                "DESKHAND_REDIS_URL": servers.redis_url(),
                "DESKHAND_LOG_LEVEL": "ERROR",
                "DESKHAND_RATE_LIMITS": "off",
            }
        )
    )


@pytest.fixture
def own_app(tmp_path: Path) -> Iterator[Flask]:
    own = make_app(tmp_path)
    with own.app_context():
        upgrade()
        yield own
        db.session.remove()
        db.engine.dispose()


def count_up(folder: Path, redis_url: str) -> None:
    """Read, then write, many times: loses counts where two do it at once."""
    own = create_app(load({"DESKHAND_DATA_DIR": str(folder), "DESKHAND_REDIS_URL": redis_url}))
    with own.app_context():
        for _ in range(ROUNDS):
            begin_write()
            row = db.session.get(Setting, "count", populate_existing=True)
            assert row is not None
            row.value += 1
            db.session.commit()


def test_writers_of_several_processes_never_overwrite_each_other(
    own_app: Flask, tmp_path: Path
) -> None:
    begin_write()
    db.session.add(Setting(key="count", value=0))
    db.session.commit()
    redis_url = own_app.extensions["settings"].redis_url
    context = multiprocessing.get_context("spawn")
    writers = [
        context.Process(target=count_up, args=(tmp_path, redis_url)) for _ in range(PROCESSES)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
    assert [writer.exitcode for writer in writers] == [0] * PROCESSES
    db.session.expire_all()
    assert db.session.get_one(Setting, "count").value == ROUNDS * PROCESSES


@contextmanager
def long_write(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another program holds the database for longer than we wait."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    other = sqlite3.connect(folder / "deskhand.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def test_a_locked_database_answers_503_and_nothing_is_half_written(
    own_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin_write()
    token = make_token(make_agent(), "test", now=utcnow())
    db.session.commit()
    headers = {"Authorization": f"Bearer {token}"}
    body = {
        "subject": "Subject",
        "description": "Description",
        "requester": {"email": "new@customer.example"},
    }
    client = own_app.test_client()
    with long_write(tmp_path, monkeypatch):
        answer = client.post("/api/v1/tickets", json=body, headers=headers)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "Nothing was lost" in answer.get_json()["detail"]
        listed = client.get("/api/v1/tickets", headers=headers)  # reading goes on
        assert listed.get_json()["tickets"] == []
    found = sa.select(PersonEmail).where(PersonEmail.address == "new@customer.example")
    assert db.session.scalar(found) is None
    assert client.post("/api/v1/tickets", json=body, headers=headers).status_code == 201


def test_the_next_writer_comes_in_after_a_long_one(
    own_app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with long_write(tmp_path, monkeypatch):
        begin_write()
        with pytest.raises(sa.exc.OperationalError) as busy:
            db.session.execute(sa.text("select 1"))
        assert database.is_busy(busy.value)
        db.session.rollback()
    begin_write()
    assert db.session.scalar(sa.text("select 1")) == 1


def test_a_write_in_a_reading_transaction_is_refused(own_app: Flask) -> None:
    db.session.add(Setting(key="x", value=1))
    with pytest.raises(RuntimeError, match="begin_write"):
        db.session.flush()


def test_sqlite_is_durable_and_keeps_foreign_keys(own_app: Flask) -> None:
    with db.engine.connect() as connection:
        values = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


@pytest.mark.parametrize("options", [sqlite_options, postgres_options])
def test_errors_tell_no_values(options: Callable[[], dict[str, Any]]) -> None:
    """They are logged, and a value may be the key of a link."""
    engine = sa.create_engine("sqlite://", hide_parameters=options()["hide_parameters"])
    with engine.connect() as connection, pytest.raises(sa.exc.OperationalError) as error:
        connection.execute(sa.text("select :key from nowhere"), {"key": "secret"})
    assert "secret" not in str(error.value)


def test_a_naive_time_is_refused() -> None:
    kind = UTCDateTime()
    dialect = sa.create_engine("sqlite://").dialect
    with pytest.raises(ValueError, match="naive"):
        kind.process_bind_param(datetime(2026, 1, 1), dialect)  # noqa: DTZ001  (the point)
    aware = kind.process_result_value(datetime(2026, 1, 1), dialect)  # noqa: DTZ001
    assert aware == datetime(2026, 1, 1, tzinfo=UTC)

"""The database: base class, column types, and transactions that hold on both databases.

SQLite has one writer. A transaction that reads first and writes later fails with "database is
locked" when somebody else wrote in between, so a writer says so from its first statement:
``BEGIN IMMEDIATE``. Waiting writers stand in line at a file lock, because SQLite itself waits by
sleeping ever longer (measured: p99 742 ms without the file lock, 45 ms with it, 8 clients).
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine.interfaces import DBAPIConnection, Dialect
from sqlalchemy.orm import DeclarativeBase, Session, registry
from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

T = TypeVar("T")
CONNECT_SECONDS = 5  # how long PostgreSQL may take to let us in; libpq takes whole seconds from 2
BUSY_SECONDS = 5.0  # how long a writer waits for its turn before the request answers 503


class UTCDateTime(sa.types.TypeDecorator[datetime]):
    """Aware UTC with microseconds; a naive value is a programming error and raises."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _in_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def bind_processor(self, dialect: Dialect) -> Any:
        """On SQLite in one step instead of four: a new ticket writes fifty."""
        return _text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Likewise: a list reads hundreds."""
        if dialect.name == "sqlite":
            return _moment
        return super().result_processor(dialect, coltype)


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("naive datetime; use app.core.clock.utcnow()")
    return value.astimezone(UTC)


def _text(value: datetime | None) -> str | None:
    """As SQLAlchemy stores it there: 2026-01-31 09:30:00.000000."""
    if value is None:
        return None
    return _in_utc(value).replace(tzinfo=None).isoformat(" ", "microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")


class Base(DeclarativeBase):
    """Base of all models."""

    registry = registry(
        metadata=sa.MetaData(
            naming_convention={
                "ix": "ix_%(table_name)s_%(column_0_N_name)s",
                "uq": "uq_%(table_name)s_%(column_0_N_name)s",
                "ck": "ck_%(table_name)s_%(constraint_name)s",
                "fk": "fk_%(table_name)s_%(column_0_N_name)s",
                "pk": "pk_%(table_name)s",
            }
        ),
        type_annotation_map={
            datetime: UTCDateTime,
            dict[str, Any]: sa.JSON,
            list[str]: sa.JSON,
            list[int]: sa.JSON,
            list[dict[str, Any]]: sa.JSON,
            StrEnum: sa.Enum(
                StrEnum,
                native_enum=False,
                length=20,
                values_callable=lambda e: [member.value for member in e],
            ),
        },
    )


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> sa.Index:
    """An index of the rows of *where* alone; a statement that shall use it says the same.

    What few rows have costs the others nothing when they are written.
    """
    condition = sa.text(where)
    return sa.Index(
        name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition
    )


db = SQLAlchemy(
    model_class=Base,
    disable_autonaming=True,
    # The join mode matters only where a test binds the session to a connection of its own.
    session_options={"expire_on_commit": False, "join_transaction_mode": "create_savepoint"},
)

# Whether the next transaction of this request, job or command is one that writes.
_writing: ContextVar[bool] = ContextVar("writing", default=False)
_patience: ContextVar[float] = ContextVar("patience", default=BUSY_SECONDS)


def begin_write(*, patience: float | None = None) -> None:
    """End the running read transaction; from here to the next commit or rollback, write.

    Requests with an unsafe method, jobs and commands start like this by themselves.
    *patience*: seconds to wait for one's turn on SQLite.
    """
    _patience.set(BUSY_SECONDS if patience is None else patience)
    if db.session().in_transaction():
        db.session.commit()
    _writing.set(True)


def begin_read() -> None:
    """The next transaction only reads (a new request starts like this)."""
    _writing.set(False)


def init_database(app: Flask) -> None:
    """Bind the engine's events: pragmas, kinds of transactions, the writers' line."""
    with app.app_context():
        if db.engine.dialect.name == "sqlite":
            _prepare_sqlite(db.engine)


# Errors go to the log; values of statements are keys of links, and what people wrote.
NO_VALUES = {"hide_parameters": True}


def sqlite_options() -> dict[str, Any]:
    """Engine options for the embedded database: transactions are begun by ourselves."""
    connect_args = {"isolation_level": None, "timeout": BUSY_SECONDS}
    return {"connect_args": connect_args, **NO_VALUES}


def postgres_options() -> dict[str, Any]:
    """Engine options for PostgreSQL: small pools, a lock never waits for ever."""
    wait = f"-c lock_timeout={int(BUSY_SECONDS * 1000)} -c timezone=UTC"
    return {
        "pool_size": 2,
        "max_overflow": 4,
        "pool_pre_ping": True,
        **NO_VALUES,
        "connect_args": {
            "options": wait,
            "connect_timeout": CONNECT_SECONDS,
            # A host that vanished without a word is noticed within half a minute, not in hours.
            "keepalives_idle": 15,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 30_000,
        },
    }


class _Compiler(SQLiteCompiler):
    """Lets ``with_hint(table, "INDEXED BY ...", "sqlite")`` name an index."""

    def get_from_hint_text(self, table: sa.FromClause, text: str | None) -> str | None:
        return text


def _prepare_sqlite(engine: sa.Engine) -> None:
    path = engine.url.database or ""
    engine.dialect.statement_compiler = _Compiler

    @event.listens_for(engine, "connect")
    def on_connect(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        # FULL: a commit survives a power cut. The page cache is small, several processes have one
        # each: the system's own is behind it, and more made nothing quicker (nor did a memory map).
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={int(BUSY_SECONDS * 1000)}",
            "cache_size=-6000",
            "temp_store=MEMORY",
            # Some builds overwrite each freed page at once, which doubles what a merge writes.
            "secure_delete=FAST",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: sa.Connection) -> None:
        if not _writing.get():
            connection.exec_driver_sql("BEGIN")
            return
        deadline = time.monotonic() + _patience.get()
        if path and path != ":memory:":
            connection.info["turn"] = _wait_for_turn(path + ".lock", deadline)
        try:
            left = max(0, int((deadline - time.monotonic()) * 1000))
            if abs(left - connection.info.get("timeout", BUSY_SECONDS * 1000)) > 100:
                connection.exec_driver_sql(f"PRAGMA busy_timeout={left}")
                connection.info["timeout"] = left
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except BaseException:
            _leave_line(connection.info)
            raise

    @event.listens_for(engine, "checkin")
    def on_checkin(connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        # Only now has the transaction really ended: "commit" is told before it happens.
        _leave_line(record.info)

    @event.listens_for(engine, "close")
    def on_close(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        _leave_line(record.info)


def _wait_for_turn(path: str, deadline: float) -> int:
    """Wait for the writers' file lock; the kernel frees it if we die. Returns the descriptor.

    The kernel knows no time limit: who must wait has a thread wait for them.
    """
    turn = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    line = os.open(f"{path}.line", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        _take_turn(line, turn, fcntl.LOCK_NB)
    except BlockingIOError:
        waiting = _line().submit(_take_turn, line, turn)
        try:
            waiting.result(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            # It comes too late for us: given back as soon as it is had.
            waiting.add_done_callback(lambda _: os.close(line))
            waiting.add_done_callback(lambda _: os.close(turn))
            locked = sqlite3.OperationalError("database is locked")
            raise sa.exc.OperationalError("BEGIN IMMEDIATE", {}, locked) from None
    os.close(line)
    return turn


def _take_turn(line: int, turn: int, flag: int = 0) -> None:
    """Lock the head of the line, then the turn.

    A lock alone goes to whoever asks first once it is free, which is the one who just gave it
    back and asks again: others waited for more than five seconds. The head of the line is next.
    """
    fcntl.flock(line, fcntl.LOCK_EX | flag)
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | flag)
    finally:
        fcntl.flock(line, fcntl.LOCK_UN)


@functools.cache
def _line() -> ThreadPoolExecutor:
    """Threads that wait; those of a parent process are none of ours after a fork."""
    return ThreadPoolExecutor(16, thread_name_prefix="writers-line")


os.register_at_fork(after_in_child=_line.cache_clear)


def _leave_line(info: Any) -> None:
    descriptor = info.pop("turn", None)
    if descriptor is not None:
        os.close(descriptor)


def is_busy(error: BaseException) -> bool:
    """True where a lock could not be had in time: worth another try soon."""
    if not isinstance(error, sa.exc.OperationalError):
        return False
    code = getattr(error.orig, "sqlstate", None)
    return code in ("55P03", "40P01", "40001") or "database is locked" in str(error.orig)


def write_patiently(write: Callable[[], T], *, tries: int = 6) -> T:
    """What *write* returns, committed; called again, a few times, while others hold a lock.

    For what must be kept, since it has happened already. After a failure *write* begins anew.
    """
    while True:
        tries -= 1
        begin_write()
        try:
            written = write()
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            if not tries or not is_busy(error):
                raise
            time.sleep(0.5)
        else:
            return written


def insert_into(model: Any) -> Any:
    """The `insert` of the database in use, which knows ``on_conflict_do_nothing`` and its kin."""
    dialects: dict[str, Any] = {"sqlite": sqlite, "postgresql": postgresql}
    return dialects[db.engine.dialect.name].insert(model)


@event.listens_for(Session, "before_flush")
def _refuse_late_writers(session: Session, *_: Any) -> None:
    if _writing.get() or session.info.get("writes_freely"):
        return
    if session.new or session.deleted or any(session.is_modified(row) for row in session.dirty):
        raise RuntimeError("a write in a read transaction; call begin_write() first")


@event.listens_for(Session, "after_commit")
@event.listens_for(Session, "after_rollback")
def _back_to_reading(session: Session) -> None:
    if not session.in_nested_transaction():
        _writing.set(False)


def close_session() -> None:
    """Give everything back: between two jobs of one worker, or two rounds of a sweep."""
    with contextlib.suppress(Exception):
        db.session.rollback()
    db.session.remove()
    _writing.set(False)


def connection_of(pooled: PoolProxiedConnection) -> Any:
    """The driver's own connection behind a pooled one (backups, bulk loading)."""
    return pooled.driver_connection

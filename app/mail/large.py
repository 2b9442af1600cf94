"""Large mails between database and memory: once in memory, never several times.

What goes through a driver as one value is there three times on the way: in the database's library,
in the driver and with us. With 50 MB that is more than all the rest of a worker.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from app.core.db import connection_of, db
from app.mail.models import RawEmail

LARGE = 1_000_000  # bytes from which it is worth the statements
PIECE = 4_000_000  # bytes; PostgreSQL sends each as twice as many characters

LITTLE = -1000  # kilobytes, as SQLite wants them

_table: Any = RawEmail.__table__
INSERT = sa.insert(_table)
ROOM = sa.insert(_table).values(
    inbound_email_id=sa.bindparam("email_id"), raw=sa.func.zeroblob(sa.bindparam("size"))
)
READ_PIECE = sa.select(
    sa.func.substring(RawEmail.raw, sa.bindparam("start"), sa.bindparam("length"))
).where(RawEmail.inbound_email_id == sa.bindparam("email_id"))


def read(email_id: int, size: int) -> bytes:
    """The raw mail of *size* bytes, as the running transaction sees it."""
    kept = BytesIO()
    if (database := _sqlite()) is not None:
        with (
            _little_memory(database),
            database.blobopen("raw_email", "raw", email_id, readonly=True) as blob,
        ):
            while piece := blob.read(LARGE):
                kept.write(piece)
    else:
        connection = db.session.connection()
        for start in range(1, size + 1, PIECE):  # SQL counts from 1
            where = {"email_id": email_id, "start": start, "length": PIECE}
            kept.write(connection.scalar(READ_PIECE, where) or b"")
    return kept.getvalue()  # of a buffer that nobody writes to: no copy


def insert(email_id: int, raw: bytes) -> None:
    """Keep the raw mail, in the running transaction."""
    database = _sqlite() if len(raw) > LARGE else None
    connection = db.session.connection()
    if database is None:
        connection.execute(INSERT, {"inbound_email_id": email_id, "raw": raw})
    else:
        connection.execute(ROOM, {"email_id": email_id, "size": len(raw)})
        with (
            database.blobopen("raw_email", "raw", email_id) as blob,
            memoryview(raw) as view,
        ):
            for start in range(0, len(view), LARGE):
                blob.write(view[start : start + LARGE])


@contextmanager
def _little_memory(database: sqlite3.Connection) -> Iterator[None]:
    """No page of the mail stays in SQLite's cache."""
    (usual,) = database.execute("PRAGMA cache_size").fetchone()
    database.execute(f"PRAGMA cache_size = {LITTLE}")
    try:
        yield
    finally:
        database.execute(f"PRAGMA cache_size = {int(usual)}")


def _sqlite() -> sqlite3.Connection | None:
    """The driver's connection where SQLite serves."""
    driver = connection_of(db.session.connection().connection)
    return driver if isinstance(driver, sqlite3.Connection) else None

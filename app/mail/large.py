"""Large mails between database and memory: once in memory, never several times.

What goes through a driver as one value is there three times on the way: in the database's library,
in the driver and with us. With 50 MB that is more than all the rest of a worker.
"""

from __future__ import annotations

import sqlite3
from io import BytesIO

import sqlalchemy as sa

from app.core.db import connection_of, db
from app.mail.models import InboundEmail

LARGE = 1_000_000  # bytes from which it is worth the statements
PIECE = 4_000_000  # bytes; PostgreSQL sends each as twice as many characters

_piece = sa.select(
    sa.func.substring(InboundEmail.raw, sa.bindparam("start"), sa.bindparam("length"))
).where(InboundEmail.id == sa.bindparam("email_id"))


def read(email_id: int, size: int) -> bytes:
    """The raw mail of *size* bytes, as the running transaction sees it."""
    kept = BytesIO()
    if (database := _sqlite()) is not None:
        # What is read through the memory map counts as ours; 16 MB of cache are enough here.
        (mapped,) = database.execute("PRAGMA mmap_size").fetchone()
        database.execute("PRAGMA mmap_size = 0")
        try:
            with database.blobopen("inbound_email", "raw", email_id, readonly=True) as blob:
                while piece := blob.read(LARGE):
                    kept.write(piece)
        finally:
            database.execute(f"PRAGMA mmap_size = {int(mapped)}")
    else:
        connection = db.session.connection()
        for start in range(1, size + 1, PIECE):  # SQL counts from 1
            where = {"email_id": email_id, "start": start, "length": PIECE}
            kept.write(connection.scalar(_piece, where) or b"")
    return kept.getvalue()  # of a buffer that nobody writes to: no copy


def room_for(raw: bytes) -> bytes | sa.ColumnElement[bytes]:
    """What an insert puts in place of a mail that `write` writes."""
    if len(raw) > LARGE and _sqlite() is not None:
        return sa.func.zeroblob(len(raw), type_=sa.LargeBinary())
    return raw


def write(email_id: int, raw: bytes) -> None:
    """Write what `room_for` left out, in the same transaction."""
    if len(raw) > LARGE and (database := _sqlite()) is not None:
        with (
            database.blobopen("inbound_email", "raw", email_id) as blob,
            memoryview(raw) as view,
        ):
            for start in range(0, len(view), LARGE):
                blob.write(view[start : start + LARGE])


def _sqlite() -> sqlite3.Connection | None:
    """The driver's connection where SQLite serves."""
    driver = connection_of(db.session.connection().connection)
    return driver if isinstance(driver, sqlite3.Connection) else None

"""SQLite's full-text index is merged in the background, not by whoever opens a ticket.

FTS5 keeps what each transaction adds as a segment of its own and merges them as they become many.
Left to itself it does so in the midst of an insert: one ticket in twenty waited while up to 4,000
pages were written (10,000 tickets, measured), with the one writer's lock held.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

from app.core.db import begin_write, connection_of, db
from app.core.jobs import is_stopping

TABLES = ("search_ticket", "search_note", "search_article")
PAGES = 200  # of four kilobytes, written in one step: some milliseconds
SECONDS = 10.0  # of a round


def merge(*, seconds: float = SECONDS) -> None:
    """Merge segments of the index, step by step, each with a lock of its own."""
    if db.engine.dialect.name != "sqlite":
        return
    until = time.monotonic() + seconds
    for table in TABLES:
        while time.monotonic() < until and not is_stopping():
            begin_write()
            has_more = merge_step(db.session.connection(), table)
            db.session.commit()
            if not has_more:
                break


def merge_step(connection: sa.Connection, table: str) -> bool:
    """One step, in the caller's transaction. False where nothing is left to merge.

    Nothing was done if fewer than two rows changed: https://sqlite.org/fts5.html#the_merge_command
    """
    driver = connection_of(connection.connection)
    before = driver.total_changes
    connection.exec_driver_sql(f"insert into {table} ({table}, rank) values ('merge', {PAGES})")
    return bool(driver.total_changes - before >= 2)

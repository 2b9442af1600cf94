"""Filling the desk in bulk: the full-text index is left alone meanwhile and built at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.search import upkeep

TABLES = ("ticket", "comment", "attachment", "person", "person_email")


@contextmanager
def index_built_afterwards(connection: sa.Connection) -> Iterator[None]:
    """Build the index of everything once, after the block, not row by row in it.

    All in the caller's transaction, which must have the tables to itself. Worth it from some
    thousand rows on: rebuilding reads every ticket.
    """
    if connection.dialect.name == "postgresql":
        for table in TABLES:
            connection.execute(sa.text(f"alter table {table} disable trigger user"))
        yield
        connection.execute(sa.text("delete from search_ticket"))
        connection.execute(sa.text("select search_put(array(select id from ticket))"))
        connection.execute(
            sa.text(
                "select search_put_notes(id) from ticket where id in"
                " (select ticket_id from comment where visibility = 'internal')"
            )
        )
        for table in TABLES:
            connection.execute(sa.text(f"alter table {table} enable trigger user"))
        return
    triggers = connection.execute(
        sa.text(
            "select name, sql from sqlite_master"
            " where type = 'trigger' and substr(name, 1, 7) = 'search_'"
        )
    ).all()
    for name, _ in triggers:
        connection.execute(sa.text(f"drop trigger {name}"))
    yield
    for table in upkeep.TABLES:
        connection.exec_driver_sql(f"insert into {table} ({table}) values ('rebuild')")
        while upkeep.merge_step(connection, table):
            pass
    for _, statement in triggers:
        connection.exec_driver_sql(statement)

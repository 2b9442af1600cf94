"""Rows of tables as lines of JSON, the same from SQLite and PostgreSQL.

A backup of one can be restored into the other: values have the types of the models, not those of
a driver.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from app.core.db import Base, UTCDateTime

BATCH_ROWS, BATCH_BYTES = 500, 4_000_000  # of one insert
_PLAIN = (sa.Integer, sa.String, sa.Boolean, sa.JSON, sa.Date, sa.LargeBinary)


def tables() -> list[sa.Table]:
    """All tables, those that others point at first; but what is true of one machine alone."""
    return [table for table in Base.metadata.sorted_tables if not table.info.get("of_machine")]


def dump(connection: sa.Connection, table: sa.Table) -> Iterator[bytes]:
    """The table as lines: the names of the columns, then one list of values a row."""
    plain = _plain(table)
    names = [column.name for column in plain.columns]
    yield _line(names)
    # One at a time where a row may hold a mail of many megabytes.
    holds_bytes = any(isinstance(column.type, sa.LargeBinary) for column in plain.columns)
    found = connection.execute(
        sa.select(plain).order_by(*(plain.c[key.name] for key in table.primary_key)),
        execution_options={"yield_per": 1 if holds_bytes else 1_000},
    )
    writers = [_writer(column.type) for column in plain.columns]
    for row in found:
        yield _line(
            [
                None if value is None else write(value)
                for value, write in zip(row, writers, strict=True)
            ]
        )


def load(connection: sa.Connection, table: sa.Table, lines: Iterable[bytes]) -> int:
    """Insert what `dump` gave into the empty *table*. Returns how many rows there were.

    Raises:
        ValueError: the lines are of another table, or of another version of it.
    """
    plain, lines = _plain(table), iter(lines)
    names: list[str] = json.loads(next(lines, b"[]"))
    if set(names) != {column.name for column in plain.columns}:
        raise ValueError(f"the columns of {table.name} are others")
    readers = [_reader(plain.c[name].type) for name in names]
    # Rows may point at later rows of their own table: these columns are filled in afterwards.
    own = [key.parent.name for key in table.foreign_keys if key.column.table is table]
    pointing: list[dict[str, Any]] = []
    count = 0
    for batch in _batches(lines):
        rows = []
        for line in batch:
            values = json.loads(line)
            row = {
                name: None if value is None else read(value)
                for name, value, read in zip(names, values, readers, strict=True)
            }
            if any(row[name] is not None for name in own):
                pointing.append({"row_id": row["id"], **{f"new_{name}": row[name] for name in own}})
                row |= dict.fromkeys(own)
            rows.append(row)
        connection.execute(sa.insert(plain), rows)
        count += len(rows)
    if pointing:
        again = sa.update(plain).where(plain.c.id == sa.bindparam("row_id"))
        connection.execute(again.values({n: sa.bindparam(f"new_{n}") for n in own}), pointing)
    if connection.dialect.name == "postgresql" and count:
        _continue_numbers(connection, table)
    return count


def _plain(table: sa.Table) -> sa.TableClause:
    """The table without what an enum or a rank means: stored values go through as they are."""
    return sa.table(table.name, *(sa.column(c.name, _stored(c.type)) for c in table.columns))


def _stored(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    if isinstance(kind, UTCDateTime):
        return kind
    if isinstance(kind, sa.types.TypeDecorator):
        kind = kind.impl_instance
    if isinstance(kind, sa.Enum):
        return sa.String()
    if isinstance(kind, sa.JSON):
        return sa.JSON(none_as_null=True)
    if not isinstance(kind, _PLAIN):
        raise TypeError(f"no backup knows columns of the type {kind!r}")
    return kind


def _writer(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    if isinstance(kind, UTCDateTime | sa.Date):
        return lambda value: value.isoformat()
    if isinstance(kind, sa.LargeBinary):
        return lambda value: b64encode(value).decode()
    return lambda value: value


def _reader(kind: sa.types.TypeEngine[Any]) -> Callable[[Any], Any]:
    if isinstance(kind, UTCDateTime):
        return datetime.fromisoformat
    if isinstance(kind, sa.Date):
        return date.fromisoformat
    if isinstance(kind, sa.LargeBinary):
        return b64decode
    return lambda value: value


def _line(values: list[Any]) -> bytes:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _batches(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    for first in lines:
        batch, size = [first], len(first)
        while len(batch) < BATCH_ROWS and size < BATCH_BYTES and (line := next(lines, b"")):
            batch.append(line)
            size += len(line)
        yield batch


def _continue_numbers(connection: sa.Connection, table: sa.Table) -> None:
    """Let PostgreSQL give the next row a number after the last one's."""
    key = table.autoincrement_column
    if key is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, key.name)
    last = sa.select(sa.func.max(key)).scalar_subquery()
    connection.execute(
        sa.select(sa.func.setval(sequence, last)).where(sequence.is_not(None), last.is_not(None))
    )


def empty(connection: sa.Connection) -> None:
    """Take out what the migrations have put into a new database."""
    for table in reversed(tables()):
        if connection.scalar(sa.select(sa.exists(sa.select(table)))):
            connection.execute(sa.delete(table))

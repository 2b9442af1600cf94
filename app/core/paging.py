"""Pages of a select by keys: each begins where the last one ended, however deep, at one cost."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from app.core.db import UTCDateTime
from app.core.errors import Invalid

MOST_ROWS = 10_000_000  # no list is longer; a cursor that says so is made up
MOST_ID = 2**31 - 1  # PostgreSQL's integer


@dataclass(slots=True)
class Page:
    """What stands under a list: "1 to 25 of 48", and links, None where there are no more rows."""

    text: str
    previous: str | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page begins.

    Attributes:
        values: the sort keys of the row before the page (behind it, where ``backwards``).
        position: how many rows stand before the page, for its words alone.
    """

    values: tuple[Any, ...]
    backwards: bool = False
    position: int = 0


def encode(cursor: Cursor, order: str) -> str:
    """The cursor as text for a link; *order* names the sort order that it belongs to."""
    values = [_plain(value) for value in cursor.values]
    text = json.dumps(
        [order, int(cursor.backwards), cursor.position, values], separators=(",", ":")
    )
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(text: str, order: str, columns: Sequence[sa.ColumnElement[Any]]) -> Cursor:
    """Read a cursor back; *columns* are the sort keys, by whose types the values are checked.

    It holds nothing secret and opens nothing: a page behind a made-up one still shows only what
    the viewer may see. So it is not signed, but anything that we did not write is refused.

    Raises:
        Invalid: no cursor of ours, or one of another order.
    """
    try:
        raw = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        name, backwards, position, values = json.loads(raw)
        if name != order or backwards not in (0, 1) or len(values) != len(columns):
            raise ValueError("another list's cursor")
        if type(position) is not int or not 0 <= position <= MOST_ROWS:
            raise ValueError("no position")
        checked = tuple(_value(v, c) for v, c in zip(values, columns, strict=True))
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        message = "This is no cursor of this list. Start from its first page."
        raise Invalid(message, {"cursor": message}) from error
    return Cursor(checked, bool(backwards), position)


def _plain(value: Any) -> Any:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _value(value: Any, column: sa.ColumnElement[Any]) -> Any:
    """The value for a comparison with *column*; ValueError where the types do not fit."""
    if isinstance(column.type, UTCDateTime):
        if value is None:
            return None
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("naive time")
        return at.astimezone(UTC)
    if type(value) is int and 0 <= value <= MOST_ID:
        return value
    raise ValueError("another type")


@dataclass(frozen=True, slots=True)
class Order:
    """A total order of a list, all keys in one direction, so that an index can seek.

    Attributes:
        columns: the sort keys, the last one unique; only the first may be null.
        descending: the direction of all of them.
        has_nulls: rows without a first key come last, whatever the direction.
    """

    columns: tuple[sa.ColumnElement[Any], ...]
    descending: bool
    has_nulls: bool = False

    def by(self, *, backwards: bool = False) -> list[sa.ColumnElement[Any]]:
        """What to order by; *backwards* reads the rows before a cursor, nearest first."""
        down = self.descending is not backwards
        keys: list[sa.ColumnElement[Any]] = [
            column.desc() if down else column.asc() for column in self.columns
        ]
        if self.has_nulls:
            keys[0] = sa.nulls_first(keys[0]) if backwards else sa.nulls_last(keys[0])
        return keys

    def beyond(
        self, marks: Sequence[sa.ColumnElement[Any]], *, backwards: bool, at_null: bool
    ) -> sa.ColumnElement[bool]:
        """The rows after (or before) the row with *marks*; *at_null*: its first key is null."""
        down = self.descending is not backwards
        first = self.columns[0]
        row, mark = sa.tuple_(*self.columns), sa.tuple_(*marks)
        further = row < mark if down else row > mark
        if not self.has_nulls:
            return further
        if not at_null:
            return further if backwards else sa.or_(further, first.is_(None))
        last, id_mark = self.columns[-1], marks[-1]
        among_nulls = sa.and_(first.is_(None), last < id_mark if down else last > id_mark)
        return sa.or_(among_nulls, first.is_not(None)) if backwards else among_nulls

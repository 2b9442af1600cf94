"""Long lists of administration: newest first, a page at a time, however deep at one cost."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import InstrumentedAttribute

from app.accounts.access import current_person
from app.accounts.directory import zone_of
from app.core.db import db
from app.core.errors import Invalid
from app.core.paging import MOST_ID, Page

ROWS = 50


def zone() -> ZoneInfo:
    """The viewer's."""
    return zone_of(current_person())


def midnight(day: date, *, days_later: int = 0) -> datetime:
    """The day's beginning where the viewer is.

    Raises:
        Invalid: no clock goes so far.
    """
    try:
        day += timedelta(days=days_later)
        return datetime.combine(day, time(), zone()).astimezone(UTC)
    except OverflowError:
        raise Invalid("There is no such day.") from None


def newest(
    query: sa.Select[*tuple[Any, ...]],
    key: InstrumentedAttribute[int],
    *,
    path: str,
    one: str,
    many: str,
) -> tuple[Sequence[Any], Page]:
    """The newest rows of *query*, which has a column ``id``, from ``?before=`` an id on.

    One statement. The links keep what is searched.

    Raises:
        Invalid: a page that no list has.
    """
    before = _before()
    if before:
        query = query.where(key < before)
    found = db.session.execute(query.order_by(key.desc()).limit(ROWS + 1)).all()
    rows = found[:ROWS]
    asked = {k: v for k, v in request.args.items() if k != "before" and v}
    further = urlencode({**asked, "before": rows[-1].id}) if len(found) > ROWS else ""
    first = f"{path}?{urlencode(asked)}" if asked else path
    return rows, Page(
        text=f"{len(rows)} {one if len(rows) == 1 else many}",
        previous=first if before else None,
        next=f"{path}?{further}" if further else None,
    )


def _before() -> int:
    text = request.args.get("before", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("There is no such page of this list. Start from its first.")
    return int(text)

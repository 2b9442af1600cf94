"""How addresses elsewhere answer: one that fails again and again is left alone for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from app.core.db import db, insert_into
from app.integrations.models import EndpointHealth

FREE = 3  # failures in a row that change nothing yet
FIRST_REST, LONGEST_REST = timedelta(seconds=15), timedelta(minutes=10)
CONTEXT = "context"


def webhook_key(webhook_id: int) -> str:
    """The key of a webhook's address."""
    return f"webhook:{webhook_id}"


def note_success(key: str, *, now: datetime) -> None:
    """It answers; one statement."""
    row = _row(key)
    row.failures, row.failing_since, row.rests_until, row.error = 0, None, None, ""
    row.succeeded_at = now


def note_failure(key: str, error: str, *, now: datetime, wait: timedelta | None = None) -> datetime:
    """It failed; rests from the third time in a row on, or for as long as it asks us to *wait*.

    Returns since when it fails.
    """
    row = _row(key)
    row.failures += 1
    row.failing_since = row.failing_since or now
    row.error = error[:1_000]
    rest = timedelta(0)
    if row.failures >= FREE:
        rest = min(FIRST_REST * 2 ** min(row.failures - FREE, 10), LONGEST_REST)
    if wait is not None:
        rest = max(rest, wait)
    row.rests_until = now + rest if rest else None
    return row.failing_since


def forget(key: str) -> None:
    """Begin anew: another address, or an admin who has mended it."""
    db.session.execute(sa.delete(EndpointHealth).where(EndpointHealth.key == key))


def find(key: str) -> EndpointHealth | None:
    """How it is; None before the first try."""
    return db.session.get(EndpointHealth, key)


def _row(key: str) -> EndpointHealth:
    """Its row, made where there is none, and locked: several workers may note at once."""
    new = insert_into(EndpointHealth).values(key=key, failures=0, error="")
    db.session.execute(new.on_conflict_do_nothing(index_elements=["key"]))
    mine = sa.select(EndpointHealth).where(EndpointHealth.key == key).with_for_update()
    return db.session.scalars(mine, execution_options={"populate_existing": True}).one()

"""The only reader of the wall clock; everything else is told the time."""

from __future__ import annotations

from datetime import UTC, datetime


def utcnow() -> datetime:
    """Now, as aware UTC."""
    return datetime.now(UTC)

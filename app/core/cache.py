"""Data that is read on every page and changes once a week, kept in the process and never stale.

Classes marked ``__reference__ = True`` bump one stamp row in the same transaction as any change to
them. A request reads the stamp once (one row by key) and drops what was cached under another.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Flask, g
from sqlalchemy import event
from sqlalchemy.orm import Mapped, Session, UOWTransaction, mapped_column

from app.core.db import Base
from app.core.statements import Read

T = TypeVar("T")


class Stamp(Base):
    """One row (id 1): a number that grows with every change of reference data."""

    __tablename__ = "stamp"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    value: Mapped[int] = mapped_column(default=0)


READ_STAMP = sa.select(Stamp.value).where(Stamp.id == 1)
_STAMP: Read[Any] = Read(READ_STAMP)
_kept: dict[str, tuple[int, Any]] = {}
_brief: dict[str, tuple[float, Any]] = {}
_many: OrderedDict[tuple[Hashable, ...], Any] = OrderedDict()
OWN = -1  # in place of a stamp: reference data was changed in this transaction
MOST_BRIEF = 2_000
MOST_MANY = 200


def reference(key: str, load: Callable[[], T]) -> T:
    """The value of *load*, kept until reference data changes; it must hold no ORM objects."""
    stamp = current_stamp()
    if stamp == OWN:
        return load()
    kept = _kept.get(key)
    if kept is not None and kept[0] == stamp:
        value: T = kept[1]
        return value
    value = load()
    _kept[key] = (stamp, value)
    return value


def reference_for(key: tuple[Hashable, ...], load: Callable[[], T]) -> T:
    """Like `reference`, for values of which there are many: the longest unused are dropped."""
    stamp = current_stamp()
    if stamp == OWN:
        return load()
    stamped = (stamp, *key)
    if stamped in _many:
        _many.move_to_end(stamped)
        found: T = _many[stamped]
        return found
    value = _many[stamped] = load()
    if len(_many) > MOST_MANY:
        _many.popitem(last=False)
    return value


def current_stamp() -> int:
    """The stamp as this request (or job) sees it; one statement, the first time.

    `OWN` after a change of our own: what is read then is true for nobody else yet.
    """
    stamp: int | None = g.get("reference_stamp")
    if stamp is None:
        row = _STAMP.one()
        stamp = remember_stamp(row.value if row else None)
    return stamp


def remember_stamp(value: int | None) -> int:
    """Take a stamp that came along with another statement."""
    if g.get("reference_stamp") == OWN:
        return OWN
    g.reference_stamp = value or 0
    return value or 0


def forget_stamp() -> None:
    """Read the stamp again at the next use: a job's next round, a test's next step."""
    if g.get("reference_stamp") != OWN:
        g.pop("reference_stamp", None)


def bump_stamp(session: Session) -> None:
    """Tell every process that reference data changes with this transaction."""
    if g.get("reference_stamp") != OWN:
        g.reference_stamp = OWN
        session.execute(sa.update(Stamp).where(Stamp.id == 1).values(value=Stamp.value + 1))


@event.listens_for(Session, "before_flush")
def _bump_on_change(session: Session, context: UOWTransaction, instances: object) -> None:
    changed = [*session.new, *session.deleted, *filter(session.is_modified, session.dirty)]
    if any(getattr(row, "__reference__", False) for row in changed):
        bump_stamp(session)


@event.listens_for(Session, "after_commit")
@event.listens_for(Session, "after_rollback")
def _end_of_transaction(session: Session) -> None:
    if not session.in_nested_transaction() and g.get("reference_stamp") == OWN:
        g.pop("reference_stamp")


def for_seconds(key: str, seconds: float, load: Callable[[], T]) -> T:
    """The value of *load*, kept for a few *seconds* in this process: counts that may lag a bit."""
    now = time.monotonic()
    kept = _brief.get(key)
    if kept is not None and kept[0] > now:
        value: T = kept[1]
        return value
    value = load()
    if len(_brief) >= MOST_BRIEF:
        for old in [name for name, (until, _) in _brief.items() if until <= now]:
            del _brief[old]
    _brief[key] = (now + seconds, value)
    return value


def clear() -> None:
    """Keep nothing: another application in this process, another test."""
    _kept.clear()
    _brief.clear()
    _many.clear()


def init_cache(app: Flask) -> None:
    """Another application in this process (a test's) starts with nothing kept."""
    clear()

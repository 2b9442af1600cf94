"""The audit log: who changed what here, from what to what, and from where. Append-only.

The database itself refuses to change or remove a row (triggers, in the migration), and no foreign
key does so either: a person who is gone keeps their name in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import sqlalchemy as sa
from flask import has_request_context, request
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, db

COMMAND_LINE = "Command line"
MOST = 10_000  # characters of a value that are kept; a macro's reply may be longer

Facts = Mapping[str, str]
"""What an admin sees of a thing, in words, by the names of its fields. Never a secret."""


class Actor(Protocol):
    """Whoever acts."""

    @property
    def id(self) -> int:
        """Their number."""

    @property
    def display_name(self) -> str:
        """How people know them."""


class AuditEntry(Base):
    """One field of one thing that was changed, or a whole thing that was created or deleted.

    ``actor_id`` None is the command line. ``action`` is a word such as "created" or "merged",
    ``thing`` what it is ("group"), ``thing_name`` as it was called then.
    """

    __tablename__ = "audit_entry"
    __table_args__ = (sa.Index("ix_audit_entry_actor_id_id", "actor_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    actor_id: Mapped[int | None]
    actor_name: Mapped[str] = mapped_column(sa.String(200))
    action: Mapped[str] = mapped_column(sa.String(40))
    thing: Mapped[str] = mapped_column(sa.String(60))
    thing_id: Mapped[int | None]
    thing_name: Mapped[str] = mapped_column(sa.String(300))
    field: Mapped[str] = mapped_column(sa.String(100), default="")
    from_value: Mapped[str | None] = mapped_column(sa.Text)
    to_value: Mapped[str | None] = mapped_column(sa.Text)
    ip_address: Mapped[str] = mapped_column(sa.String(45), default="")
    user_agent: Mapped[str] = mapped_column(sa.String(300), default="")


def note(
    thing: str,
    thing_id: int | None,
    name: str,
    *,
    before: Facts,
    after: Facts,
    by: Actor | None,
    now: datetime,
) -> bool:
    """Write down how a thing changed: a row for each field that differs; False if none does.

    Without *before* it was created, without *after* it was deleted, and one row holds everything.
    """
    if not before or not after:
        action = "deleted" if before else "created"
        write(
            *(action, thing, thing_id, name),
            old=_all(before) if before else None,
            new=_all(after) if after else None,
            by=by,
            now=now,
        )
        return True
    fields = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    for key in fields:
        write(
            *("changed", thing, thing_id, name),
            field=key,
            old=before.get(key),
            new=after.get(key),
            by=by,
            now=now,
        )
    return bool(fields)


def write(
    action: str,
    thing: str,
    thing_id: int | None,
    name: str,
    *,
    field: str = "",
    old: str | None = None,
    new: str | None = None,
    by: Actor | None,
    now: datetime,
) -> None:
    """Add one row, in the transaction of the change itself.

    The address and the browser are those of the running request, the only thing that is read
    from it here: so no action has to pass them on.
    """
    asks = request if has_request_context() else None
    db.session.add(
        AuditEntry(
            created_at=now,
            actor_id=by.id if by else None,
            actor_name=by.display_name[:200] if by else COMMAND_LINE,
            action=action,
            thing=thing,
            thing_id=thing_id,
            thing_name=name[:300],
            field=field[:100],
            from_value=_kept(old),
            to_value=_kept(new),
            ip_address=(asks.remote_addr or "")[:45] if asks else "",
            user_agent=(asks.headers.get("User-Agent", "").replace("\0", "")[:300] if asks else ""),
        )
    )


def _all(facts: Facts) -> str:
    return "\n".join(f"{key}: {value}" for key, value in facts.items() if value)


def _kept(value: str | None) -> str | None:
    if value is None or len(value) <= MOST:
        return value
    return f"{value[:MOST]} … ({len(value):,} characters)"

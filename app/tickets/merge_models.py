"""Merges of tickets and of people, and what it takes to undo them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from app.core.db import Base, db
from app.tickets.words import Status


class TicketMerge(Base):
    """One ticket was merged into another.

    ``comment_id`` is the merged ticket's description among the survivor's comments. ``brought``
    holds ids: ``people`` who take part in the survivor because of it, ``tags``, ``held`` mails.
    """

    __tablename__ = "ticket_merge"
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), index=True
    )
    survivor_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), index=True
    )
    comment_id: Mapped[int | None] = mapped_column(sa.ForeignKey("comment.id", ondelete="SET NULL"))
    was_status: Mapped[Status]
    was_closed_at: Mapped[datetime | None]
    brought: Mapped[dict[str, Any]] = mapped_column(default=dict)
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


class PersonMerge(Base):
    """One person was merged into another.

    ``moved`` holds, by table, the keys of the rows that were the merged person's.
    """

    __tablename__ = "person_merge"
    id: Mapped[int] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    survivor_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    merged_by_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )
    moved: Mapped[dict[str, Any]] = mapped_column(default=dict)
    merged_at: Mapped[datetime]
    undone_at: Mapped[datetime | None]


def below(merged: InstrumentedAttribute[int], survivor_id: int) -> list[int]:
    """Ids in the column *merged* of what was merged into one, into those, and so on, and still is.

    One statement for each generation.
    """
    merge: Any = merged.class_
    found: list[int] = []
    parents = [survivor_id]
    while parents:
        children = sa.select(merged).where(
            merge.survivor_id.in_(parents), merge.undone_at.is_(None)
        )
        parents = list(db.session.scalars(children))
        found += parents
    return found

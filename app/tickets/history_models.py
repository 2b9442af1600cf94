"""What has happened to tickets, and why the desk did it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, partial_index
from app.tickets.words import EventKind, Status


class TicketEvent(Base):
    """One line of a ticket's history; append-only.

    ``actor_id`` None is the system or a rule, which ``actor_name`` names. ``version`` is the
    ticket's after the change: a stale form is told from it which fields have changed.
    """

    __tablename__ = "ticket_event"
    __table_args__ = (
        sa.Index("ix_ticket_event_ticket_id_id", "ticket_id", "id"),
        partial_index("ix_ticket_event_actor_id", "actor_id", where="actor_id is not null"),
        partial_index(
            "ix_ticket_event_status",
            *("ticket_id", "created_at", "from_value"),
            where="kind = 'status'",
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    kind: Mapped[EventKind]
    actor_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="SET NULL"))
    actor_name: Mapped[str] = mapped_column(sa.String(200), default="")
    field: Mapped[str] = mapped_column(sa.String(40), default="")
    from_value: Mapped[str | None] = mapped_column(sa.Text)  # in words, as people saw it
    to_value: Mapped[str | None] = mapped_column(sa.Text)
    details: Mapped[dict[str, Any]] = mapped_column(default=dict)  # ids, method of assignment, ...
    version: Mapped[int]
    created_at: Mapped[datetime]


class Reopening(Base):
    """A ticket that was done and was opened again: a span in which nobody worked on it.

    Together with `Ticket.finished_at` it says which tickets were open at any moment.
    ``was_status`` is resolved, closed or cancelled.
    """

    __tablename__ = "reopening"
    __table_args__ = (sa.Index("ix_reopening_reopened_at", "reopened_at", "finished_at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), index=True
    )
    was_status: Mapped[Status]
    finished_at: Mapped[datetime] = mapped_column(index=True)
    closed_at: Mapped[datetime | None]
    reopened_at: Mapped[datetime]


class DecisionRecord(Base):
    """Why the desk did something by itself; written in the same transaction."""

    __tablename__ = "decision_record"
    __table_args__ = (sa.Index("ix_decision_record_ticket_id_id", "ticket_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(sa.String(30))
    summary: Mapped[str] = mapped_column(sa.Text)
    details: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    created_at: Mapped[datetime]

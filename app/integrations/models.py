"""Webhooks with what they were sent, and customer data from elsewhere; of tickets ids alone."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, partial_index


class Webhook(Base):
    """An address that hears of events on tickets.

    ``secret`` is sealed; after a change ``old_secret`` signs too, until ``old_secret_until``.
    ``stopped_because`` says why we stopped sending by ourselves, else "". How deliveries go is in
    `EndpointHealth`: that changes all the time.
    """

    __tablename__ = "webhook"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    url: Mapped[str] = mapped_column(sa.String(2000))
    events: Mapped[list[str]]
    with_notes: Mapped[bool] = mapped_column(default=False)
    is_active: Mapped[bool] = mapped_column(default=True)
    secret: Mapped[str] = mapped_column(sa.Text)
    old_secret: Mapped[str] = mapped_column(sa.Text, default="")
    old_secret_until: Mapped[datetime | None]
    stopped_because: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime]


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    DROPPED = "dropped"  # what it would tell was taken back before it left


class WebhookDelivery(Base):
    """One event for one webhook, written in the transaction of the event.

    ``message_id`` stays the same however often it is sent. ``facts`` are the line of history that
    it tells; ``body`` is what is sent, made at the first try. ``status`` (HTTP), ``duration_ms``,
    ``answer`` (its first KB) and ``error`` are those of the last try, at ``tried_at``. ``tries``
    are the last ten, oldest first: ``at`` (ISO), ``status`` and ``ms`` or None, ``error``.
    ``locked_until`` is the lease of the worker that is sending it.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        partial_index(
            "ix_webhook_delivery_due",
            "webhook_id",
            "due_at",
            where="state = 'waiting'",
        ),
        partial_index(
            "ix_webhook_delivery_in_order",
            "ticket_id",
            "webhook_id",
            "id",
            where="state = 'waiting'",
        ),
        sa.Index("ix_webhook_delivery_webhook_id_id", "webhook_id", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(sa.ForeignKey("webhook.id", ondelete="CASCADE"))
    ticket_id: Mapped[int | None]
    message_id: Mapped[str] = mapped_column(sa.String(40), unique=True)
    event: Mapped[str] = mapped_column(sa.String(40))
    facts: Mapped[dict[str, Any]]
    body: Mapped[str | None] = mapped_column(sa.Text)
    state: Mapped[DeliveryState] = mapped_column(default=DeliveryState.WAITING)
    attempts: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(index=True)
    due_at: Mapped[datetime]
    give_up_at: Mapped[datetime]
    locked_until: Mapped[datetime | None]
    tried_at: Mapped[datetime | None]
    tries: Mapped[list[dict[str, Any]]] = mapped_column(default=list)
    status: Mapped[int | None]
    duration_ms: Mapped[int | None]
    answer: Mapped[str] = mapped_column(sa.Text, default="")
    error: Mapped[str] = mapped_column(sa.Text, default="")


class EndpointHealth(Base):
    """How an address elsewhere answers: ``webhook:<id>``, or ``context``.

    ``failures`` are those in a row, since ``failing_since``; until ``rests_until`` it is left
    alone.
    """

    __tablename__ = "endpoint_health"
    key: Mapped[str] = mapped_column(sa.String(60), primary_key=True)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since: Mapped[datetime | None]
    rests_until: Mapped[datetime | None]
    succeeded_at: Mapped[datetime | None]
    error: Mapped[str] = mapped_column(sa.Text, default="")


class ContextAnswer(Base):
    """What another program says of a ticket's requester, for a while.

    ``asked`` are the parameters that it was asked with. ``answer`` is what came, checked, at
    ``fetched_at``; ``error`` why the last try brought none. ``due_at`` is set while a worker is to
    ask, ``locked_until`` is the lease of the one that does.
    """

    __tablename__ = "context_answer"
    __table_args__ = (
        partial_index(
            "ix_context_answer_due",
            "due_at",
            where="due_at is not null",
        ),
    )
    ticket_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    asked: Mapped[dict[str, Any]]
    answer: Mapped[dict[str, Any]] = mapped_column(default=dict)
    error: Mapped[str] = mapped_column(sa.Text, default="")
    due_at: Mapped[datetime | None]
    locked_until: Mapped[datetime | None]
    tried_at: Mapped[datetime | None] = mapped_column(index=True)
    fetched_at: Mapped[datetime | None]

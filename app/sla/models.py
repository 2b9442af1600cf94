"""Calendars of business hours and the policies that give a ticket its targets."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base


class Calendar(Base):
    """Business hours in a time zone; ``is_always`` is 24 x 7 and has no intervals."""

    __tablename__ = "calendar"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    time_zone: Mapped[str] = mapped_column(sa.String(60), default="UTC")
    is_always: Mapped[bool] = mapped_column(default=False)
    intervals: Mapped[list[CalendarInterval]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )
    holidays: Mapped[list[Holiday]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True
    )


class CalendarInterval(Base):
    """Open from ``start_minute`` to ``end_minute`` of a weekday (0 is Monday; 1440 is midnight)."""

    __tablename__ = "calendar_interval"
    __reference__ = True
    __table_args__ = (
        sa.CheckConstraint("weekday between 0 and 6", name="weekday"),
        sa.CheckConstraint(
            "start_minute >= 0 and start_minute < end_minute and end_minute <= 1440", name="minutes"
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    calendar_id: Mapped[int] = mapped_column(
        sa.ForeignKey("calendar.id", ondelete="CASCADE"), index=True
    )
    weekday: Mapped[int]
    start_minute: Mapped[int]
    end_minute: Mapped[int]


class Holiday(Base):
    """A whole day on which a calendar is closed."""

    __tablename__ = "holiday"
    __reference__ = True
    calendar_id: Mapped[int] = mapped_column(
        sa.ForeignKey("calendar.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[dt.date] = mapped_column(sa.Date, primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), default="")


class SlaPolicy(Base):
    """Targets in minutes of its calendar, for tickets that fit all its conditions.

    An empty condition fits all; ``next_response_minutes`` None means no such target. Categories
    and groups are named by id.
    """

    __tablename__ = "sla_policy"
    __reference__ = True
    __table_args__ = (
        sa.CheckConstraint("first_response_minutes > 0", name="first_response"),
        sa.CheckConstraint("resolution_minutes > 0", name="resolution"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    description: Mapped[str] = mapped_column(sa.Text, default="")
    position: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    calendar_id: Mapped[int] = mapped_column(sa.ForeignKey("calendar.id", ondelete="RESTRICT"))
    priorities: Mapped[list[str]] = mapped_column(default=list)
    categories: Mapped[list[int]] = mapped_column(default=list)
    tiers: Mapped[list[str]] = mapped_column(default=list)
    groups: Mapped[list[int]] = mapped_column(default=list)
    sources: Mapped[list[str]] = mapped_column(default=list)
    first_response_minutes: Mapped[int]
    next_response_minutes: Mapped[int | None]
    resolution_minutes: Mapped[int]
    calendar: Mapped[Calendar] = relationship()
    escalations: Mapped[list[SlaEscalation]] = relationship(
        cascade="all, delete-orphan", passive_deletes=True, order_by="SlaEscalation.position"
    )


class EscalationKind(StrEnum):
    """What a breach does to the ticket."""

    RAISE_PRIORITY = "raise_priority"
    REASSIGN_GROUP = "reassign_group"
    ADD_TAG = "add_tag"


class SlaEscalation(Base):
    """One step taken when a clock of the policy is breached.

    ``target`` None means any target; ``value`` is a priority ("" raises by one), a group's id or a
    tag's name.
    """

    __tablename__ = "sla_escalation"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    policy_id: Mapped[int] = mapped_column(
        sa.ForeignKey("sla_policy.id", ondelete="CASCADE"), index=True
    )
    position: Mapped[int] = mapped_column(default=0)
    target: Mapped[str | None] = mapped_column(sa.String(20))
    kind: Mapped[EscalationKind]
    value: Mapped[str] = mapped_column(sa.String(100), default="")


class SlaTerms(Base):
    """A policy as it was when tickets came under it; written once and never changed.

    Clocks refer to it, so that an edited policy or calendar binds later tickets only. ``content``
    is `targets.Terms` as JSON, ``digest`` its SHA-256: equal terms are one row.
    """

    __tablename__ = "sla_terms"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(sa.String(64), unique=True)
    content: Mapped[dict[str, Any]]

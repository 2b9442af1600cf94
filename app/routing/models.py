"""Assignment rules."""

from __future__ import annotations

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class RuleKind(StrEnum):
    """How a rule picks."""

    SPECIFIC_AGENT = "specific_agent"
    GROUP = "group"
    SKILL_BASED = "skill_based"
    LEAST_BUSY = "least_busy"
    ROUND_ROBIN = "round_robin"


class AssignmentRule(Base):
    """Who gets the tickets of a category; the highest ``position`` is asked first.

    ``subcategory_id`` None serves the whole category. ``group_id`` None with round robin means
    every agent.
    """

    __tablename__ = "assignment_rule"
    __reference__ = True
    __table_args__ = (
        sa.CheckConstraint("kind <> 'specific_agent' or agent_id is not null", name="agent"),
        sa.CheckConstraint(
            "kind not in ('group', 'least_busy') or group_id is not null", name="group"
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), default="")
    position: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    category_id: Mapped[int] = mapped_column(
        sa.ForeignKey("category.id", ondelete="CASCADE"), index=True
    )
    subcategory_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("subcategory.id", ondelete="CASCADE")
    )
    kind: Mapped[RuleKind]
    agent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="CASCADE"))
    group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("agent_group.id", ondelete="CASCADE")
    )

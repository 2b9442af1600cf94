"""What tickets are sorted and worked on by: categories, own fields, tags, views, macros."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.accounts.models import Skill
from app.core.db import Base

category_skill = sa.Table(
    "category_skill",
    Base.metadata,
    sa.Column("category_id", sa.ForeignKey("category.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("skill_id", sa.ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True),
)
subcategory_skill = sa.Table(
    "subcategory_skill",
    Base.metadata,
    sa.Column(
        "subcategory_id", sa.ForeignKey("subcategory.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("skill_id", sa.ForeignKey("skill.id", ondelete="CASCADE"), primary_key=True),
)
custom_field_category = sa.Table(
    "custom_field_category",
    Base.metadata,
    sa.Column(
        "custom_field_id", sa.ForeignKey("custom_field.id", ondelete="CASCADE"), primary_key=True
    ),
    sa.Column("category_id", sa.ForeignKey("category.id", ondelete="CASCADE"), primary_key=True),
)
ticket_tag = sa.Table(
    "ticket_tag",
    Base.metadata,
    sa.Column("ticket_id", sa.ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True),
    sa.Index("ix_ticket_tag_tag_id_ticket_id", "tag_id", "ticket_id"),
)


class Category(Base):
    """What a ticket is about. ``key`` is what forms and the API post; ``name`` is for people."""

    __tablename__ = "category"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(100), unique=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    position: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    skills: Mapped[list[Skill]] = relationship(secondary=category_skill)
    subcategories: Mapped[list[Subcategory]] = relationship(
        back_populates="category", cascade="all, delete-orphan", passive_deletes=True
    )


class Subcategory(Base):
    """A finer cut of one category."""

    __tablename__ = "subcategory"
    __reference__ = True
    __table_args__ = (sa.UniqueConstraint("category_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int] = mapped_column(sa.ForeignKey("category.id", ondelete="CASCADE"))
    key: Mapped[str] = mapped_column(sa.String(100))
    name: Mapped[str] = mapped_column(sa.String(100))
    position: Mapped[int] = mapped_column(default=0)
    is_active: Mapped[bool] = mapped_column(default=True)
    category: Mapped[Category] = relationship(back_populates="subcategories")
    skills: Mapped[list[Skill]] = relationship(secondary=subcategory_skill)


class CustomField(Base):
    """A field of one's own: ``kind`` is text, number, date, checkbox or choice."""

    __tablename__ = "custom_field"
    __reference__ = True
    __table_args__ = (
        sa.CheckConstraint("kind in ('text', 'number', 'date', 'checkbox', 'choice')", name="kind"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(60), unique=True)
    label: Mapped[str] = mapped_column(sa.String(100))
    kind: Mapped[str] = mapped_column(sa.String(20))
    choices: Mapped[list[str]] = mapped_column(default=list)
    is_required: Mapped[bool] = mapped_column(default=False)
    is_public: Mapped[bool] = mapped_column(default=False)  # shown to customers
    position: Mapped[int] = mapped_column(default=0)
    categories: Mapped[list[Category]] = relationship(secondary=custom_field_category)


class Tag(Base):
    """A free word on tickets, in lower case."""

    __tablename__ = "tag"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(60), unique=True)


class View(Base):
    """A saved filter and sort order: personal (owner), of a group, or shared (neither)."""

    __tablename__ = "view"
    __table_args__ = (
        # NULLs differ from each other: each rule is for one audience.
        sa.UniqueConstraint("owner_id", "name"),
        sa.UniqueConstraint("group_id", "name"),
        sa.Index(
            "uq_view_name_shared",
            "name",
            unique=True,
            sqlite_where=sa.text("owner_id is null and group_id is null"),
            postgresql_where=sa.text("owner_id is null and group_id is null"),
        ),
    )
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    owner_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="CASCADE"))
    group_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("agent_group.id", ondelete="CASCADE")
    )
    filters: Mapped[dict[str, Any]] = mapped_column(default=dict)  # as in the queue's query string
    position: Mapped[int] = mapped_column(default=0)


class Macro(Base):
    """Several changes and a reply in one click: ``changes`` maps a field to its new value."""

    __tablename__ = "macro"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    reply: Mapped[str] = mapped_column(sa.Text, default="")
    changes: Mapped[dict[str, Any]] = mapped_column(default=dict)
    is_active: Mapped[bool] = mapped_column(default=True)
    position: Mapped[int] = mapped_column(default=0)

"""Articles, their categories, earlier versions, pictures and votes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Base

LONGEST_TITLE, LONGEST_SUMMARY, LONGEST_BODY = 200, 300, 50_000


class State(StrEnum):
    """Whether anybody but its writers reads it."""

    DRAFT = "draft"
    PUBLISHED = "published"


class Audience(StrEnum):
    """Who reads it once it is published."""

    PUBLIC = "public"
    AGENTS = "agents"

    @property
    def label(self) -> str:
        """In words."""
        return "Everybody" if self is Audience.PUBLIC else "Agents only"


class ArticleCategory(Base):
    """A shelf of the help centre."""

    __tablename__ = "article_category"
    __reference__ = True
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    slug: Mapped[str] = mapped_column(sa.String(120))
    description: Mapped[str] = mapped_column(sa.String(300), default="")
    position: Mapped[int] = mapped_column(default=0)


class Article(Base):
    """One article, as it reads now.

    ``body`` is Markdown, ``body_html`` what was made of it, sanitised, and ``body_text`` its words
    for the search. ``ticket_id`` is the ticket that it was made from. Customers see it where
    `IS_PUBLIC` holds, and nowhere else.
    """

    __tablename__ = "article"
    __reference__ = True
    __table_args__ = (
        sa.Index("ix_article_category_id_title_id", "category_id", "title", "id"),
        sa.Index("ix_article_updated_at_id", "updated_at", "id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int] = mapped_column(
        sa.ForeignKey("article_category.id", ondelete="RESTRICT")
    )
    title: Mapped[str] = mapped_column(sa.String(LONGEST_TITLE))
    slug: Mapped[str] = mapped_column(sa.String(120))
    summary: Mapped[str] = mapped_column(sa.String(LONGEST_SUMMARY), default="")
    body: Mapped[str] = mapped_column(sa.Text)
    body_html: Mapped[str] = mapped_column(sa.Text)
    body_text: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[State] = mapped_column(default=State.DRAFT)
    audience: Mapped[Audience] = mapped_column(default=Audience.PUBLIC)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="SET NULL"))
    ticket_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ticket.id", ondelete="SET NULL"))
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    published_at: Mapped[datetime | None]  # the first time
    deleted_at: Mapped[datetime | None]
    category: Mapped[ArticleCategory] = relationship()

    @property
    def is_public(self) -> bool:
        """True where customers read it."""
        return (
            self.state is State.PUBLISHED
            and self.audience is Audience.PUBLIC
            and self.deleted_at is None
        )


# Condition on an article: customers may read it. All of their statements use it (public.py).
IS_PUBLIC = sa.and_(
    Article.state == State.PUBLISHED,
    Article.audience == Audience.PUBLIC,
    Article.deleted_at.is_(None),
)


class ArticleRevision(Base):
    """The text of an article as somebody saved it; ``version`` is the article's then."""

    __tablename__ = "article_revision"
    article_id: Mapped[int] = mapped_column(
        sa.ForeignKey("article.id", ondelete="CASCADE"), primary_key=True
    )
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    title: Mapped[str] = mapped_column(sa.String(LONGEST_TITLE))
    summary: Mapped[str] = mapped_column(sa.String(LONGEST_SUMMARY))
    body: Mapped[str] = mapped_column(sa.Text)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("person.id", ondelete="SET NULL"))
    created_at: Mapped[datetime]


class ArticlePicture(Base):
    """A picture of an article, which its text names: ``![What it shows](name.png)``."""

    __tablename__ = "article_picture"
    __table_args__ = (sa.UniqueConstraint("article_id", "name"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(sa.ForeignKey("article.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(255))
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    content_type: Mapped[str] = mapped_column(sa.String(100))
    size: Mapped[int] = mapped_column(sa.BigInteger)
    created_at: Mapped[datetime]


class ArticleVote(Base):
    """Whether an article helped a visitor: one vote each, which they may change.

    ``visitor`` is a keyed hash of who they are, so that nobody reads from it who voted how.
    """

    __tablename__ = "article_vote"
    article_id: Mapped[int] = mapped_column(
        sa.ForeignKey("article.id", ondelete="CASCADE"), primary_key=True
    )
    visitor: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    is_helpful: Mapped[bool]
    created_at: Mapped[datetime]

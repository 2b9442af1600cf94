"""Whether an article helped: one vote for each visitor, who may change their mind."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import sqlalchemy as sa
from flask import current_app

from app.core.db import db, insert_into
from app.knowledge.models import Article, ArticleVote


@dataclass(frozen=True, slots=True)
class Votes:
    """How many found an article helpful, and how many said so or not."""

    helpful: int
    all: int

    @property
    def text(self) -> str:
        """In words; "" without votes."""
        return f"{self.helpful} of {self.all} found it helpful" if self.all else ""


def visitor(kind: str, name: object) -> str:
    """The key of a visitor: of a person's id, or of the cookie of a guest."""
    key = current_app.config["SECRET_KEY"].encode()
    return hmac.new(key, f"article-vote:{kind}:{name}".encode(), sha256).hexdigest()


def vote(article_id: int, visitor: str, *, is_helpful: bool, now: datetime) -> None:
    """Count the vote of *visitor*, in place of an earlier one; one statement."""
    insert = insert_into(ArticleVote).values(
        article_id=article_id, visitor=visitor, is_helpful=is_helpful, created_at=now
    )
    db.session.execute(
        insert.on_conflict_do_update(
            index_elements=["article_id", "visitor"], set_={"is_helpful": is_helpful}
        )
    )


def vote_of(article_id: int, visitor: str) -> bool | None:
    """What *visitor* said, None without a vote; one statement."""
    wanted = sa.select(ArticleVote.is_helpful)
    return db.session.scalar(
        wanted.where(ArticleVote.article_id == article_id, ArticleVote.visitor == visitor)
    )


def _count(*only: sa.ColumnExpressionArgument[bool]) -> sa.ScalarSelect[int]:
    votes = sa.select(sa.func.count()).select_from(ArticleVote)
    its = votes.where(ArticleVote.article_id == Article.id, *only)
    return its.correlate(Article).scalar_subquery()


# Columns for a select of articles; looked up by key for each row that is shown.
SAID, HELPFUL = _count().label("said"), _count(ArticleVote.is_helpful).label("helpful")

"""Articles for tests: each call makes a new one; nothing is committed."""

from __future__ import annotations

from itertools import count
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.knowledge import writing
from app.knowledge.models import Article, ArticleCategory, Audience
from app.knowledge.writing import Text
from tests.factories import make_agent

_serial = count(1)


def make_supervisor() -> Person:
    return make_agent(role=Role.SUPERVISOR)


def make_category(name: str = "") -> ArticleCategory:
    name = name or f"Shelf {next(_serial)}"
    return writing.save_category(None, name=name, description="", by=somebody(), now=utcnow())


def somebody() -> Person:
    """A supervisor, the same for all articles of a test."""
    found = db.session.scalars(sa.select(Person).where(Person.role == Role.SUPERVISOR)).first()
    return found or make_supervisor()


def make_article(
    title: str = "",
    body: str = "Some words.",
    *,
    category: ArticleCategory | None = None,
    audience: Audience = Audience.PUBLIC,
    is_draft: bool = False,
    **more: Any,
) -> Article:
    """A published article for everybody, unless told otherwise."""
    by, now = somebody(), utcnow()
    text = Text(
        title=title or f"Article {next(_serial)}",
        summary=more.pop("summary", ""),
        body=body,
        category_id=(category or make_category()).id,
        audience=audience,
    )
    article = writing.create(text, by=by, now=now, **more)
    if not is_draft:
        writing.publish(article, by=by, now=now)
    db.session.flush()
    return article


def text_of(article: Article, **changes: Any) -> Text:
    """What an article says, with changes."""
    fields = ("title", "summary", "body", "category_id", "audience")
    return Text(**({name: getattr(article, name) for name in fields} | changes))

"""Articles as customers may read them.

Every statement for their pages is here and starts from `READABLE`, which leaves out drafts,
articles for agents and deleted ones; a test sees to both.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa

from app.accounts.models import Person
from app.core.cache import reference, reference_for
from app.core.db import db
from app.core.errors import NotFound
from app.knowledge import search
from app.knowledge.access import readable_by
from app.knowledge.models import IS_PUBLIC, Article, ArticleCategory, ArticlePicture
from app.knowledge.rendering import excerpt

ROWS = 25
ON_HOME = 5  # articles of each category
SUGGESTED = 4
RELATED = 5
FOUND = 30
WORDS_READ = 400  # characters of an article's text, for one without a summary


@dataclass(frozen=True, slots=True)
class Card:
    """An article in a list."""

    id: int
    title: str
    text: str
    path: str
    category: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """A category with its first articles; ``count`` is of all of them."""

    id: int
    name: str
    description: str
    path: str
    count: int
    cards: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One article; ``html`` is sanitised."""

    id: int
    title: str
    summary: str
    html: str
    slug: str
    path: str
    category_id: int
    updated_at: datetime


COLUMNS = (
    Article.id,
    Article.title,
    Article.slug,
    Article.summary,
    sa.func.substr(Article.body_text, 1, WORDS_READ).label("words"),
    ArticleCategory.name.label("category"),
)
READABLE = (
    sa.select(*COLUMNS)
    .join(ArticleCategory, ArticleCategory.id == Article.category_id)
    .where(IS_PUBLIC)
)


def article_path(article_id: int, slug: str) -> str:
    """Of an article's page."""
    return f"/kb/articles/{article_id}-{quote(slug)}"


def shelves() -> tuple[Shelf, ...]:
    """The categories that have articles, in their order; cached. Two statements."""
    return reference("kb-shelves", _shelves)


def is_open() -> bool:
    """True where there is anything to read."""
    return bool(shelves())


def shelf(category_id: int) -> Shelf:
    """A category.

    Raises:
        NotFound: it is gone, or has nothing to read.
    """
    found = next((one for one in shelves() if one.id == category_id), None)
    if found is None:
        raise NotFound("There is nothing to read under this heading any more.")
    return found


def page(category_id: int, *, after: int = 0) -> tuple[list[Card], bool]:
    """Articles of a category by title, from the one behind the article *after* on, and whether
    there are more; one statement."""
    wanted = READABLE.where(Article.category_id == category_id)
    if after:
        # One that nobody may read, too, would tell where its title stands.
        readable = READABLE.where(Article.category_id == category_id).subquery("readable")
        mark = sa.select(readable.c.title, readable.c.id).where(readable.c.id == after)
        wanted = wanted.where(sa.tuple_(Article.title, Article.id) > mark.scalar_subquery())
    rows = db.session.execute(wanted.order_by(Article.title, Article.id).limit(ROWS + 1)).all()
    return [_card(row) for row in rows[:ROWS]], len(rows) > ROWS


def article(article_id: int) -> Reading:
    """One article; cached.

    Raises:
        NotFound: there is none that customers may read.
    """
    return reference_for(("kb-article", article_id), lambda: _article(article_id))


def related(reading: Reading) -> list[Card]:
    """Others of its category, those with words of its title first; cached."""
    return reference_for(("kb-related", reading.id), lambda: _related(reading))


def _related(reading: Reading) -> list[Card]:
    q = search.any_word(reading.title)
    others = READABLE.where(
        Article.category_id == reading.category_id, Article.id != reading.id
    ).limit(RELATED)
    if not q:
        return [_card(row) for row in db.session.execute(others.order_by(Article.title))]
    hits = search.hits()
    ranked = others.outerjoin(hits, hits.c.id == Article.id)
    ranked = ranked.order_by(sa.func.coalesce(hits.c.score, 0), Article.title, Article.id)
    return [_card(row) for row in db.session.execute(ranked, {"q": q})]


def find(text: str) -> tuple[list[Card], bool]:
    """The best articles that have all words of *text*; where none has, those that have one of
    them, and False. At most two statements."""
    found = _best(search.all_words(text), FOUND)
    return (found, True) if found else (_best(search.any_word(text), FOUND), False)


def suggest(subject: str) -> list[Card]:
    """A few articles that may answer a ticket with this subject; at most one statement."""
    return _best(search.any_word(subject), SUGGESTED) if is_open() else []


def picture(picture_id: int, *, agent: Person | None) -> ArticlePicture:
    """A picture of an article that customers may read, or *agent*, who looks; one statement.

    Raises:
        NotFound: there is none.
    """
    wanted = sa.select(ArticlePicture).join(Article, Article.id == ArticlePicture.article_id)
    wanted = wanted.where(ArticlePicture.id == picture_id)
    found = db.session.scalar(wanted.where(readable_by(agent) if agent else IS_PUBLIC))
    if found is None:
        raise NotFound("There is no such picture.")
    return found


def _best(q: str, most: int) -> list[Card]:
    if not q:
        return []
    hits = search.hits()
    wanted = READABLE.join(hits, hits.c.id == Article.id).order_by(hits.c.score, Article.id.desc())
    return [_card(row) for row in db.session.execute(wanted.limit(most), {"q": q})]


def _shelves() -> tuple[Shelf, ...]:
    place = sa.func.row_number().over(
        partition_by=Article.category_id, order_by=(Article.title, Article.id)
    )
    count = sa.func.count().over(partition_by=Article.category_id)
    ranked = READABLE.add_columns(Article.category_id, place.label("place"), count.label("of_all"))
    first = ranked.subquery("ranked")
    rows = db.session.execute(
        sa.select(first).where(first.c.place <= ON_HOME).order_by(first.c.place)
    ).all()
    by_category = defaultdict(list)
    for row in rows:
        by_category[row.category_id].append(row)
    categories = sa.select(ArticleCategory).order_by(ArticleCategory.position, ArticleCategory.id)
    return tuple(
        Shelf(
            id=category.id,
            name=category.name,
            description=category.description,
            path=f"/kb/categories/{category.id}-{quote(category.slug)}",
            count=by_category[category.id][0].of_all,
            cards=tuple(map(_card, by_category[category.id])),
        )
        for category in db.session.scalars(categories)
        if category.id in by_category
    )


def _article(article_id: int) -> Reading:
    wanted = READABLE.add_columns(Article.body_html, Article.category_id, Article.updated_at)
    row = db.session.execute(wanted.where(Article.id == article_id)).one_or_none()
    if row is None:
        raise NotFound("There is no such article, or it is not public any more.")
    return Reading(
        id=row.id,
        title=row.title,
        summary=row.summary,
        html=row.body_html,
        slug=row.slug,
        path=article_path(row.id, row.slug),
        category_id=row.category_id,
        updated_at=row.updated_at,
    )


def _card(row: Any) -> Card:
    text = row.summary or excerpt(row.words)
    return Card(row.id, row.title, text, article_path(row.id, row.slug), row.category)

"""Articles as agents see them: drafts and articles for agents alone too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person
from app.core import paging
from app.core.cache import reference
from app.core.db import db
from app.core.errors import NotFound
from app.core.paging import Cursor, Order
from app.knowledge import public, search
from app.knowledge.access import readable_by
from app.knowledge.models import Article, ArticleCategory, ArticleRevision, Audience, State
from app.knowledge.rendering import excerpt
from app.knowledge.voting import HELPFUL, SAID, Votes
from app.tickets.models import Ticket
from app.tickets.queries import visible_to

ROWS = 25
FOUND = 50
OFFERED = 8  # in the composer
REVISIONS = 20
ORDER = "changed"
BY_CHANGE = Order((Article.__table__.c.updated_at, Article.__table__.c.id), descending=True)

KEPT = Article.deleted_at.is_(None)
PARTS: dict[str, sa.ColumnElement[bool]] = {
    "all": KEPT,
    "published": sa.and_(KEPT, Article.state == State.PUBLISHED),
    "drafts": sa.and_(KEPT, Article.state == State.DRAFT),
    "deleted": Article.deleted_at.is_not(None),
}


@dataclass(frozen=True, slots=True)
class DeskRow:
    """An article in a list of the desk."""

    id: int
    title: str
    text: str
    category: str
    is_draft: bool
    is_for_agents: bool
    public_path: str  # "" where customers do not read it
    updated_at: datetime
    votes: Votes


ROW = (
    sa.select(
        Article.id,
        Article.title,
        Article.slug,
        Article.summary,
        sa.func.substr(Article.body_text, 1, public.WORDS_READ).label("words"),
        Article.state,
        Article.audience,
        Article.deleted_at,
        Article.updated_at,
        ArticleCategory.name.label("category"),
        HELPFUL,
        SAID,
    )
    .select_from(Article)
    .join(ArticleCategory, ArticleCategory.id == Article.category_id)
)


def page(
    part: str, category_id: int | None, cursor: str, *, to: Person
) -> tuple[list[DeskRow], str]:
    """Articles of a part of `PARTS`, those changed last first, and the next page's cursor ("" at
    the end); one statement.

    Raises:
        Invalid: no cursor of this list.
    """
    wanted = ROW.where(PARTS[part], readable_by(to))
    if category_id is not None:
        wanted = wanted.where(Article.category_id == category_id)
    if cursor:
        values = paging.decode(cursor, ORDER, BY_CHANGE.columns).values
        marks = [sa.literal(v, c.type) for v, c in zip(values, BY_CHANGE.columns, strict=True)]
        wanted = wanted.where(BY_CHANGE.beyond(marks, backwards=False, at_null=False))
    rows = db.session.execute(wanted.order_by(*BY_CHANGE.by()).limit(ROWS + 1)).all()
    further = ""
    if len(rows) > ROWS:
        last = rows[ROWS - 1]
        further = paging.encode(Cursor((last.updated_at, last.id)), ORDER)
    return [_row(row) for row in rows[:ROWS]], further


def find(text: str, *, to: Person) -> list[DeskRow]:
    """The best articles that have all words of *text*, drafts too; one statement."""
    return _best(search.all_words(text), sa.and_(KEPT, readable_by(to)), FOUND)


def offered(text: str, subject: str) -> list[DeskRow]:
    """Published articles for a reply: those with all words of *text*; without any, those that fit
    the ticket's *subject*, then whatever changed last. At most two statements."""
    published = PARTS["published"]
    if text:
        return _best(search.all_words(text), published, OFFERED)
    fitting = _best(search.any_word(subject), published, OFFERED)
    if fitting:
        return fitting
    newest = ROW.where(published).order_by(*BY_CHANGE.by()).limit(OFFERED)
    return [_row(row) for row in db.session.execute(newest)]


def source_of(article: Article, *, to: Person) -> Ticket | None:
    """The ticket that it was made from, if there is one and *to* may see it."""
    if article.ticket_id is None:
        return None
    wanted = sa.select(Ticket).where(Ticket.id == article.ticket_id, visible_to(to))
    return db.session.scalar(wanted.where(Ticket.deleted_at.is_(None)))


def get(article_id: int, *, to: Person) -> Article:
    """An article, whatever its state; one statement.

    Raises:
        NotFound: there is none, or none for *to*.
    """
    wanted = sa.select(Article).where(Article.id == article_id, readable_by(to))
    article = db.session.scalar(wanted.options(sa.orm.joinedload(Article.category)))
    if article is None:
        raise NotFound("There is no such article.")
    return article


def votes_of(article_id: int) -> Votes:
    """One statement."""
    wanted = sa.select(HELPFUL, SAID).select_from(Article).where(Article.id == article_id)
    return Votes(*db.session.execute(wanted).one())


def revisions(article: Article, *, to: Person) -> Sequence[Any]:
    """Version, title, author_id and created_at of the newest texts that were saved; none where
    *to* may not see what it was made from."""
    wanted = sa.select(
        ArticleRevision.version,
        ArticleRevision.title,
        ArticleRevision.author_id,
        ArticleRevision.created_at,
    ).where(_of(article, to=to))
    return db.session.execute(
        wanted.order_by(ArticleRevision.version.desc()).limit(REVISIONS)
    ).all()


def revision(article: Article, version: int, *, to: Person) -> ArticleRevision:
    """One of them.

    Raises:
        NotFound: there is none.
    """
    wanted = sa.select(ArticleRevision).where(ArticleRevision.version == version)
    found = db.session.scalar(wanted.where(_of(article, to=to)))
    if found is None:
        raise NotFound("There is no such version of this article.")
    return found


def categories() -> tuple[tuple[int, str], ...]:
    """Ids and names in their order; cached."""

    def load() -> tuple[tuple[int, str], ...]:
        wanted = sa.select(ArticleCategory.id, ArticleCategory.name)
        rows = db.session.execute(wanted.order_by(ArticleCategory.position, ArticleCategory.id))
        return tuple((row.id, row.name) for row in rows)

    return reference("article-categories", load)


def _of(article: Article, *, to: Person) -> sa.ColumnElement[bool]:
    """Condition on a revision: it is this article's, and *to* may see what that was made from."""
    if article.ticket_id is None:
        return ArticleRevision.article_id == article.id
    source = sa.exists().where(Ticket.id == article.ticket_id, visible_to(to))
    return sa.and_(ArticleRevision.article_id == article.id, source)


def _best(q: str, which: sa.ColumnElement[bool], most: int) -> list[DeskRow]:
    if not q:
        return []
    hits = search.hits()
    wanted = ROW.join(hits, hits.c.id == Article.id).where(which)
    wanted = wanted.order_by(hits.c.score, Article.id.desc()).limit(most)
    return [_row(row) for row in db.session.execute(wanted, {"q": q})]


def _row(row: Any) -> DeskRow:
    is_public = row.state is State.PUBLISHED and row.audience is Audience.PUBLIC
    return DeskRow(
        id=row.id,
        title=row.title,
        text=row.summary or excerpt(row.words),
        category=row.category,
        is_draft=row.state is State.DRAFT,
        is_for_agents=row.audience is Audience.AGENTS,
        public_path=(
            public.article_path(row.id, row.slug) if is_public and not row.deleted_at else ""
        ),
        updated_at=row.updated_at,
        votes=Votes(row.helpful, row.said),
    )

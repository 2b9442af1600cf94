"""Writing articles: drafts, publishing, taking back, deleting; and the categories they stand in.

Every agent writes drafts, and publishes and changes what is for agents alone. What customers read
is a supervisor's to publish, to change and to take back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.accounts.models import Person
from app.core import audit, ordering
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.unique import unique
from app.knowledge import rendering
from app.knowledge.models import (
    Article,
    ArticleCategory,
    ArticlePicture,
    ArticleRevision,
    Audience,
    State,
)
from app.tickets.attachments import INERT_IMAGES, StoredFile

MOST_PICTURES = 50  # of one article


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody has written."""

    title: str
    summary: str
    body: str
    category_id: int
    audience: Audience


def text_of(article: Article) -> Text:
    """What somebody has written, as it stands."""
    return Text(
        title=article.title,
        summary=article.summary,
        body=article.body,
        category_id=article.category_id,
        audience=article.audience,
    )


def may_change(article: Article, person: Person) -> bool:
    """Whether *person* may change the article as it stands."""
    return person.is_supervisor or not article.is_public


def may_publish(audience: Audience, person: Person) -> bool:
    """Whether *person* may publish for this audience."""
    return person.is_supervisor or audience is Audience.AGENTS


def create(
    text: Text,
    pictures: Sequence[StoredFile] = (),
    *,
    ticket_id: int | None = None,
    by: Person,
    now: datetime,
) -> Article:
    """A new draft.

    Raises:
        Invalid: the category is gone, or a file is no picture.
    """
    _category(text.category_id)
    article = Article(
        **_columns(text),
        body_html="",
        body_text="",
        state=State.DRAFT,
        author_id=by.id,
        ticket_id=ticket_id,
        created_at=now,
        updated_at=now,
    )
    db.session.add(article)
    db.session.flush()
    _add_pictures(article, pictures, now=now)
    _render(article)
    _keep(article, by=by, now=now)
    audit.note(
        "article", article.id, article.title, before={}, after=facts(article), by=by, now=now
    )
    return article


def save(
    article: Article,
    text: Text,
    pictures: Sequence[StoredFile] = (),
    *,
    without: Collection[int] = (),
    version: int,
    by: Person,
    now: datetime,
) -> None:
    """Change a locked *article*; its earlier text is kept.

    Args:
        without: ids of its pictures that go.
        version: the article's when the writer began.
    Raises:
        Conflict: somebody has saved another text meanwhile.
        Forbidden: customers read it, or would.
        Invalid: as `create`.
    """
    _refuse_unless_changeable(article, by)
    _category(text.category_id)
    if article.version != version:
        raise Conflict(
            "Somebody has saved another text meanwhile. Yours is still here: compare the two, "
            "then save it once more to put it in the place of theirs."
        )
    if article.state is State.PUBLISHED and not may_publish(text.audience, by):
        raise Forbidden("A supervisor decides what customers read. Keep it for agents only.")
    before, was = facts(article), _words(article)
    for name, value in _columns(text).items():
        setattr(article, name, value)
    for picture in pictures_of(article.id):
        if picture.id in without:
            db.session.delete(picture)
    db.session.flush()
    _add_pictures(article, pictures, now=now)
    _render(article)
    article.updated_at = now
    article.version += 1
    if _words(article) != was:
        _keep(article, by=by, now=now)
    audit.note(
        "article", article.id, article.title, before=before, after=facts(article), by=by, now=now
    )


def publish(article: Article, *, by: Person, now: datetime) -> None:
    """Let its audience read a locked *article*.

    Raises:
        Forbidden: it is for customers, and *by* is no supervisor.
    """
    if not may_publish(article.audience, by):
        raise Forbidden("A supervisor publishes what customers read. Ask one to look at it.")
    article.published_at = article.published_at or now
    _become(article, State.PUBLISHED, by=by, now=now)


def withdraw(article: Article, *, by: Person, now: datetime) -> None:
    """Make a draft of a locked *article* again.

    Raises:
        Forbidden: customers read it, and *by* is no supervisor.
    """
    _refuse_unless_changeable(article, by)
    _become(article, State.DRAFT, by=by, now=now)


def delete(article: Article, *, by: Person, now: datetime) -> None:
    """Hide a locked *article* everywhere; it can be restored.

    Raises:
        Forbidden: as `withdraw`.
    """
    _refuse_unless_changeable(article, by)
    if article.deleted_at is None:
        article.deleted_at = article.updated_at = now
        audit.write("deleted", "article", article.id, article.title, by=by, now=now)


def restore(article: Article, *, by: Person, now: datetime) -> None:
    """Bring a locked, deleted *article* back, as a draft."""
    if article.deleted_at is not None:
        article.deleted_at, article.state, article.updated_at = None, State.DRAFT, now
        audit.write("restored", "article", article.id, article.title, by=by, now=now)


def facts(article: Article) -> Facts:
    """What the audit log tells of an article; the texts are kept as its versions."""
    category = db.session.get(ArticleCategory, article.category_id)
    return {
        "Title": article.title,
        "Category": category.name if category else "",
        "Read by": article.audience.label,
        "State": article.state.value,
        "Version": str(article.version),
    }


def save_category(
    category: ArticleCategory | None, *, name: str, description: str, by: Person, now: datetime
) -> ArticleCategory:
    """Make a category, or change one.

    Raises:
        Invalid: the name is taken.
    """
    before = category_facts(category) if category else {}
    with unique("name", "Another category has this name."):
        if category is None:
            last = sa.select(sa.func.coalesce(sa.func.max(ArticleCategory.position), 0))
            category = ArticleCategory(position=db.session.scalars(last).one() + 1)
            db.session.add(category)
        category.name, category.description = name, description
        category.slug = rendering.slug(name)
    after = category_facts(category)
    audit.note("article category", category.id, name, before=before, after=after, by=by, now=now)
    return category


def category_facts(category: ArticleCategory) -> Facts:
    """A category in words."""
    return {"Name": category.name, "Description": category.description}


def put_in_order(ids: Sequence[int], *, by: Person, now: datetime) -> None:
    """Show the categories in the order of *ids*.

    Raises:
        Conflict: somebody has made or deleted one meanwhile.
    """
    rows = db.session.scalars(
        sa.select(ArticleCategory).order_by(ArticleCategory.position, ArticleCategory.id)
    )
    ordering.put_in_order(
        rows, ids, thing="article category", name=lambda row: row.name, by=by, now=now
    )


def picture_path(picture: ArticlePicture) -> str:
    """Where a picture is served."""
    return f"/kb/pictures/{picture.id}/{picture.name}"


def pictures_of(article_id: int) -> list[ArticlePicture]:
    """The pictures of an article, by name; one statement."""
    found = sa.select(ArticlePicture).where(ArticlePicture.article_id == article_id)
    return list(db.session.scalars(found.order_by(ArticlePicture.name)))


def picture_paths(article_id: int) -> dict[str, str]:
    """Where they are served, by name."""
    return {picture.name: picture_path(picture) for picture in pictures_of(article_id)}


def _columns(text: Text) -> dict[str, object]:
    return {
        "title": text.title,
        "slug": rendering.slug(text.title),
        "summary": text.summary,
        "body": text.body,
        "category_id": text.category_id,
        "audience": text.audience,
    }


def _words(article: Article) -> tuple[str, str, str]:
    return article.title, article.summary, article.body


def _render(article: Article) -> None:
    rendered = rendering.render(article.body, picture_paths(article.id))
    article.body_html, article.body_text = rendered.html, rendered.text


def _keep(article: Article, *, by: Person, now: datetime) -> None:
    db.session.add(
        ArticleRevision(
            article_id=article.id,
            version=article.version,
            title=article.title,
            summary=article.summary,
            body=article.body,
            author_id=by.id,
            created_at=now,
        )
    )


def _become(article: Article, state: State, *, by: Person, now: datetime) -> None:
    if article.deleted_at is not None:
        raise Conflict("This article is deleted. Restore it first.")
    before = facts(article)
    article.state = state
    audit.note(
        "article", article.id, article.title, before=before, after=facts(article), by=by, now=now
    )


def _refuse_unless_changeable(article: Article, by: Person) -> None:
    if not may_change(article, by):
        raise Forbidden("Customers read this article: a supervisor changes it.")


def _category(category_id: int) -> None:
    if db.session.get(ArticleCategory, category_id) is None:
        message = "This category is gone. Choose another one."
        raise Invalid(message, {"category": message})


def _add_pictures(article: Article, files: Sequence[StoredFile], *, now: datetime) -> None:
    """Each under a name that is easy to type; the same name once more replaces the picture."""
    if not files:
        return
    known = {picture.name: picture for picture in pictures_of(article.id)}
    for file in files:
        if file.content_type not in INERT_IMAGES:
            message = f"{file.filename} is no picture. Choose PNG, JPEG, GIF or WebP files."
            raise Invalid(message, {"pictures": message})
        stem, _, ending = file.filename.rpartition(".")
        name = f"{rendering.slug(stem or 'picture')}.{rendering.slug(ending)}"
        row = known.get(name)
        if row is None:
            row = known[name] = ArticlePicture(article_id=article.id, name=name, created_at=now)
            db.session.add(row)
        row.sha256, row.content_type, row.size = file.sha256, file.content_type, file.size
    if len(known) > MOST_PICTURES:
        message = f"At most {MOST_PICTURES} pictures for one article."
        raise Invalid(message, {"pictures": message})
    db.session.flush()


def locked(article_id: int) -> Article:
    """The article, its row held to the end of the transaction.

    Raises:
        NotFound: there is none.
    """
    wanted = sa.select(Article).where(Article.id == article_id).with_for_update(of=Article)
    article = db.session.scalar(wanted.execution_options(populate_existing=True))
    if article is None:
        raise NotFound("There is no such article.")
    return article

"""Articles of the knowledge base and their categories over the API.

Customers get what the help centre shows them: the article as it reads there. Its Markdown, which
may hold what does not show, is for agents, as drafts are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from flask import current_app
from marshmallow import fields, validate
from sqlalchemy.orm import joinedload

from app.accounts import directory
from app.accounts.models import Person, Role
from app.admin.article_categories import ARTICLE_CATEGORIES as CATEGORY_PAGES
from app.api.base import Schema
from app.api.v1.kinds import Data, Kind, ListQuery, Query, register, words_of
from app.api.v1.people import Ref
from app.api.v1.references import id_of
from app.api.v1.schemas import Line, Named, Text, says_something
from app.core.errors import Conflict
from app.knowledge import public, search, writing
from app.knowledge.access import readable_by
from app.knowledge.models import (
    IS_PUBLIC,
    LONGEST_BODY,
    LONGEST_SUMMARY,
    LONGEST_TITLE,
    Article,
    ArticleCategory,
    Audience,
    State,
)


class ArticleOut(Schema):
    """An article; ``html`` is sanitised. Customers see no Markdown, no author and no states."""

    id = fields.Integer(required=True)
    title = fields.String(required=True)
    summary = fields.String(required=True)
    html = fields.String(required=True)
    body = fields.String()
    category = fields.Nested(Ref, required=True)
    audience = fields.Enum(Audience, by_value=True)
    state = fields.Enum(State, by_value=True)
    author = fields.Nested(Ref, allow_none=True)
    version = fields.Integer()
    url = fields.String(required=True)
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime(required=True)
    published_at = fields.AwareDateTime(allow_none=True, required=True)


class ArticleNew(Schema):
    """An article to be written, in Markdown; its category by id or name."""

    title = Line(required=True, validate=validate.Length(1, LONGEST_TITLE))
    summary = Line(load_default="", validate=validate.Length(max=LONGEST_SUMMARY))
    body = Text(required=True, validate=[validate.Length(1, LONGEST_BODY), says_something])
    category = Named(required=True)
    audience = fields.Enum(Audience, by_value=True, load_default=Audience.PUBLIC)
    state = fields.Enum(State, by_value=True, load_default=State.DRAFT)


class ArticleEdit(ArticleNew):
    """Changes to an article; with the ``version`` that was read, none of another's is lost."""

    version = fields.Integer(strict=True, load_default=None, validate=validate.Range(1))


class ArticleQuery(ListQuery):
    """Which articles."""

    q = Line(
        load_default="",
        validate=validate.Length(max=200),
        metadata={"description": "Full text: all of these words.", "example": "reset"},
    )
    category = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "Id of a category of articles."},
    )
    state = fields.Enum(State, by_value=True, load_default=None)
    audience = fields.Enum(Audience, by_value=True, load_default=None)


class ArticleCategoryOut(Schema):
    """A shelf of the help centre."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    position = fields.Integer(required=True)


class ArticleCategoryNew(Schema):
    """A shelf to be made."""

    name = Line(required=True, validate=validate.Length(1, 100))
    description = Line(load_default="", validate=validate.Length(max=300))


def _articles(args: Data, viewer: Person) -> Query:
    found = sa.select(Article).options(joinedload(Article.category))
    may_read = readable_by(viewer) if viewer.is_agent else IS_PUBLIC
    found = found.where(Article.deleted_at.is_(None), may_read)
    for name, column in (
        ("category", Article.category_id),
        ("state", Article.state),
        ("audience", Article.audience),
    ):
        if args.get(name) is not None:
            found = found.where(column == args[name])
    if not args.get("q"):
        return found
    words = search.all_words(args["q"])
    if not words:
        return found.where(sa.false())
    hits = search.hits()
    return found.where(Article.id.in_(sa.select(hits.c.id))).params(q=words)


def _show(rows: Sequence[Article], viewer: Person) -> list[Data]:
    base = current_app.extensions["settings"].base_url
    return [_shown(row, viewer, base) for row in rows]


def _shown(row: Article, viewer: Person, base: str) -> Data:
    path = public.article_path(row.id, row.slug) if row.is_public else f"/desk/articles/{row.id}"
    found: Data = {
        "id": row.id,
        "title": row.title,
        "summary": row.summary,
        "html": row.body_html,
        "category": {"id": row.category.id, "name": row.category.name},
        "url": f"{base}{path}",
        "updated_at": row.updated_at.isoformat(),
        "published_at": row.published_at.isoformat() if row.published_at else None,
    }
    if viewer.is_agent:
        author = directory.agents().get(row.author_id or 0)
        found |= {
            "body": row.body,
            "audience": row.audience.value,
            "state": row.state.value,
            "author": {"id": author.id, "name": author.name} if author else None,
            "version": row.version,
            "created_at": row.created_at.isoformat(),
        }
    return found


def _present(row: Article) -> Data:
    return {
        "title": row.title,
        "summary": row.summary,
        "body": row.body,
        "category": row.category_id,
        "audience": row.audience,
        "state": row.state,
        "version": row.version,
    }


def _save(row: Article | None, data: Data, by: Person, now: datetime) -> Article:
    text = writing.Text(
        title=data["title"],
        summary=data["summary"],
        body=data["body"].replace("\r\n", "\n").replace("\r", "\n").strip(),
        category_id=id_of(ArticleCategory, data["category"], "category") or 0,
        audience=data["audience"],
    )
    if row is None:
        row = writing.create(text, by=by, now=now)
    else:
        _change(row, text, data, by, now)
    if data["state"] is State.PUBLISHED and row.state is not State.PUBLISHED:
        writing.publish(row, by=by, now=now)
    return row


def _change(row: Article, text: writing.Text, data: Data, by: Person, now: datetime) -> None:
    """The text of a locked article, and taking it back, which comes first: what is for customers
    alone is then nobody's to refuse.
    """
    if data["version"] not in (None, row.version):
        raise Conflict("Somebody has saved another text meanwhile. Read it, then change it.")
    if data["state"] is State.DRAFT and row.state is not State.DRAFT:
        writing.withdraw(row, by=by, now=now)
    if text != writing.text_of(row):
        writing.save(row, text, version=row.version, by=by, now=now)


def _remove(row: Article, instead: int | None, by: Person, now: datetime) -> None:
    """Hide it everywhere; the pages can bring it back."""
    writing.delete(row, by=by, now=now)


def _categories(args: Data, viewer: Person) -> Query:
    found = sa.select(ArticleCategory)
    if not viewer.is_agent:  # as the help centre: those with something to read
        readable = sa.exists().where(Article.category_id == ArticleCategory.id, IS_PUBLIC)
        found = found.where(readable)
    return found.where(*words_of((ArticleCategory.name,), args))


def _category(row: ArticleCategory) -> Data:
    return {"name": row.name, "description": row.description}


ARTICLE_IN = {
    "title": "How do I reset the panel?",
    "summary": "Hold the reset button for five seconds.",
    "body": "1. Open the flap.\n2. Hold **reset** for five seconds.",
    "category": "Getting started",
    "audience": "public",
    "state": "published",
}
ARTICLES = Kind(
    path="articles",
    one="article",
    what="What the help centre shows; for agents also drafts and what is for agents alone.",
    model=Article,
    read=Role.CUSTOMER,
    write=Role.AGENT,
    shape=ArticleOut,
    new=ArticleNew,
    change=ArticleEdit,
    query=ArticleQuery,
    found=_articles,
    show=_show,
    present=_present,
    save=_save,
    remove=_remove,
    is_replaceable=False,
    example={
        **ARTICLE_IN,
        "id": 12,
        "html": "<ol>\n<li>Open the flap.</li>\n"
        "<li>Hold <strong>reset</strong> for five seconds.</li>\n</ol>",
        "category": {"id": 1, "name": "Getting started"},
        "author": {"id": 7, "name": "Priya Raman"},
        "version": 2,
        "url": "https://help.example.com/kb/articles/12-how-do-i-reset-the-panel",
        "created_at": "2026-11-20T09:30:00+00:00",
        "updated_at": "2026-11-21T08:00:00+00:00",
        "published_at": "2026-11-20T10:00:00+00:00",
    },
    example_in=ARTICLE_IN,
)
ARTICLE_CATEGORIES = Kind(
    path="article-categories",
    one="article category",
    what="The shelves of the help centre, in the order in which customers see them.",
    model=ArticleCategory,
    read=Role.CUSTOMER,
    write=Role.SUPERVISOR,
    shape=ArticleCategoryOut,
    new=ArticleCategoryNew,
    found=_categories,
    order=(ArticleCategory.position,),
    show=lambda rows, viewer: [
        {"id": row.id, **_category(row), "position": row.position} for row in rows
    ],
    present=_category,
    save=lambda row, data, by, now: writing.save_category(row, **data, by=by, now=now),
    admin=CATEGORY_PAGES,
    put_in_order=writing.put_in_order,
    example={
        "id": 1,
        "name": "Payments",
        "description": "Invoices, cards and refunds.",
        "position": 1,
    },
    example_in={"name": "Payments", "description": "Invoices, cards and refunds."},
)
register(ARTICLES)
register(ARTICLE_CATEGORIES)

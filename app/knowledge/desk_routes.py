"""Articles on the desk: reading all of them, writing, publishing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import directory
from app.accounts.access import agent_required, current_person
from app.accounts.directory import zone_of
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import DomainError, Forbidden, Invalid
from app.core.paging import MOST_ID, Page
from app.core.text import search_words
from app.knowledge import from_ticket, public, queries, rendering, writing
from app.knowledge.forms import ArticleForm
from app.knowledge.from_ticket import FirstDraft
from app.knowledge.models import Article, State
from app.tickets import attachments
from app.web import words
from app.web.htmx import render
from app.web.security import reads_first, takes_files

bp = Blueprint("articles", __name__, url_prefix="/desk/articles")

LIST = "/desk/articles"
ID = f"<int(max={MOST_ID}):article_id>"
TABS = (("all", "All"), ("published", "Published"), ("drafts", "Drafts"), ("deleted", "Deleted"))

ACTS: dict[str, tuple[Callable[..., None], str]] = {
    "publication": (writing.publish, "is published"),
    "withdrawal": (writing.withdraw, "is a draft again"),
    "deletion": (writing.delete, "is deleted; it can be restored"),
    "restoration": (writing.restore, "is back, as a draft"),
}


@bp.get("")
@agent_required
def index() -> ResponseReturnValue:
    """Articles that changed last, or those with some words."""
    part = request.args.get("part", "all")
    part = part if part in queries.PARTS else "all"
    text = search_words(request.args.get("q", ""))
    category = request.args.get("category", "")
    category_id = _number(category) if category.isascii() and category.isdigit() else None
    further = ""
    if text:
        rows = queries.find(text, to=current_person())
    else:
        cursor = request.args.get("cursor", "")
        rows, further = queries.page(part, category_id, cursor, to=current_person())
    kept = {"part": part, **({"category": category} if category_id is not None else {})}
    now, tz = utcnow(), zone_of(current_person())
    return render_template(
        "desk/articles/index.html",
        rows=rows,
        changed={row.id: words.moment(row.updated_at, now, tz) for row in rows},
        page=Page(
            text=f"{len(rows)} articles",
            previous=f"{LIST}?{urlencode(kept)}" if request.args.get("cursor") else None,
            next=f"{LIST}?{urlencode({**kept, 'cursor': further})}" if further else None,
        ),
        tabs=[(label, f"{LIST}?part={key}", key == part and not text) for key, label in TABS],
        part=part,
        category_id=category_id,
        categories=queries.categories(),
        q=text,
    )


@bp.get("/new")
@agent_required
def new() -> ResponseReturnValue:
    """An empty form, or one with what a solved ticket tells (``?ticket=``)."""
    draft = _first_draft()
    given = {"title": draft.title, "body": draft.body} if draft else {}
    form = ArticleForm(formdata=None, data={"version": 0, **given})
    return _form(form, None, draft=draft, preview=form.body.data)


@bp.post("/new")
@takes_files
@reads_first
@agent_required
def create() -> ResponseReturnValue:
    """Save a new draft, or show what it will look like."""
    form, draft = ArticleForm(), _first_draft()
    return _save(form, None, draft)


@bp.get(f"/{ID}")
@agent_required
def show(article_id: int) -> ResponseReturnValue:
    """An article as it is read, what is known of it, and its earlier versions."""
    person = current_person()
    article = queries.get(article_id, to=person)
    source = queries.source_of(article, to=person)
    now, tz = utcnow(), zone_of(current_person())
    old = request.args.get("version", "")
    shown = queries.revision(article, _number(old), to=person) if old else None
    html = article.body_html
    if shown:
        html = rendering.render(shown.body, writing.picture_paths(article.id)).html
    return render_template(
        "desk/articles/show.html",
        article=article,
        shown=shown,
        html=rendering.safe(html),
        public_path=public.article_path(article.id, article.slug) if article.is_public else "",
        votes=queries.votes_of(article.id),
        ticket=source.number if source else "",
        facts=_facts(article, now, tz),
        revisions=[
            (
                row.version,
                row.title,
                _name(row.author_id),
                words.moment(row.created_at, now, tz),
            )
            for row in queries.revisions(article, to=person)
        ],
        may_change=writing.may_change(article, person),
        may_publish=writing.may_publish(article.audience, person),
    )


@bp.get(f"/{ID}/text")
@agent_required
def edit(article_id: int) -> ResponseReturnValue:
    """The form, with the text as it is, or an earlier one (``?version=``)."""
    person = current_person()
    article = queries.get(article_id, to=person)
    if not writing.may_change(article, person):
        raise Forbidden("Customers read this article: a supervisor changes it.")
    old = request.args.get("version", "")
    source: Any = queries.revision(article, _number(old), to=person) if old else article
    form = ArticleForm(
        formdata=None,
        data={
            "title": source.title,
            "summary": source.summary,
            "body": source.body,
            "category": str(article.category_id),
            "audience": article.audience.value,
            "version": article.version,
        },
    )
    return _form(form, article, preview=source.body)


@bp.post(f"/{ID}/text")
@takes_files
@reads_first
@agent_required
def change(article_id: int) -> ResponseReturnValue:
    """Save the text, or show what it will look like."""
    return _save(ArticleForm(), queries.get(article_id, to=current_person()), None)


@bp.post(f"/{ID}/<any({', '.join(ACTS)}):act>")
@agent_required
def act(article_id: int, act: str) -> ResponseReturnValue:
    """Publish an article, take it back, delete it or restore it."""
    queries.get(article_id, to=current_person())
    article = writing.locked(article_id)
    do, done = ACTS[act]
    do(article, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"“{article.title}” {done}.", "success")
    return redirect(f"{LIST}/{article.id}", 303)


def _save(
    form: ArticleForm, article: Article | None, draft: FirstDraft | None
) -> ResponseReturnValue:
    person, press = current_person(), request.form.get("press", "save")
    if press == "preview":
        return _form(form, article, draft=draft, preview=form.body.data or "")
    problem = " ".join(attachments.problems(form.uploads))
    if not form.validate_on_submit() or problem:
        form.pictures.errors = (problem,) if problem else ()
        return _form(form, article, draft=draft, status=422)
    if article and not writing.may_change(article, person):
        raise Forbidden("Customers read this article: a supervisor changes it.")
    files = [attachments.store_upload(upload) for upload in form.uploads]
    begin_write()
    now = utcnow()
    try:
        if article is None:
            saved = writing.create(
                form.text, files, ticket_id=draft.ticket_id if draft else None, by=person, now=now
            )
        else:
            saved = writing.locked(article.id)
            gone = {_number(value) for value in request.form.getlist("without")}
            writing.save(
                *(saved, form.text, files),
                without=gone,
                version=form.version.data,
                by=person,
                now=now,
            )
        if press == "publish":
            writing.publish(saved, by=person, now=now)
        db.session.commit()
    except DomainError as error:
        db.session.rollback()
        form.take(error)
        again = queries.get(article.id, to=person) if article else None
        if again:  # saved once more, it takes the place of what is there now
            form.version.data = again.version
        return _form(form, again, draft=draft, status=error.status)
    state = "published" if saved.state is State.PUBLISHED else "saved as a draft"
    flash(f"“{saved.title}” is {state}.", "success")
    return redirect(f"{LIST}/{saved.id}", 303)


def _form(
    form: ArticleForm,
    article: Article | None,
    *,
    draft: FirstDraft | None = None,
    preview: str | None = None,
    status: int = 200,
) -> ResponseReturnValue:
    """The form; for htmx its preview alone."""
    pictures = writing.pictures_of(article.id) if article else []
    paths = {picture.name: writing.picture_path(picture) for picture in pictures}
    html = rendering.safe(rendering.render(preview, paths).html) if preview else ""
    return render(
        "desk/articles/form.html",
        fragment="preview",
        status=status,
        form=form,
        article=article,
        draft=draft,
        pictures=pictures,
        preview=html,
        title=form.title.data if preview else "",
        can_publish=current_person().is_supervisor,
        has_categories=bool(queries.categories()),
        action=request.full_path.rstrip("?"),
    )


def _first_draft() -> FirstDraft | None:
    number = request.args.get("ticket", "")
    return from_ticket.first_draft(number, by=current_person()) if number else None


def _facts(article: Article, now: datetime, tz: ZoneInfo) -> list[tuple[str, str]]:
    published = article.published_at
    return [
        ("Category", article.category.name),
        ("Read by", article.audience.label),
        ("Written by", _name(article.author_id)),
        ("Changed", words.moment(article.updated_at, now, tz)),
        *([("First published", words.moment(published, now, tz))] if published else []),
    ]


def _name(person_id: int | None) -> str:
    card = directory.agents().get(person_id or 0)
    return card.name if card else "Somebody who has left"


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("That is no number of ours.")
    return int(text)

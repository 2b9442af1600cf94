"""Articles in the composer: a link to one, or its text, put into a reply that is not sent yet.

The composer opens the list beside it; without a script it is a page that carries along what was
typed and what was chosen.
"""

from __future__ import annotations

from typing import Any

from flask import current_app, flash, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.errors import Forbidden, Invalid, NotFound
from app.core.html import html_to_text
from app.core.paging import MOST_ID
from app.core.text import search_words
from app.desk.forms import ReplyForm
from app.desk.ticket_routes import bp, load, talk_changed
from app.knowledge import public, queries
from app.settings import Settings
from app.tickets.queries import get_visible
from app.web.htmx import render, wants_fragment
from app.web.security import reads_first, takes_files

PICKS = ("article_link", "article_text")
OWN = ("csrf_token", "kept", "q", *PICKS)  # fields that the page has itself


@bp.get("/desk/tickets/<number>/articles")
@agent_required
def articles(number: str) -> ResponseReturnValue:
    """Articles for a reply: by words, else those that fit the ticket."""
    return _picker(number)


@bp.post("/desk/tickets/<number>/articles")
@takes_files
@reads_first
@agent_required
def insert_article(number: str) -> ResponseReturnValue:
    """Put an article into the composer; without one chosen, the page to choose on."""
    form = ReplyForm()
    get_visible(number, to=current_person())  # before anything is kept on disk
    form.keep_files()
    pick = next((name for name in PICKS if name in request.form), None)
    if pick is None:
        return _picker(number, form)
    try:
        title, words = _words(pick)
    except (Forbidden, Invalid, NotFound) as error:
        form.body.errors = (error.message,)
        return talk_changed(load(number), "", reply=form, status=error.status)
    form.body.data = "\n\n".join(part for part in ((form.body.data or "").strip(), words) if part)
    notice = f"“{title}” is in the composer"
    if not wants_fragment():
        flash(notice, "success")
    return talk_changed(load(number), notice, reply=form)


def _words(pick: str) -> tuple[str, str]:
    """The title, and what goes into the reply: only of articles that customers may read.

    Raises:
        Forbidden: it is for agents only, or a draft.
    """
    text = request.form[pick]
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("Choose an article of the list.")
    try:
        article = public.article(int(text))
    except NotFound:
        raise Forbidden(
            "Customers cannot read this article, so it is not put into a reply."
        ) from None
    if pick == "article_text":
        return article.title, html_to_text(article.html)
    settings: Settings = current_app.extensions["settings"]
    return article.title, f"{article.title}:\n{settings.base_url}{article.path}"


def _picker(number: str, form: ReplyForm | None = None) -> ResponseReturnValue:
    ticket = load(number)
    text = search_words(request.values.get("q", ""))
    carried = [item for item in request.form.items(multi=True) if item[0] not in OWN]
    context: dict[str, Any] = {
        "number": ticket.number,
        "path": f"/desk/tickets/{ticket.number}",
        "rows": queries.offered(text, ticket.subject),
        "q": text,
        "carried": carried,
        "kept": form.kept if form else [],
    }
    if form is not None:
        return render_template("desk/articles/picker.html", **context)
    fragment = "results" if "part" in request.args else "picker"
    return render("desk/articles/picker.html", fragment=fragment, **context)

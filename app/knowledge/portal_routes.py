"""The help centre, for guests too: an article reads the same whoever looks.

Everything comes from `public`, which knows no draft. Browsers keep pages and ask whether they are
still good, so an article that is taken back is gone at once.
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from flask import (
    Blueprint,
    Response,
    current_app,
    make_response,
    redirect,
    render_template,
    request,
)
from flask.typing import ResponseReturnValue

from app.accounts.access import everyone, person_or_none
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.core.paging import MOST_ID, Page
from app.core.settings_store import setting
from app.core.text import search_words
from app.knowledge import public, rendering, voting
from app.tickets import serving
from app.tickets.attachments import StoredFile
from app.web import limits, words
from app.web.htmx import render, wants_fragment

bp = Blueprint("kb", __name__, url_prefix="/kb")

VISITOR = "visitor"  # the cookie of a guest who has voted
YEAR = 365 * 86_400
ID = f"<int(max={MOST_ID}):thing_id>"


@bp.get("/")
@everyone
def home() -> ResponseReturnValue:
    """The categories with their first articles."""
    return _checked(render_template("kb/home.html", shelves=public.shelves()))


@bp.get(f"/categories/{ID}-<slug>")
@everyone
def category(thing_id: int, slug: str) -> ResponseReturnValue:
    """The articles of a category by title, a page at a time."""
    shelf = public.shelf(thing_id)
    after = request.args.get("after", "0")
    is_number = after.isascii() and after.isdigit() and len(after) <= 10
    if not is_number or int(after) > MOST_ID:
        raise Invalid("There is no such page of this list. Start from its first.")
    cards, has_more = public.page(shelf.id, after=int(after))
    page = Page(
        text=f"{shelf.count} articles",
        previous=shelf.path if int(after) else None,
        next=f"{shelf.path}?after={cards[-1].id}" if has_more else None,
    )
    return _checked(render_template("kb/category.html", shelf=shelf, cards=cards, page=page))


@bp.get(f"/articles/{ID}-<slug>")
@everyone
def article(thing_id: int, slug: str) -> ResponseReturnValue:
    """An article; one that was renamed is found under its old address too."""
    reading = public.article(thing_id)
    if slug != reading.slug:
        return redirect(reading.path)
    visitor = _visitor()
    page = render_template(
        "kb/article.html",
        article=reading,
        html=rendering.safe(reading.html),
        parts=rendering.parts(reading.html),
        shelf=public.shelf(reading.category_id),
        related=public.related(reading),
        changed=words.day(reading.updated_at, words.zone(setting("time_zone"))),
        changed_iso=words.iso(reading.updated_at),
        vote=voting.vote_of(reading.id, visitor) if visitor else None,
    )
    return _checked(page)


def voters() -> str:
    """Whose votes on an article are counted together: a guest is known by a cookie alone, which
    is thrown away or made up easily."""
    person = person_or_none()
    who = f"person {person.id}" if person else limits.network()
    return f"{request.path} {who}"


@bp.post(f"/articles/{ID}/votes")
@limits.by_ip(limits.VOTE_BY_IP)
@limits.by(limits.VOTE_BY_GUESTS, voters)
@everyone
def vote(thing_id: int) -> ResponseReturnValue:
    """Say whether an article helped, or say otherwise."""
    said = request.form.get("helpful")
    if said not in ("yes", "no"):
        raise Invalid("Say yes or no.")
    reading = public.article(thing_id)
    visitor, fresh = _visitor(), ""
    if not visitor:
        fresh = secrets.token_urlsafe(16)
        visitor = voting.visitor("guest", fresh)
    voting.vote(reading.id, visitor, is_helpful=said == "yes", now=utcnow())
    db.session.commit()
    answer = make_response(
        render(
            "kb/article.html",
            fragment="votes",
            then=f"{reading.path}#votes",
            article=reading,
            vote=said == "yes",
        )
    )
    if fresh:
        secure = current_app.config["SESSION_COOKIE_SECURE"]
        answer.set_cookie(
            VISITOR, fresh, max_age=YEAR, path="/kb", httponly=True, samesite="Lax", secure=secure
        )
    return answer


@bp.get("/search")
@everyone
def search() -> ResponseReturnValue:
    """Articles by their words, the best first."""
    text = search_words(request.args.get("q", ""))
    cards, has_all = public.find(text) if text else ([], True)
    return render_template("kb/search.html", q=text, cards=cards, has_all=has_all)


@bp.get("/suggestions")
@everyone
def suggestions() -> ResponseReturnValue:
    """What may answer a ticket whose subject is being typed; without htmx: the search."""
    subject = search_words(request.args.get("subject", ""))
    if not wants_fragment():
        return redirect(f"/kb/search?{urlencode({'q': subject})}")
    return render_template("kb/_suggestions.html", suggested=public.suggest(subject))


@bp.get(f"/pictures/{ID}/<name>")
@everyone
def picture(thing_id: int, name: str) -> ResponseReturnValue:
    """A picture of an article; of a draft, or one for agents, for agents alone."""
    person = person_or_none()
    agent = person if person is not None and person.is_agent else None
    found = public.picture(thing_id, agent=agent)
    return serving.serve(StoredFile(found.sha256, found.name, found.content_type, found.size))


def _visitor() -> str:
    """The key of whoever looks; "" for a guest who has not voted yet."""
    person = person_or_none()
    if person is not None:
        return voting.visitor("person", person.id)
    cookie = request.cookies.get(VISITOR, "")
    return voting.visitor("guest", cookie[:100]) if cookie else ""


def _checked(page: str) -> Response:
    """A page that browsers keep for whoever looks, and ask about each time they show it."""
    response = make_response(page)
    response.headers["Cache-Control"] = "private, no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response

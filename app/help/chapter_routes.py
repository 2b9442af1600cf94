"""The handbook in the product: for agents, who are signed in."""

from __future__ import annotations

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required
from app.core.errors import NotFound
from app.core.places import ROOT
from app.core.text import search_words
from app.help import contents
from app.help.contents import Handbook
from app.help.searching import search

bp = Blueprint("help", __name__, url_prefix="/help")


@bp.get("/")
@agent_required
def index() -> ResponseReturnValue:
    """The contents."""
    return render_template("help/index.html", handbook=_handbook(), here="")


@bp.get("/<chapter>")
@agent_required
def show(chapter: str) -> ResponseReturnValue:
    """One chapter."""
    handbook = _handbook()
    found = handbook.find(chapter)
    if found is None:
        raise NotFound("The handbook has no such chapter.")
    before, after = handbook.around(found)
    return render_template(
        "help/chapter.html",
        handbook=handbook,
        here=found.key,
        chapter=found,
        before=before,
        after=after,
    )


@bp.get("/search")
@agent_required
def find() -> ResponseReturnValue:
    """The sections that have some words."""
    handbook, words = _handbook(), search_words(request.args.get("q", ""))
    found = search(handbook, words)
    return render_template("help/search.html", handbook=handbook, here="", q=words, found=found)


def _handbook() -> Handbook:
    """The handbook; read again for each page while it is being written."""
    return contents.read(ROOT) if current_app.debug else contents.handbook()

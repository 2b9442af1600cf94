"""The checklist of practice: a page of its own, and its line in the rail."""

from __future__ import annotations

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.text import search_words
from app.help import practice
from app.help.chapter_routes import bp
from app.help.contents import handbook

PAGE = "/help/practice"


@bp.get("/practice")
@agent_required
def checklist() -> ResponseReturnValue:
    """Every move, with what is done."""
    return _page()


@bp.get("/practice/progress")
@agent_required
def progress() -> ResponseReturnValue:
    """How far one has come, for the rail; asked for when a page of the desk has loaded."""
    _refuse_where_off()
    done = practice.progress(current_person())
    return render_template("help/_progress.html", progress=done, most=len(practice.MOVES))


@bp.post("/practice/search")
@agent_required
def answer() -> ResponseReturnValue:
    """Take the number of the ticket that was to be found."""
    _refuse_where_off()
    number = search_words(request.form.get("number", ""))
    try:
        practice.answer(current_person(), number, now=utcnow())
    except Invalid as error:
        return _page(error.message, number), 422
    db.session.commit()
    flash("Found.", "success")
    return redirect(f"{PAGE}#{practice.SEARCH}", 303)


@bp.post("/practice/dismissal")
@agent_required
def dismiss() -> ResponseReturnValue:
    """Put the checklist away, or show it again."""
    _refuse_where_off()
    is_away = request.form.get("away") == "yes"
    practice.put_away(current_person(), now=utcnow() if is_away else None)
    db.session.commit()
    flash("Put away. It stays in the handbook." if is_away else "It is back.", "success")
    return redirect(PAGE, 303)


def practice_is_shown() -> bool:
    """Whether the frame of the desk has the line; no statement but the first time."""
    return practice.is_shown_to(current_person())


def _page(problem: str = "", number: str = "") -> str:
    _refuse_where_off()
    person = current_person()
    return render_template(
        "help/practice.html",
        handbook=handbook(),
        here="practice",
        moves=practice.MOVES,
        progress=practice.progress(person),
        wanted=practice.wanted(person),
        is_shown=practice.is_shown_to(person),
        problem=problem,
        number=number,
    )


def _refuse_where_off() -> None:
    if not practice.is_on():
        raise NotFound("Practice comes with demo data, and this desk has none.")

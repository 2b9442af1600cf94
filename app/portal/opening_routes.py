"""Home, the form for a new ticket, and what it says once it was sent."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, session
from flask.typing import ResponseReturnValue

from app.accounts.access import everyone, person_or_none
from app.accounts.directory import zone_of
from app.accounts.models import Person
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, Opened, RequesterInput
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Invalid
from app.core.text import search_words
from app.knowledge import public as articles
from app.portal import promises
from app.portal.doubles import sent_before
from app.portal.forms import TicketForm, in_one_line, ticket_form
from app.portal.pages import row_view
from app.tickets import portal_queries
from app.tickets.words import Priority, Source
from app.web import limits, words
from app.web.htmx import render
from app.web.security import reads_first, takes_files

bp = Blueprint("opening", __name__)

SENT = "sent"  # in the session: what the confirmation tells


@bp.get("/")
@everyone
def home() -> ResponseReturnValue:
    """The portal's front page: what waits for the viewer, and where to go."""
    now, person = utcnow(), person_or_none()
    waiting = []
    if person is not None:
        tz = zone_of(person)
        organization = portal_queries.shared_organization(person)
        rows = portal_queries.waiting(person, organization)[: portal_queries.MOST_WAITING]
        waiting = [row_view(row, person, now=now, tz=tz) for row in rows]
    promise = promises.promise(now)
    return render_template(
        "portal/home.html", promise=promise, waiting=waiting, shelves=articles.shelves()
    )


@bp.get("/tickets/new")
@everyone
def new() -> ResponseReturnValue:
    """The empty form; for htmx what hangs on the chosen category."""
    now = utcnow()
    form = ticket_form(is_guest=person_or_none() is None, now=now)
    form.subject.data = in_one_line(search_words(request.args.get("subject", "")))
    return _form_page(form, now=now, also=("subcategory",))


@bp.post("/tickets/new")
@limits.by_ip(limits.TICKET_BY_IP)
@limits.by_address(limits.TICKET_BY_ADDRESS)
@everyone
@takes_files
@reads_first
def open_ticket() -> ResponseReturnValue:
    """Open a ticket. Files and everything that needs no lock come before the transaction."""
    now, person = utcnow(), person_or_none()
    form = ticket_form(is_guest=person is None, now=now)
    if "look" in request.form:  # without a script nobody has suggested anything yet
        form.keep_files()
        return _form_page(form, now=now)
    if not form.validate():
        return _again(form, now)
    new_ticket = _new_ticket(form, person)
    begin_write()
    try:
        opened = sent_before(new_ticket, now=now) or take_in(new_ticket, now=now)
    except Invalid as error:
        db.session.rollback()
        form.blame(error)
        return _again(form, now)
    db.session.commit()
    _tell(form, new_ticket, opened, person, now=now)
    return redirect("/tickets/sent", 303)


@bp.get("/tickets/sent")
@everyone
def sent() -> ResponseReturnValue:
    """The confirmation, from what the session holds; a guest's has no link."""
    told = session.get(SENT)
    if not isinstance(told, dict):
        return redirect("/")
    return render_template("portal/sent.html", **told)


def _new_ticket(form: TicketForm, person: Person | None) -> NewTicket:
    """What the form says; its files are on disk afterwards."""
    if person is None:
        requester = RequesterInput(email=form.email.data, name=form.name.data)
    else:
        requester = RequesterInput(person_id=person.id)
    return NewTicket(
        subject=form.subject.data,
        description=form.description.data,
        requester=requester,
        source=Source.WEB,
        category_id=form.chosen_category.id,
        subcategory_id=form.subcategory_id,
        priority=Priority(form.priority.data) if form.priority.data else None,
        channel="portal",
        custom_fields=form.custom_values,
        files=form.store_files(),
        by=person,
    )


def _tell(
    form: TicketForm, new: NewTicket, opened: Opened, person: Person | None, *, now: datetime
) -> None:
    """Keep what the confirmation shows."""
    due_at = opened.first_response_due_at
    if person is None:
        due_at = promises.told_to_a_guest(new, due_at, now=now)
    session[SENT] = {
        "number": opened.number,
        "subject": new.subject,
        "email": form.email.data if person is None else person.email,
        "answer_by": words.by_when(due_at, now, zone_of(person)) if due_at else "",
        "path": "" if person is None else f"/tickets/{opened.number}",
    }


def _again(form: TicketForm, now: datetime) -> ResponseReturnValue:
    """The form as it was sent, with what is wrong; its files are kept."""
    form.keep_files()
    return _form_page(form, now=now, status=422)


def _form_page(form: TicketForm, *, now: datetime, **options: Any) -> ResponseReturnValue:
    return render(
        "portal/new.html",
        fragment="category_fields",
        form=form,
        guest=form.is_guest,
        custom_fields=form.custom_fields,
        promise=promises.promise(now),
        suggested=articles.suggest(search_words(form.subject.data or "")),
        **options,
    )

"""A ticket that an agent opens for somebody who called or came by."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Invalid
from app.desk.forms import PhoneTicketForm, phone_ticket_form
from app.desk.ticket_routes import bp
from app.tickets import attachments
from app.tickets.words import Priority, Source
from app.web.htmx import render
from app.web.security import reads_first, takes_files


@bp.get("/desk/tickets/new")
@agent_required
def new() -> ResponseReturnValue:
    """The empty form; for htmx what hangs on the chosen category."""
    return _page(phone_ticket_form(), also=("subcategory",))


@bp.post("/desk/tickets/new")
@takes_files
@reads_first
@agent_required
def open_ticket() -> ResponseReturnValue:
    """Open a ticket with source phone; it has had its first response."""
    form = phone_ticket_form()
    uploads = attachments.uploads_of(form.attachments.data)
    wrong = attachments.problems(uploads)
    if not form.validate_on_submit() or wrong:
        form.attachments.errors = (*form.attachments.errors, *wrong)
        return _again(form)
    new_ticket = _new_ticket(form)
    begin_write()
    try:
        opened = take_in(new_ticket, now=utcnow())
    except Invalid as error:
        db.session.rollback()
        for name, message in error.errors.items():
            if name in form:
                form[name].errors = [*form[name].errors, message]
        if not any(name in form for name in error.errors):
            form.form_errors.append(error.message)
        return _again(form)
    db.session.commit()
    flash(f"{opened.number} is open", "success")
    return redirect(f"/desk/tickets/{opened.number}", 303)


def _new_ticket(form: PhoneTicketForm) -> NewTicket:
    """What the form says; its files are on disk afterwards."""
    return NewTicket(
        subject=form.subject.data,
        description=form.description.data,
        requester=RequesterInput(form.email.data, form.name.data, form.phone.data),
        source=Source.PHONE,
        category_id=form.chosen.id,
        subcategory_id=int(form.subcategory.data) if form.subcategory.data else None,
        priority=Priority(form.priority.data) if form.priority.data else None,
        custom_fields=form.custom_values,
        files=[
            attachments.store_upload(upload)
            for upload in attachments.uploads_of(form.attachments.data)
        ],
        by=current_person(),
    )


def _again(form: PhoneTicketForm) -> ResponseReturnValue:
    """The form as it was sent, with what is wrong; files a browser never sends a second time."""
    if attachments.uploads_of(form.attachments.data):
        form.attachments.errors = (*form.attachments.errors, "Choose your files again.")
    return _page(form, status=422)


def _page(form: PhoneTicketForm, **options: Any) -> ResponseReturnValue:
    return render(
        "desk/new.html",
        fragment="category_fields",
        form=form,
        custom_fields=form.custom_fields,
        **options,
    )

"""A ticket that an agent opens for somebody who called or came by."""

from __future__ import annotations

from flask import flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import agent_required, current_person
from app.channels.intake import NewTicket, RequesterInput, take_in
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Invalid
from app.desk.forms import PhoneTicketForm
from app.desk.ticket_routes import bp
from app.tickets import attachments, catalog
from app.tickets.words import Priority, Source
from app.web.security import reads_first, takes_files


@bp.get("/desk/tickets/new")
@agent_required
def new() -> ResponseReturnValue:
    """The empty form."""
    return render_template("desk/new.html", form=PhoneTicketForm(), custom_fields=[])


@bp.post("/desk/tickets/new")
@takes_files
@reads_first
@agent_required
def open_ticket() -> ResponseReturnValue:
    """Open a ticket with source phone; it has had its first response."""
    form = PhoneTicketForm()
    if form.validate_on_submit():
        try:
            uploads = attachments.uploads_of(form.attachments.data)
            if wrong := attachments.problems(uploads):
                raise Invalid(wrong[0], {"attachments": wrong[0]})
            files = [attachments.store_upload(upload) for upload in uploads]
            card = catalog.category_by_key(form.category.data)
            sub = form.subcategory.data or ""
            begin_write()
            opened = take_in(
                NewTicket(
                    subject=form.subject.data,
                    description=form.description.data,
                    requester=RequesterInput(form.email.data, form.name.data, form.phone.data),
                    source=Source.PHONE,
                    category_id=card.id if card else None,
                    subcategory_id=int(sub) if sub.isascii() and sub.isdigit() else None,
                    priority=Priority(form.priority.data) if form.priority.data else None,
                    custom_fields={
                        key.removeprefix("field_"): value
                        for key, value in request.form.items()
                        if key.startswith("field_")
                    },
                    files=files,
                    by=current_person(),
                ),
                now=utcnow(),
            )
            db.session.commit()
        except Invalid as error:
            db.session.rollback()
            form.form_errors.append(error.message)
            for name, message in error.errors.items():
                if name in form:
                    form[name].errors = [*form[name].errors, message]
        else:
            flash(f"{opened.number} is open", "success")
            return redirect(f"/desk/tickets/{opened.number}", 303)
    return render_template("desk/new.html", form=form, custom_fields=[]), 422

"""Automatic answers to new tickets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import SelectField

from app.accounts.access import current_person, supervisor_required
from app.accounts.forms import LANGUAGES
from app.accounts.models import Person
from app.admin.catalog import category_choices
from app.admin.forms import AdminForm, line, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.channels import templates
from app.channels.models import AutoResponseTemplate
from app.core.clock import utcnow
from app.core.errors import Invalid
from app.tickets import catalog

EXAMPLE = """Hello {{ requester.name }},

thank you for writing. Your ticket has the number {{ ticket.number }}, and a person answers it by \
{{ due }}.
"""


class TemplateForm(AdminForm):
    """An automatic answer."""

    category = SelectField("For tickets about")
    language = SelectField(
        "Language", description="Of the customer; English is sent where theirs has no answer."
    )
    subject = line("Subject", "The ticket's number is put before it.", most=200)
    body = text("Text", "The ticket's link is put below it, your name too.", needed=True)
    is_active = tick("In use", "Else customers get the plain confirmation with the link.")
    number = line(
        "Try it on a ticket", "Its number; empty: the category's newest.", most=20, needed=False
    )


def _found(words: str) -> Query:
    found = sa.select(
        AutoResponseTemplate.id,
        AutoResponseTemplate.category_id,
        AutoResponseTemplate.language,
        AutoResponseTemplate.subject,
        AutoResponseTemplate.is_active,
    )
    if words:
        found = found.where(
            sa.or_(
                AutoResponseTemplate.subject.icontains(words, autoescape=True),
                AutoResponseTemplate.body.icontains(words, autoescape=True),
                AutoResponseTemplate.category_id.in_(catalog.named_like(words)),
            )
        )
    return found.order_by(AutoResponseTemplate.category_id, AutoResponseTemplate.language)


def _row(row: Any) -> ListRow:
    return ListRow(
        row.id, templates.label(row), row.subject, () if row.is_active else ("Not in use",)
    )


def _form(row: AutoResponseTemplate | None) -> TemplateForm:
    form = TemplateForm(
        data={
            "category": str(row.category_id),
            "language": row.language,
            "subject": row.subject,
            "body": row.body,
            "is_active": row.is_active,
        }
        if row
        else {"is_active": True, "language": "en", "subject": "We have it", "body": EXAMPLE}
    )
    form.category.choices = category_choices()
    own = {row.language: row.language} if row else {}
    form.language.choices = options((own | LANGUAGES).items())
    return form


def _save(
    row: AutoResponseTemplate | None, form: TemplateForm, by: Person, now: datetime
) -> AutoResponseTemplate:
    return templates.save(
        row,
        category_id=int(form.category.data),
        language=form.language.data,
        subject=form.subject.data,
        body=form.body.data,
        is_active=form.is_active.data,
        by=by,
        now=now,
    )


def _press(press: str, row: AutoResponseTemplate | None, form: TemplateForm) -> str:
    """Show how it reads for a ticket, and for ``test`` mail that to whoever asks."""
    if not form.validate_on_submit():
        raise Invalid("Mend this first.")
    for field in ("subject", "body"):
        templates.refuse_unknown(field, form[field].data)
    if press != "test":
        return ""
    me = current_person()
    ticket = templates.newest_ticket(int(form.category.data), form.number.data or "")
    subject, body = form.subject.data, form.body.data
    templates.send_test(subject, body, ticket, to=me.email, now=utcnow())
    return f"A test is on its way to {me.email}. Nothing is saved yet."


def _beside(row: AutoResponseTemplate | None, form: TemplateForm) -> dict[str, Any]:
    """How it reads, for the ticket that was asked for, the newest, or an example."""
    shown = {"placeholders": templates.PLACEHOLDERS, "preview": None, "tried": None}
    about = next((i for i in catalog.categories() if str(i) == form.category.data), 0)
    try:
        ticket = templates.newest_ticket(about, form.number.data or "")
    except Invalid:
        return shown
    subject, body = form.subject.data or "", form.body.data or ""
    preview = templates.preview(subject, body, ticket, now=utcnow())
    return {**shown, "preview": preview, "tried": ticket.number if ticket else ""}


TEMPLATES = Resource(
    path="templates",
    one="automatic answer",
    many="Automatic answers",
    lead="What a customer gets at once when a ticket is opened, by category and language.",
    guard=supervisor_required,
    model=AutoResponseTemplate,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=templates.label,
    facts=templates.facts,
    is_replaceable=False,
    delete_words=lambda row: "Customers then get the plain confirmation with the link alone.",
    press=_press,
    template="admin/template.html",
    beside=_beside,
)

"""Automatic answers, as a supervisor writes them: what a placeholder is, and how it will read."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts.forms import LANGUAGES
from app.accounts.models import Person
from app.channels import auto_response
from app.channels.auto_response import PLACEHOLDER
from app.channels.models import AutoResponseTemplate
from app.core import audit
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.core.unique import unique
from app.mail import outbox
from app.tickets import catalog
from app.tickets.models import Ticket

PLACEHOLDERS = {
    "ticket.number": "the ticket's number, such as TKT-7K2M9QXA",
    "ticket.subject": "what the customer wrote as the subject",
    "requester.name": "the customer's name",
    "due": "when a person answers at the latest, in words",
}


def facts(row: AutoResponseTemplate) -> Facts:
    """An automatic answer in words."""
    return {
        "Category": catalog.categories()[row.category_id].name,
        "Language": row.language,
        "Subject": row.subject,
        "Text": row.body,
        "In use": "yes" if row.is_active else "no",
    }


def label(row: AutoResponseTemplate) -> str:
    """ "Billing, Deutsch"."""
    language = LANGUAGES.get(row.language, row.language)
    return f"{catalog.categories()[row.category_id].name}, {language}"


def save(
    row: AutoResponseTemplate | None,
    *,
    category_id: int,
    language: str,
    subject: str,
    body: str,
    is_active: bool,
    by: Person,
    now: datetime,
) -> AutoResponseTemplate:
    """Make an automatic answer, or change one.

    Raises:
        Invalid: there is one for this category in this language, or a placeholder is unknown.
    """
    before = facts(row) if row else {}
    if category_id not in catalog.categories():
        raise Invalid("Choose a category.", {"category": "This category is gone."})
    for field, text in (("subject", subject), ("body", body)):
        refuse_unknown(field, text)
    with unique("language", "This category has an answer in this language. Change that one."):
        if row is None:
            row = AutoResponseTemplate()
            db.session.add(row)
        row.category_id = category_id
        row.language = language
        row.subject = subject
        row.body = body
        row.is_active = is_active
    audit.note(
        *("automatic answer", row.id, label(row)), before=before, after=facts(row), by=by, now=now
    )
    return row


def refuse_unknown(field: str, text: str) -> None:
    """Customers must never read ``{{ tiket.number }}``.

    Raises:
        Invalid: *text* has a placeholder that nobody fills.
    """
    rest = PLACEHOLDER.sub(lambda match: "" if match[1] in PLACEHOLDERS else match[0], text)
    if "{{" in rest or "}}" in rest:
        known = ", ".join(f"{{{{ {name} }}}}" for name in PLACEHOLDERS)
        message = f"There is a placeholder that is not known. Known are {known}."
        raise Invalid(message, {field: message})


def preview(subject: str, body: str, ticket: Ticket | None, *, now: datetime) -> tuple[str, str]:
    """Subject and text as the requester of *ticket* would get them; without one, of an example."""
    values = _values(ticket, now)
    filled = auto_response.fill(subject, values)
    return " ".join(filled.split())[:200], auto_response.fill(body, values)


def send_test(subject: str, body: str, ticket: Ticket | None, *, to: str, now: datetime) -> None:
    """Put the answer, as in `preview`, into the outbox for *to*: an agent's own address."""
    shown, text = preview(subject, body, ticket, now=now)
    context: dict[str, Any] = {"subject": shown, "body": text}
    outbox.queue([outbox.row("template_test", to, context=context, now=now)])


def newest_ticket(category_id: int, number: str) -> Ticket | None:
    """The ticket of a number, else the newest of a category, for a preview; two statements."""
    ticket = None
    if number:
        ticket = db.session.scalar(sa.select(Ticket).where(Ticket.number == number))
        if ticket is None or ticket.deleted_at is not None:
            raise Invalid("There is no such ticket.", {"number": "There is no such ticket."})
        return ticket
    newest = sa.select(Ticket).where(Ticket.category_id == category_id, Ticket.deleted_at.is_(None))
    return db.session.scalar(newest.order_by(Ticket.id.desc()).limit(1))


def _values(ticket: Ticket | None, now: datetime) -> dict[str, str]:
    soon = now + timedelta(hours=8)  # where it was answered already, or is none
    zone = setting("time_zone")
    if ticket is None:
        return {
            "ticket.number": "TKT-7K2M9QXA",
            "ticket.subject": "The oven shows E-41",
            "requester.name": "Johanna Leitner",
            "due": auto_response.due_words(soon, zone),
        }
    first = next((c.due_at for c in ticket.clocks if c.target == "first_response"), None)
    return {
        "ticket.number": ticket.number,
        "ticket.subject": ticket.subject,
        "requester.name": ticket.requester.display_name,
        "due": auto_response.due_words(first or soon, ticket.requester.time_zone or zone),
    }

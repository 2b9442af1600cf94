"""What a form of the desk changes in place: one property of a ticket, read from the request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import request

from app.accounts.access import hidden_group_ids
from app.accounts.models import Group, Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.desk.forms import clean_line
from app.routing import assignment
from app.tickets import catalog, lifecycle, properties, timeline
from app.tickets.models import Ticket
from app.tickets.words import Priority, Status


def apply(kind: str, ticket: Ticket, *, by: Person) -> str:
    """Change *ticket* as the form says; one of `CHANGES`. Returns the notice.

    Raises:
        Invalid: with what to do instead.
        StaleChange: somebody else changed the same property meanwhile.
    """
    return CHANGES[kind](ticket, by)


def _version() -> int | None:
    text = request.form.get("version", "")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise Invalid("Reload the page; this form is broken.")
    return int(text)


def _status(ticket: Ticket, by: Person) -> str:
    try:
        to = Status.parse(request.form.get("status", ""))
    except ValueError:
        raise Invalid("Choose a status of the list.") from None
    timeline.refuse_stale(ticket, "status", version=_version(), chosen=to.label)
    if to is not ticket.status:
        lifecycle.change_status(ticket, to, by=by, now=utcnow())
    return f"{ticket.number} is {to.label.lower()} now"


def _priority(ticket: Ticket, by: Person) -> str:
    try:
        to = Priority.parse(request.form.get("priority", ""))
    except ValueError:
        raise Invalid("Choose a priority of the list.") from None
    timeline.refuse_stale(ticket, "priority", version=_version(), chosen=to.label)
    properties.change_priority(ticket, to, by=by, now=utcnow())
    return f"Priority of {ticket.number} is {to.label.lower()} now"


def _assignment(ticket: Ticket, by: Person) -> str:
    if "group" in request.form:
        group = _chosen(Group, request.form["group"])
        if group is not None and group.id in hidden_group_ids(by):
            raise Invalid("Choose a group of the list.")
        name = group.name if group else ""
        timeline.refuse_stale(ticket, "group", version=_version(), chosen=name)
        warning = assignment.assign(ticket, group=group, by=by, now=utcnow())
        return warning or f"{ticket.number} {f'is with {name}' if name else 'has no group'} now"
    agent = _chosen(Person, request.form.get("assignee", ""))
    if agent is not None and not (agent.is_agent and agent.is_active):
        raise Invalid("Choose somebody who works here.")
    name = agent.display_name if agent else ""
    timeline.refuse_stale(ticket, "assignee", version=_version(), chosen=name)
    warning = assignment.assign(ticket, agent=agent, by=by, now=utcnow())
    who = "You have" if agent == by else f"{name} has" if name else "Nobody has"
    return warning or f"{who} {ticket.number} now"


def _chosen(model: type[Any], text: str) -> Any:
    """The row of an id from a form; "" is None."""
    if not text:
        return None
    row = db.session.get(model, _id(text))
    if row is None:
        raise Invalid("Choose somebody of the list.")
    return row


def _id(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise Invalid("Choose one of the list.")
    return int(text)


def _category(ticket: Ticket, by: Person) -> str:
    """The form sends the key of a category, or the id of a subcategory."""
    cards = catalog.categories().values()
    subcategory_id = None
    if text := request.form.get("subcategory", ""):
        subcategory_id = _id(text)
        found = (c for c in cards if subcategory_id in {s.id for s in c.subcategories})
        card = next(found, None)
    else:
        card = catalog.category_by_key(request.form.get("category", ""))
    if card is None:
        raise Invalid("Choose a category of the list.")
    chosen = catalog.category_words(card.id, subcategory_id)
    timeline.refuse_stale(ticket, "category", version=_version(), chosen=chosen)
    properties.change_category(ticket, card.id, subcategory_id, by=by, now=utcnow())
    return f"{ticket.number} is about {chosen} now"


def _tags(ticket: Ticket, by: Person) -> str:
    """Ticked ones and typed ones."""
    typed = ",".join(request.form.getlist("tags"))
    names = [clean_line(name) for name in typed.split(",")]
    chosen = ", ".join(properties.clean_tags(names))
    timeline.refuse_stale(ticket, "tags", version=_version(), chosen=chosen)
    properties.change_tags(ticket, names, by=by, now=utcnow())
    return f"Tags of {ticket.number} saved"


def _subject(ticket: Ticket, by: Person) -> str:
    subject = clean_line(request.form.get("subject"))
    timeline.refuse_stale(ticket, "subject", version=_version(), chosen=subject)
    properties.change_subject(ticket, subject, by=by, now=utcnow())
    return f"Subject of {ticket.number} saved"


def _fields(ticket: Ticket, by: Person) -> str:
    """Custom fields. Only what differs from what the form showed counts as chosen."""
    values: dict[str, Any] = {}
    for card in catalog.custom_fields(ticket.category_id):
        name = f"field_{card.key}"
        new, old = request.form.get(name, ""), request.form.get(f"was_{card.key}")
        if old is not None and new != old:
            values[card.key] = new
    cleaned = properties.clean_custom_fields(ticket.category_id, values, complete=False)
    for key, value in cleaned.items():
        chosen = "" if value is None else str(value)
        timeline.refuse_stale(ticket, f"field_{key}", version=_version(), chosen=chosen)
    properties.change_custom_fields(ticket, values, by=by, now=utcnow())
    return f"{ticket.number} saved"


CHANGES: dict[str, Callable[[Ticket, Person], str]] = {
    "status": _status,
    "priority": _priority,
    "assignment": _assignment,
    "category": _category,
    "tags": _tags,
    "subject": _subject,
    "fields": _fields,
}

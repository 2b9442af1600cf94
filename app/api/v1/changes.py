"""Changing one field of a ticket: refused where it is stale, else the same as on the desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from app.accounts.models import Person
from app.api.v1.references import agent_of, category_ids, group_of
from app.core.clock import utcnow
from app.routing import assignment
from app.tickets import catalog, lifecycle, properties, timeline
from app.tickets.models import Ticket
from app.tickets.words import Status


def _set_subject(t: Ticket, value: str, by: Person, version: int | None, _: Any) -> None:
    timeline.refuse_stale(t, "subject", version=version, chosen=value)
    properties.change_subject(t, value, by=by, now=utcnow())


def _set_status(t: Ticket, value: Status, by: Person, version: int | None, _: Any) -> None:
    timeline.refuse_stale(t, "status", version=version, chosen=value.label)
    if value is not t.status:
        lifecycle.change_status(t, value, by=by, now=utcnow())


def _set_priority(t: Ticket, value: Any, by: Person, version: int | None, _: Any) -> None:
    timeline.refuse_stale(t, "priority", version=version, chosen=value.label)
    properties.change_priority(t, value, by=by, now=utcnow())


def _set_category(t: Ticket, value: Any, by: Person, version: int | None, data: Any) -> None:
    """Category and subcategory go together; a new category without one drops it."""
    key = data.get("category") or catalog.categories()[t.category_id].key
    category_id, sub = category_ids(key, data.get("subcategory"))
    words = catalog.category_words(category_id or t.category_id, sub)
    timeline.refuse_stale(t, "category", version=version, chosen=words)
    properties.change_category(t, category_id or t.category_id, sub, by=by, now=utcnow())


def _set_assignee(t: Ticket, value: Any, by: Person, version: int | None, _: Any) -> None:
    person = agent_of(value, "assignee")
    name = person.display_name if person else ""
    timeline.refuse_stale(t, "assignee", version=version, chosen=name)
    assignment.assign(t, agent=person, by=by, now=utcnow())


def _set_group(t: Ticket, value: Any, by: Person, version: int | None, _: Any) -> None:
    group = group_of(value)
    timeline.refuse_stale(t, "group", version=version, chosen=group.name if group else "")
    assignment.assign(t, group=group, by=by, now=utcnow())


def _set_tags(t: Ticket, value: list[str], by: Person, version: int | None, _: Any) -> None:
    chosen = ", ".join(properties.clean_tags(value))
    timeline.refuse_stale(t, "tags", version=version, chosen=chosen)
    properties.change_tags(t, value, by=by, now=utcnow())


def _set_fields(t: Ticket, value: dict[str, Any], by: Person, version: int | None, _: Any) -> None:
    for key, new in value.items():
        timeline.refuse_stale(t, f"field_{key}", version=version, chosen=str(new))
    properties.change_custom_fields(t, value, by=by, now=utcnow())


def _set_due(t: Ticket, value: Any, by: Person, version: int | None, _: Any) -> None:
    chosen = value.isoformat() if value else ""
    timeline.refuse_stale(t, "due_at", version=version, chosen=chosen)
    properties.change_due(t, value, by=by, now=utcnow())


CHANGES: dict[str, Callable[[Ticket, Any, Person, int | None, Any], None]] = {
    "subject": _set_subject,
    "status": _set_status,
    "priority": _set_priority,
    "category": _set_category,
    "subcategory": _set_category,
    "assignee": _set_assignee,
    "group": _set_group,
    "tags": _set_tags,
    "custom_fields": _set_fields,
    "due_at": _set_due,
}


def apply(ticket: Ticket, data: dict[str, Any], *, by: Person, version: int | None = None) -> None:
    """Make those changes that *data* names; other keys are not looked at.

    Raises:
        Conflict: a field has changed since *version*, or its state does not allow it.
    """
    for field, value in data.items():
        if field in CHANGES:
            CHANGES[field](ticket, value, by, version, data)

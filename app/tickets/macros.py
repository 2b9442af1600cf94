"""Macros: several changes and a reply in one click. One without changes is a canned response."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Group, Person
from app.core import audit, ordering
from app.core.audit import Facts
from app.core.cache import reference
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.unique import unique
from app.tickets import catalog, holding, lifecycle, properties
from app.tickets.catalog_models import Macro
from app.tickets.models import Ticket
from app.tickets.timeline import record
from app.tickets.words import EventKind, Priority, Status

ME = "me"
PLACEHOLDER = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")
PLACEHOLDERS = {
    "ticket.number": "the ticket's number",
    "ticket.subject": "its subject",
    "requester.name": "the customer's name",
    "agent.name": "your own name",
}


@dataclass(frozen=True, slots=True)
class MacroCard:
    """A macro in use. ``changes`` by field: status, priority, category, group, assignee, tags.

    Categories and groups are ids, the assignee an id or "me", tags are added to those there.
    """

    id: int
    name: str
    reply: str
    changes: dict[str, Any]

    @property
    def summary(self) -> str:
        """What a click does: "Pending, tag sent-parts, a reply"."""
        parts = [*words(self.changes).values(), *(["a reply"] if self.reply else [])]
        return ", ".join(parts)


def active() -> tuple[MacroCard, ...]:
    """Macros in use, in their order; cached."""
    return reference("macros", _load)


def card(macro_id: int) -> MacroCard:
    """One macro in use.

    Raises:
        NotFound: it is gone or out of use.
    """
    found = next((macro for macro in active() if macro.id == macro_id), None)
    if found is None:
        raise NotFound("This macro is gone. Choose another one.")
    return found


def fill(text: str, ticket: Ticket, by: Person) -> str:
    """A macro's reply for a ticket; what is filled in is never read as a placeholder again."""
    values = {
        "ticket.number": ticket.number,
        "ticket.subject": ticket.subject,
        "requester.name": ticket.requester.display_name,
        "agent.name": by.name or by.display_name,
    }
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def apply(macro: MacroCard, ticket: Ticket, *, by: Person, now: datetime) -> None:
    """Make a macro's changes on a locked *ticket*; its reply is the composer's to send.

    The status comes last, so that assigning cannot change it once more.

    Raises:
        DomainError: as the single changes; then none is made, if the caller rolls back.
    """
    if macro.changes:
        record(ticket, EventKind.MACRO, by=by, now=now, new=macro.name, details={"id": macro.id})
    for name, do in _DOERS.items():
        if name in macro.changes:
            do(ticket, macro.changes[name], by, now)


def words(changes: dict[str, Any]) -> dict[str, str]:
    """Changes in words, by field: {"status": "Pending", "tags": "tag sent-parts"}."""
    found: dict[str, str] = {}
    for name, value in changes.items():
        match name:
            case "status":
                found[name] = Status(value).label
            case "priority":
                found[name] = Priority(value).label
            case "category":
                known = catalog.categories().get(value)
                found[name] = known.name if known else "a category that is gone"
            case "group":
                group = directory.groups().get(value)
                found[name] = f"to {group.name}" if group else "to a group that is gone"
            case "assignee":
                agent = directory.agents().get(value)
                found[name] = "to me" if value == ME else f"to {agent.name if agent else 'nobody'}"
            case "tags":
                found[name] = f"{'tag' if len(value) == 1 else 'tags'} {', '.join(value)}"
    return found


def facts(macro: Macro) -> Facts:
    """A macro in words."""
    return {
        "Name": macro.name,
        "Changes": ", ".join(words(macro.changes).values()),
        "Reply": macro.reply,
        "In use": "yes" if macro.is_active else "no",
    }


def save(
    macro: Macro | None,
    *,
    name: str,
    reply: str,
    changes: dict[str, Any],
    is_active: bool,
    by: Person,
    now: datetime,
) -> Macro:
    """Make a macro, or change one.

    Raises:
        Invalid: it does nothing, a placeholder is unknown, or the name is taken.
    """
    before = facts(macro) if macro else {}
    if not reply and not changes:
        message = "Write a reply or choose a change: so far it does nothing."
        raise Invalid(message, {"reply": message})
    _refuse_unknown(reply)
    if "tags" in changes:
        changes = changes | {"tags": properties.clean_tags(changes["tags"])}
    with unique("name", "Another macro has this name."):
        if macro is None:
            last = sa.select(sa.func.coalesce(sa.func.max(Macro.position), 0))
            macro = Macro(position=db.session.scalars(last).one() + 1)
            db.session.add(macro)
        macro.name = name
        macro.reply = reply
        macro.changes = changes
        macro.is_active = is_active
    audit.note(*("macro", macro.id, macro.name), before=before, after=facts(macro), by=by, now=now)
    return macro


def put_in_order(ids: Sequence[int], *, by: Person, now: datetime) -> None:
    """Show the macros in the order of *ids*.

    Raises:
        Conflict: somebody has made or deleted one meanwhile.
    """
    rows = db.session.scalars(sa.select(Macro).order_by(Macro.position, Macro.id))
    ordering.put_in_order(rows, ids, thing="macro", name=lambda row: row.name, by=by, now=now)


def _refuse_unknown(reply: str) -> None:
    rest = PLACEHOLDER.sub(lambda match: "" if match[1] in PLACEHOLDERS else match[0], reply)
    if "{{" in rest:
        known = ", ".join(f"{{{{ {name} }}}}" for name in PLACEHOLDERS)
        message = f"There is a placeholder that is not known. Known are {known}."
        raise Invalid(message, {"reply": message})


def _load() -> tuple[MacroCard, ...]:
    rows = sa.select(Macro).where(Macro.is_active).order_by(Macro.position, Macro.id)
    return tuple(
        MacroCard(row.id, row.name, row.reply, dict(row.changes))
        for row in db.session.scalars(rows)
    )


def _category(ticket: Ticket, value: int, by: Person, now: datetime) -> None:
    if ticket.category_id != value:
        properties.change_category(ticket, value, None, by=by, now=now)


def _priority(ticket: Ticket, value: str, by: Person, now: datetime) -> None:
    properties.change_priority(ticket, Priority(value), by=by, now=now)


def _group(ticket: Ticket, value: int, by: Person, now: datetime) -> None:
    group = db.session.get(Group, value)
    if group is None:
        raise Conflict("The group of this macro is gone. Ask whoever keeps the macros.")
    holding.give_to_group(ticket, group, by=by, now=now)


def _assignee(ticket: Ticket, value: int | str, by: Person, now: datetime) -> None:
    agent = by if value == ME else db.session.get(Person, value)
    if agent is None or not agent.is_agent or not agent.is_active:
        raise Conflict("The agent of this macro no longer answers tickets.")
    holding.give(ticket, agent, by=by, now=now)


def _tags(ticket: Ticket, value: list[str], by: Person, now: datetime) -> None:
    names = [tag.name for tag in ticket.tags]
    properties.change_tags(ticket, [*names, *value], by=by, now=now)


def _status(ticket: Ticket, value: str, by: Person, now: datetime) -> None:
    if ticket.status is not Status(value):
        lifecycle.change_status(ticket, Status(value), by=by, now=now)


_DOERS: dict[str, Callable[[Ticket, Any, Person, datetime], None]] = {
    "category": _category,
    "priority": _priority,
    "group": _group,
    "assignee": _assignee,
    "tags": _tags,
    "status": _status,
}

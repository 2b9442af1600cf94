"""Which tickets a report is about: those of an agent, a group, a category, ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Organization, Person
from app.core.db import db
from app.core.errors import Invalid
from app.core.paging import MOST_ID
from app.tickets import catalog
from app.tickets.models import Ticket
from app.tickets.words import Priority, Source

NONE = "none"


@dataclass(frozen=True, slots=True)
class Cut:
    """One value each, "" for all: ids as text or ``none``, a category's key, a priority, ...

    These are also the dimensions by which a report is broken down.
    """

    agent: str = ""
    group: str = ""
    category: str = ""
    organization: str = ""
    priority: str = ""
    source: str = ""

    def pairs(self) -> list[tuple[str, str]]:
        """For a query string: what is set."""
        return [(f.name, value) for f in fields(self) if (value := getattr(self, f.name))]

    def within(self, dimension: str, key: str) -> Cut:
        """The same for one row of a break-down."""
        return replace(self, **{dimension: key})

    def where(self) -> list[sa.ColumnElement[bool]]:
        """Conditions on `Ticket`."""
        found: list[sa.ColumnElement[bool]] = []
        for column, value in ((Ticket.assignee_id, self.agent), (Ticket.group_id, self.group)):
            if value:
                found.append(column.is_(None) if value == NONE else column == int(value))
        if self.category:
            found.append(Ticket.category_id == _category_ids()[self.category])
        if self.organization:
            of = Person.organization_id == int(self.organization)
            found.append(Ticket.requester_id.in_(sa.select(Person.id).where(of)))
        if self.priority:
            found.append(Ticket.priority == Priority(self.priority))
        if self.source:
            found.append(Ticket.source == Source(self.source))
        return found


def from_args(args: Mapping[str, str]) -> Cut:
    """Read a cut; agents and organizations also by address and name.

    One statement where an organization is asked for.

    Raises:
        Invalid: with a message for each value that names nothing.
    """
    found: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, parse in PARSERS.items():
        if text := args.get(name, "").strip():
            try:
                found[name] = parse(text)
            except ValueError as error:
                errors[name] = str(error)
    if errors:
        told = "; ".join(errors.values())
        raise Invalid(f"This report cannot be made: {told}.", errors)
    return Cut(**found)


def name_of(dimension: str, key: str) -> str:
    """A value in words; a statement for an organization alone."""
    if dimension == "organization":
        return db.session.scalar(_organization_name(key)) or "Former organization"
    return names(dimension).get(key) or f"Former {dimension}"


def names(dimension: str) -> dict[str, str]:
    """Words for every value of a dimension, in their order; no statement where cached."""
    match dimension:
        case "agent":
            found = {str(card.id): card.name for card in directory.agents().values()}
            return found | {NONE: "Unassigned"}
        case "group":
            found = {str(card.id): card.name for card in directory.groups().values()}
            return found | {NONE: "No group"}
        case "category":
            return {card.key: card.name for card in catalog.categories().values()}
        case "priority":
            return {priority.value: priority.label for priority in Priority}
        case _:
            return {source.value: SOURCES[source] for source in Source}


SOURCES = {
    Source.WEB: "Web form",
    Source.EMAIL: "Mail",
    Source.CHAT: "Chat",
    Source.API: "API",
    Source.PHONE: "Phone",
}


def key_of(dimension: str, value: str | None) -> str:
    """What a cut says for a column's value, which is given as text."""
    if value is None:
        return NONE
    if dimension == "category":
        return catalog.categories()[int(value)].key
    if dimension == "priority":
        return Priority.of_rank(int(value)).value
    return value


def _category_ids() -> dict[str, int]:
    return {card.key: card.id for card in catalog.categories().values()}


def _agent(text: str) -> str:
    if text.lower() in (NONE, "unassigned"):
        return NONE
    if text.isascii() and text.isdigit() and len(text) < 12 and 0 < int(text) <= MOST_ID:
        return str(int(text))  # one who left has tickets, too
    for card in directory.agents().values():
        if card.email and text.lower() == card.email.lower():
            return str(card.id)
    raise ValueError(f"there is no agent {text[:100]}")


def _group(text: str) -> str:
    if text.lower() == NONE:
        return NONE
    for card in directory.groups().values():
        if text == str(card.id) or text.casefold() == card.name.casefold():
            return str(card.id)
    raise ValueError(f"there is no group {text[:100]}")


def _category(text: str) -> str:
    for card in catalog.categories().values():
        if text.lower() == card.key.lower() or text == str(card.id):
            return card.key
    raise ValueError(f"there is no category {text[:100]}")


def _organization(text: str) -> str:
    if text.isascii() and text.isdigit() and len(text) < 12 and int(text) <= MOST_ID:
        if db.session.scalar(_organization_name(text)) is not None:
            return str(int(text))
    elif text.isprintable():
        named = sa.select(Organization.id).where(sa.func.lower(Organization.name) == text.lower())
        if found := db.session.scalar(named.order_by(Organization.id).limit(1)):
            return str(found)
    raise ValueError(f"there is no organization {text[:100]}")


def _organization_name(key: str) -> sa.Select[str]:
    return sa.select(Organization.name).where(Organization.id == int(key))


def _priority(text: str) -> str:
    try:
        return Priority.parse(text).value
    except ValueError:
        raise ValueError(f"there is no priority {text[:100]}") from None


def _source(text: str) -> str:
    try:
        return Source(text.lower()).value
    except ValueError:
        raise ValueError(f"there is no source {text[:100]}") from None


PARSERS = {
    "agent": _agent,
    "group": _group,
    "category": _category,
    "organization": _organization,
    "priority": _priority,
    "source": _source,
}
DIMENSIONS = ("priority", "category", "agent", "group", "source")


def organizations(most: int) -> Iterable[str]:
    """Names to choose from, by name; one statement."""
    return db.session.scalars(sa.select(Organization.name).order_by(Organization.name).limit(most))

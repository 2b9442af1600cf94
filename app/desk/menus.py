"""The choices of what can be changed in place, and the fields of what is typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import AGENT_ROLES, Person, Presence
from app.core.db import db
from app.desk.ticket_reading import TicketFacts
from app.tickets import catalog
from app.tickets.catalog_models import Tag
from app.tickets.models import LOAD, Ticket
from app.tickets.words import TRANSITIONS, Priority, Status

MOST_TAGS = 200  # that are offered
BY_PRESENCE = (Presence.ONLINE, Presence.AWAY, Presence.BUSY, Presence.OFFLINE)


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice; ``hint`` is a quiet word beside it."""

    value: str
    label: str
    selected: bool
    hint: str = ""


Groups = list[tuple[str, str, list[Choice]]]  # (field, heading, choices)


@dataclass(slots=True)
class FieldInput:
    """A custom field to type into; ``was`` is what the form was made with, ``kind`` the field's."""

    key: str
    label: str
    kind: str
    choices: tuple[str, ...]
    value: str
    was: str


def menu(kind: str, ticket: TicketFacts, viewer: Person, *, only: str = "") -> Groups:
    """Choices of one kind; statements only for the assignment.

    Args:
        only: of the assignment, ``assignee`` or ``group`` alone.
    """
    match kind:
        case "status":
            return [("status", "", _statuses(ticket, viewer))]
        case "priority":
            return [
                ("priority", "", [Choice(p.value, p.label, p is ticket.priority) for p in Priority])
            ]
        case "assignment":
            found = _holders(ticket, viewer) if only != "group" else []
            return found + (_groups(ticket, viewer) if only != "assignee" else [])
        case "category":
            return _categories(ticket)
        case _:
            return []


def tags(chosen: list[str]) -> tuple[list[Choice], str]:
    """Tags to tick, those of *chosen* first, and the rest of *chosen* as text. One statement."""
    known = list(db.session.scalars(sa.select(Tag.name).order_by(Tag.name).limit(MOST_TAGS)))
    choices = [Choice(name, name, name in chosen) for name in known]
    choices.sort(key=lambda choice: not choice.selected)
    return choices, ", ".join(name for name in chosen if name not in known)


def fields(ticket: TicketFacts, typed: Mapping[str, str] | None = None) -> list[FieldInput]:
    """The custom fields of the ticket's category, with what was *typed* (``field_<key>``)."""
    found = []
    for card in catalog.custom_fields(ticket.category_id):
        value = ticket.custom_fields.get(card.key)
        is_box = card.kind == "checkbox"
        text = ("on" if value else "") if is_box else catalog.field_words(value)
        is_typed = typed is not None and f"was_{card.key}" in typed
        shown = typed.get(f"field_{card.key}", "") if typed is not None and is_typed else text
        found.append(FieldInput(card.key, card.label, card.kind, card.choices, shown, text))
    return found


def _categories(ticket: TicketFacts) -> Groups:
    """Each category with its subcategories; former ones only where the ticket has them."""
    found: Groups = []
    for card in catalog.categories().values():
        is_its = card.id == ticket.category_id
        if not card.is_active and not is_its:
            continue
        whole = Choice(card.key, card.name, is_its and ticket.subcategory_id is None)
        parts = [
            Choice(str(sub.id), sub.name, sub.id == ticket.subcategory_id)
            for sub in card.subcategories
            if sub.is_active or sub.id == ticket.subcategory_id
        ]
        found += [("category", "", [whole]), ("subcategory", "", parts)]
    return found


def _statuses(ticket: TicketFacts, viewer: Person) -> list[Choice]:
    found = [Choice(ticket.status.value, ticket.status.label, True)]
    for status in TRANSITIONS[ticket.status]:
        if ticket.status is Status.CANCELLED and not viewer.is_supervisor:
            continue
        found.append(Choice(status.value, status.label, False))
    return found


def _holders(ticket: TicketFacts, viewer: Person) -> Groups:
    """Nobody and me, then the ticket's group and everybody else; who is online comes first."""
    working = sa.select(Person.id, Person.presence).where(
        Person.role.in_(AGENT_ROLES), Person.is_active
    )
    presences = {row.id: row.presence for row in db.session.execute(working)}
    loads = (
        sa.select(Ticket.assignee_id, sa.func.count().label("load"))
        .where(sa.text(LOAD), Ticket.assignee_id.is_not(None))
        .group_by(Ticket.assignee_id)
    )
    load = {row.assignee_id: row.load for row in db.session.execute(loads)}
    group = directory.groups().get(ticket.group_id or 0)
    first = [Choice("", "Nobody", ticket.assignee_id is None)]
    members: list[Choice] = []
    others: list[Choice] = []
    cards = [card for card in directory.agents().values() if card.id in presences]
    for card in sorted(cards, key=lambda card: BY_PRESENCE.index(presences[card.id])):
        hint = f"{presences[card.id].value}, {load.get(card.id, 0)} of {card.max_tickets}"
        is_me = card.id == viewer.id
        name = f"{card.name} (me)" if is_me else card.name
        choice = Choice(str(card.id), name, card.id == ticket.assignee_id, hint)
        if is_me:
            first.append(choice)
        elif group and card.id in group.member_ids:
            members.append(choice)
        else:
            others.append(choice)
    found = [("assignee", "Assignee", first)]
    if group and members:
        found.append(("assignee", group.name, members))
    found.append(("assignee", "Everybody else" if members else "", others))
    return found


def _groups(ticket: TicketFacts, viewer: Person) -> Groups:
    hidden = hidden_group_ids(viewer)
    groups = [Choice("", "No group", ticket.group_id is None)]
    for group in directory.groups().values():
        if group.id not in hidden:
            groups.append(Choice(str(group.id), group.name, group.id == ticket.group_id))
    return [("group", "Group", groups)]

"""The choices of what can be changed in place: status, priority, assignment."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import AGENT_ROLES, Person, Presence
from app.core.db import db
from app.desk.ticket_reading import TicketFacts
from app.tickets.models import LOAD, Tag, Ticket
from app.tickets.words import TRANSITIONS, Priority, Status

KINDS = ("status", "priority", "assignment", "tags")


@dataclass(slots=True)
class Choice:
    """One choice; ``hint`` is a quiet word beside it."""

    value: str
    label: str
    selected: bool
    hint: str = ""


Groups = list[tuple[str, str, list[Choice]]]  # (field, heading, choices)


def menu(kind: str, ticket: TicketFacts, viewer: Person) -> Groups:
    """Choices of one kind; statements only for the assignment."""
    match kind:
        case "status":
            return [("status", "", _statuses(ticket, viewer))]
        case "priority":
            return [
                ("priority", "", [Choice(p.value, p.label, p is ticket.priority) for p in Priority])
            ]
        case "assignment":
            return _holders(ticket, viewer)
        case _:
            return []


def known_tags() -> list[str]:
    """Tags to offer, at most 200."""
    return list(db.session.scalars(sa.select(Tag.name).order_by(Tag.name).limit(200)))


def _statuses(ticket: TicketFacts, viewer: Person) -> list[Choice]:
    found = [Choice(ticket.status.value, ticket.status.label, True)]
    for status in TRANSITIONS[ticket.status]:
        if ticket.status is Status.CANCELLED and not viewer.is_supervisor:
            continue
        found.append(Choice(status.value, status.label, False))
    return found


def _holders(ticket: TicketFacts, viewer: Person) -> Groups:
    """Nobody, me, then everybody with presence and load; and the groups."""
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
    agents = [Choice("", "Nobody", ticket.assignee_id is None)]
    cards = [card for card in directory.agents().values() if card.id in presences]
    for card in sorted(cards, key=lambda card: card.id != viewer.id):
        presence = presences[card.id]
        state = presence.value if presence is not Presence.OFFLINE else "offline"
        hint = f"{state}, {load.get(card.id, 0)} of {card.max_tickets}"
        name = f"{card.name} (me)" if card.id == viewer.id else card.name
        agents.append(Choice(str(card.id), name, card.id == ticket.assignee_id, hint))
    hidden = hidden_group_ids(viewer)
    groups = [Choice("", "No group", ticket.group_id is None)]
    for group in directory.groups().values():
        if group.id not in hidden:
            groups.append(Choice(str(group.id), group.name, group.id == ticket.group_id))
    return [("assignee", "Assignee", agents), ("group", "Group", groups)]

"""Who gets a ticket: chosen at creation, by hand, and for tickets that wait."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import EllipsisType
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import AGENT_ROLES, Distribution, Group, Person, Presence
from app.core.db import db
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.core.statements import Read, Write, current_connection
from app.routing.rules import (
    NEVER,
    Agent,
    Choice,
    Desk,
    Wanted,
    active_rules,
    decide,
    hindrance,
)
from app.tickets import catalog, holding, notifications
from app.tickets.models import LOAD, Ticket
from app.tickets.timeline import By
from app.tickets.words import AssignmentMethod

# Everybody who assigns automatically takes this lock before reading loads and holds it to commit,
# so that two never see the same loads. On SQLite the one writer's transaction is the lock.
LOCK = sa.text("select pg_advisory_xact_lock(2026112201)")

_LOAD = (
    sa.select(sa.func.count())
    .select_from(Ticket.__table__)
    .where(Ticket.assignee_id == Person.id, sa.text(LOAD))
    .correlate(Person.__table__)
    .scalar_subquery()
)
AGENTS: Read[Any] = Read(
    sa.select(
        Person.id,
        Person.presence,
        Person.max_tickets,
        Person.last_active_at,
        Person.last_assigned_at,
        sa.case((Person.presence == Presence.ONLINE, _LOAD), else_=0).label("load"),
    ).where(Person.is_active, Person.role.in_(AGENT_ROLES))
)
LOAD_OF_ONE = (
    sa.select(sa.func.count())
    .select_from(Ticket.__table__)
    .where(Ticket.assignee_id == sa.bindparam("agent_id"), sa.text(LOAD))
)
TAKE = Write(
    sa.update(Person)
    .where(Person.id == sa.bindparam("agent_id"))
    .values(last_assigned_at=sa.bindparam("turn_at"))
)


def choose(
    *,
    category_id: int,
    subcategory_id: int | None = None,
    group_id: int | None = None,
    exclude: frozenset[int] = frozenset(),
    now: datetime,
) -> Choice:
    """Choose agent and group for a ticket, by PRODUCT's section 4; writes nothing.

    Takes the routing lock, which the caller's transaction holds to its end; so the chosen agent's
    ticket and `take` belong into the same transaction. One statement, one more on PostgreSQL for
    the lock; rules, groups and skills come from the cache.

    Args:
        group_id: a group that is settled already: candidates are its members only.
        exclude: agents who gave the ticket up.
    """
    wanted = Wanted(catalog.categories()[category_id], subcategory_id, group_id, exclude)
    lock()
    return decide(desk(now), wanted, now=now)


def take(choice: Choice) -> None:
    """Note that the chosen agent had their turn; one statement."""
    TAKE.one(agent_id=choice.agent_id, turn_at=choice.turn_at)


def lock() -> None:
    """Let one transaction after the other read loads and assign by them."""
    connection = current_connection()
    if connection.dialect.name == "postgresql":
        connection.execute(LOCK)


def desk(now: datetime) -> Desk:
    """Rules, groups and agents as they are now; one statement for presence and loads of all."""
    db.session.flush()
    cards = directory.agents()
    idle_since = now - timedelta(minutes=setting("minutes_to_away"))
    agents = {}
    for id_, presence, limit, active_at, last_assigned_at, load in AGENTS.all():
        card = cards.get(id_)
        agents[id_] = Agent(
            id=id_,
            name=card.name if card else f"Agent {id_}",
            load=load,
            limit=limit,
            last_assigned_at=last_assigned_at or NEVER,
            skill_ids=card.skill_ids if card else frozenset(),
            hindrance=hindrance(
                presence, idle_since=idle_since, active_at=active_at, load=load, limit=limit
            ),
        )
    return Desk(active_rules(), agents, directory.groups())


def assign(
    ticket: Ticket,
    *,
    agent: Person | EllipsisType | None = ...,
    group: Group | EllipsisType | None = ...,
    by: By,
    now: datetime,
    method: AssignmentMethod = AssignmentMethod.MANUAL,
    details: dict[str, Any] | None = None,
) -> str:
    """Give a locked ticket to an agent, a group, or both; None means nobody, ``...`` as it is.

    A new ticket opens. Moving to another group takes the ticket from an assignee who is no member;
    it then goes out to the group as far as the group distributes, or the group is told.

    Args:
        method: how the agent was found, for the history.
        details: more for the history, such as ``rule_id``.
    Returns:
        What whoever assigned by hand should know ("Ann has 6 tickets now, ..."), or "".
    Raises:
        Invalid: this agent answers no tickets, or may not see those of a private group.
    """
    goes_to = ticket.group if group is ... else group
    moves = group is not ... and ticket.group_id != (group.id if group else None)
    if isinstance(agent, Person):
        _check(agent, goes_to)
    elif agent is ... and moves and goes_to and not _is_in(ticket.assignee_id, goes_to):
        agent = None
    if group is not ...:
        holding.give_to_group(ticket, group, by=by, now=now)
    had = ticket.assignee_id
    if agent is not ...:
        holding.give(ticket, agent, by=by, now=now, method=method, details=details)
    if method is not AssignmentMethod.MANUAL:
        return ""
    if isinstance(agent, Person) and agent.id != had:
        return _warning(agent)
    by_hand = goes_to is not None and goes_to.distribution is Distribution.NONE
    if moves and by_hand and ticket.assignee_id is None:
        notifications.unassignable(ticket, now=now)
    return ""


def _check(agent: Person, group: Group | None) -> None:
    if not (agent.is_agent and agent.is_active):
        message = f"{agent.display_name} does not answer tickets. Choose an agent."
        raise Invalid(message, {"assignee": message})
    if group and group.is_private and not (agent.is_supervisor or _is_in(agent.id, group)):
        message = f"{agent.display_name} may not see tickets of {group.name}."
        raise Invalid(message, {"assignee": message})


def _is_in(person_id: int | None, group: Group) -> bool:
    card = directory.groups().get(group.id)
    return card is not None and person_id in card.member_ids


def _warning(agent: Person) -> str:
    """Whether the agent is over the limit now, which binds automatic assignment alone."""
    db.session.flush()
    count = db.session.connection().scalar(LOAD_OF_ONE, {"agent_id": agent.id}) or 0
    if count <= agent.max_tickets:
        return ""
    name, limit = agent.display_name, agent.max_tickets
    tickets = "1 ticket" if count == 1 else f"{count} tickets"
    return f"{name} has {tickets} now, over the limit of {limit}."

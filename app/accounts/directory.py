"""Agents and groups as every page needs them: cached, plain values, never stale.

Presence and load change all the time and are not here; see `presence` and the routing area.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import Session, UOWTransaction

from app.accounts.models import (
    AGENT_ROLES,
    Distribution,
    Group,
    Person,
    PersonEmail,
    Role,
    group_member,
    person_skill,
)
from app.core.cache import bump_stamp, reference
from app.core.db import db
from app.core.settings_store import setting
from app.web import words

# What of an agent is on the cards: a change of any of these makes them anew.
ON_CARD = (
    *("name", "role", "is_active", "max_tickets", "language", "time_zone"),
    *("groups", "skills", "muted_notices"),
)


@dataclass(frozen=True, slots=True)
class AgentCard:
    """Somebody who answers tickets, or did (not ``is_active``)."""

    id: int
    name: str
    email: str
    initials: str
    hue: int
    role: Role
    is_active: bool
    max_tickets: int
    language: str
    time_zone: str
    skill_ids: frozenset[int]
    muted_notices: frozenset[str]

    @property
    def is_supervisor(self) -> bool:
        """True for supervisors and admins."""
        return self.role in (Role.SUPERVISOR, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class GroupCard:
    """A team; members are in the order of their ids, former agents included."""

    id: int
    name: str
    is_private: bool
    distribution: Distribution
    member_ids: tuple[int, ...]


def agents() -> dict[int, AgentCard]:
    """Everybody with an agent's role by id, in the order of their names."""
    return reference("agents", _load_agents)


def admins() -> list[AgentCard]:
    """Whom the desk writes to when something is wrong with it."""
    cards = agents().values()
    return [c for c in cards if c.role is Role.ADMIN and c.is_active and c.email]


def groups() -> dict[int, GroupCard]:
    """Every group by id, in the order of their names."""
    return reference("groups", _load_groups)


@lru_cache(maxsize=4096)
def initials(name: str) -> str:
    """One or two letters: of the first and the last word of a name, or of an address."""
    words = [word for word in name.partition("@")[0].replace(".", " ").split() if word]
    found = [next((c.upper()[0] for c in word if c.isalnum()), "") for word in words]
    letters = [letter for letter in found if letter]
    return "".join(letters[:1] + letters[1:][-1:]) or "?"


def hue(person_id: int) -> int:
    """The avatar's colour, 1 to 12, always the same for one person."""
    return person_id % 12 + 1


def zone_of(person: Person | None) -> ZoneInfo:
    """The zone in which somebody reads times: their own, else the desk's."""
    return words.zone((person.time_zone if person else "") or setting("time_zone"))


AGENTS = (
    sa.select(
        Person.id,
        Person.name,
        PersonEmail.address,
        Person.role,
        Person.is_active,
        Person.max_tickets,
        Person.language,
        Person.time_zone,
        Person.muted_notices,
    )
    .outerjoin(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
    .where(Person.role.in_(AGENT_ROLES))
    .order_by(Person.name, Person.id)
)
MEMBERS = sa.select(group_member.c.group_id, group_member.c.person_id).order_by(
    group_member.c.person_id
)
GROUPS = sa.select(Group.id, Group.name, Group.is_private, Group.distribution).order_by(Group.name)


def _load_agents() -> dict[int, AgentCard]:
    """Two statements."""
    skill_ids: dict[int, set[int]] = defaultdict(set)
    for person_id, skill_id in db.session.execute(sa.select(person_skill)):
        skill_ids[person_id].add(skill_id)
    return {
        row.id: AgentCard(
            id=row.id,
            name=row.name or row.address or "Unknown",
            email=row.address or "",
            initials=initials(row.name or row.address or ""),
            hue=hue(row.id),
            role=row.role,
            is_active=row.is_active,
            max_tickets=row.max_tickets,
            language=row.language,
            time_zone=row.time_zone,
            skill_ids=frozenset(skill_ids[row.id]),
            muted_notices=frozenset(row.muted_notices),
        )
        for row in db.session.execute(AGENTS)
    }


def _load_groups() -> dict[int, GroupCard]:
    """Two statements."""
    member_ids: dict[int, list[int]] = defaultdict(list)
    for group_id, person_id in db.session.execute(MEMBERS):
        member_ids[group_id].append(person_id)
    return {
        row.id: GroupCard(
            id=row.id,
            name=row.name,
            is_private=row.is_private,
            distribution=row.distribution,
            member_ids=tuple(member_ids[row.id]),
        )
        for row in db.session.execute(GROUPS)
    }


@event.listens_for(Session, "before_flush")
def _bump_when_a_card_changes(session: Session, context: UOWTransaction, instances: object) -> None:
    """Customers come and go with every ticket and are on no card: only agents bump the stamp."""
    if any(_is_on_a_card(row) for row in (*session.new, *session.dirty, *session.deleted)):
        bump_stamp(session)


def _is_on_a_card(row: object) -> bool:
    if isinstance(row, PersonEmail):
        person = row.person or db.session.get(Person, row.person_id)
        return person is not None and person.is_agent
    if not isinstance(row, Person):
        return False
    state = sa.inspect(row)
    was_agent = row.role in AGENT_ROLES or any(
        role in AGENT_ROLES for role in state.attrs.role.history.deleted or ()
    )
    if not was_agent:
        return False
    return not state.persistent or any(
        state.attrs[name].history.has_changes() for name in ON_CARD if name in state.dict
    )

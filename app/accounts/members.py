"""Whoever answers tickets, as an admin changes them: role, groups, skills, limit, in and out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from app.accounts import sign_in
from app.accounts.models import ApiToken, Group, Person, Presence, Role, Skill
from app.core import audit
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.jobs import Job, ring

MOST_TICKETS = 1_000
Kind = TypeVar("Kind", Group, Skill)


def facts(person: Person) -> Facts:
    """Somebody of the team in words."""
    return {
        "Name": person.name,
        "Role": person.role.value,
        "Groups": ", ".join(sorted(group.name for group in person.groups)),
        "Skills": ", ".join(sorted(skill.name for skill in person.skills)),
        "Tickets at once": str(person.max_tickets),
        "Works here": "yes" if person.is_active else "no",
    }


def save(
    person: Person,
    *,
    name: str,
    role: Role,
    group_ids: Collection[int],
    skill_ids: Collection[int],
    max_tickets: int,
    by: Person,
    now: datetime,
    before: Facts | None = None,
) -> None:
    """Change somebody of the team.

    Args:
        before: {} for somebody who has just been invited; None: as they are now.
    Raises:
        Conflict: it is the own role, or nobody could administer the desk any more.
        Invalid: a group or skill is gone.
    """
    before = facts(person) if before is None else before
    if role is not person.role:
        if person.id == by.id:
            raise Invalid("Ask another admin.", {"role": "Another admin has to change your role."})
        if person.role is Role.ADMIN:
            refuse_last_admin(person)
    person.name = name
    person.role = role
    person.max_tickets = max_tickets
    person.groups = _all(Group, group_ids, "groups")
    person.skills = _all(Skill, skill_ids, "skills")
    db.session.flush()
    thing = ("person", person.id, person.display_name)
    audit.note(*thing, before=before, after=facts(person), by=by, now=now)
    ring(Job.HAND_OUT)


def deactivate(person: Person, *, by: Person, now: datetime) -> None:
    """Let somebody out: signed out everywhere, their tokens dead. Their tickets are the caller's.

    Raises:
        Conflict: it is oneself, or the last admin.
    """
    if person.id == by.id:
        raise Conflict("You cannot deactivate yourself. Ask another admin.")
    refuse_last_admin(person)
    before = facts(person)
    person.is_active = False
    person.presence = Presence.OFFLINE
    person.presence_is_chosen = False
    sign_in.end_sessions(person.id)
    tokens = sa.update(ApiToken).where(ApiToken.person_id == person.id)
    db.session.execute(tokens.where(ApiToken.revoked_at.is_(None)).values(revoked_at=now))
    thing = ("person", person.id, person.display_name)
    audit.note(*thing, before=before, after=facts(person), by=by, now=now)


def reactivate(person: Person, *, by: Person, now: datetime) -> None:
    """Let somebody in again; they sign in as before."""
    before = facts(person)
    person.is_active = True
    thing = ("person", person.id, person.display_name)
    audit.note(*thing, before=before, after=facts(person), by=by, now=now)


def refuse_last_admin(person: Person) -> None:
    """Somebody always can administer the desk.

    Raises:
        Conflict: *person* is the only one.
    """
    if person.role is not Role.ADMIN or not person.is_active:
        return
    # Locked in one order: two admins who put each other out at once cannot both succeed.
    others = sa.select(Person.id).where(Person.role == Role.ADMIN, Person.is_active)
    found = db.session.scalars(others.order_by(Person.id).with_for_update()).all()
    if set(found) <= {person.id}:
        raise Conflict(f"{person.display_name} is the only admin. Make somebody else one first.")


def _all(kind: type[Kind], ids: Collection[int], field: str) -> list[Kind]:
    wanted = set(ids)
    rows = list(db.session.scalars(sa.select(kind).where(kind.id.in_(wanted))))
    if len(rows) != len(wanted):
        message = "Something you chose is gone. Have a look."
        raise Invalid(message, {field: message})
    return rows

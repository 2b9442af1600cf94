"""Groups and skills, as an admin changes them. What waits may go out then, so the bell is rung."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import AGENT_ROLES, Distribution, Group, Person, Skill
from app.core import audit
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Invalid
from app.core.jobs import Job, ring
from app.core.unique import unique

DISTRIBUTIONS = {
    Distribution.NONE: "By hand: nobody gets a ticket by itself, members take them",
    Distribution.ROUND_ROBIN: "In turn: whoever got one longest ago is next",
    Distribution.LEAST_BUSY: "Least busy: whoever has the fewest open tickets is next",
}


def group_facts(group: Group) -> Facts:
    """A group in words."""
    return {
        "Name": group.name,
        "Hands out": DISTRIBUTIONS[group.distribution].partition(":")[0],
        "Private": "yes" if group.is_private else "no",
        "Members": names(group.members),
    }


def save_group(
    group: Group | None,
    *,
    name: str,
    distribution: Distribution,
    is_private: bool,
    member_ids: Collection[int],
    by: Person,
    now: datetime,
) -> Group:
    """Make a group, or change one.

    Raises:
        Invalid: the name is taken, or a member answers no tickets.
    """
    before = group_facts(group) if group else {}
    members = agents_of(member_ids, "members")
    with unique("name", "Another group has this name."):
        if group is None:
            group = Group(created_at=now)
            db.session.add(group)
        group.name = name
        group.distribution = distribution
        group.is_private = is_private
        group.members = members
    after = group_facts(group)
    audit.note("group", group.id, group.name, before=before, after=after, by=by, now=now)
    ring(Job.HAND_OUT)
    return group


def skill_facts(skill: Skill, holders: Sequence[Person]) -> Facts:
    """A skill in words."""
    return {"Name": skill.name, "Agents": names(holders)}


def save_skill(
    skill: Skill | None, *, name: str, holder_ids: Collection[int], by: Person, now: datetime
) -> Skill:
    """Make a skill, or change one and who has it.

    Raises:
        Invalid: the name is taken, or somebody answers no tickets.
    """
    had = holders_of(skill) if skill else []
    before = skill_facts(skill, had) if skill else {}
    have = agents_of(holder_ids, "holders")
    with unique("name", "Another skill has this name."):
        if skill is None:
            skill = Skill()
            db.session.add(skill)
        skill.name = name
        for person in had:
            if person not in have:
                person.skills.remove(skill)
        for person in have:
            if person not in had:
                person.skills.append(skill)
    after = skill_facts(skill, have)
    audit.note("skill", skill.id, skill.name, before=before, after=after, by=by, now=now)
    ring(Job.HAND_OUT)
    return skill


def holders_of(skill: Skill) -> list[Person]:
    """Who has a skill, by name."""
    found = sa.select(Person).where(Person.skills.contains(skill))
    return list(db.session.scalars(found.order_by(Person.name, Person.id)))


def agents_of(ids: Collection[int], field: str) -> list[Person]:
    """People who answer tickets, by name; one statement.

    Raises:
        Invalid: somebody of them does not.
    """
    wanted = set(ids)
    if not wanted:
        return []
    found = sa.select(Person).where(Person.id.in_(wanted), Person.role.in_(AGENT_ROLES))
    people = list(db.session.scalars(found.order_by(Person.name, Person.id)))
    if len(people) != len(wanted):
        message = "Somebody you chose no longer answers tickets. Have a look."
        raise Invalid(message, {field: message})
    return people


def names(people: Sequence[Person]) -> str:
    """ "Ann, Bob": from the cache, so that no address has to be loaded."""
    cards = directory.agents()
    shown = (cards[p.id].name if p.id in cards else p.name or f"Person {p.id}" for p in people)
    return ", ".join(sorted(shown))

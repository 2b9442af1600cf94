"""Groups and skills."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import RadioField

from app.accounts import directory, teams
from app.accounts.access import admin_required
from app.accounts.models import (
    Distribution,
    Group,
    Person,
    Skill,
    group_member,
    person_skill,
)
from app.admin.forms import AdminForm, Choices, checks, ids, line, options, tick
from app.admin.resource import ListRow, Query, Resource
from app.tickets.catalog_models import category_skill


class GroupForm(AdminForm):
    """A group."""

    name = line("Name", "Agents see it in their rail, customers never do.")
    distribution = RadioField(
        "How it hands out tickets",
        choices=options(teams.DISTRIBUTIONS.items()),
        default=Distribution.NONE.value,
    )
    is_private = tick("Private", "Only its members and supervisors see its tickets.")
    members = checks("Members", "Who takes its tickets and hears of new ones.")


class SkillForm(AdminForm):
    """A skill."""

    name = line("Name", "What somebody knows, such as “steam ovens” or “Spanish”.")
    holders = checks("Agents", "Who has it. A rule “by skill” chooses among them.")


def agent_choices(*, also: tuple[int, ...] = ()) -> Choices:
    """Who answers tickets, and *also* those who did."""
    return options(
        (card.id, f"{card.name}, {card.email}" if card.email else card.name)
        for card in directory.agents().values()
        if card.is_active or card.id in also
    )


def _counted(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"


def _groups(words: str) -> Query:
    members = (
        sa.select(sa.func.count())
        .where(group_member.c.group_id == Group.id)
        .correlate(Group)
        .scalar_subquery()
    )
    found = sa.select(
        Group.id, Group.name, Group.is_private, Group.distribution, members.label("members")
    )
    found = found.where(Group.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(sa.func.lower(Group.name), Group.id)


def _group_row(row: Any) -> ListRow:
    return ListRow(
        row.id,
        row.name,
        teams.DISTRIBUTIONS[row.distribution],
        ("Private",) if row.is_private else (),
        _counted(row.members, "member", "members"),
    )


def _group_form(group: Group | None) -> GroupForm:
    members = tuple(person.id for person in group.members) if group else ()
    form = GroupForm(
        data={
            "name": group.name,
            "distribution": group.distribution.value,
            "is_private": group.is_private,
            "members": [str(member) for member in members],
        }
        if group
        else None
    )
    form.members.choices = agent_choices(also=members)
    return form


def _save_group(group: Group | None, form: GroupForm, by: Person, now: datetime) -> Group:
    return teams.save_group(
        group,
        name=form.name.data,
        distribution=Distribution(form.distribution.data),
        is_private=form.is_private.data,
        member_ids=ids(form.members),
        by=by,
        now=now,
    )


def _group_notice(group: Group) -> str:
    if group.distribution is Distribution.NONE:
        return "Its members take tickets by hand: nothing is handed out."
    return "" if group.members else "It has no members yet: its tickets wait."


def _skills(words: str) -> Query:
    def count(table: sa.Table) -> sa.ScalarSelect[int]:
        found = sa.select(sa.func.count()).where(table.c.skill_id == Skill.id)
        return found.correlate(Skill).scalar_subquery()

    found: Query = sa.select(
        Skill.id,
        Skill.name,
        count(person_skill).label("agents"),
        count(category_skill).label("categories"),
    )
    found = found.where(Skill.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(sa.func.lower(Skill.name), Skill.id)


def _skill_row(row: Any) -> ListRow:
    needed = _counted(row.categories, "category needs it", "categories need it")
    return ListRow(row.id, row.name, needed, side=_counted(row.agents, "agent", "agents"))


def _skill_form(skill: Skill | None) -> SkillForm:
    have = tuple(person.id for person in teams.holders_of(skill)) if skill else ()
    form = SkillForm(data={"name": skill.name, "holders": [*map(str, have)]} if skill else None)
    form.holders.choices = agent_choices(also=have)
    return form


def _save_skill(skill: Skill | None, form: SkillForm, by: Person, now: datetime) -> Skill:
    return teams.save_skill(
        skill, name=form.name.data, holder_ids=ids(form.holders), by=by, now=now
    )


GROUPS = Resource(
    path="groups",
    one="group",
    many="Groups",
    lead="Teams of agents, each with a queue of its own.",
    guard=admin_required,
    model=Group,
    found=_groups,
    row=_group_row,
    form=_group_form,
    save=_save_group,
    name=lambda group: group.name,
    facts=teams.group_facts,
    saved_notice=_group_notice,
)
SKILLS = Resource(
    path="skills",
    one="skill",
    many="Skills",
    lead="What agents know and categories may need.",
    guard=admin_required,
    model=Skill,
    found=_skills,
    row=_skill_row,
    form=_skill_form,
    save=_save_skill,
    name=lambda skill: skill.name,
    facts=lambda skill: teams.skill_facts(skill, teams.holders_of(skill)),
)

"""Agents with their presence, groups and skills over the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue
from marshmallow import fields, validate
from sqlalchemy.orm import selectinload

from app.accounts import directory, invitations, members, presence, teams
from app.accounts.access import hidden_group_ids
from app.accounts.models import (
    AGENT_ROLES,
    Distribution,
    Group,
    Person,
    PersonEmail,
    Presence,
    Role,
    Skill,
)
from app.admin import people as people_pages
from app.admin.teams import GROUPS as GROUP_PAGES
from app.admin.teams import SKILLS as SKILL_PAGES
from app.api.access import caller, token_required
from app.api.base import Schema
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.kinds import ID, Data, Kind, ListQuery, Query, allowed, register, thing_of, words_of
from app.api.v1.people import Ref
from app.api.v1.references import agent_ids, group_of, id_of
from app.api.v1.schemas import Line, Named
from app.core.audit import Facts
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid
from app.tickets.models import LOAD, Ticket

MOST_NAMED = 500


class AgentOut(Schema):
    """Somebody who answers tickets, or did."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    role = fields.String(required=True, metadata={"enum": [role.value for role in AGENT_ROLES]})
    presence = fields.Enum(Presence, by_value=True, required=True)
    last_active_at = fields.AwareDateTime(allow_none=True, required=True)
    active_tickets = fields.Integer(required=True)
    max_tickets = fields.Integer(required=True)
    groups = fields.List(fields.Nested(Ref), required=True)
    skills = fields.List(fields.Nested(Ref), required=True)
    is_active = fields.Boolean(required=True)


class AgentBase(Schema):
    """What an admin says of somebody who answers tickets."""

    name = Line(required=True, validate=validate.Length(1, 200))
    role = fields.String(
        load_default=Role.AGENT.value, validate=validate.OneOf([role.value for role in AGENT_ROLES])
    )
    max_tickets = fields.Integer(
        strict=True, load_default=5, validate=validate.Range(0, members.MOST_TICKETS)
    )
    groups = fields.List(Named(), load_default=list, validate=validate.Length(max=MOST_NAMED))
    skills = fields.List(Named(), load_default=list, validate=validate.Length(max=MOST_NAMED))


class AgentNew(AgentBase):
    """Somebody to be invited."""

    email = Line(required=True, validate=validate.Length(1, 254))


class AgentChange(AgentBase):
    """Changes; ``is_active`` true lets somebody in again who was deleted."""

    is_active = fields.Boolean(validate=validate.Equal(True), metadata={"enum": [True]})


class AgentQuery(ListQuery):
    """Which agents."""

    presence = fields.Enum(Presence, by_value=True, load_default=None)
    group = fields.Integer(load_default=None, metadata={"description": "Id of a group."})


class PresenceIn(Schema):
    """Whether new tickets come to them."""

    presence = fields.String(
        required=True,
        validate=validate.OneOf([p.value for p in presence.CHOICES]),
    )


class GroupDetail(Schema):
    """A team."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    distribution = fields.Enum(Distribution, by_value=True, required=True)
    is_private = fields.Boolean(required=True)
    members = fields.List(fields.Nested(Ref), required=True)
    created_at = fields.AwareDateTime(required=True)


class GroupNew(Schema):
    """A team to be made; members by id or mail address."""

    name = Line(required=True, validate=validate.Length(1, 100))
    distribution = fields.Enum(Distribution, by_value=True, load_default=Distribution.NONE)
    is_private = fields.Boolean(load_default=False)
    members = fields.List(Named(), load_default=list, validate=validate.Length(max=MOST_NAMED))


class SkillOut(Schema):
    """A skill and who has it."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    agents = fields.List(fields.Nested(Ref), required=True)


class SkillNew(Schema):
    """A skill to be made; agents by id or mail address."""

    name = Line(required=True, validate=validate.Length(1, 100))
    agents = fields.List(Named(), load_default=list, validate=validate.Length(max=MOST_NAMED))


def _agents(args: Data, viewer: Person) -> Query:
    found = (
        sa.select(Person)
        .where(Person.role.in_(AGENT_ROLES))
        .options(
            selectinload(Person.emails), selectinload(Person.groups), selectinload(Person.skills)
        )
    )
    if args.get("presence"):
        found = found.where(Person.presence == args["presence"])
    if args.get("group") is not None:
        members_of = directory.groups().get(args["group"])
        hidden = args["group"] in hidden_group_ids(viewer)
        ids = members_of.member_ids if members_of and not hidden else ()
        found = found.where(Person.id.in_(ids))
    if args.get("q"):
        addresses = sa.select(PersonEmail.person_id)
        addresses = addresses.where(PersonEmail.address.icontains(args["q"], autoescape=True))
        named = Person.name.icontains(args["q"], autoescape=True)
        found = found.where(sa.or_(named, Person.id.in_(addresses)))
    return found


def _show_agents(rows: Sequence[Person], viewer: Person) -> list[Data]:
    """One statement, for what they hold."""
    held = sa.select(Ticket.assignee_id, sa.func.count()).where(
        Ticket.assignee_id.in_([row.id for row in rows]), sa.text(LOAD)
    )
    counts = dict(db.session.execute(held.group_by(Ticket.assignee_id)).all())
    hidden = hidden_group_ids(viewer)
    return [
        {
            "id": row.id,
            "name": row.name,
            "email": row.email,
            "role": row.role.value,
            "presence": row.presence.value,
            "last_active_at": row.last_active_at.isoformat() if row.last_active_at else None,
            "active_tickets": counts.get(row.id, 0),
            "max_tickets": row.max_tickets,
            "groups": _refs(group for group in row.groups if group.id not in hidden),
            "skills": _refs(row.skills),
            "is_active": row.is_active,
        }
        for row in rows
    ]


def _refs(rows: Any) -> list[Data]:
    found = sorted(rows, key=lambda row: (row.name, row.id))
    return [{"id": row.id, "name": row.name} for row in found]


def _present_agent(row: Person) -> Data:
    return {
        "name": row.name,
        "role": row.role.value,
        "max_tickets": row.max_tickets,
        "groups": [group.id for group in row.groups],
        "skills": [skill.id for skill in row.skills],
    }


def _save_agent(row: Person | None, data: Data, by: Person, now: datetime) -> Person:
    role = Role(data["role"])
    before: Facts | None = None
    if row is None:
        row = invitations.invite(data["email"], name=data["name"], role=role, by=by, now=now)
        before = {}
    elif data.get("is_active") and not row.is_active:
        members.reactivate(row, by=by, now=now)
    members.save(
        row,
        name=data["name"],
        role=role,
        group_ids=[group.id for value in data["groups"] if (group := group_of(value, "groups"))],
        skill_ids=[i for value in data["skills"] if (i := id_of(Skill, value, "skills"))],
        max_tickets=data["max_tickets"],
        by=by,
        now=now,
        before=before,
    )
    return row


def _remove_agent(row: Person, instead: int | None, by: Person, now: datetime) -> None:
    """Nobody is forgotten: they can sign in no more, and their tickets go to somebody else."""
    if not row.is_active:
        raise Conflict(f"{row.display_name} does not work here any more.")
    card = directory.agents().get(instead or 0)
    if instead is not None and (card is None or not card.is_active or instead == row.id):
        raise Invalid("There is no such agent.", {"instead": "An id of somebody who works here."})
    members.deactivate(row, by=by, now=now)
    heir = db.session.get(Person, instead) if instead else None
    people_pages.pass_on(row, heir, by=by, now=now)


def _groups(args: Data, viewer: Person) -> Query:
    found = sa.select(Group).options(selectinload(Group.members))
    found = found.where(Group.id.not_in(hidden_group_ids(viewer)))
    return found.where(*words_of((Group.name,), args))


def _show_groups(rows: Sequence[Group], viewer: Person) -> list[Data]:
    return [
        {
            "id": row.id,
            "name": row.name,
            "distribution": row.distribution.value,
            "is_private": row.is_private,
            "members": _refs(row.members),
            "created_at": row.created_at.isoformat(),
        }
        for row in rows
    ]


def _present_group(row: Group) -> Data:
    return {
        "name": row.name,
        "distribution": row.distribution,
        "is_private": row.is_private,
        "members": [person.id for person in row.members],
    }


def _save_group(row: Group | None, data: Data, by: Person, now: datetime) -> Group:
    return teams.save_group(
        row,
        name=data["name"],
        distribution=data["distribution"],
        is_private=data["is_private"],
        member_ids=agent_ids(data["members"], "members"),
        by=by,
        now=now,
    )


def _skills(args: Data, viewer: Person) -> Query:
    return sa.select(Skill).where(*words_of((Skill.name,), args))


def _show_skills(rows: Sequence[Skill], viewer: Person) -> list[Data]:
    cards = directory.agents().values()
    return [
        {
            "id": row.id,
            "name": row.name,
            "agents": [{"id": c.id, "name": c.name} for c in cards if row.id in c.skill_ids],
        }
        for row in rows
    ]


def _present_skill(row: Skill) -> Data:
    cards = directory.agents().values()
    return {"name": row.name, "agents": [c.id for c in cards if row.id in c.skill_ids]}


def _save_skill(row: Skill | None, data: Data, by: Person, now: datetime) -> Skill:
    try:
        holders = agent_ids(data["agents"], "agents")
        return teams.save_skill(row, name=data["name"], holder_ids=holders, by=by, now=now)
    except Invalid as error:
        if "holders" in error.errors:
            raise Invalid(error.message, {"agents": error.errors["holders"]}) from None
        raise


AGENT = {
    "id": 12,
    "name": "Priya Raman",
    "email": "priya@desk.example",
    "role": "agent",
    "presence": "online",
    "last_active_at": "2026-11-20T09:30:00+00:00",
    "active_tickets": 3,
    "max_tickets": 5,
    "groups": [{"id": 2, "name": "Ovens"}],
    "skills": [{"id": 4, "name": "steam ovens"}],
    "is_active": True,
}
AGENTS = Kind(
    path="agents",
    one="agent",
    what="Who answers tickets, with presence and what they hold now.",
    model=Person,
    read=Role.AGENT,
    write=Role.ADMIN,
    shape=AgentOut,
    new=AgentNew,
    change=AgentChange,
    query=AgentQuery,
    found=_agents,
    show=_show_agents,
    present=_present_agent,
    save=_save_agent,
    remove=_remove_agent,
    example=AGENT,
    example_in={
        "name": "Priya Raman",
        "email": "priya@desk.example",
        "role": "agent",
        "max_tickets": 5,
        "groups": ["Ovens"],
        "skills": ["steam ovens"],
    },
)
GROUPS = Kind(
    path="groups",
    one="group",
    what="Teams of agents. Private ones are shown to their members and to supervisors.",
    model=Group,
    read=Role.AGENT,
    write=Role.ADMIN,
    shape=GroupDetail,
    new=GroupNew,
    found=_groups,
    show=_show_groups,
    present=_present_group,
    save=_save_group,
    admin=GROUP_PAGES,
    example={
        "id": 2,
        "name": "Ovens",
        "distribution": "round_robin",
        "is_private": False,
        "members": [{"id": 12, "name": "Priya Raman"}],
        "created_at": "2026-03-02T08:00:00+00:00",
    },
    example_in={
        "name": "Ovens",
        "distribution": "round_robin",
        "is_private": False,
        "members": ["priya@desk.example"],
    },
)
SKILLS = Kind(
    path="skills",
    one="skill",
    what="What agents know and categories may need.",
    model=Skill,
    read=Role.AGENT,
    write=Role.ADMIN,
    shape=SkillOut,
    new=SkillNew,
    found=_skills,
    show=_show_skills,
    present=_present_skill,
    save=_save_skill,
    admin=SKILL_PAGES,
    example={"id": 4, "name": "steam ovens", "agents": [{"id": 12, "name": "Priya Raman"}]},
    example_in={"name": "steam ovens", "agents": ["priya@desk.example"]},
)
register(AGENTS)
register(GROUPS)
register(SKILLS)


@bp.route(f"/agents/{ID}/presence", methods=["PUT"], tags=[AGENTS.tag])
@bp.doc(summary="Set an agent's presence")
@limited
@token_required
@bp.arguments(PresenceIn, example={"presence": "busy"})
@bp.response(200, AgentOut, example=AGENT | {"presence": "busy"})
@documented(400, 403, 404, 409)
def set_presence(data: Data, id: int) -> ResponseReturnValue:
    """One's own; an admin's token sets anybody's, such as a telephone system's."""
    person = allowed(Role.AGENT)
    if person.id != id and not person.is_admin:
        raise Forbidden("This takes the token of the agent, or of an admin.")
    found = thing_of(AGENTS, id, lock=True)
    if not found.is_active:
        raise Conflict(f"{found.display_name} does not work here any more.")
    presence.choose(found, Presence(data["presence"]), now=utcnow())
    db.session.commit()
    return jsonify(_show_agents([found], caller())[0])

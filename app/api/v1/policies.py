"""SLA policies and assignment rules over the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from marshmallow import fields, validate
from sqlalchemy.orm import joinedload, selectinload

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import Group, Person, Role, Tier
from app.admin.rules import RULES as RULE_PAGES
from app.admin.service_levels import POLICIES as POLICY_PAGES
from app.api.base import Schema
from app.api.v1.catalog import TemplateQuery
from app.api.v1.kinds import Data, Kind, Query, register, words_of
from app.api.v1.people import Ref
from app.api.v1.references import agent_of, category_of, id_of, subcategory_of
from app.api.v1.schemas import Line, Named, Text, priority_field
from app.core.errors import Invalid
from app.routing import ruling
from app.routing.models import AssignmentRule, RuleKind
from app.sla import editing
from app.sla.editing import LONGEST_TARGET, MOST_STEPS, PolicyDraft, Step
from app.sla.models import Calendar, EscalationKind, SlaPolicy
from app.sla.targets import Target
from app.tickets import catalog
from app.tickets.properties import clean_tags
from app.tickets.words import Priority, Source

MINUTES = validate.Range(1, LONGEST_TARGET)


class EscalationOut(Schema):
    """A step that a breach takes."""

    target = fields.Enum(Target, by_value=True, allow_none=True, required=True)
    kind = fields.Enum(EscalationKind, by_value=True, required=True)
    priority = fields.Enum(Priority, by_value=True, allow_none=True)
    group = fields.Nested(Ref, allow_none=True)
    tag = fields.String(allow_none=True)


class EscalationIn(Schema):
    """A step on a breach of ``target`` (null: any), with what its kind needs of the rest."""

    target = fields.Enum(Target, by_value=True, load_default=None, allow_none=True)
    kind = fields.Enum(EscalationKind, by_value=True, required=True)
    priority = priority_field(load_default=None, allow_none=True)
    group = Named(load_default=None, allow_none=True)
    tag = Line(load_default=None, allow_none=True, validate=validate.Length(1, 60))


class PolicyOut(Schema):
    """An SLA policy: empty conditions fit all; targets are minutes of its calendar."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    description = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    position = fields.Integer(required=True)
    calendar = fields.Nested(Ref, required=True)
    priorities = fields.List(fields.Enum(Priority, by_value=True), required=True)
    categories = fields.List(fields.String(), required=True)
    tiers = fields.List(fields.Enum(Tier, by_value=True), required=True)
    groups = fields.List(fields.Nested(Ref), required=True)
    sources = fields.List(fields.Enum(Source, by_value=True), required=True)
    first_response_minutes = fields.Integer(required=True)
    next_response_minutes = fields.Integer(required=True, allow_none=True)
    resolution_minutes = fields.Integer(required=True)
    escalations = fields.List(fields.Nested(EscalationOut), required=True)


class PolicyNew(Schema):
    """A policy to be made, which is asked last."""

    name = Line(required=True, validate=validate.Length(1, 100))
    description = Text(load_default="", validate=validate.Length(max=1_000))
    is_active = fields.Boolean(load_default=True)
    calendar = Named(required=True)
    priorities = fields.List(priority_field(), load_default=list, validate=validate.Length(max=4))
    categories = fields.List(Line(), load_default=list, validate=validate.Length(max=200))
    tiers = fields.List(
        fields.Enum(Tier, by_value=True), load_default=list, validate=validate.Length(max=4)
    )
    groups = fields.List(Named(), load_default=list, validate=validate.Length(max=200))
    sources = fields.List(
        fields.Enum(Source, by_value=True), load_default=list, validate=validate.Length(max=5)
    )
    first_response_minutes = fields.Integer(strict=True, required=True, validate=MINUTES)
    next_response_minutes = fields.Integer(
        strict=True, load_default=None, allow_none=True, validate=MINUTES
    )
    resolution_minutes = fields.Integer(strict=True, required=True, validate=MINUTES)
    escalations = fields.List(
        fields.Nested(EscalationIn), load_default=list, validate=validate.Length(max=MOST_STEPS)
    )


class RuleOut(Schema):
    """An assignment rule; of all that fit a ticket, the highest position is asked first."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    position = fields.Integer(required=True)
    category = fields.String(required=True)
    subcategory = fields.String(allow_none=True, required=True)
    kind = fields.Enum(RuleKind, by_value=True, required=True)
    agent = fields.Nested(Ref, allow_none=True, required=True)
    group = fields.Nested(Ref, allow_none=True, required=True)


class RuleNew(Schema):
    """A rule to be made, which is asked last; agent by id or address, group by id or name."""

    name = Line(load_default="", validate=validate.Length(max=100))
    is_active = fields.Boolean(load_default=True)
    category = Line(required=True, validate=validate.Length(1, 100))
    subcategory = Line(load_default=None, allow_none=True)
    kind = fields.Enum(RuleKind, by_value=True, required=True)
    agent = Named(load_default=None, allow_none=True)
    group = Named(load_default=None, allow_none=True)


class RuleQuery(TemplateQuery):
    """Which rules."""


def _policies(args: Data, viewer: Person) -> Query:
    found = sa.select(SlaPolicy).options(
        joinedload(SlaPolicy.calendar), selectinload(SlaPolicy.escalations)
    )
    return found.where(*words_of((SlaPolicy.name,), args))


def _show_policies(rows: Sequence[SlaPolicy], viewer: Person) -> list[Data]:
    cards, hidden = catalog.categories(), hidden_group_ids(viewer)
    return [
        {
            "id": row.id,
            "name": row.name,
            "description": row.description,
            "is_active": row.is_active,
            "position": row.position,
            "calendar": {"id": row.calendar.id, "name": row.calendar.name},
            "priorities": row.priorities,
            "categories": [cards[i].key for i in row.categories if i in cards],
            "tiers": row.tiers,
            "groups": [ref for i in row.groups if (ref := _group(i, hidden))],
            "sources": row.sources,
            "first_response_minutes": row.first_response_minutes,
            "next_response_minutes": row.next_response_minutes,
            "resolution_minutes": row.resolution_minutes,
            "escalations": [_step(step, hidden) for step in row.escalations],
        }
        for row in rows
    ]


def _group(group_id: int | None, hidden: frozenset[int]) -> Data | None:
    card = directory.groups().get(group_id or 0)
    return {"id": card.id, "name": card.name} if card and card.id not in hidden else None


def _step(step: Any, hidden: frozenset[int]) -> Data:
    found: Data = {"target": step.target, "kind": step.kind.value}
    match step.kind:
        case EscalationKind.RAISE_PRIORITY:
            found["priority"] = step.value or None
        case EscalationKind.REASSIGN_GROUP:
            found["group"] = _group(int(step.value), hidden)
        case EscalationKind.ADD_TAG:
            found["tag"] = step.value
    return found


def _present_policy(row: SlaPolicy) -> Data:
    cards = catalog.categories()
    return {
        "name": row.name,
        "description": row.description,
        "is_active": row.is_active,
        "calendar": row.calendar_id,
        "priorities": [Priority(value) for value in row.priorities],
        "categories": [cards[i].key for i in row.categories if i in cards],
        "tiers": [Tier(value) for value in row.tiers],
        "groups": list(row.groups),
        "sources": [Source(value) for value in row.sources],
        "first_response_minutes": row.first_response_minutes,
        "next_response_minutes": row.next_response_minutes,
        "resolution_minutes": row.resolution_minutes,
        "escalations": [
            Step(step.kind, step.value, Target(step.target) if step.target else None)
            for step in row.escalations
        ],
    }


def _save_policy(row: SlaPolicy | None, data: Data, by: Person, now: datetime) -> SlaPolicy:
    draft = PolicyDraft(
        name=data["name"],
        description=data["description"],
        is_active=data["is_active"],
        calendar_id=id_of(Calendar, data["calendar"], "calendar"),
        priorities=[priority.value for priority in dict.fromkeys(data["priorities"])],
        categories=[category_of(k, "categories").id for k in dict.fromkeys(data["categories"])],
        tiers=[tier.value for tier in dict.fromkeys(data["tiers"])],
        groups=[i for v in dict.fromkeys(data["groups"]) if (i := id_of(Group, v, "groups"))],
        sources=[source.value for source in dict.fromkeys(data["sources"])],
        first_response_minutes=data["first_response_minutes"],
        next_response_minutes=data["next_response_minutes"],
        resolution_minutes=data["resolution_minutes"],
        steps=tuple(_typed(step) for step in data["escalations"]),
    )
    groups = {card.id: card.name for card in directory.groups().values()}
    cards = {card.id: card.name for card in catalog.categories().values()}
    try:
        return editing.save_policy(row, draft, groups=groups, categories=cards, by=by, now=now)
    except Invalid as error:
        if "steps" in error.errors:
            raise Invalid(error.message, {"escalations": error.errors["steps"]}) from None
        raise


def _typed(step: Step | Data) -> Step:
    if isinstance(step, Step):
        return step
    kind: EscalationKind = step["kind"]
    match kind:
        case EscalationKind.RAISE_PRIORITY:
            value = step["priority"].value if step["priority"] else ""
            if value == Priority.LOW.value:
                message = "Nothing is raised to low."
                raise Invalid(message, {"escalations": message})
        case EscalationKind.REASSIGN_GROUP:
            value = str(id_of(Group, step["group"], "escalations") or "")
        case EscalationKind.ADD_TAG:
            value = ", ".join(clean_tags([step["tag"] or ""]))
    return Step(kind, value, step["target"])


def _rules(args: Data, viewer: Person) -> Query:
    found = sa.select(AssignmentRule)
    if args.get("category"):
        found = found.where(AssignmentRule.category_id == category_of(args["category"]).id)
    return found.where(*words_of((AssignmentRule.name,), args))


def _show_rules(rows: Sequence[AssignmentRule], viewer: Person) -> list[Data]:
    agents, hidden = directory.agents(), hidden_group_ids(viewer)
    return [
        {
            **_about(row),
            "id": row.id,
            "position": row.position,
            "agent": (
                {"id": row.agent_id, "name": agents[row.agent_id].name}
                if row.agent_id in agents
                else None
            ),
            "group": _group(row.group_id, hidden),
            "kind": row.kind.value,
        }
        for row in rows
    ]


def _about(row: AssignmentRule) -> Data:
    card = catalog.categories()[row.category_id]
    subs = (sub.key for sub in card.subcategories if sub.id == row.subcategory_id)
    return {
        "name": row.name,
        "is_active": row.is_active,
        "category": card.key,
        "subcategory": next(subs, None),
    }


def _present_rule(row: AssignmentRule) -> Data:
    return {**_about(row), "kind": row.kind, "agent": row.agent_id, "group": row.group_id}


def _save_rule(row: AssignmentRule | None, data: Data, by: Person, now: datetime) -> AssignmentRule:
    card = category_of(data["category"])
    agent = agent_of(data["agent"])
    return ruling.save_rule(
        row,
        name=data["name"],
        category_id=card.id,
        subcategory_id=subcategory_of(card, data["subcategory"]),
        kind=data["kind"],
        agent_id=agent.id if agent else None,
        group_id=id_of(Group, data["group"], "group"),
        is_active=data["is_active"],
        by=by,
        now=now,
    )


POLICY_IN = {
    "name": "Premium ovens",
    "calendar": "Office hours",
    "priorities": ["critical", "high"],
    "categories": ["technical"],
    "tiers": ["premium"],
    "first_response_minutes": 60,
    "resolution_minutes": 240,
    "escalations": [{"target": "resolution", "kind": "reassign_group", "group": "Second level"}],
}
POLICIES = Kind(
    path="policies",
    one="SLA policy",
    what="How soon tickets are answered and resolved; the first that fits a ticket is its policy.",
    model=SlaPolicy,
    read=Role.AGENT,
    write=Role.SUPERVISOR,
    shape=PolicyOut,
    new=PolicyNew,
    found=_policies,
    order=(SlaPolicy.position,),
    show=_show_policies,
    present=_present_policy,
    save=_save_policy,
    admin=POLICY_PAGES,
    put_in_order=editing.put_policies_in_order,
    example={
        "id": 5,
        "description": "",
        "is_active": True,
        "position": 1,
        "groups": [],
        "sources": [],
        "next_response_minutes": None,
        **POLICY_IN,
        "calendar": {"id": 2, "name": "Office hours"},
        "escalations": [
            {
                "target": "resolution",
                "kind": "reassign_group",
                "group": {"id": 6, "name": "Second level"},
            }
        ],
    },
    example_in=POLICY_IN,
)
RULE_IN = {
    "name": "Ovens to the oven team",
    "category": "technical",
    "subcategory": "ovens",
    "kind": "group",
    "group": "Ovens",
}
RULES = Kind(
    path="rules",
    one="assignment rule",
    what="Who gets a new ticket, in the order in which they are asked.",
    model=AssignmentRule,
    read=Role.AGENT,
    write=Role.SUPERVISOR,
    shape=RuleOut,
    new=RuleNew,
    query=RuleQuery,
    found=_rules,
    order=(AssignmentRule.position.desc(),),
    show=_show_rules,
    present=_present_rule,
    save=_save_rule,
    admin=RULE_PAGES,
    put_in_order=ruling.put_in_order,
    example={
        "id": 8,
        "is_active": True,
        "position": 4,
        **RULE_IN,
        "agent": None,
        "group": {"id": 2, "name": "Ovens"},
    },
    example_in=RULE_IN,
)
register(POLICIES)
register(RULES)

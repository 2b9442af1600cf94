"""Assignment rules, as a supervisor changes and orders them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Distribution, Person
from app.core import audit, ordering
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Invalid
from app.core.jobs import Job, ring
from app.routing.models import AssignmentRule, RuleKind
from app.tickets import catalog

KINDS = {
    RuleKind.SPECIFIC_AGENT: "One agent",
    RuleKind.GROUP: "A group, which hands it out its own way",
    RuleKind.SKILL_BASED: "Whoever has a skill that the category needs",
    RuleKind.LEAST_BUSY: "Whoever in a group has the fewest tickets",
    RuleKind.ROUND_ROBIN: "Everyone in turn, in a group or of all",
}


def facts(rule: AssignmentRule) -> Facts:
    """A rule in words."""
    return {
        "Name": rule.name,
        "For": catalog.category_words(rule.category_id, rule.subcategory_id),
        "Gives it to": KINDS[rule.kind],
        "Agent": _agent_name(rule.agent_id),
        "Group": _group_name(rule.group_id),
        "In use": "yes" if rule.is_active else "no",
    }


def label(rule: AssignmentRule) -> str:
    """How people know it."""
    return rule.name or catalog.category_words(rule.category_id, rule.subcategory_id)


def save_rule(
    rule: AssignmentRule | None,
    *,
    name: str,
    category_id: int,
    subcategory_id: int | None,
    kind: RuleKind,
    agent_id: int | None,
    group_id: int | None,
    is_active: bool,
    by: Person,
    now: datetime,
) -> AssignmentRule:
    """Make a rule, which is asked last, or change one.

    An agent or group that its kind has no use for is left out.

    Raises:
        Invalid: it has nobody to give a ticket to, or could never hit.
    """
    before = facts(rule) if rule else {}
    agent_id = agent_id if kind is RuleKind.SPECIFIC_AGENT else None
    _check_target(kind, agent_id, group_id)
    _check_category(kind, category_id, subcategory_id)
    if rule is None:
        lowest = sa.select(sa.func.coalesce(sa.func.min(AssignmentRule.position), 1))
        rule = AssignmentRule(position=db.session.scalars(lowest).one() - 1)
        db.session.add(rule)
    rule.name = name
    rule.category_id = category_id
    rule.subcategory_id = subcategory_id
    rule.kind = kind
    rule.agent_id = agent_id
    rule.group_id = group_id
    rule.is_active = is_active
    db.session.flush()
    audit.note(
        *("assignment rule", rule.id, label(rule)), before=before, after=facts(rule), by=by, now=now
    )
    ring(Job.HAND_OUT)
    return rule


def _check_target(kind: RuleKind, agent_id: int | None, group_id: int | None) -> None:
    """A rule without any target would let tickets wait for ever, silently."""
    agent = directory.agents().get(agent_id or 0)
    if kind is RuleKind.SPECIFIC_AGENT and (agent is None or not agent.is_active):
        raise _wrong("agent", "Choose the agent: without one the rule gives tickets to nobody.")
    group = directory.groups().get(group_id or 0)
    if group_id is not None and group is None:
        raise _wrong("group", "This group is gone. Choose another one.")
    if kind in (RuleKind.GROUP, RuleKind.LEAST_BUSY) and group is None:
        raise _wrong("group", "Choose the group: without one the rule gives tickets to nobody.")
    if agent is not None and group is not None and agent.id not in group.member_ids:
        raise _wrong("agent", f"{agent.name} is no member of {group.name}, so it would never hit.")
    if group is not None and kind is not RuleKind.GROUP and not group.member_ids:
        raise _wrong("group", f"{group.name} has no members, so it would never hit.")


def _check_category(kind: RuleKind, category_id: int, subcategory_id: int | None) -> None:
    card = catalog.categories().get(category_id)
    if card is None:
        raise _wrong("category", "This category is gone. Choose another one.")
    subs = {sub.id: sub for sub in card.subcategories}
    if subcategory_id is not None and subcategory_id not in subs:
        raise _wrong("category", f"This subcategory of {card.name} is gone. Choose another one.")
    needed = set(card.skill_ids)
    for sub in card.subcategories:
        if subcategory_id in (None, sub.id):
            needed |= sub.skill_ids
    if kind is RuleKind.SKILL_BASED and not needed:
        words = catalog.category_words(category_id, subcategory_id)
        raise _wrong("kind", f"{words} needs no skill, so nobody would be chosen. Give it one.")


def notice(rule: AssignmentRule) -> str:
    """What an admin may not expect of a rule that is right, else ""."""
    group = directory.groups().get(rule.group_id or 0)
    by_hand = group is not None and group.distribution is Distribution.NONE
    if rule.kind is RuleKind.GROUP and group is not None and by_hand:
        return f"{group.name} takes its tickets by hand: this rule puts them there, to nobody."
    return ""


def in_order() -> Sequence[AssignmentRule]:
    """Every rule in the order in which they are asked, those out of use too."""
    order = (AssignmentRule.position.desc(), AssignmentRule.id)
    return db.session.scalars(sa.select(AssignmentRule).order_by(*order)).all()


def put_in_order(ids: Sequence[int], *, by: Person, now: datetime) -> None:
    """Ask the rules in the order of *ids*, the first one first.

    Raises:
        Conflict: somebody has made or deleted a rule meanwhile.
    """
    if ordering.put_in_order(
        in_order(),
        ids,
        thing="assignment rule",
        name=label,
        highest_first=True,
        by=by,
        now=now,
    ):
        ring(Job.HAND_OUT)


def _agent_name(agent_id: int | None) -> str:
    card = directory.agents().get(agent_id or 0)
    return card.name if card else ""


def _group_name(group_id: int | None) -> str:
    card = directory.groups().get(group_id or 0)
    return card.name if card else ""


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, {field: message})

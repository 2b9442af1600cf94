"""Assignment rules, as a supervisor changes them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.accounts.models import Distribution, Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.routing import ruling
from app.routing.models import AssignmentRule, RuleKind
from app.routing.rules import active_rules
from tests.factories import category, make_agent, make_group

NOW = utcnow()


@pytest.fixture
def ada(app: Flask) -> Person:
    return make_agent(name="Ada", role=Role.SUPERVISOR)


def save(by: Person, rule: AssignmentRule | None = None, **values: Any) -> AssignmentRule:
    known: dict[str, Any] = {
        "name": "",
        "category_id": category("technical").id,
        "subcategory_id": None,
        "kind": RuleKind.ROUND_ROBIN,
        "agent_id": None,
        "group_id": None,
        "is_active": True,
    }
    saved = ruling.save_rule(rule, **(known | values), by=by, now=NOW)
    db.session.commit()
    return saved


def test_a_new_rule_is_asked_last_and_the_order_can_be_changed(ada: Person) -> None:
    rules = [save(ada, name=name) for name in ("first", "second", "third")]
    assert [rule.name for rule in active_rules()] == ["first", "second", "third"]
    ruling.put_in_order([rules[2].id, rules[0].id, rules[1].id], by=ada, now=NOW)
    db.session.commit()
    assert [rule.name for rule in active_rules()] == ["third", "first", "second"]
    with pytest.raises(Conflict):
        ruling.put_in_order([rules[0].id, rules[1].id], by=ada, now=NOW)


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        (RuleKind.SPECIFIC_AGENT, "agent"),
        (RuleKind.GROUP, "group"),
        (RuleKind.LEAST_BUSY, "group"),
        (RuleKind.SKILL_BASED, "kind"),
    ],
)
def test_a_rule_without_any_target_is_refused(ada: Person, kind: RuleKind, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        save(ada, kind=kind)
    assert list(refused.value.errors) == [field]


def test_a_rule_that_could_never_hit_is_refused(ada: Person) -> None:
    bob, empty = make_agent(name="Bob"), make_group("Empty")
    others = make_group("Others")
    make_agent(groups=(others,))
    db.session.commit()
    with pytest.raises(Invalid, match="no member of Others"):
        save(ada, kind=RuleKind.SPECIFIC_AGENT, agent_id=bob.id, group_id=others.id)
    with pytest.raises(Invalid, match="has no members"):
        save(ada, kind=RuleKind.ROUND_ROBIN, group_id=empty.id)


def test_a_group_that_takes_tickets_by_hand_is_said(ada: Person) -> None:
    group = make_group("Ovens", distribution=Distribution.NONE)
    db.session.commit()
    rule = save(ada, kind=RuleKind.GROUP, group_id=group.id)
    assert "by hand" in ruling.notice(rule)
    assert ruling.notice(save(ada)) == ""

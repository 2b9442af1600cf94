"""Deleting what is in use: everything that pointed at it points at what takes its place."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Group
from app.admin import replacing
from app.channels.models import AutoResponseTemplate
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.routing.models import AssignmentRule, RuleKind
from app.sla.models import EscalationKind, SlaEscalation, SlaPolicy
from app.tickets import catalog
from app.tickets.models import (
    Category,
    CustomField,
    Macro,
    Subcategory,
    Tag,
    View,
    custom_field_category,
    ticket_tag,
)
from tests.factories import (
    category,
    make_agent,
    make_group,
    make_mailbox,
    make_organization,
    make_person,
    make_skill,
    make_ticket,
)


def make_category(key: str) -> Category:
    row = Category(key=key, name=key.title())
    db.session.add(row)
    db.session.flush()
    return row


def test_everything_that_can_point_at_it_has_words(app: Flask) -> None:
    kinds = (*replacing.PARTS, *replacing.LOOSE, *replacing.MENTIONS)
    tables = {table.name for kind in kinds for table, _ in replacing.references(kind)}
    named = {m.model.__tablename__ for found in replacing.MENTIONS.values() for m in found}
    assert (tables | named) - set(replacing.WORDS) == set()


def test_a_group_is_replaced_everywhere(app: Flask) -> None:
    old, new, other = (make_group(name) for name in ("Old", "New", "Other"))
    make_agent(groups=(old, other))
    mine, others = make_ticket(group=old), make_ticket(group=other)
    box = make_mailbox(group_id=old.id)
    rule = AssignmentRule(category_id=1, kind=RuleKind.GROUP, group_id=old.id)
    view = View(name="v", filters={"group": [str(old.id), str(new.id)]}, group_id=old.id)
    macro = Macro(name="m", changes={"group": old.id})
    policy = db.session.get_one(SlaPolicy, 1)
    policy.groups = [other.id, old.id]
    step = SlaEscalation(kind=EscalationKind.REASSIGN_GROUP, value=str(old.id))
    policy.escalations.append(step)
    db.session.add_all([rule, view, macro])
    db.session.flush()
    found = replacing.uses(old)
    assert found.text == (
        "1 ticket, 1 assignment rule, 1 escalation, 1 macro, 1 mailbox, 1 saved view "
        "and 1 SLA policy"
    )
    assert found.is_needed
    with pytest.raises(Invalid):
        replacing.delete(old, None)
    version = mine.version
    replacing.delete(old, new)
    db.session.commit()
    assert (mine.group_id, others.group_id, box.group_id) == (new.id, other.id, new.id)
    assert (rule.group_id, view.group_id, step.value) == (new.id, new.id, str(new.id))
    assert view.filters == {"group": [str(new.id)]}
    assert (macro.changes, policy.groups) == ({"group": new.id}, [other.id, new.id])
    assert mine.version == version + 1
    assert db.session.get(Group, old.id) is None


def test_a_category_takes_what_is_unique_only_where_it_is_free(app: Flask) -> None:
    old, new = make_category("old"), category("billing")
    ticket = make_ticket(category=old)
    sub = Subcategory(category_id=old.id, key="ovens", name="Ovens")
    german = AutoResponseTemplate(category_id=old.id, language="de", subject="s", body="b")
    english = AutoResponseTemplate(category_id=old.id, language="en", subject="s", body="b")
    field = CustomField(key="order", label="Order", kind="text", categories=[old, new])
    view = View(name="v", filters={"category": ["old"]})
    db.session.add_all([sub, german, english, field, view])
    db.session.flush()
    replacing.delete(old, new)
    db.session.commit()
    assert (ticket.category_id, sub.category_id) == (new.id, new.id)
    assert view.filters == {"category": ["billing"]}
    languages = sa.select(AutoResponseTemplate.language, AutoResponseTemplate.subject).where(
        AutoResponseTemplate.category_id == new.id
    )
    kept = dict(tuple(row) for row in db.session.execute(languages))
    assert kept["de"] == "s"
    assert kept["en"] != "s"
    on = sa.select(custom_field_category.c.category_id)
    assert db.session.scalars(on).all() == [new.id]
    assert old.id not in catalog.categories()


def test_categories_with_subcategories_of_one_name_are_not_thrown_together(app: Flask) -> None:
    old, new = make_category("old"), category("billing")
    for row in (old, new):
        db.session.add(Subcategory(category_id=row.id, key="refund", name="Refund"))
    db.session.flush()
    db.session.expire_all()
    with pytest.raises(Conflict, match="Both categories have Refund"):
        replacing.delete(old, new)


def test_a_skill_a_tag_and_an_organization_may_go_without_another(app: Flask) -> None:
    skill, tag, organization = make_skill("Steam"), Tag(name="late"), make_organization("Ovens Ltd")
    agent, person = make_agent(), make_person(organization=organization)
    agent.skills = [skill]
    ticket = make_ticket(tags=[tag])
    db.session.flush()
    for thing, text in (
        (skill, "1 agent"),
        (tag, "1 ticket"),
        (organization, "1 person"),
    ):
        assert replacing.uses(thing) == replacing.Uses(text, False)
        replacing.delete(thing)
    db.session.commit()
    assert (agent.skills, ticket.tags, person.organization_id) == ([], [], None)


def test_a_tag_that_a_rule_of_the_desk_names_needs_another(app: Flask) -> None:
    late, slow = Tag(name="late"), Tag(name="slow")
    both, one = make_ticket(tags=[late, slow]), make_ticket(tags=[late])
    macro = Macro(name="m", changes={"tags": ["late", "slow"]})
    step = SlaEscalation(kind=EscalationKind.ADD_TAG, value="late", policy_id=1)
    db.session.add_all([macro, step])
    db.session.flush()
    assert replacing.uses(late).is_needed
    replacing.delete(late, slow)
    db.session.commit()
    assert [tag.name for tag in both.tags + one.tags] == ["slow", "slow"]
    assert (macro.changes, step.value) == ({"tags": ["slow"]}, "slow")
    assert db.session.scalars(sa.select(sa.func.count()).select_from(ticket_tag)).one() == 2


def test_a_subcategory_may_go_from_tickets_but_not_from_a_rule(app: Flask) -> None:
    sub = Subcategory(category_id=1, key="ovens", name="Ovens")
    db.session.add(sub)
    db.session.flush()
    ticket = make_ticket(subcategory_id=sub.id)
    assert not replacing.uses(sub).is_needed
    rule = AssignmentRule(category_id=1, subcategory_id=sub.id, kind=RuleKind.ROUND_ROBIN)
    db.session.add(rule)
    db.session.flush()
    assert replacing.uses(sub).text == "1 ticket and 1 assignment rule"
    assert replacing.uses(sub).is_needed
    db.session.delete(rule)
    replacing.delete(sub)
    db.session.commit()
    assert ticket.subcategory_id is None


def test_many_tickets_are_counted_only_so_far(
    app: Flask, monkeypatch: pytest.MonkeyPatch, statements: list[str]
) -> None:
    monkeypatch.setattr(replacing, "MOST", 2)
    group = make_group()
    for _ in range(4):
        make_ticket(group=group)
    db.session.flush()
    statements.clear()
    assert replacing.uses(group).text == "2+ tickets"
    assert len(statements) <= 5

"""Deleting what is in use: everything that pointed at it points at what takes its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Group, Role
from app.admin import replacing
from app.channels.models import AutoResponseTemplate
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.integrations.models import WebhookDelivery
from app.routing.models import AssignmentRule, RuleKind
from app.sla.models import Calendar, EscalationKind, SlaEscalation, SlaPolicy
from app.tickets import catalog, timeline
from app.tickets.catalog_models import (
    Category,
    CustomField,
    Macro,
    Subcategory,
    Tag,
    View,
    custom_field_category,
    ticket_tag,
)
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import Status
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
from tests.integrations.hooks import make_webhook


def delete(old: Any, new: Any | None = None) -> None:
    """Delete *old*, with *new* in its place, by an admin."""
    admin = make_agent(name="Judith Amsel", role=Role.ADMIN)
    replacing.delete(old, new, by=admin, now=utcnow())


def history(ticket: Ticket) -> list[str]:
    """Its lines, the oldest first; the newest has the ticket's version."""
    its = sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    events = db.session.scalars(its.order_by(TicketEvent.id)).all()
    assert not events or events[-1].version == ticket.version
    return [timeline.describe(event) for event in events]


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
    rule = AssignmentRule(name="Pumps", category_id=1, kind=RuleKind.GROUP, group_id=old.id)
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
        "1 ticket, 1 assignment rule (Pumps), 1 escalation, 1 macro (m), "
        f"1 mailbox ({box.address}), 1 saved view (v) and 1 SLA policy ({policy.name})"
    )
    assert found.is_needed
    with pytest.raises(Invalid):
        delete(old, None)
    version = mine.version
    delete(old, new)
    db.session.commit()
    assert (mine.group_id, others.group_id, box.group_id) == (new.id, other.id, new.id)
    assert (rule.group_id, view.group_id, step.value) == (new.id, new.id, str(new.id))
    assert view.filters == {"group": [str(new.id)]}
    assert (macro.changes, policy.groups) == ({"group": new.id}, [other.id, new.id])
    assert mine.version == version + 1
    assert db.session.get(Group, old.id) is None
    assert history(mine) == ["Judith Amsel moved it to New"]
    assert history(others) == []


def test_saved_views_of_one_name_both_stay(app: Flask) -> None:
    old, new = make_group("Old"), make_group("New")
    mine = View(name="Late", filters={"status": ["open"]}, group_id=old.id)
    second = View(name="Late (Old)", filters={}, group_id=new.id)
    theirs = View(name="Late", filters={"status": ["new"]}, group_id=new.id)
    db.session.add_all([mine, second, theirs])
    db.session.flush()
    delete(old, new)
    db.session.commit()
    named = sa.select(View.name, View.filters).where(View.group_id == new.id)
    assert dict(tuple(row) for row in db.session.execute(named)) == {
        "Late": {"status": ["new"]},
        "Late (Old)": {},
        "Late (Old 2)": {"status": ["open"]},
    }
    told = sa.select(AuditEntry.from_value, AuditEntry.to_value).where(AuditEntry.thing == "view")
    assert [tuple(row) for row in db.session.execute(told)] == [("Late", "Late (Old 2)")]


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
    delete(old, new)
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
    told = sa.select(AuditEntry.action, AuditEntry.thing, AuditEntry.thing_name)
    assert [tuple(row) for row in db.session.execute(told)] == [
        ("deleted", "automatic answer", "Old, English")
    ]


def test_categories_with_subcategories_of_one_name_are_not_thrown_together(app: Flask) -> None:
    old, new = make_category("old"), category("billing")
    for row in (old, new):
        db.session.add(Subcategory(category_id=row.id, key="refund", name="Refund"))
    db.session.flush()
    db.session.expire_all()
    with pytest.raises(Conflict, match="Both categories have Refund"):
        delete(old, new)


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
        delete(thing)
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
    delete(late, slow)
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
    delete(sub)
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
    assert len(statements) <= 6


def test_each_ticket_of_a_category_that_is_deleted_says_so(app: Flask) -> None:
    old, new = make_category("old"), category("billing")
    sub = Subcategory(category_id=old.id, key="ovens", name="Ovens")
    db.session.add(sub)
    db.session.flush()
    then = utcnow()
    plain, with_sub = make_ticket(category=old), make_ticket(category=old, subcategory_id=sub.id)
    over, other = make_ticket(category=old, status=Status.CLOSED), make_ticket(category=new)
    delete(old, new)
    db.session.commit()
    changed = "Judith Amsel changed the category from Old"
    assert history(plain) == history(over) == [f"{changed} to {new.name}"]
    assert history(with_sub) == [f"{changed}, Ovens to {new.name}, Ovens"]
    assert catalog.category_words(with_sub.category_id, with_sub.subcategory_id) == (
        f"{new.name}, Ovens"
    )
    assert history(other) == []
    assert plain.updated_at >= then
    assert other.updated_at < then + timedelta(seconds=1)
    delete(sub)
    assert history(with_sub)[1:] == [
        f"Judith Amsel changed the category from {new.name}, Ovens to {new.name}"
    ]


def test_each_ticket_of_a_tag_that_is_deleted_or_merged_says_so(app: Flask) -> None:
    late, slow, red = (Tag(name=name) for name in ("late", "slow", "red"))
    one, both, other = make_ticket(tags=[late, red]), make_ticket(tags=[late, slow]), make_ticket()
    delete(late, slow)
    db.session.commit()
    changed = "Judith Amsel changed the tags from"
    assert history(one) == [f"{changed} late, red to red, slow"]
    assert history(both) == [f"{changed} late, slow to slow"]
    delete(slow)
    db.session.commit()
    assert history(one)[1:] == [f"{changed} red, slow to red"]
    assert history(both)[1:] == [f"{changed} slow to none"]
    assert history(other) == []


@pytest.mark.parametrize("kind", ["group", "tag"])
def test_very_many_tickets_cost_no_statement_each(
    app: Flask, statements: list[str], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make_webhook("https://hooks.example/x", ["ticket.group_changed", "ticket.updated"])
    counts = []
    for count in (2, 40):
        old: Any = make_group() if kind == "group" else Tag(name=f"tag-{count}")
        new: Any = make_group() if kind == "group" else Tag(name=f"new-{count}")
        db.session.add_all([old, new])
        of_it: dict[str, Any] = {"group": old} if kind == "group" else {"tags": [old]}
        tickets = [make_ticket(**of_it) for _ in range(count)]
        db.session.commit()
        statements.clear()
        replacing.replace(old, new, by=make_agent(), now=utcnow())
        counts.append(len(statements))
        assert all(len(history(ticket)) == 1 for ticket in tickets)
        told = sa.select(sa.func.count()).select_from(WebhookDelivery)
        ids = [ticket.id for ticket in tickets]
        assert db.session.scalars(told.where(WebhookDelivery.ticket_id.in_(ids))).one() == count
    assert counts[1] <= counts[0] + 2, statements
    monkeypatch.setattr("app.tickets.replacing.AT_ONCE", 7)
    replacing.replace(new, old, by=make_agent(), now=utcnow())
    assert all(len(history(ticket)) == 2 for ticket in tickets)


def test_what_waits_in_a_group_that_is_deleted_is_served_as_in_the_other(app: Flask) -> None:
    old, new = make_group("Old"), make_group("New")
    policy = SlaPolicy(
        name="Of the new",
        position=-1,
        calendar=db.session.scalars(sa.select(Calendar)).first(),
        groups=[new.id],
        first_response_minutes=30,
        resolution_minutes=60,
    )
    db.session.add(policy)
    waiting, over = make_ticket(group=old), make_ticket(group=old, status=Status.RESOLVED)
    db.session.commit()
    delete(old, new)
    db.session.commit()
    assert (waiting.sla_policy_id, over.sla_policy_id) == (policy.id, None)
    whys = sa.select(DecisionRecord.ticket_id).where(DecisionRecord.kind == "sla")
    assert db.session.scalars(whys).all() == [waiting.id]

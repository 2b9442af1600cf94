"""Choosing on real rows, and assigning by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Distribution, Group, Person, Presence, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.core.jobs import Job
from app.mail.models import OutboundEmail
from app.routing import assignment
from app.routing.models import AssignmentRule, RuleKind
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import AssignmentMethod, EventKind, Status
from tests.factories import category, make_agent, make_group, make_person, make_skill, make_ticket

pytestmark = pytest.mark.usefixtures("app")

NOW = utcnow()


def choose(key: str = "general", **columns: Any) -> assignment.Choice:
    """Choose for a ticket of a shipped category."""
    return assignment.choose(category_id=category(key).id, now=NOW, **columns)


def make_rule(kind: RuleKind, key: str = "general", **columns: Any) -> AssignmentRule:
    """An active rule for a shipped category."""
    row = AssignmentRule(kind=kind, category_id=category(key).id, **columns)
    db.session.add(row)
    db.session.flush()
    return row


def events(ticket: Ticket) -> list[tuple[EventKind, str | None, str | None]]:
    """The ticket's history."""
    db.session.flush()
    rows = db.session.scalars(
        sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id).order_by(TicketEvent.id)
    )
    return [(row.kind, row.from_value, row.to_value) for row in rows]


def mails() -> list[tuple[str, str]]:
    """Kind and recipient of what is in the outbox."""
    db.session.flush()
    rows = db.session.execute(
        sa.select(OutboundEmail.kind, OutboundEmail.recipient).order_by(OutboundEmail.id)
    )
    return [(row.kind, row.recipient) for row in rows]


# Choosing


@pytest.mark.requirement("R 1-5", "X3")
def test_load_is_counted_from_new_open_and_in_progress_tickets() -> None:
    one = make_agent(name="One", max_tickets=9)
    for status in Status:
        make_ticket(assignee=one, status=status)
    make_ticket(assignee=one, status=Status.OPEN, deleted_at=NOW)
    make_ticket(status=Status.OPEN)
    make_ticket(assignee=make_agent(presence=Presence.OFFLINE), status=Status.OPEN)
    assert choose().explanation[0]["text"] == "Candidates: One (3 of 9)"


@pytest.mark.requirement("R 4-5", "X7")
def test_candidates_are_online_agents_of_any_role_who_work_here() -> None:
    for presence in (Presence.AWAY, Presence.BUSY, Presence.OFFLINE):
        make_agent(presence=presence)
    make_agent(is_active=False)
    make_agent(last_active_at=NOW - timedelta(minutes=11))
    make_person(presence=Presence.ONLINE)
    full = make_agent(max_tickets=1)
    make_ticket(assignee=full)
    wanted = {make_agent(role=role).id for role in (Role.AGENT, Role.SUPERVISOR, Role.ADMIN)}
    chosen = set()
    for _ in range(3):
        choice = choose()
        assert choice.agent_id is not None
        chosen.add(choice.agent_id)
        assignment.take(choice)
    assert chosen == wanted


@pytest.mark.requirement("R 4-3", "X2")
def test_turns_go_round_though_everything_happens_at_one_moment() -> None:
    agents = [make_agent() for _ in range(3)]
    turns = []
    for _ in range(6):
        choice = choose()
        assignment.take(choice)
        turns.append(choice.agent_id)
    assert turns == [agent.id for agent in agents] * 2


@pytest.mark.requirement("R 4-1")
def test_rules_are_asked_highest_position_first_and_only_active_ones() -> None:
    one, two, three = make_agent(), make_agent(), make_agent()
    kind = RuleKind.SPECIFIC_AGENT
    make_rule(kind, agent_id=one.id, position=1)
    make_rule(kind, agent_id=two.id, position=2)
    make_rule(kind, agent_id=three.id, position=3, is_active=False)
    make_rule(kind, key="billing", agent_id=three.id, position=9)
    assert choose().agent_id == two.id


@pytest.mark.requirement("R 2-10", "X59")
def test_changed_rules_groups_and_skills_count_at_once() -> None:
    make_agent()
    skilled = make_agent()
    assert choose("technical").agent_id != skilled.id
    linux, technical = make_skill(), category("technical")
    technical.skills.append(linux)
    rule = make_rule(RuleKind.SKILL_BASED, "technical")
    db.session.flush()
    assert choose("technical").rule_id is None
    skilled.skills.append(linux)
    db.session.flush()
    choice = choose("technical")
    assert (choice.agent_id, choice.rule_id) == (skilled.id, rule.id)
    rule.is_active = False
    db.session.flush()
    assert choose("technical").rule_id is None


def test_choosing_is_one_statement_and_one_more_for_the_lock(statements: list[str]) -> None:
    group = make_group(distribution=Distribution.LEAST_BUSY)
    make_rule(RuleKind.GROUP, group_id=group.id)
    for _ in range(5):
        make_agent(groups=(group,))
    db.session.commit()
    general = category().id
    assignment.choose(category_id=general, now=NOW)
    statements.clear()
    choice = assignment.choose(category_id=general, now=NOW)
    locks = [text for text in statements if "advisory" in text]
    assert len(statements) - len(locks) == 1
    assert len(locks) == (db.engine.dialect.name == "postgresql")
    statements.clear()
    assignment.take(choice)
    assert len(statements) == 1


@pytest.mark.requirement("R 2-9")
def test_loads_are_read_from_the_partial_index_alone(app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL scans tables as small as a test's")
    query = assignment.AGENTS.statement.compile(db.engine, compile_kwargs={"literal_binds": True})
    plan = db.session.execute(sa.text(f"explain query plan {query}")).all()
    assert any("COVERING INDEX ix_ticket_load (assignee_id=?" in row.detail for row in plan)


# By hand


@pytest.mark.requirement("R 0-20", "R 3-8")
def test_assigning_a_new_ticket_opens_it_and_tells_the_agent() -> None:
    ticket, boss, agent = make_ticket(), make_agent(name="Boss"), make_agent(name="Ann")
    assert assignment.assign(ticket, agent=agent, by=boss, now=NOW) == ""
    assert (ticket.assignee_id, ticket.status) == (agent.id, Status.OPEN)
    assert (EventKind.ASSIGNED, None, "Ann") in events(ticket)
    assert (EventKind.STATUS, "New", "Open") in events(ticket)
    assert mails() == [("assigned", agent.email)]


@pytest.mark.requirement("R 4-6", "X16")
def test_history_says_the_method_and_who_had_it_before() -> None:
    ticket, boss, agent = make_ticket(), make_agent(), make_agent()
    assignment.assign(ticket, agent=boss, by=boss, now=NOW)
    assignment.assign(
        ticket,
        agent=agent,
        by=boss,
        now=NOW,
        method=AssignmentMethod.SKILL_BASED,
        details={"rule_id": 7},
    )
    db.session.flush()
    last = db.session.scalars(sa.select(TicketEvent).order_by(TicketEvent.id.desc())).first()
    assert last is not None
    assert last.details == {
        "method": "skill_based",
        "from_id": boss.id,
        "to_id": agent.id,
        "rule_id": 7,
    }


@pytest.mark.requirement("X3")
def test_over_the_limit_by_hand_warns_and_assigns() -> None:
    agent = make_agent(name="Ann", max_tickets=2)
    warnings = []
    for _ in range(3):
        ticket = make_ticket()
        warnings.append(assignment.assign(ticket, agent=agent, by=agent, now=NOW))
        assert ticket.assignee_id == agent.id
    assert warnings == ["", "", "Ann has 3 tickets now, over the limit of 2."]


@pytest.mark.parametrize(
    "columns", [{"role": Role.CUSTOMER}, {"is_active": False}], ids=["customer", "former agent"]
)
def test_only_agents_who_work_here_get_tickets(columns: dict[str, Any]) -> None:
    ticket, boss, other = make_ticket(), make_agent(), make_agent(name="Eve", **columns)
    with pytest.raises(Invalid, match="Eve does not answer tickets"):
        assignment.assign(ticket, agent=other, by=boss, now=NOW)
    assert ticket.assignee_id is None


def test_ticket_of_a_private_group_goes_to_members_and_supervisors_alone() -> None:
    group = make_group("Secret", is_private=True)
    member, stranger, boss = (
        make_agent(groups=(group,)),
        make_agent(name="Eve"),
        make_agent(role=Role.SUPERVISOR),
    )
    ticket = make_ticket(group=group)
    with pytest.raises(Invalid, match="Eve may not see tickets of Secret"):
        assignment.assign(ticket, agent=stranger, by=boss, now=NOW)
    with pytest.raises(Invalid, match="Eve may not see tickets of Secret"):
        assignment.assign(make_ticket(), agent=stranger, group=group, by=boss, now=NOW)
    for person in (member, boss):
        assignment.assign(ticket, agent=person, by=boss, now=NOW)
        assert ticket.assignee_id == person.id
    assignment.assign(ticket, agent=stranger, group=None, by=boss, now=NOW)
    assert (ticket.assignee_id, ticket.group_id) == (stranger.id, None)


def bells_rung() -> set[Job]:
    """What rings at the next commit."""
    rung: set[Job] = db.session.info.get("bells", set())
    return rung


def test_moving_to_a_group_takes_it_from_whoever_is_no_member() -> None:
    group = make_group("New", distribution=Distribution.ROUND_ROBIN)
    member, stranger = make_agent(groups=(group,)), make_agent(name="Eve")
    mine, theirs = make_ticket(assignee=member), make_ticket(assignee=stranger)
    for ticket in (mine, theirs):
        assignment.assign(ticket, group=group, by=stranger, now=NOW)
    assert (mine.assignee_id, mine.group_id) == (member.id, group.id)
    assert (theirs.assignee_id, theirs.group_id) == (None, group.id)
    assert (EventKind.ASSIGNED, "Eve", None) in events(theirs)
    assert (EventKind.GROUP, None, "New") in events(theirs)
    assert Job.HAND_OUT in bells_rung()
    assert mails() == []


@pytest.mark.requirement("X9")
def test_group_that_works_by_hand_is_told_of_a_ticket_moved_to_it() -> None:
    group = make_group()
    member, boss = make_agent(groups=(group,)), make_agent()
    ticket = make_ticket()
    assignment.assign(ticket, group=group, by=boss, now=NOW)
    assert ticket.status is Status.OPEN
    assert mails() == [("group_ticket", member.email)]
    assignment.assign(ticket, group=group, by=boss, now=NOW)
    assert len(mails()) == 1


def test_unassigning_leaves_the_group_and_wakes_whoever_hands_out() -> None:
    group, agent = make_group(), make_agent(name="Ann")
    ticket = make_ticket(assignee=agent, group=group, status=Status.OPEN)
    assignment.assign(ticket, agent=None, by=agent, now=NOW)
    assert (ticket.assignee_id, ticket.group_id) == (None, group.id)
    assert (EventKind.ASSIGNED, "Ann", None) in events(ticket)
    assert Job.HAND_OUT in bells_rung()


def test_assigning_as_it_is_changes_nothing() -> None:
    group: Group = make_group()
    agent: Person = make_agent(groups=(group,), max_tickets=0)
    ticket = make_ticket(assignee=agent, group=group, status=Status.OPEN)
    assert assignment.assign(ticket, agent=agent, group=group, by=agent, now=NOW) == ""
    assert assignment.assign(ticket, by=agent, now=NOW) == ""
    assert events(ticket) == []
    assert ticket.version == 1


def test_moving_to_a_group_chooses_the_policy_again() -> None:
    group, ticket = make_group(), make_ticket()
    assignment.assign(ticket, group=group, by=make_agent(), now=NOW)
    db.session.flush()
    assert db.session.scalars(sa.select(SlaClock.id).where(SlaClock.ticket_id == ticket.id)).all()
    kinds = db.session.scalars(
        sa.select(DecisionRecord.kind).where(DecisionRecord.ticket_id == ticket.id)
    ).all()
    assert kinds == ["sla"]

"""The cached cards of agents and groups, and who may see what."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import PersonEmail, Presence, Role
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from tests.factories import make_agent, make_group, make_person, make_skill


def test_cards_hold_agents_and_no_customers(app: Flask) -> None:
    skill, group = make_skill(), make_group()
    agent = make_agent("priya@desk.example", name="Priya Raman", groups=(group,), skills=[skill])
    make_person()
    db.session.commit()
    [card] = directory.agents().values()
    assert (card.id, card.name, card.email) == (agent.id, "Priya Raman", "priya@desk.example")
    assert (card.initials, card.hue) == ("PR", agent.id % 12 + 1)
    assert card.skill_ids == {skill.id}
    assert directory.groups()[group.id].member_ids == (agent.id,)


def test_every_change_of_a_card_is_seen_at_once(app: Flask) -> None:
    group, skill = make_group(), make_skill()
    agent, other = make_agent(name="A"), make_agent(name="B")
    db.session.commit()

    def card() -> directory.AgentCard:
        db.session.commit()
        return directory.agents()[agent.id]

    def members() -> tuple[int, ...]:
        db.session.commit()
        return directory.groups()[group.id].member_ids

    assert card().name == "A"
    agent.name = "Anna"
    assert card().name == "Anna"
    agent.max_tickets = 9
    assert card().max_tickets == 9
    agent.groups.append(group)
    assert members() == (agent.id,)
    group.members.remove(agent)
    assert members() == ()
    agent.skills.append(skill)
    assert card().skill_ids == {skill.id}
    agent.is_active = False
    assert not card().is_active
    agent.emails[0].is_main = False
    db.session.flush()
    agent.emails.append(PersonEmail(address="new@desk.example", is_main=True))
    assert card().email == "new@desk.example"
    agent.role = Role.CUSTOMER
    db.session.commit()
    assert set(directory.agents()) == {other.id}
    agent.role = Role.ADMIN
    assert card().is_supervisor


def test_presence_load_and_customers_do_not_make_the_cards_anew(app: Flask) -> None:
    agent, customer = make_agent(), make_person()
    db.session.commit()
    before = cache.current_stamp()
    agent.presence, agent.last_active_at = Presence.AWAY, utcnow() - timedelta(hours=1)
    agent.last_assigned_at = utcnow()
    customer.name = "Somebody"
    make_person()
    db.session.commit()
    cache.forget_stamp()
    assert cache.current_stamp() == before


def test_the_cards_cost_nothing_the_second_time(app: Flask, statements: list[str]) -> None:
    make_agent(groups=(make_group(),))
    db.session.commit()
    directory.agents(), directory.groups()
    statements.clear()
    directory.agents(), directory.groups()
    assert statements == []


def test_private_groups_are_hidden_from_all_but_members_and_supervisors(app: Flask) -> None:
    private, public, other = make_group(is_private=True), make_group(), make_group(is_private=True)
    member = make_agent(groups=(private, public))
    stranger = make_agent(groups=(public,))
    supervisor, admin = make_agent(role=Role.SUPERVISOR), make_agent(role=Role.ADMIN)
    db.session.commit()
    assert hidden_group_ids(member) == {other.id}
    assert hidden_group_ids(stranger) == {private.id, other.id}
    assert hidden_group_ids(supervisor) == hidden_group_ids(admin) == frozenset()


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Priya Raman", "PR"),
        ("Ana Maria da Silva", "AS"),
        ("  cher ", "C"),
        ("ana.silva@example.com", "AS"),
        ("محمد علي", "مع"),
        ("王小明", "王"),
        ("(Bob) [x]", "BX"),
        ("🙂", "?"),
        ("", "?"),
        ("ßeta", "S"),
    ],
)
def test_initials(name: str, letters: str) -> None:
    assert directory.initials(name) == letters

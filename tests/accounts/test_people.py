"""Finding people by address, and making them once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask

from app.accounts import people
from app.accounts.models import Person, PersonEmail, Role, Tier
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from tests.factories import make_agent, make_organization, make_person


@pytest.mark.requirement("R 2-2", "R 3-2")
def test_an_unknown_address_makes_a_customer(app: Flask) -> None:
    made = people.find_or_make(" Ana.Silva@Example.COM ", name="Ana\u0000 Silva", now=utcnow())
    assert (made.is_new, made.email, made.name) == (True, "ana.silva@example.com", "Ana Silva")
    assert (made.role, made.tier, made.is_proven) == (Role.CUSTOMER, Tier.STANDARD, False)
    address = db.session.get_one(PersonEmail, "ana.silva@example.com")
    assert address.is_main
    assert address.person_id == made.id


@pytest.mark.requirement("R 3-2", "X12")
def test_a_known_address_is_found_and_only_blanks_are_filled(app: Flask) -> None:
    person = make_person("ana@example.com", name="Ana", phone="")
    found = people.find_or_make(
        "ANA@example.com", name="Someone Else", phone="+43 1 2", external_id="x1", now=utcnow()
    )
    assert (found.id, found.is_new, found.name, found.phone) == (person.id, False, "Ana", "+43 1 2")
    again = people.find_or_make("ana@example.com", phone="0", external_id="x2", now=utcnow())
    db.session.refresh(person)
    assert (person.name, person.phone, person.external_id) == ("Ana", "+43 1 2", "x1")
    assert (again.phone, again.external_id) == ("+43 1 2", "x1")


def test_finding_someone_takes_one_statement(app: Flask, statements: list[str]) -> None:
    make_person("ana@example.com", name="Ana")
    db.session.commit()
    statements.clear()
    people.find_or_make("ana@example.com", name="Ana", now=utcnow())
    assert len(statements) == 1


def test_an_agent_may_ask_too_and_is_never_changed(app: Flask) -> None:
    agent = make_agent("priya@desk.example", phone="")
    found = people.find_or_make("priya@desk.example", phone="1", external_id="e", now=utcnow())
    db.session.refresh(agent)
    assert (found.id, found.role, agent.phone, agent.external_id) == (
        agent.id,
        Role.AGENT,
        "",
        None,
    )


def test_an_external_id_finds_its_owner_under_a_new_address(app: Flask) -> None:
    owner = make_person("old@example.com", external_id="crm-1")
    found = people.find_or_make("new@example.com", external_id="crm-1", now=utcnow())
    assert (found.id, found.is_new, found.is_proven) == (owner.id, False, False)
    assert not db.session.get_one(PersonEmail, "new@example.com").is_main


def test_an_address_says_more_than_an_external_id(app: Flask) -> None:
    make_person("other@example.com", external_id="crm-1")
    person = make_person("ana@example.com")
    found = people.find_or_make("ana@example.com", external_id="crm-1", now=utcnow())
    assert (found.id, found.external_id) == (person.id, None)


@pytest.mark.requirement("R 1-4", "X29")
def test_the_tier_is_the_persons_own_or_the_organizations(app: Flask) -> None:
    company = make_organization(tier=Tier.PREMIUM)
    make_person("a@example.com", organization_id=company.id)
    make_person("b@example.com", organization_id=company.id, tier=Tier.FREE)
    found = [people.find_or_make(f"{x}@example.com", now=utcnow()).tier for x in "ab"]
    assert found == [Tier.PREMIUM, Tier.FREE]


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "a@", "@b.example", "a b", "a\0b@x.example", "\ud800@x.example", "no-at"),
        *("a@b\n.example", "x" * 250 + "@example.com"),
    ],
)
def test_what_is_no_address_is_refused(app: Flask, text: str) -> None:
    with pytest.raises(Invalid):
        people.find_or_make(text, now=utcnow())
    assert db.session.query(Person).count() == 0


def test_odd_addresses_of_real_mail_are_taken(app: Flask) -> None:
    assert people.normal_address("a..b.@docomo.example") == "a..b.@docomo.example"
    assert people.normal_address("Info@XN--MNCHEN-3YA.example") == "info@münchen.example"
    assert people.normal_address('"john doe"@example.com'.replace(" ", "")) == "johndoe@example.com"


def test_a_new_customer_is_told_as_the_database_has_them(app: Flask) -> None:
    made = people.find_or_make("new@home.example", name="Nora", phone="+1 555 0100", now=utcnow())
    assert made.is_new
    assert replace(made, is_new=False) == people.find("new@home.example")

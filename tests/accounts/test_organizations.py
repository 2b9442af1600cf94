"""Mail domains of organizations, and who belongs to them."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts import organizations, people
from app.accounts.models import OrganizationDomain, PersonEmail, Tier
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from tests.factories import make_agent, make_organization, make_person


def test_those_who_have_proven_an_address_join(app: Flask) -> None:
    company, other = make_organization(tier=Tier.ENTERPRISE), make_organization()
    proven = make_person("ana@acme.example")
    unproven = make_person("bo@acme.example")
    unproven.emails[0].proven_at = None
    elsewhere = make_person("cy@notacme.example")
    member = make_person("di@acme.example", organization_id=other.id)
    agent = make_agent("eve@acme.example")
    organizations.add_domain(company, " @ACME.example. ")
    db.session.commit()
    db.session.expire_all()
    found = [p.organization_id for p in (proven, unproven, elsewhere, member, agent)]
    assert found == [company.id, None, None, other.id, None]


def test_the_domain_gives_a_tier_only_once_the_address_is_proven(app: Flask) -> None:
    organizations.add_domain(make_organization(tier=Tier.ENTERPRISE), "acme.example")
    claimed = people.find_or_make("boss@acme.example", name="Guest", now=utcnow())
    assert (claimed.tier, claimed.is_proven) == (Tier.STANDARD, False)
    people.prove("boss@acme.example", now=utcnow())
    db.session.flush()
    shown = people.find_or_make("boss@acme.example", now=utcnow())
    assert (shown.tier, shown.is_proven) == (Tier.ENTERPRISE, True)
    assert db.session.get_one(PersonEmail, "boss@acme.example").proven_at is not None


@pytest.mark.parametrize(
    "domain",
    [
        "gmail.com",
        "@GMX.de",
        "Outlook.com.",
        "",
        "localhost",
        "a b.example",
        "-a.example",
        "a..example",
        "x" * 64 + ".example",
        "a.example/x",
        "a\x00.example",
        "a." * 200 + "example",
    ],
)
def test_public_providers_and_what_is_no_domain_are_refused(app: Flask, domain: str) -> None:
    with pytest.raises(Invalid):
        organizations.add_domain(make_organization(), domain)
    assert db.session.scalars(sa.select(OrganizationDomain)).all() == []


def test_a_domain_belongs_to_one_organization(app: Flask) -> None:
    company, other = make_organization(), make_organization()
    row = organizations.add_domain(company, "acme.example")
    assert organizations.add_domain(company, "acme.example") is row
    with pytest.raises(Conflict):
        organizations.add_domain(other, "acme.example")

"""Whatever changes a customer's tier, what they wait for is served accordingly."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import links, organizations, people
from app.accounts.models import LinkPurpose, OneTimeLink, Organization, Person, Role, Tier
from app.admin import replacing
from app.admin.organizations import save
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import db
from app.sla.models import SlaPolicy
from app.tickets import person_merging, timeline
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Source, Status
from tests.factories import make_agent, make_best_policy, make_organization, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def best(app: Flask) -> SlaPolicy:
    """For enterprise customers alone, before the policies that are shipped."""
    policy = make_best_policy()
    db.session.commit()
    return policy


@pytest.fixture
def admin(app: Flask) -> Person:
    return make_agent(name="Judith Amsel", role=Role.ADMIN)


def open_ticket(requester: Person) -> Ticket:
    asker = RequesterInput(person_id=requester.id)
    opened = take_in(NewTicket("Oven", "Off", asker, Source.WEB), now=utcnow())
    db.session.commit()
    return db.session.get_one(Ticket, opened.id)


def told(ticket: Ticket) -> list[str]:
    """Lines of history that speak of the tier."""
    its = sa.select(TicketEvent).where(
        TicketEvent.ticket_id == ticket.id, TicketEvent.kind == EventKind.REQUESTER
    )
    lines = map(timeline.describe, db.session.scalars(its.order_by(TicketEvent.id)))
    return [line for line in lines if "tier" in line]


def why(ticket: Ticket) -> int:
    """How often a policy was chosen, by the Why tab."""
    its = sa.select(sa.func.count()).select_from(DecisionRecord)
    its = its.where(DecisionRecord.ticket_id == ticket.id, DecisionRecord.kind == "sla")
    return db.session.scalars(its).one()


def test_a_proven_address_that_joins_a_company_is_served_as_its_member(best: SlaPolicy) -> None:
    organizations.add_domain(make_organization(tier=Tier.ENTERPRISE), "acme.example")
    boss = make_person("boss@acme.example", name="Ada")
    waiting, other = open_ticket(boss), open_ticket(make_person("x@other.example"))
    over = open_ticket(boss)
    over.status = Status.CLOSED
    db.session.commit()
    assert waiting.sla_policy_id != best.id
    due_at, decided = waiting.due_at, why(waiting)
    links.make(
        LinkPurpose.PASSWORD_RESET, person_id=boss.id, address="boss@acme.example", now=utcnow()
    )
    links.use(db.session.scalars(sa.select(OneTimeLink)).one(), now=utcnow())
    db.session.commit()
    assert waiting.sla_policy_id == best.id
    assert waiting.due_at is not None
    assert due_at is not None
    assert waiting.due_at < due_at
    assert told(waiting) == ["Ada has the tier enterprise now: SLA policy Our best"]
    assert why(waiting) == decided + 1
    for ticket in (over, other):
        assert ticket.sla_policy_id != best.id
        assert told(ticket) == []


def test_an_address_that_joins_nobody_changes_nothing(best: SlaPolicy) -> None:
    boss = make_person("boss@acme.example")
    ticket = open_ticket(boss)
    version = ticket.version
    people.prove("boss@acme.example", now=utcnow())
    db.session.commit()
    assert (ticket.version, told(ticket)) == (version, [])


def test_a_company_that_is_deleted_takes_its_tier_along(best: SlaPolicy, admin: Person) -> None:
    gone, heir = (make_organization(tier=tier) for tier in (Tier.ENTERPRISE, Tier.ENTERPRISE))
    member = make_person(name="Ada", organization=gone)
    own = make_person(organization=gone, tier=Tier.ENTERPRISE)
    waiting, kept = open_ticket(member), open_ticket(own)
    replacing.delete(gone, heir, by=admin, now=utcnow())
    db.session.commit()
    assert (waiting.sla_policy_id, told(waiting)) == (best.id, [])  # the same tier
    replacing.delete(heir, by=admin, now=utcnow())
    db.session.commit()
    assert db.session.scalars(sa.select(Organization)).all() == []
    name = db.session.get_one(SlaPolicy, waiting.sla_policy_id).name
    assert name != "Our best"
    assert told(waiting) == [f"Ada has the tier standard now: SLA policy {name}"]
    assert (kept.sla_policy_id, told(kept)) == (best.id, [])


def test_a_domain_that_is_entered_serves_whom_it_makes_members(
    best: SlaPolicy, admin: Person
) -> None:
    shop = make_organization(tier=Tier.ENTERPRISE)
    boss = make_person("boss@acme.example")
    people.prove("boss@acme.example", now=utcnow())
    ticket = open_ticket(boss)
    draft = {"name": shop.name, "tier": shop.tier, "access": shop.access, "external_id": None}
    save(shop, **draft, domains=["acme.example"], notes="", by=admin, now=utcnow())
    db.session.commit()
    assert ticket.sla_policy_id == best.id
    assert len(told(ticket)) == 1


def test_notes_on_a_company_choose_no_policy_again(best: SlaPolicy, admin: Person) -> None:
    shop = make_organization(tier=Tier.ENTERPRISE)
    ticket = open_ticket(make_person(organization=shop))
    best.is_active = False  # binds later tickets only
    db.session.commit()
    draft = {"name": shop.name, "tier": shop.tier, "access": shop.access, "external_id": None}
    save(shop, **draft, domains=[], notes="They moved.", by=admin, now=utcnow())
    db.session.commit()
    assert ticket.sla_policy_id == best.id


def test_who_gets_a_company_by_a_merge_is_served_as_its_member(
    best: SlaPolicy, admin: Person
) -> None:
    shop = make_organization(tier=Tier.ENTERPRISE)
    survivor, merged = make_person(name="Anna"), make_person(name="A.", organization=shop)
    own, theirs = open_ticket(survivor), open_ticket(merged)
    assert (own.sla_policy_id == best.id, theirs.sla_policy_id == best.id) == (False, True)
    assert survivor.organization is None  # read, and so remembered
    done = person_merging.merge(merged, survivor, by=admin, now=utcnow())
    db.session.commit()
    assert (own.sla_policy_id, theirs.sla_policy_id) == (best.id, best.id)
    assert told(own) == ["Anna has the tier enterprise now: SLA policy Our best"]
    assert why(own) == 2
    person_merging.undo(*person_merging.find(done.id), by=admin, now=utcnow())
    db.session.commit()
    assert (own.sla_policy_id == best.id, theirs.sla_policy_id == best.id) == (False, True)
    assert "Anna has the tier standard now" in told(own)[-1]


def test_tickets_of_who_is_merged_follow_the_survivors_tier(best: SlaPolicy, admin: Person) -> None:
    survivor, merged = make_person(tier=Tier.ENTERPRISE), make_person()
    theirs = open_ticket(merged)
    person_merging.merge(merged, survivor, by=admin, now=utcnow())
    db.session.commit()
    assert theirs.sla_policy_id == best.id
    late = open_ticket(make_person())
    late.requester_id = merged.id  # of a mail that came at that very moment
    db.session.commit()
    assert person_merging.gather_late(utcnow() + timedelta(seconds=1)) == 1
    db.session.commit()
    assert (late.requester_id, late.sla_policy_id) == (survivor.id, best.id)


def test_tickets_are_locked_a_few_hundred_at_a_time(
    best: SlaPolicy, admin: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tickets.holding.AT_ONCE", 2)
    shop = make_organization()
    tickets = [open_ticket(make_person(organization=shop)) for _ in range(5)]
    draft = {"name": shop.name, "access": shop.access, "external_id": None, "domains": []}
    save(shop, **draft, tier=Tier.ENTERPRISE, notes="", by=admin, now=utcnow())
    db.session.commit()
    assert {ticket.sla_policy_id for ticket in tickets} == {best.id}

"""Two entries of one customer become one, and two again."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.accounts import addresses, people
from app.accounts.models import LoginSession, Person, Role, Tier
from app.accounts.sign_in import end_sessions
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict
from app.search import lists
from app.tickets import keys, person_merging, portal_queries
from app.tickets.mail_models import TicketAccess
from app.tickets.merge_models import PersonMerge
from app.tickets.models import Participant, Ticket
from app.tickets.portal_queries import Viewer
from app.tickets.words import Status
from tests.factories import (
    make_agent,
    make_comment,
    make_organization,
    make_participant,
    make_person,
    make_ticket,
)

pytestmark = pytest.mark.usefixtures("app")


def merge(merged: Person, survivor: Person) -> PersonMerge:
    db.session.commit()
    done = person_merging.merge(merged, survivor, by=make_agent(), now=utcnow())
    db.session.commit()
    db.session.expire_all()
    return done


def undo(done: PersonMerge) -> None:
    found = person_merging.find(done.id)
    person_merging.undo(*found, by=make_agent(), now=utcnow())
    db.session.commit()
    db.session.expire_all()


def follows(person: Person) -> set[int]:
    its = sa.select(Participant.ticket_id).where(Participant.person_id == person.id)
    return set(db.session.scalars(its))


def test_everything_is_the_survivors_and_goes_back() -> None:
    work = make_person("anna@work.example", name="Anna")
    home = make_person("anna@home.example", name="", phone="+43 1")
    stranger = make_person("eve@x.example")
    at_work, at_home, other = make_ticket(work), make_ticket(home), make_ticket(stranger)
    said = make_comment(at_home, home, "from home")
    both = make_ticket(stranger)
    make_participant(both, work)
    make_participant(both, home)
    make_participant(other, home)
    done = merge(home, work)
    assert {e.address for e in work.emails} == {"anna@work.example", "anna@home.example"}
    assert work.email == "anna@work.example"
    assert work.phone == "+43 1"
    assert {t.requester_id for t in (at_work, at_home)} == {work.id}
    assert said.author_id == work.id
    assert follows(work) == {both.id, other.id}
    assert (other.requester_id, home.is_active) == (stranger.id, False)
    assert people.find("anna@home.example").id == work.id  # type: ignore[union-attr]
    undo(done)
    assert [e.address for e in home.emails] == ["anna@home.example"]
    assert home.email == "anna@home.example"
    assert (work.phone, home.phone) == ("", "+43 1")
    assert (at_work.requester_id, at_home.requester_id) == (work.id, home.id)
    assert said.author_id == home.id
    assert (follows(work), follows(home)) == ({both.id}, {both.id, other.id})
    assert home.is_active
    actions = db.session.scalars(sa.select(AuditEntry.action).where(AuditEntry.thing == "person"))
    assert list(actions) == ["merged", "unmerged"]


def test_what_came_since_stays() -> None:
    work, home = make_person("a@work.example"), make_person("a@home.example")
    done = merge(home, work)
    later = make_ticket(work)
    undo(done)
    assert db.session.get_one(Ticket, later.id).requester_id == work.id


def test_an_old_link_opens_its_ticket_as_the_survivor() -> None:
    work, home = make_person("a@work.example"), make_person("a@home.example")
    ticket, other = make_ticket(home), make_ticket(work)
    now = utcnow()
    access_id = keys.access_rows(ticket.id, [home.id], now=now)[home.id]
    merge(home, work)
    viewer = Viewer.by_access(db.session.get_one(TicketAccess, access_id))
    assert viewer.person.id == work.id
    assert portal_queries.show_own(ticket.number, to=viewer).id == ticket.id
    with pytest.raises(Exception, match="no such ticket"):  # the link is for one ticket alone
        portal_queries.show_own(other.number, to=viewer)


def test_whoever_was_signed_in_as_the_merged_one_is_so_no_more() -> None:
    work, home = make_person("a@work.example"), make_person("a@home.example")
    for person in (work, home):
        now = utcnow()
        db.session.add(
            LoginSession(
                person_id=person.id,
                key_hash=person.email,
                created_at=now,
                last_seen_at=now,
                expires_at=now + timedelta(days=1),
            )
        )
    merge(home, work)
    assert end_sessions(home.id) == 0
    assert end_sessions(work.id) == 1


def test_tickets_are_found_by_the_survivors_words() -> None:
    work = make_person("a@work.example", name="Annalena")
    home = make_person("a@home.example", name="Zebulon")
    ticket = make_ticket(home)
    agent = make_agent()

    def found(words: str) -> set[str]:
        page = lists.search_tickets(words, viewer=agent, now=utcnow())
        return {row.number for row in page.rows}

    done = merge(home, work)
    assert found("annalena") == {ticket.number}
    assert found("zebulon") == set()
    assert found("a@home.example") == {ticket.number}
    undo(done)
    assert found("zebulon") == {ticket.number}


def test_chains_are_undone_one_by_one() -> None:
    first, second, third = (make_person(f"p{n}@x.example") for n in range(3))
    ticket = make_ticket(third)
    into_second = merge(third, second)
    into_first = merge(second, first)
    assert (third.merged_into_id, ticket.requester_id) == (first.id, first.id)
    with pytest.raises(Conflict, match="Undo that first"):
        undo(into_second)
    undo(into_first)
    assert (third.merged_into_id, ticket.requester_id) == (second.id, second.id)
    undo(into_second)
    assert (third.merged_into_id, ticket.requester_id) == (None, third.id)


def test_who_works_here_is_never_merged() -> None:
    customer, agent = make_person(), make_agent(role=Role.AGENT)
    for merged, survivor in ((customer, agent), (agent, customer)):
        with pytest.raises(Conflict, match="works here"):
            merge(merged, survivor)
    with pytest.raises(Conflict, match="themselves"):
        merge(customer, customer)


def test_blanks_are_filled_and_nothing_is_overwritten() -> None:
    shop = make_organization()
    survivor = make_person(name="Anna", tier=Tier.FREE)
    merged = make_person(
        name="A.", organization=shop, external_id="crm-7", tier=Tier.ENTERPRISE, phone="1"
    )
    done = merge(merged, survivor)
    assert (survivor.name, survivor.tier) == ("Anna", Tier.FREE)
    assert (survivor.organization_id, survivor.external_id) == (shop.id, "crm-7")
    undo(done)
    assert (survivor.organization_id, survivor.external_id) == (None, None)
    assert (merged.external_id, merged.organization_id) == ("crm-7", shop.id)


def test_it_is_refused_where_the_address_went_elsewhere() -> None:
    survivor, merged = make_person("a@work.example"), make_person("a@home.example")
    done = merge(merged, survivor)
    addresses.make_main(survivor, "a@home.example", by=make_agent())
    with pytest.raises(Conflict, match="main address now"):
        undo(done)
    addresses.make_main(survivor, "a@work.example", by=make_agent())
    addresses.remove(survivor, "a@home.example", by=make_agent())
    with pytest.raises(Conflict, match="given up"):
        undo(done)
    late = utcnow() + timedelta(days=31)
    assert "30 days" in person_merging.cannot_undo(done, survivor, now=late)


def test_open_tickets_tell_it_in_their_history() -> None:
    survivor, merged = make_person("a@work.example"), make_person("a@home.example", name="Anna B")
    active, over = make_ticket(merged), make_ticket(merged, status=Status.CLOSED)
    versions = active.version, over.version
    merge(merged, survivor)
    assert (active.version, over.version) == (versions[0] + 1, versions[1])


def test_a_ticket_that_was_just_being_made_follows() -> None:
    survivor, merged = make_person("a@work.example"), make_person("a@home.example")
    done = merge(merged, survivor)
    late, other = make_ticket(merged), make_ticket()
    whose = other.requester_id
    assert person_merging.gather_late(utcnow()) == 1
    assert person_merging.gather_late(utcnow()) == 0
    db.session.commit()
    db.session.expire_all()
    assert (late.requester_id, other.requester_id) == (survivor.id, whose)
    undo(done)
    assert late.requester_id == merged.id

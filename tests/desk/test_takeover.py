"""An agent outside a private group becomes no customer of it, by whatever address they enter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import addresses, customers, links, people
from app.accounts.models import (
    LinkPurpose,
    OrganizationAccess,
    Person,
    PersonEmail,
    Role,
)
from app.accounts.tokens import make_token
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Forbidden
from app.mail.models import SenderCheck
from app.tickets import person_merging
from app.tickets.words import Source
from tests.accounts.pages import mails, token_of
from tests.factories import (
    bearer,
    make_agent,
    make_group,
    make_organization,
    make_participant,
    make_person,
    make_ticket,
)

pytestmark = pytest.mark.usefixtures("app")
MINE, EVIL = "ana@example.com", "agent@evil.example"


def row(address: str) -> PersonEmail:
    return db.session.get_one(PersonEmail, address, populate_existing=True)


def writes_in(source: Source, check: SenderCheck = SenderCheck.UNKNOWN) -> Person:
    """Who opens a ticket themselves."""
    new = NewTicket("a", "b", RequesterInput(MINE), source, sender_check=check)
    return db.session.get_one(Person, take_in(new, now=utcnow()).requester_id)


def lets_in(address: str) -> bool:
    """Whether somebody who reads this mailbox could sign in, or set a password."""
    before = len(mails("sign_in_link")), len(mails("password_reset"))
    links.mail(LinkPurpose.SIGN_IN, address, now=utcnow())
    links.mail(LinkPurpose.PASSWORD_RESET, address, now=utcnow())
    db.session.flush()
    after = len(mails("sign_in_link")), len(mails("password_reset"))
    assert after in (before, (before[0] + 1, before[1] + 1))
    return after != before


def change_by_api(client: FlaskClient, person: Person, by: Person, **fields: object) -> int:
    token = make_token(by, "test", now=utcnow())
    db.session.commit()
    path, auth = f"/api/v1/requesters/{person.id}", {"Authorization": f"Bearer {token}"}
    return client.patch(path, json=fields, headers=auth).status_code


def make_main_on_the_desk(client: FlaskClient, person: Person) -> list[TestResponse]:
    page = f"/desk/people/{person.id}"
    data = {"csrf_token": token_of(client, page), "address": EVIL}
    return [client.post(f"{page}/addresses{part}", data=data) for part in ("", "/main")]


@pytest.mark.parametrize("source", [Source.WEB, Source.EMAIL, Source.CHAT])
def test_an_address_of_the_team_lets_nobody_in_beside_the_customers_own(
    client: FlaskClient, source: Source
) -> None:
    ana = writes_in(source)
    assert lets_in(MINE)
    assert change_by_api(client, ana, make_agent(), email=EVIL) == 200
    assert (row(EVIL).is_main, row(EVIL).person_id) == (True, ana.id)
    assert not lets_in(EVIL)
    assert lets_in(MINE)


def test_nor_beside_one_that_was_proven_by_a_link(
    client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    ana = make_person(MINE)
    added, chosen = make_main_on_the_desk(sign_in(client, make_agent()), ana)
    assert (added.status_code, chosen.status_code, row(EVIL).is_main) == (303, 303, True)
    assert (lets_in(EVIL), lets_in(MINE)) == (False, True)


def test_a_customer_whom_the_team_entered_gets_links_at_the_main_address(
    client: FlaskClient,
) -> None:
    agent = make_agent()
    ana = entered(by=agent)
    assert lets_in(MINE)
    assert change_by_api(client, ana, agent, email="anna@example.com") == 200  # it was misspelt
    assert (lets_in("anna@example.com"), lets_in(MINE)) == (True, False)


def test_who_works_here_gets_links_where_an_admin_says() -> None:
    priya, admin = make_agent("priya@desk.example"), make_agent(role=Role.ADMIN)
    addresses.add(priya, "priya.raman@desk.example", by=admin)
    assert not lets_in("priya.raman@desk.example")
    addresses.make_main(priya, "priya.raman@desk.example", by=admin)
    assert lets_in("priya.raman@desk.example")


def test_a_customer_who_has_lost_a_mailbox_is_let_in_once_a_supervisor_takes_it_away() -> None:
    ana = make_person(MINE)
    agent, supervisor = make_agent(), make_agent(role=Role.SUPERVISOR)
    addresses.add(ana, "anna@example.com", by=agent)
    addresses.make_main(ana, "anna@example.com", by=agent)
    with pytest.raises(Forbidden):
        addresses.remove(ana, MINE, by=agent)
    assert not lets_in("anna@example.com")
    addresses.remove(ana, MINE, by=supervisor)
    assert lets_in("anna@example.com")


def entered(*, by: Person) -> Person:
    draft = customers.CustomerDraft(
        email=MINE,
        name="Ana",
        phone="",
        external_id=None,
        organization_id=None,
        tier=None,
        language="en",
        time_zone="",
    )
    return customers.save(None, draft, by=by, now=utcnow())


@pytest.mark.parametrize("check", SenderCheck)
def test_a_mail_with_proof_makes_the_address_theirs(check: SenderCheck) -> None:
    ana = entered(by=make_agent())
    writes_in(Source.EMAIL, check)
    ana.emails.append(PersonEmail(address=EVIL))
    db.session.flush()
    row(MINE).is_main = False
    db.session.flush()
    row(EVIL).is_main = True
    db.session.flush()
    assert row(MINE).is_own is (check is SenderCheck.PASS)
    assert lets_in(EVIL) is (check is not SenderCheck.PASS)
    # Whoever reads the other mailbox can mail from it with proof, too: that shows nothing.
    new = NewTicket("a", "b", RequesterInput(EVIL), Source.EMAIL, sender_check=check)
    take_in(new, now=utcnow())
    if check is SenderCheck.PASS:
        assert not row(EVIL).is_own
        assert not lets_in(EVIL)


def test_a_link_proves_no_address_that_has_become_somebody_elses() -> None:
    ana, evil = make_person(MINE), make_person(EVIL)
    path = links.make(LinkPurpose.SIGN_IN, person_id=evil.id, address=EVIL, now=utcnow())
    link = links.find(path.partition("?key=")[2], LinkPurpose.SIGN_IN, now=utcnow())
    db.session.delete(row(EVIL))
    db.session.flush()
    ana.emails.append(PersonEmail(address=EVIL))
    db.session.flush()
    links.use(link, now=utcnow())  # it was found at that very moment
    db.session.flush()
    assert row(EVIL).proven_at is None


@pytest.mark.parametrize("way", ["asks", "follows"])
def test_who_asks_a_private_group_is_changed_by_those_who_may_see_it(
    app: Flask, way: str, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    """Its replies go to the main address, with a link to the ticket."""
    group = make_group(is_private=True)
    ana = entered(by=make_agent())
    ticket = make_ticket(ana if way == "asks" else None, group=group)
    if way == "follows":
        make_participant(ticket, ana)
    outside, member = make_agent(), make_agent(groups=(group,))
    for response in make_main_on_the_desk(sign_in(app.test_client(), outside), ana):
        assert response.status_code in (303, 403)
    assert people.find(EVIL) is None
    assert change_by_api(app.test_client(), ana, outside, email=EVIL) == 403
    assert change_by_api(app.test_client(), ana, outside, name="Anna") == 200
    assert people.find(EVIL) is None
    assert change_by_api(app.test_client(), ana, member, email=EVIL) == 200


def test_nor_does_another_programs_id_bring_an_address_to_them(client: FlaskClient) -> None:
    """Whoever mails from there with proof would be let in as them."""
    group = make_group(is_private=True)
    outside, member = make_agent(), make_agent(groups=(group,))
    ana = entered(by=outside)
    ana.external_id = "crm-7"
    make_ticket(ana, group=group)

    def opens(by: Person, address: str) -> int:
        asker = {"email": address, "external_id": "crm-7"}
        body = {"subject": "a", "description": "b", "requester": asker}
        return client.post("/api/v1/tickets", json=body, headers=bearer(by)).status_code

    assert (opens(outside, EVIL), people.find(EVIL)) == (403, None)
    assert opens(outside, MINE) == 201
    assert opens(member, EVIL) == 201
    assert row(EVIL).person_id == ana.id


def test_who_asks_a_private_group_is_merged_by_those_who_may_see_it() -> None:
    group = make_group(is_private=True)
    ana, evil = make_person(MINE), make_person(EVIL)
    make_ticket(ana, group=group)
    outside, member = make_agent(), make_agent(groups=(group,))
    db.session.commit()
    for merged, survivor in ((ana, evil), (evil, ana)):
        with pytest.raises(Forbidden):
            person_merging.merge(merged, survivor, by=outside, now=utcnow())
    person_merging.merge(evil, ana, by=member, now=utcnow())


def test_an_address_that_came_by_a_merge_lets_nobody_in_until_it_is_undone() -> None:
    ana, evil, agent = make_person(MINE), make_person(EVIL), make_agent()
    proven_at = row(EVIL).proven_at
    done = person_merging.merge(evil, ana, by=agent, now=utcnow())
    db.session.commit()
    assert (lets_in(EVIL), lets_in(MINE)) == (False, True)
    found = person_merging.find(done.id)
    person_merging.undo(*found, by=agent, now=utcnow() + timedelta(minutes=1))
    db.session.commit()
    assert (lets_in(EVIL), row(EVIL).proven_at) == (True, proven_at)


def test_a_supervisor_who_merges_vouches_for_both_addresses() -> None:
    ana, other = make_person(MINE), make_person("ana@home.example")
    person_merging.merge(other, ana, by=make_agent(role=Role.SUPERVISOR), now=utcnow())
    db.session.commit()
    assert (lets_in("ana@home.example"), lets_in(MINE)) == (True, True)


def test_a_merge_into_somebody_without_an_address_of_their_own_keeps_it() -> None:
    home = writes_in(Source.WEB)
    known = make_person("typed@example.com")
    known.emails[0].proven_at = None
    db.session.commit()
    person_merging.merge(home, known, by=make_agent(), now=utcnow())
    db.session.commit()
    assert (lets_in(MINE), lets_in("typed@example.com")) == (True, False)


def test_nobody_is_put_among_those_who_see_what_one_may_not(client: FlaskClient) -> None:
    """Members of such an organization see all of its tickets, a private group's too."""
    open_house = make_organization(access=OrganizationAccess.ALL)
    make_ticket(make_person(organization=open_house), group=make_group(is_private=True))
    evil, agent = make_person(EVIL), make_agent()
    assert change_by_api(client, evil, agent, organization=open_house.id) == 403
    assert evil.organization_id is None
    own = make_organization(access=OrganizationAccess.OWN)
    assert change_by_api(client, evil, agent, organization=own.id) == 200
    supervisor = make_agent(role=Role.SUPERVISOR)
    assert change_by_api(client, evil, supervisor, organization=open_house.id) == 200


def test_a_merge_is_undone_by_those_who_may_see_what_the_survivor_asks() -> None:
    ana, evil = make_person(MINE), make_person(EVIL)
    done = person_merging.merge(evil, ana, by=make_agent(), now=utcnow())
    make_ticket(ana, group=make_group(is_private=True))
    db.session.commit()
    with pytest.raises(Forbidden):
        person_merging.undo(*person_merging.find(done.id), by=make_agent(), now=utcnow())


@pytest.mark.parametrize("access", OrganizationAccess)
def test_nobody_becomes_one_with_those_who_see_what_one_may_not(
    access: OrganizationAccess,
) -> None:
    """Whoever has no organization takes that of the person who is merged into them."""
    company = make_organization(access=access)
    make_ticket(make_person(organization=company), group=make_group(is_private=True))
    colleague, evil = make_person(organization=company), make_person(EVIL)
    db.session.commit()
    if access is OrganizationAccess.ALL:
        for merged, survivor in ((colleague, evil), (evil, colleague)):
            with pytest.raises(Forbidden):
                person_merging.merge(merged, survivor, by=make_agent(), now=utcnow())
    else:
        person_merging.merge(colleague, evil, by=make_agent(), now=utcnow())


def test_nobody_counts_the_tickets_of_somebody_whom_they_may_not_merge(
    app: Flask, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    group = make_group(is_private=True)
    ana, other = make_person(MINE), make_person()
    make_ticket(ana, group=group)
    outside = sign_in(app.test_client(), make_agent())
    member = sign_in(app.test_client(), make_agent(groups=(group,)))
    path = f"/desk/people/{other.id}/merges?with={ana.id}"
    assert (outside.get(path).status_code, member.get(path).status_code) == (403, 200)
    data = {"csrf_token": token_of(outside, f"/desk/people/{other.id}"), "into": str(ana.id)}
    assert outside.post(f"/desk/people/{other.id}/merges", data=data).status_code == 403

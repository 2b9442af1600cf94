"""Who sees which ticket: the requester, another customer, a stranger with a bad link."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import OrganizationAccess, Person, PersonEmail
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import OutboundEmail
from app.tickets import keys
from app.tickets.mail_models import TicketAccess
from app.tickets.models import Participant, Ticket
from tests.factories import make_agent, make_group, make_organization, make_person, make_ticket
from tests.portal.conftest import Visitor, link_to

Customer = Callable[[Person], Visitor]
ByLink = Callable[..., Visitor]
UNKNOWN = "TKT-AAAAAAAA"


def sees(visitor: Visitor, ticket: Ticket) -> bool:
    answer = visitor.get(f"/tickets/{ticket.number}")
    assert answer.status_code in (200, 404)
    assert (ticket.description in answer.text) is (answer.status_code == 200)
    return answer.status_code == 200


def refused_everywhere(visitor: Visitor, ticket: Ticket) -> bool:
    path = f"/tickets/{ticket.number}"
    posts = [
        visitor.post(f"{path}/{to}", body="x") for to in ("comments", "resolution", "reopening")
    ]
    return not sees(visitor, ticket) and {answer.status_code for answer in posts} == {404}


@pytest.mark.requirement("X18")
def test_requester_other_customer_and_stranger(customer: Customer, guest: Visitor) -> None:
    ticket = make_ticket()
    make_ticket(make_person())
    assert sees(customer(ticket.requester), ticket)
    assert refused_everywhere(customer(make_person()), ticket)
    assert refused_everywhere(guest, ticket)
    assert db.session.get_one(Ticket, ticket.id).version == 1


def test_an_agent_is_no_customer_of_every_ticket(customer: Customer) -> None:
    assert refused_everywhere(customer(make_agent()), make_ticket())


def test_foreign_and_unknown_numbers_look_alike(customer: Customer, guest: Visitor) -> None:
    ticket = make_ticket()
    for visitor in (guest, customer(make_person())):
        pages = []
        for number in (ticket.number, UNKNOWN):
            answer = visitor.get(f"/tickets/{number}")
            assert answer.status_code == 404
            text = answer.text.replace(number, "")
            pages.append("".join(part for part in text.split('"') if "IjE" not in part[:3]))
        assert pages[0].split("csrf_token")[0] == pages[1].split("csrf_token")[0]
        assert len(pages[0]) == len(pages[1])


def test_a_deleted_ticket_is_gone(customer: Customer, by_link: ByLink) -> None:
    ticket = make_ticket()
    visitors = [customer(ticket.requester), by_link(ticket)]
    db.session.get_one(Ticket, ticket.id).deleted_at = utcnow()
    db.session.commit()
    assert all(refused_everywhere(visitor, ticket) for visitor in visitors)


@pytest.mark.parametrize("number", ["x", "TKT-0000OOOO", "TKT-AAAAAAA", "🙂", "TKT-AAAAAAAA\0"])
def test_what_is_no_number_is_no_page(guest: Visitor, number: str) -> None:
    assert guest.get(f"/tickets/{number}").status_code == 404
    assert guest.get(f"/tickets/{number}?key=x").status_code == 404
    assert guest.get(f"/tickets/{number}/link").status_code == 404
    assert guest.post(f"/tickets/{number}/comments", body="x").status_code == 404


def test_a_number_may_be_typed_in_small_letters(customer: Customer) -> None:
    ticket = make_ticket()
    answer = customer(ticket.requester).get(f"/tickets/{ticket.number.lower()}")
    assert answer.location == f"/tickets/{ticket.number}"


def test_participants_see_it(customer: Customer) -> None:
    ticket, follower = make_ticket(), make_person()
    db.session.add(Participant(ticket_id=ticket.id, person_id=follower.id, created_at=utcnow()))
    assert sees(customer(follower), ticket)


def test_colleagues_see_it_only_if_the_organization_shares(customer: Customer) -> None:
    sharing = make_organization(access=OrganizationAccess.ALL)
    closed = make_organization(access=OrganizationAccess.OWN)
    for company, shown in ((sharing, True), (closed, False)):
        ticket = make_ticket(make_person(organization=company))
        colleague = customer(make_person(organization=company))
        assert sees(colleague, ticket) is shown
        assert (ticket.subject in colleague.get("/tickets").text) is shown
    outsider = customer(make_person(organization=make_organization(access=OrganizationAccess.ALL)))
    assert not sees(outsider, ticket)


def test_an_unproven_address_opens_no_colleagues_tickets(customer: Customer) -> None:
    company = make_organization(access=OrganizationAccess.ALL)
    ticket = make_ticket(make_person(organization=company))
    claimed = make_person(organization=company)
    claimed.emails[0].proven_at = None
    own = make_ticket(claimed)
    visitor = customer(claimed)
    assert sees(visitor, own)
    assert not sees(visitor, ticket)
    assert ticket.subject not in visitor.get("/tickets").text


def test_two_people_without_an_organization_are_no_colleagues(customer: Customer) -> None:
    assert not sees(customer(make_person()), make_ticket(make_person()))


# --- links --------------------------------------------------------------------------------------


def test_a_links_key_is_traded_for_a_cookie_of_this_ticket(guest: Visitor) -> None:
    ticket, other = make_ticket(), make_ticket()
    answer = guest.get(link_to(ticket))
    assert (answer.status_code, answer.location) == (303, f"/tickets/{ticket.number}")
    cookie = answer.headers["Set-Cookie"]
    assert f"Path=/tickets/{ticket.number}" in cookie
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in answer.headers["Cache-Control"]
    assert sees(guest, ticket)
    assert refused_everywhere(guest, other)
    assert guest.get("/tickets").status_code == 302
    assert guest.get("/tickets").location.startswith("/login")


def test_the_cookie_of_one_ticket_is_worthless_for_another(guest: Visitor) -> None:
    person = make_person()
    mine, other = make_ticket(person), make_ticket(person)
    value = guest.get(link_to(mine)).headers["Set-Cookie"].split("=", 1)[1].split(";")[0]
    guest.client.set_cookie("deskhand_ticket", value, path=f"/tickets/{other.number}")
    assert not sees(guest, other)


def test_a_key_opens_no_other_number(guest: Visitor) -> None:
    ticket, other = make_ticket(), make_ticket()
    key = link_to(ticket).partition("?")[2]
    answer = guest.get(f"/tickets/{other.number}?{key}")
    assert answer.status_code == 303
    assert "Set-Cookie" not in answer.headers
    assert not sees(guest, other)


def forged(link: str) -> str:
    return link[:-8] + ("AAAAAAAA" if link[-8:] != "AAAAAAAA" else "BBBBBBBB")


@pytest.mark.parametrize("change", [forged, lambda link: link.partition("=")[0] + "="])
def test_a_forged_key_opens_nothing(guest: Visitor, change: Callable[[str], str]) -> None:
    ticket = make_ticket()
    answer = guest.get(change(link_to(ticket)))
    assert (answer.status_code, answer.location) == (303, f"/tickets/{ticket.number}")
    assert "deskhand_ticket" not in answer.headers.get("Set-Cookie", "")
    assert refused_everywhere(guest, ticket)


def expire(ticket: Ticket) -> None:
    db.session.execute(sa.update(TicketAccess).values(expires_at=utcnow() - timedelta(seconds=1)))


def revoke(ticket: Ticket) -> None:
    keys.revoke(ticket.id, ticket.requester_id, now=utcnow())


def give_away(ticket: Ticket) -> None:
    ticket.requester = make_person()


def shut_out(ticket: Ticket) -> None:
    ticket.requester.is_active = False


@pytest.mark.parametrize("end", [expire, revoke, give_away, shut_out])
def test_keys_and_cookies_end(
    app: Flask, by_link: ByLink, guest: Visitor, end: Callable[[Ticket], None]
) -> None:
    ticket = make_ticket()
    link, visitor = link_to(ticket), by_link(ticket)
    end(ticket)
    db.session.commit()
    guest.get(link)
    assert refused_everywhere(guest, ticket)
    assert refused_everywhere(visitor, ticket)


def test_whoever_is_signed_in_keeps_their_own_ticket_with_a_bad_key(customer: Customer) -> None:
    ticket = make_ticket()
    answer = customer(ticket.requester).get(
        f"/tickets/{ticket.number}?key=old", follow_redirects=True
    )
    assert answer.status_code == 200


def test_someone_signed_in_may_still_use_a_link(customer: Customer) -> None:
    ticket = make_ticket()
    visitor = customer(make_person())
    visitor.get(link_to(ticket))
    path = f"/tickets/{ticket.number}"
    assert visitor.post(f"{path}/comments", path, body="by link").status_code == 303
    page = visitor.get(path).text
    assert '<article class="comment you"' in page


# --- a new link -----------------------------------------------------------------------------------


def ask(visitor: Visitor, number: str, email: str) -> Any:
    return visitor.post(f"/tickets/{number}/link", f"/tickets/{number}", email=email)


def mails() -> list[OutboundEmail]:
    return list(db.session.scalars(sa.select(OutboundEmail).order_by(OutboundEmail.id)))


def test_a_new_link_is_mailed_to_an_address_of_the_ticket(guest: Visitor) -> None:
    ticket = make_ticket(make_person("ann@example.com"))
    db.session.add(PersonEmail(address="ann@home.example", person_id=ticket.requester_id))
    db.session.commit()
    for address in ("ann@example.com", "ANN@home.example "):
        assert ask(guest, ticket.number, address).status_code == 303
    assert [(mail.kind, mail.recipient) for mail in mails()] == [
        ("ticket_link", "ann@example.com"),
        ("ticket_link", "ann@home.example"),
    ]
    key = mails()[-1].context["key"]
    guest.get(f"/tickets/{ticket.number}?key={key}")
    assert sees(guest, ticket)


def test_of_a_private_groups_ticket_an_added_address_gets_no_link(guest: Visitor) -> None:
    """Agents who may not see the ticket may have added it."""
    ticket = make_ticket(make_person("ann@example.com"), group=make_group(is_private=True))
    added = PersonEmail(address="ann@home.example", person_id=ticket.requester_id)
    db.session.add(added)
    db.session.commit()
    for address in ("ann@home.example", "ann@example.com"):
        ask(guest, ticket.number, address)
    assert [mail.recipient for mail in mails()] == ["ann@example.com"]
    added.proven_at = utcnow()
    db.session.commit()
    ask(guest, ticket.number, "ann@home.example")
    assert [mail.recipient for mail in mails()] == ["ann@example.com", "ann@home.example"]


def test_nobody_learns_whether_the_address_was_right(guest: Visitor) -> None:
    ticket = make_ticket(make_person("ann@example.com"))
    make_ticket(make_person("other@example.com"))
    answers = []
    for number, address in (
        (ticket.number, "ann@example.com"),
        (ticket.number, "other@example.com"),
        (ticket.number, "nobody@example.com"),
        (UNKNOWN, "ann@example.com"),
    ):
        answer = ask(guest, number, address)
        assert answer.status_code == 303
        page = guest.get(answer.location).text
        assert f"If {address} belongs to this ticket" in page
        answers.append(
            (answer.location.replace(number, ""), len(page.replace(number, "")) - len(address))
        )
    assert len(set(answers)) == 1
    assert [mail.recipient for mail in mails()] == ["ann@example.com"]


def test_a_deleted_ticket_sends_no_link(guest: Visitor) -> None:
    ticket = make_ticket(make_person("ann@example.com"), deleted_at=utcnow())
    db.session.commit()
    ask(guest, ticket.number, "ann@example.com")
    assert mails() == []


@pytest.mark.parametrize("address", ["", "nobody", "a\0@example.com", "x" * 300 + "@example.com"])
def test_what_is_no_address_is_told(guest: Visitor, address: str) -> None:
    answer = ask(guest, UNKNOWN, address)
    assert answer.status_code == 422
    assert "aria-invalid" in answer.text


# --- files ----------------------------------------------------------------------------------------


def test_files_are_for_those_who_see_the_ticket(
    customer: Customer, by_link: ByLink, guest: Visitor
) -> None:
    ticket, other = make_ticket(), make_ticket()
    owner = customer(ticket.requester)
    path = f"/tickets/{ticket.number}"
    owner.post(f"{path}/comments", path, attachments=(BytesIO(b"bytes"), "a b?.txt"))
    page = owner.get(path).text
    file = page.split('class="file" href="')[1].split('"')[0]
    assert file.endswith("/a%20b%3F.txt")
    assert owner.get(file).data == b"bytes"
    assert by_link(ticket).get(file).data == b"bytes"
    for visitor in (guest, customer(make_person()), by_link(other)):
        assert visitor.get(file).status_code == 404
    through_another = file.replace(ticket.number, other.number)
    assert customer(other.requester).get(through_another).status_code == 404

"""The page of a person: addresses, tickets, and duplicates made into one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape
from werkzeug.test import TestResponse

from app.accounts import people
from app.accounts.models import Person, Role
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.mail import failing
from tests.factories import make_agent, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def post(client: FlaskClient, path: str, page: str, **data: str) -> TestResponse:
    found = re.search(r'name="csrf_token" value="([^"]+)"', client.get(page).text)
    assert found, page
    return client.post(path, data={"csrf_token": found[1], **data})


def owner(address: str) -> int | None:
    db.session.expire_all()
    found = people.find(address)
    return found.id if found else None


def test_it_shows_who_they_are_and_what_they_asked(desk: FlaskClient, anna: Person) -> None:
    mine = make_ticket(anna, subject="Oven off")
    make_ticket(subject="Somebody else's")
    make_ticket(anna, subject="For another team", group=make_group(is_private=True))
    db.session.commit()
    page = desk.get(f"/desk/people/{anna.id}").text
    for text in ("Anna Leitner", "anna@work.example", "+43 1 5550", mine.subject):
        assert text in page
    assert "Somebody else" not in page
    assert "For another team" not in page
    assert f'href="/desk/people/{anna.id}"' in desk.get(f"/desk/tickets/{mine.number}").text
    assert desk.get("/desk/people/999999").status_code == 404


def test_tickets_are_paged(desk: FlaskClient, anna: Person) -> None:
    numbers = {make_ticket(anna).number for _ in range(30)}
    db.session.commit()
    seen: set[str] = set()
    path = f"/desk/people/{anna.id}"
    for _ in range(2):
        page = desk.get(path).text
        seen |= set(re.findall(r'id="ticket-(TKT-\w{8})"', page))
        following = re.search(r'href="([^"]*cursor=[^"]+)" rel="next"', page) or re.search(
            rf'href="({re.escape(f"/desk/people/{anna.id}")}[^"]*cursor=[^"]+)"', page
        )
        assert following
        path = following[1].replace("&amp;", "&")
    assert seen == numbers


def test_addresses_are_added_chosen_and_given_up(
    app: Flask, desk: FlaskClient, anna: Person, sign_in: SignIn
) -> None:
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    assert post(desk, f"{page}/addresses", page, address=" Anna@HOME.example").status_code == 303
    assert owner("anna@home.example") == anna.id
    assert anna.email == "anna@work.example"
    post(desk, f"{page}/addresses/main", page, address="anna@home.example")
    assert owner("anna@work.example") == anna.id
    assert anna.email == "anna@home.example"
    post(desk, f"{page}/addresses/removal", page, address="anna@home.example")
    assert owner("anna@home.example") == anna.id  # the main one stays
    post(desk, f"{page}/addresses/removal", page, address="anna@work.example")
    assert owner("anna@work.example") == anna.id  # the only one that they have proven stays, too
    supervisor = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    post(supervisor, f"{page}/addresses/removal", page, address="anna@work.example")
    assert owner("anna@work.example") is None
    written = sa.select(AuditEntry.to_value).where(AuditEntry.field == "Addresses")
    assert list(db.session.scalars(written.order_by(AuditEntry.id))) == [
        "anna@home.example added",
        "anna@home.example is the main address now",
        "anna@work.example is theirs no more",
    ]


def test_a_taken_address_offers_to_merge(desk: FlaskClient, anna: Person) -> None:
    other = make_person("anna@home.example", name="A. Leitner")
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    refused = post(desk, f"{page}/addresses", page, address="anna@home.example")
    assert refused.status_code == 409
    assert f"{page}/merges?with={other.id}" in refused.text
    assert owner("anna@home.example") == other.id
    wrong = post(desk, f"{page}/addresses", page, address="nonsense")
    assert wrong.status_code == 422
    assert 'value="nonsense"' in wrong.text


@pytest.mark.parametrize(
    "typed",
    [
        "<anna@home.example>",
        "Anna <anna@home.example>",
        "anna@home.example,bo@home.example",
        "anna@home.example;bo@home.example",
        "mailto:anna@home.example",
        "anna@home",
        "anna@[127.0.0.1]",
        "anna@home,example",
    ],
)
def test_what_nobody_has_as_an_address_is_not_theirs(
    desk: FlaskClient, anna: Person, typed: str
) -> None:
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    answer = post(desk, f"{page}/addresses", page, address=typed)
    assert answer.status_code == 422
    assert f'value="{escape(typed)}"' in answer.text  # to be mended, not typed again
    assert [email.address for email in anna.emails] == ["anna@work.example"]


@pytest.mark.parametrize(
    "typed", ["a..b.@home.example", "o'neil+x@home.example", '"a@b"@home.example', "ü@mü.example"]
)
def test_odd_addresses_that_people_have_are_theirs(
    desk: FlaskClient, anna: Person, typed: str
) -> None:
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    assert post(desk, f"{page}/addresses", page, address=typed).status_code == 303


def test_addresses_of_colleagues_are_for_admins(
    app: Flask, desk: FlaskClient, sign_in: SignIn
) -> None:
    colleague = make_agent("lee@desk.example")
    admin = make_agent(role=Role.ADMIN)
    db.session.commit()
    page = f"/desk/people/{colleague.id}"
    assert f'action="{page}/addresses"' not in desk.get(page).text
    refused = post(desk, f"{page}/addresses", "/desk/tickets/new", address="mine@x.example")
    assert refused.status_code == 403
    assert owner("mine@x.example") is None
    chief = sign_in(app.test_client(), admin)
    assert post(chief, f"{page}/addresses", page, address="lee@x.example").status_code == 303


def test_a_failing_address_is_marked_until_it_is_cleared(desk: FlaskClient, anna: Person) -> None:
    failing.mark(
        "anna@work.example", status="5.1.1", reason="No such user", outbound_email_id=None,
        now=utcnow(),
    )  # fmt: skip
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    assert "No such user" in desk.get(page).text
    done = post(desk, f"{page}/addresses/clearance", page, address="anna@work.example")
    assert done.status_code == 303
    assert "No such user" not in desk.get(page).text


def test_two_entries_are_merged_and_parted(desk: FlaskClient, anna: Person) -> None:
    home = make_person("anna.l@home.example", name="Anna Leitner")
    stranger = make_person("eve@x.example", name="Eve")
    ticket = make_ticket(home, subject="From home")
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    offered = desk.get(f"{page}/merges").text
    assert f"with={home.id}" in offered
    assert f"with={stranger.id}" not in offered
    assert f"with={home.id}" in desk.get(f"{page}/merges?q=anna.l@").text
    ahead = desk.get(f"{page}/merges?with={home.id}").text
    assert "1 ticket " in ahead
    assert f'action="/desk/people/{home.id}/merges"' in ahead  # who is known longer stays
    done = post(
        desk, f"/desk/people/{home.id}/merges", f"{page}/merges?with={home.id}", into=str(anna.id)
    )
    assert done.headers["Location"] == page
    assert desk.get(f"/desk/people/{home.id}").headers["Location"] == page
    shown = desk.get(page).text
    assert ticket.subject in shown
    found = re.search(r'action="([^"]+/reversal)"', shown)
    assert found
    assert post(desk, found[1], page).headers["Location"] == f"/desk/people/{home.id}"
    assert owner("anna.l@home.example") == home.id


def test_somebody_who_works_here_is_not_merged(desk: FlaskClient, anna: Person) -> None:
    agent = make_agent("lee@desk.example")
    db.session.commit()
    page = f"/desk/people/{anna.id}"
    refused = post(desk, f"/desk/people/{agent.id}/merges", f"{page}/merges", into=str(anna.id))
    assert refused.status_code == 409
    assert owner("lee@desk.example") == agent.id

"""My tickets: whose they are, in which order, in pages, at a fixed cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import chain

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import OrganizationAccess, Person
from app.core.clock import utcnow
from app.core.db import db
from app.tickets import portal_queries
from app.tickets.models import Participant
from app.tickets.words import Status
from tests.factories import make_agent, make_comment, make_organization, make_person, make_ticket
from tests.portal.conftest import Visitor

Customer = Callable[[Person], Visitor]


def numbers(html: str) -> list[str]:
    return re.findall(r'<a href="/tickets/(TKT-\w+)"', html)


def walk(visitor: Visitor, path: str, rel: str) -> list[list[str]]:
    """The numbers of each page from *path* on, along the links of *rel*."""
    found = []
    while path:
        html = visitor.get(path).text
        found.append(numbers(html))
        link = re.search(rf'href="([^"]+)" rel="{rel}"', html)
        path = link[1] if link else ""
        assert len(found) < 50
    return found


def test_the_list_is_for_whoever_is_signed_in(guest: Visitor) -> None:
    assert guest.get("/tickets").location == "/login?next=%2Ftickets"


@pytest.mark.requirement("R 0-24", "X58")
def test_no_tickets_yet(customer: Customer) -> None:
    make_ticket()
    page = customer(make_person()).get("/tickets").text
    assert "No tickets yet" in page
    assert numbers(page) == []


def test_what_waits_for_me_comes_first(customer: Customer) -> None:
    person = make_person()
    waiting = make_ticket(person, status=Status.PENDING, age=timedelta(days=9))
    newer = make_ticket(person, status=Status.OPEN)
    newest = make_ticket(person, status=Status.RESOLVED)
    make_ticket()
    make_ticket(person, deleted_at=utcnow())
    visitor = customer(person)
    page = visitor.get("/tickets").text
    assert numbers(page) == [waiting.number, newest.number, newer.number]
    assert "We wait for your answer" in page
    assert numbers(visitor.get("/").text) == [waiting.number]


@pytest.mark.requirement("R 12-5", "X58")
def test_every_ticket_is_on_one_page_and_back_again(customer: Customer) -> None:
    person, company = make_person(), make_organization(access=OrganizationAccess.ALL)
    person.organization = company
    colleague = make_person(organization=company, name="Ada Colleague")
    mine = [make_ticket(person) for _ in range(40)]
    followed = [make_ticket() for _ in range(10)]
    for ticket in followed:
        db.session.add(Participant(ticket_id=ticket.id, person_id=person.id, created_at=utcnow()))
    shared = [make_ticket(colleague) for _ in range(25)]
    both = make_ticket(colleague)
    db.session.add(Participant(ticket_id=both.id, person_id=person.id, created_at=utcnow()))
    [make_ticket() for _ in range(5)]
    wanted = [t.number for t in sorted([*mine, *followed, *shared, both], key=lambda t: -t.id)]
    visitor = customer(person)

    forth = walk(visitor, "/tickets", "next")
    assert [len(page) for page in forth] == [25, 25, 25, 1]
    assert list(chain(*forth)) == wanted
    first = visitor.get("/tickets").text
    assert "Ada Colleague" in first
    assert company.name in first
    last_id = min(t.id for t in mine)
    back = walk(visitor, f"/tickets?after={last_id}", "prev")
    assert list(chain(*reversed(back))) == wanted[:-1]


@pytest.mark.requirement("R 12-5")
def test_the_first_page_has_no_previous_one(customer: Customer) -> None:
    person = make_person()
    tickets = [make_ticket(person) for _ in range(30)]
    visitor = customer(person)
    assert 'rel="prev"' not in visitor.get("/tickets").text
    again = visitor.get(f"/tickets?after={tickets[4].id}").text
    assert numbers(again) == numbers(visitor.get("/tickets").text)
    assert 'rel="prev"' not in again
    assert 'rel="next"' not in visitor.get(f"/tickets?before={tickets[5].id}").text
    assert numbers(visitor.get(f"/tickets?before={tickets[0].id}").text) == []


def test_with_very_many_waiting_none_is_lost(customer: Customer) -> None:
    person = make_person()
    tickets = [make_ticket(person, status=Status.PENDING) for _ in range(60)]
    seen = set(chain(*walk(customer(person), "/tickets", "next")))
    assert seen == {ticket.number for ticket in tickets}


def test_a_list_costs_a_fixed_number_of_statements(
    customer: Customer, statements: list[str]
) -> None:
    counts = []
    for size in (1, 25):
        company = make_organization(access=OrganizationAccess.ALL)
        person = make_person(organization=company)
        agent = make_agent()
        for n in range(size):
            ticket = make_ticket(person, status=Status.PENDING if n % 3 else Status.OPEN)
            make_comment(ticket, agent)
        visitor = customer(person)
        visitor.get("/tickets"), visitor.get("/")  # fill the caches
        for path in ("/tickets", "/"):
            statements.clear()
            assert visitor.get(path).status_code == 200
            counts.append(len(statements))
    assert counts[:2] == counts[2:]
    assert max(counts) <= 6


def test_no_list_walks_all_tickets_there_are(app: Flask) -> None:
    """Each way to a ticket starts from an index on the viewer."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("reads SQLite's plan")
    person = make_person()
    organization = portal_queries.SharedOrganization(1, "x")
    plans: list[str] = []

    def explain(
        conn: sa.Connection, cursor: object, sql: str, parameters: object, *_: object
    ) -> None:
        if sql.startswith("SELECT ticket.id"):
            found = conn.connection.cursor().execute(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
            plans.extend(row[3] for row in found)

    engine = db.session.connection().engine
    sa.event.listen(engine, "before_cursor_execute", explain)
    try:
        portal_queries.page(person, organization, before=10**6, with_waiting=False)
        portal_queries.waiting(person, organization)
    finally:
        sa.event.remove(engine, "before_cursor_execute", explain)
    assert plans
    scans = [plan for plan in plans if plan.startswith("SCAN ticket")]
    assert scans == []
    assert any("ix_ticket_requester_id_id" in plan for plan in plans)

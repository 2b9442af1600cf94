"""SQL statements of the desk's pages: few, and as many for a full desk as for one row."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core import cache
from app.core.db import db
from app.tickets.catalog_models import Tag
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Status, Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_organization,
    make_person,
    make_ticket,
)

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    """Signed in on the client; a private group's tickets are hidden from them."""
    make_group(is_private=True)
    agent = make_agent(groups=(make_group(),), max_tickets=50)
    sign_in(client, agent)
    return agent


def _full_ticket(agent: Person, n: int) -> Ticket:
    """A ticket with everything that a row or a page shows."""
    requester = make_person(organization=make_organization())
    tags = [Tag(name=f"tag-{n}-{k}") for k in range(3)]
    ticket = make_ticket(
        requester, subject=f"Oven {n}", assignee=agent, tags=tags, status=Status.OPEN
    )
    make_ticket(requester)
    for k in range(6):
        make_comment(ticket, agent if k % 2 else requester, body=f"Comment {k}")
    make_comment(ticket, agent, visibility=Visibility.INTERNAL)
    for version in range(2, 8):
        db.session.add(
            TicketEvent(
                ticket_id=ticket.id,
                kind=EventKind.TAGS,
                actor_name=agent.name,
                version=version,
                created_at=ticket.created_at,
            )
        )
    return ticket


def _cost(client: FlaskClient, statements: list[str], path: str) -> int:
    """Statements of the second request: reference data and counts are kept from the first."""
    db.session.commit()
    assert client.get(path).status_code == 200
    statements.clear()
    assert client.get(path).status_code == 200
    return len(statements)


@pytest.mark.parametrize("tickets", [1, 30])
def test_queue(client: FlaskClient, agent: Person, statements: list[str], tickets: int) -> None:
    for n in range(tickets):
        _full_ticket(agent, n)
    assert _cost(client, statements, "/desk/") == 2, statements  # who asks, rows
    cache._brief.clear()  # five seconds later
    statements.clear()
    client.get("/desk/")
    assert len(statements) == 4, statements  # and all counts, and one's own load


@pytest.mark.parametrize("tickets", [1, 30])
def test_search(client: FlaskClient, agent: Person, statements: list[str], tickets: int) -> None:
    for n in range(tickets):
        _full_ticket(agent, n)
    assert _cost(client, statements, "/desk/search?q=oven") <= 4, statements


@pytest.mark.parametrize("tickets", [1, 30])
def test_ticket(client: FlaskClient, agent: Person, statements: list[str], tickets: int) -> None:
    shown = [_full_ticket(agent, n) for n in range(tickets)][-1]
    # Who asks, the ticket, comments, history, clocks, the requester's other tickets.
    cost = _cost(client, statements, f"/desk/tickets/{shown.number}")
    assert cost == 6, statements
    for tab in ("history", "why"):
        path = f"/desk/tickets/{shown.number}?tab={tab}"
        assert _cost(client, statements, path) <= 7, statements

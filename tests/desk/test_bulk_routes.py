"""Several tickets changed at once: each by itself, and what was refused in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.tickets import timeline
from app.tickets.catalog_models import Tag
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import Priority, Status
from tests.admin.pages import token
from tests.factories import make_agent, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
LEFT = {
    "status": "",
    "priority": "",
    "assignee": "",
    "group": "",
    "add_tags": "",
    "remove_tags": "",
}


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent(name="Priya Raman", max_tickets=50)
    sign_in(client, found)
    return found


def ask(client: FlaskClient, *tickets: Ticket) -> TestResponse:
    """The page after ticking these in the queue."""
    db.session.commit()
    return client.get("/desk/changes", query_string={"ticket": [row.number for row in tickets]})


def change(client: FlaskClient, *tickets: Ticket, **data: str) -> TestResponse:
    """Tick these, choose, and send, as the page would."""
    page = ask(client, *tickets).text
    shown = [unescape(text) for text in re.findall(r'name="ticket" value="([^"]+)"', page)]
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page[page.index("<h1>") :])
    assert found
    sent = {"csrf_token": found[1], "ticket": shown, "back": "/desk/?view=all"}
    return client.post("/desk/changes", data=sent | LEFT | data)


def history(ticket: Ticket) -> list[str]:
    its = sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    return [timeline.describe(row) for row in db.session.scalars(its.order_by(TicketEvent.id))]


def test_rows_are_ticked_in_the_list_and_lead_to_one_form(
    client: FlaskClient, agent: Person
) -> None:
    one, two, other = (make_ticket() for _ in range(3))
    db.session.commit()
    html = client.get("/desk/?view=all&status=new").text
    boxes = re.findall(
        r'<input class="check" type="checkbox" form="bulk" name="ticket" value="(.*?)"', html
    )
    assert sorted(boxes) == sorted(row.number for row in (one, two, other))
    assert '<form class="bulk" id="bulk" action="/desk/changes"' in html
    assert 'name="back" value="/desk/?view=all&amp;status=new"' in html
    page = ask(client, one, two).text
    assert "Change 2 tickets" in page
    assert one.number in page
    assert other.number not in page


def test_every_ticket_changes_with_its_own_history(client: FlaskClient, agent: Person) -> None:
    one = make_ticket(tags=[Tag(name="old"), Tag(name="both")])
    two, other = make_ticket(), make_ticket()
    answer = change(
        client,
        one,
        two,
        status="in_progress",
        priority="high",
        assignee=str(agent.id),
        add_tags="New, both",
        remove_tags="OLD",
    )
    assert (answer.status_code, answer.location) == (303, "/desk/?view=all")
    assert "2 tickets are changed." in client.get("/desk/").text
    for ticket in (one, two):
        assert (ticket.status, ticket.priority) == (Status.IN_PROGRESS, Priority.HIGH)
        assert ticket.assignee_id == agent.id
        assert sorted(tag.name for tag in ticket.tags) == ["both", "new"]
    assert history(one) == [
        "Priya Raman took it",
        "Priya Raman changed the status from New to Open",
        "Priya Raman changed the priority from Normal to High",
        "Priya Raman changed the tags from both, old to both, new",
        "Priya Raman changed the status from Open to In progress",
    ]
    assert history(other) == []


def test_what_is_left_alone_stays(client: FlaskClient, agent: Person) -> None:
    group = make_group()
    ticket = make_ticket(group=group, assignee=agent, status=Status.OPEN, tags=[Tag(name="a")])
    assert change(client, ticket, priority="low").status_code == 303
    assert len(history(ticket)) == 1
    assert (ticket.group_id, ticket.assignee_id, ticket.status) == (group.id, agent.id, Status.OPEN)
    assert change(client, ticket, assignee="none", group="none").status_code == 303
    assert (ticket.group_id, ticket.assignee_id) == (None, None)


def test_one_that_cannot_be_changed_holds_up_no_other(client: FlaskClient, agent: Person) -> None:
    over, waiting = make_ticket(status=Status.CLOSED), make_ticket()
    answer = change(client, over, waiting, priority="high", status="pending")
    assert answer.status_code == 409
    assert "1 ticket is changed. What is listed here is not changed, and says why." in answer.text
    assert (waiting.status, waiting.priority) == (Status.PENDING, Priority.HIGH)
    # Nothing of it, not even the priority that could have been set.
    assert (over.status, over.priority, history(over)) == (Status.CLOSED, Priority.NORMAL, [])
    left = re.findall(r'name="ticket" value="(TKT-\w+) \d+"', answer.text)
    assert left == [over.number]
    assert re.search(r'<p class="error">.*?Closed', answer.text, re.DOTALL)


def test_a_stale_form_overwrites_nothing(client: FlaskClient, agent: Person) -> None:
    ticket = make_ticket()
    page = ask(client, ticket).text
    [seen] = re.findall(r'name="ticket" value="([^"]+)"', page)
    csrf = token(client, f"/desk/changes?ticket={ticket.number}")
    timeline.record(
        ticket,
        "priority",
        by=make_agent(name="Sanna"),
        now=utcnow(),
        field="priority",
        old="Normal",
        new="Critical",
    )
    ticket.priority = Priority.CRITICAL
    db.session.commit()
    sent = {"csrf_token": csrf, "ticket": seen, **LEFT}
    answer = client.post("/desk/changes", data=sent | {"priority": "low"})
    assert answer.status_code == 409
    assert "Sanna changed the priority meanwhile. It is Critical now, you chose Low." in answer.text
    assert ticket.priority is Priority.CRITICAL
    assert client.post("/desk/changes", data=sent | {"status": "open"}).status_code == 303


def test_tickets_that_one_may_not_see_are_neither_shown_nor_changed(
    client: FlaskClient, agent: Person
) -> None:
    private = make_group("Works council", is_private=True)
    hidden, seen = make_ticket(group=private, subject="Secret"), make_ticket()
    assert "Secret" not in ask(client, hidden, seen).text
    alone = ask(client, hidden).text
    assert "These tickets are gone" in alone
    assert "<h1>Change tickets</h1>" in alone
    csrf = token(client, f"/desk/changes?ticket={seen.number}")
    sent = {"csrf_token": csrf, "ticket": f"{hidden.number} 1", **LEFT, "priority": "low"}
    answer = client.post("/desk/changes", data=sent, follow_redirects=True)
    assert "1 ticket is gone, or not for you." in answer.text
    assert "Secret" not in answer.text
    assert hidden.priority is Priority.NORMAL
    assert "Works council" not in ask(client, seen).text
    assert client.post("/desk/changes", data=sent | {"group": str(private.id)}).status_code == 422


def test_what_is_changed_is_told_where_the_rest_is_gone(client: FlaskClient, agent: Person) -> None:
    gone, kept, over = make_ticket(), make_ticket(), make_ticket(status=Status.CLOSED)
    csrf = token(client, f"/desk/changes?ticket={kept.number}")
    gone.deleted_at = utcnow()
    db.session.commit()
    sent = {"csrf_token": csrf, **LEFT, "ticket": [gone.number, kept.number], "status": "pending"}
    told = "1 ticket is changed. 1 ticket is gone, or not for you."
    assert told in client.post("/desk/changes", data=sent, follow_redirects=True).text
    assert kept.status is Status.PENDING
    sent["ticket"] = [gone.number, kept.number, over.number]
    answer = client.post("/desk/changes", data=sent)
    assert answer.status_code == 409
    assert f"{told} What is listed here is not changed, and says why." in answer.text
    assert re.findall(r'name="ticket" value="(TKT-\w+) \d+"', answer.text) == [over.number]


def test_whoever_gives_too_many_is_told(client: FlaskClient, agent: Person) -> None:
    busy = make_agent(name="Sanna", max_tickets=0)
    tickets = [make_ticket() for _ in range(3)]
    change(client, tickets[0], assignee=str(busy.id))
    assert "Sanna has 1 ticket now, over the limit of 0." in client.get("/desk/").text
    change(client, *tickets[1:], assignee=str(busy.id))
    html = client.get("/desk/").text
    assert "2 tickets are changed. Sanna has 3 tickets now, over the limit of 0." in html


def test_a_merged_ticket_is_not_changed(client: FlaskClient, agent: Person) -> None:
    into, merged = make_ticket(), make_ticket(status=Status.CLOSED)
    merged.merged_into_id = into.id
    for changes in ({"priority": "high"}, {"add_tags": "a"}, {"status": "open"}, {"group": "none"}):
        assert change(client, merged, **changes).status_code == 409, changes
    assert history(merged) == []


def test_customers_change_nothing(client: FlaskClient, sign_in: SignIn, app: Flask) -> None:
    ticket = make_ticket()
    db.session.commit()
    sign_in(client, make_person(role=Role.CUSTOMER))
    assert client.get(f"/desk/changes?ticket={ticket.number}").status_code == 403


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"priority": "sideways"},
        {"status": "asleep"},
        {"assignee": "99999"},
        {"group": "\x00"},
        {"add_tags": "a\x00"},
        {"add_tags": "t" * 501},
        {"add_tags": " , ,", "remove_tags": ","},
    ],
)
def test_bad_input_is_told_and_changes_nothing(
    client: FlaskClient, agent: Person, data: dict[str, str]
) -> None:
    ticket = make_ticket()
    answer = change(client, ticket, **data)
    assert answer.status_code == 422
    assert ticket.number in answer.text
    assert history(ticket) == []


@pytest.mark.parametrize("query", ["", "ticket=", "ticket=TKT-1", "ticket=%00", "back=//x.example"])
def test_without_tickets_the_list_says_what_to_do(
    client: FlaskClient, agent: Person, query: str
) -> None:
    answer = client.get(f"/desk/changes?{query}")
    assert (answer.status_code, answer.location) == (303, "/desk/")
    assert "Tick the tickets in the list first." in client.get(answer.location).text
    data = {"csrf_token": token(client, "/desk/views/new"), **LEFT}
    assert client.post(f"/desk/changes?{query}", data=data).status_code == 422


def test_the_way_back_stays_on_the_desk(client: FlaskClient, agent: Person) -> None:
    ticket = make_ticket()
    for wanted in ("//x.example", "https://x.example", "/desk/\\x", "/login"):
        answer = change(client, ticket, priority="high", back=wanted)
        assert answer.location == "/desk/"


def test_more_than_a_hundred_are_refused(client: FlaskClient, agent: Person) -> None:
    letters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
    many = [f"TKT-AAAAAA{a}{b}" for a in letters[:11] for b in letters[:10]]
    client.get("/desk/changes", query_string={"ticket": many})
    assert "At most 100 tickets at once." in client.get("/desk/").text


@pytest.mark.parametrize("count", [1, 25])
def test_the_page_costs_as_much_for_many(
    client: FlaskClient, agent: Person, statements: list[str], count: int
) -> None:
    numbers = [make_ticket().number for _ in range(count)]
    db.session.commit()
    client.get("/desk/changes", query_string={"ticket": numbers})
    statements.clear()
    page = client.get("/desk/changes", query_string={"ticket": numbers}).text
    assert numbers[-1] in page
    assert len(statements) <= 3, statements

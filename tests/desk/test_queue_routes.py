"""The queue and the search page: what they show, what they take, what they cost."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.tickets.catalog_models import Tag
from app.tickets.filters import SORTS
from app.tickets.words import Priority, Status
from tests.factories import make_agent, make_group, make_organization, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent(name="Priya Raman", time_zone="Europe/Vienna", groups=(make_group(),))


@pytest.fixture
def desk(client: FlaskClient, sign_in: SignIn, agent: Person) -> FlaskClient:
    return sign_in(client, agent)


def numbers(html: str) -> list[str]:
    return re.findall(r'<li class="queue-row" id="ticket-(TKT-\w+)"', html)


@pytest.mark.requirement("R 0-2", "R 0-15", "X27")
def test_the_queue_shows_what_waits_by_priority_then_age(desk: FlaskClient) -> None:
    normal, older = make_ticket(), make_ticket()
    critical = make_ticket(priority=Priority.CRITICAL)
    make_ticket(status=Status.CLOSED)
    db.session.commit()
    html = desk.get("/desk/").text
    assert numbers(html) == [critical.number, normal.number, older.number]


@pytest.mark.requirement("R 0-14", "R 12-5")
def test_filters_narrow_the_view_and_pages_keep_both(desk: FlaskClient, agent: Person) -> None:
    requester = make_person()
    mine = [make_ticket(requester, assignee=agent, status=Status.OPEN) for _ in range(30)]
    make_ticket(requester, assignee=agent, status=Status.PENDING)
    make_ticket(requester, status=Status.OPEN)
    db.session.commit()
    html = desk.get("/desk/?view=mine&status=open&priority=&created_after=&q=").text
    assert numbers(html) == [ticket.number for ticket in mine[:25]]
    assert "1 to 25 of 30" in html
    found = re.search(r'href="([^"]+)" rel="next"', html)
    assert found
    html = desk.get(unescape(found[1])).text
    assert numbers(html) == [ticket.number for ticket in mine[25:]]
    found = re.search(r'href="([^"]+)" rel="prev"', html)
    assert found
    assert "1 to 25 of 30" in desk.get(unescape(found[1])).text


@pytest.mark.parametrize(
    ("query", "title", "path", "action"),
    [
        ("", "All done", "/desk/tickets/new", "New ticket"),
        ("view=overdue", "Nothing is overdue", "/desk/", "Open Unresolved"),
        ("view=overdue&tag=x", "Nothing fits", "/desk/?view=overdue", "Clear the filters"),
    ],
)
def test_a_list_without_tickets_says_how_to_go_on(
    query: str, title: str, path: str, action: str, desk: FlaskClient
) -> None:
    html = desk.get(f"/desk/?{query}").text.partition('class="empty"')[2]
    assert f"<h2>{title}</h2>" in html
    assert f'<a class="button" href="{path}">{action}</a>' in html


def test_days_come_back_as_they_were_typed(desk: FlaskClient) -> None:
    html = desk.get("/desk/?created_after=2025-11-18&created_before=2025-11-20").text
    assert 'name="created_after" value="2025-11-18"' in html
    assert 'name="created_before" value="2025-11-20"' in html


@pytest.mark.requirement("X52")
@pytest.mark.parametrize(
    "query",
    [
        "status=asleep",
        "assignee=99999999999999999999",
        "group=0",
        "created_after=yesterday",
        "sort=%00",
        "cursor=forged",
        "page=-1",
        "q=%00&tag=%ff",
        "requester=%ed%a0%80@x",
        "view=%00",
        "view=group-999",
    ],
)
@pytest.mark.parametrize("page", ["/desk/", "/desk/search"])
def test_bad_input_is_told_and_breaks_nothing(page: str, query: str, desk: FlaskClient) -> None:
    assert desk.get(f"{page}?{query}").status_code in (200, 302, 400, 422)


@pytest.mark.requirement("R 13-14")
def test_a_search_finds_pages_and_sorts(desk: FlaskClient) -> None:
    requester = make_person(name="Johanna Leitner")
    tickets = [make_ticket(requester, subject=f"Oven {n}") for n in range(30)]
    make_ticket(subject="Fridge")
    db.session.commit()
    html = desk.get("/desk/search?q=oven+johanna").text
    assert numbers(html) == [ticket.number for ticket in tickets[:4:-1]]
    assert "30 tickets" in html
    found = re.search(r'href="([^"]+)" rel="next"', html)
    assert found
    assert len(numbers(desk.get(unescape(found[1])).text)) == 5
    best = desk.get("/desk/search?q=oven&order=best").text
    assert len(numbers(best)) == 25
    assert numbers(desk.get("/desk/search?q=&order=sideways").text) == []
    assert desk.get("/desk/search?q=oven&cursor=forged").status_code == 400


def test_a_whole_number_goes_to_its_ticket(desk: FlaskClient) -> None:
    ticket = make_ticket()
    db.session.commit()
    answer = desk.get("/desk/search", query_string={"q": f" {ticket.number.lower()} "})
    assert answer.status_code == 302
    assert answer.location == f"/desk/tickets/{ticket.number}"


@pytest.mark.parametrize("path", ["/desk/", "/desk/?view=all&status=closed", "/desk/search?q=oven"])
def test_a_page_takes_at_most_eight_statements_however_full(
    path: str, desk: FlaskClient, agent: Person, statements: list[str]
) -> None:
    counts = []
    for _ in range(2):
        for n in range(15):
            make_ticket(
                make_person(organization=make_organization()),
                subject="Oven",
                assignee=agent,
                status=Status.OPEN if n % 2 else Status.CLOSED,
                tags=[Tag(name=f"tag-{len(counts)}-{n}")],
            )
        db.session.commit()
        desk.get(path)  # reference data is read and kept
        statements.clear()
        assert numbers(desk.get(path).text)
        counts.append(len(statements))
    assert counts[0] <= 8
    assert counts[1] <= counts[0] + 1  # how many there are, which one page tells by itself


def test_a_wrong_filter_is_told_and_leaves_the_others(desk: FlaskClient) -> None:
    requester = make_person()
    wanted = make_ticket(requester, status=Status.OPEN, priority=Priority.HIGH)
    make_ticket(requester, status=Status.OPEN, priority=Priority.LOW)
    db.session.commit()
    answer = desk.get("/desk/?view=unresolved&priority=high&created_after=soon&page=-1")
    assert answer.status_code == 400
    assert "created_after: a day or a moment" in answer.text
    assert numbers(answer.text) == [wanted.number]
    assert re.search(r'name="priority" value="high" checked', answer.text)


def test_a_new_filter_keeps_view_and_order(desk: FlaskClient) -> None:
    page = desk.get("/desk/?view=mine&sort=created_at&order=asc").get_data(as_text=True)
    kept = set(re.findall(r'<input type="hidden" name="(view|sort|order)" value="(\w+)">', page))
    assert kept == {("view", "mine"), ("sort", "created_at"), ("order", "asc")}
    page = desk.get("/desk/?view=mine").get_data(as_text=True)
    assert not re.search(r'name="(sort|order)"', page)


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("order", ["asc", "desc"])
def test_the_order_of_a_list_is_named(sort: str, order: str, desk: FlaskClient) -> None:
    shown = re.search(
        r'popovertarget="sort">.*?</span>(.*?)<', desk.get(f"/desk/?sort={sort}&order={order}").text
    )
    assert shown
    is_usual = (sort, order) == ("priority", "desc")
    assert (shown[1] == "Priority, then age") is is_usual

"""The pages from outside: rows, badges, filters, the form, and errors that can be looked up."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.tickets.words import Priority, Status
from tests.factories import make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def words(html: str) -> str:
    """What is read out of *html*."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


def row_of(html: str, number: str) -> str:
    """The HTML of a ticket's row."""
    found = re.search(rf'<li class="queue-row" id="ticket-{number}".*?</li>', html, re.S)
    assert found, number
    return found[0]


@pytest.fixture
def desk(client: FlaskClient, agent: Person, sign_in: SignIn) -> FlaskClient:
    return sign_in(client, agent)


@pytest.mark.requirement("R 0-2", "R 0-25", "R 12-3")
def test_a_row_leads_to_its_ticket_and_says_what_it_is(desk: FlaskClient, agent: Person) -> None:
    johanna = make_person(name="Johanna Leitner")
    taken = make_ticket(
        johanna, subject="All ovens <off>", status=Status.IN_PROGRESS, assignee=agent
    )
    free = make_ticket(make_person("thabo@example.com"), priority=Priority.LOW)
    free.requester.name = ""
    db.session.commit()
    html = desk.get("/desk/").text
    row, other = row_of(html, taken.number), words(row_of(html, free.number))
    assert f'<a href="/desk/tickets/{taken.number}" dir="auto">All ovens &lt;off&gt;</a>' in row
    since = taken.updated_at.replace(microsecond=0).isoformat()
    assert f'<time datetime="{since}" title="' in row
    assert 'title="Priya Raman"' in row
    for told in (taken.number, "Priority: Normal", "Status: In progress", "Johanna Leitner"):
        assert told in words(row)
    for told in (free.number, "Priority: Low", "Status: New", "thabo@example.com", "nobody yet"):
        assert told in other


@pytest.mark.requirement("R 12-4", "R 12-1", "X58")
def test_every_status_and_priority_has_a_badge_and_a_filter(desk: FlaskClient) -> None:
    tickets = {status: make_ticket(status=status) for status in Status}
    ranked = {priority: make_ticket(priority=priority) for priority in Priority}
    db.session.commit()
    html = desk.get("/desk/?view=all").text
    for status, ticket in tickets.items():
        badge = f'<a class="badge" data-tone="{status.value}"'
        row = row_of(html, ticket.number)
        assert badge in row, status
        assert f"#s-{status.value}" in row, "a shape goes with the colour"
        assert f"Status: {status.label}" in words(row), "and a word"
        assert f'type="checkbox" name="status" value="{status.value}"' in html
        narrowed = desk.get(f"/desk/?view=all&status={status.value}").text
        assert ticket.number in narrowed
        assert not [t for s, t in tickets.items() if s is not status and t.number in narrowed]
    for priority, ticket in ranked.items():
        row = row_of(html, ticket.number)
        assert f'data-tone="{priority.value}"' in row
        assert f"#p-{priority.value}" in row
        assert f'type="checkbox" name="priority" value="{priority.value}"' in html
        assert ticket.number in desk.get(f"/desk/?view=all&priority={priority.value}").text
    assert re.search(r'<input[^>]* name="q"', html), "a search box"


@pytest.mark.requirement("R 0-24", "R 12-2", "R 12-5", "X58")
def test_empty_lists_first_pages_and_wrong_filters_are_told(desk: FlaskClient) -> None:
    for _ in range(26):
        make_ticket()
    db.session.commit()
    first = desk.get("/desk/").text
    assert 'rel="prev"' not in first
    following = re.search(r'href="([^"]+)" rel="next"', first)
    assert following
    second = desk.get(unescape(following[1])).text
    assert ('rel="prev"' in second, 'rel="next"' in second) == (True, False)
    form = re.search(r'<form class="filters".*?</form>', second, re.S)
    assert form
    kept = re.findall(r'<input type="hidden" name="(\w+)"', form[0])
    assert {"cursor", "page"}.isdisjoint(kept), "a changed filter begins at page 1"
    empty = desk.get("/desk/?status=closed").text
    assert "queue-row" not in empty
    assert "Clear the filters" in words(empty)
    assert "No ticket" in words(empty)
    wrong = desk.get("/desk/?status=asleep")
    told = re.search(r'<div class="alert".*?</div>', wrong.text, re.S)
    assert (wrong.status_code, "tatus" in words(told[0]) if told else "") == (400, True)


@pytest.mark.requirement("R 0-27", "R 0-28")
def test_the_form_asks_for_subject_category_priority_and_text(client: FlaskClient) -> None:
    html = client.get("/tickets/new").text
    controls = re.finditer(r'<(?:input|textarea|select)[^>]*name="(\w+)"[^>]*>', html)
    tags = {found[1]: found[0] for found in controls}
    assert "required" in tags["subject"]
    assert 'maxlength="200"' in tags["subject"]
    assert "required" in tags["description"]

    def choices(name: str) -> list[str]:
        found = re.search(rf'<select[^>]*name="{name}"[^>]*>(.*?)</select>', html, re.S)
        assert found, name
        return re.findall(r'value="(\w*)"', found[1])

    shipped = {"general", "billing", "technical", "account", "feature_request", "bug"}
    placeholder, *categories = choices("category")
    assert (placeholder, set(categories)) == ("", shipped)
    assert "required" in tags["category"]
    assert choices("priority")[0] == "", "Not sure is preset"
    assert set(choices("priority")[1:]) == {p.value for p in Priority}
    assert 'data-busy="' in html


@pytest.mark.requirement("X60")
def test_an_error_tells_the_number_under_which_the_log_has_it(
    app: Flask,
    desk: FlaskClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(**_: Any) -> None:
        raise RuntimeError("the fuse is blown")

    for endpoint in ("desk.queue", "api.list_tickets"):
        view = app.view_functions[endpoint]
        fail.access = view.access  # type: ignore[attr-defined]
        monkeypatch.setitem(app.view_functions, endpoint, fail)
    for path, headers in (
        ("/desk/", {}),
        ("/desk/", {"HX-Request": "true"}),
        ("/api/v1/tickets", {}),
    ):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            answer = desk.get(path, headers=headers)
        number = answer.headers["X-Request-ID"]
        assert answer.status_code == 500
        assert number in answer.text
        assert "fuse" not in answer.text
        [line] = [record.msg for record in caplog.records if isinstance(record.msg, dict)]
        assert (line["request_id"], line["path"]) == (number, path)
        assert line.get("exc_info") or "the fuse is blown" in str(line)

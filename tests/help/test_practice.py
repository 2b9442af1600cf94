"""Practice on demo data: what ticks which move, for whom, and where it is offered."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.help import practice
from app.routing import assignment
from app.tickets import conversation, lifecycle, macros, merging, properties, undoing
from app.tickets.macros import MacroCard
from app.tickets.models import Ticket
from app.tickets.timeline import record
from app.tickets.words import EventKind, Priority, Status
from tests.admin.pages import post
from tests.factories import make_agent, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
NOW = utcnow()
LINE = 'hx-get="/help/practice/progress"'


@pytest.fixture
def agent(app: Flask) -> Person:
    """On a desk with demo data."""
    found = make_agent(name="Nadia Brandt")
    _earlier(found)
    practice.begin()
    db.session.commit()
    return found


def _earlier(agent: Person) -> None:
    """What the demo data says that they have done."""
    record(make_ticket(), EventKind.NOTE, by=agent, now=NOW)
    record(make_ticket(), EventKind.MERGED, by=agent, now=NOW)
    db.session.flush()


def done(agent: Person) -> set[str]:
    db.session.flush()
    return set(practice.progress(agent).done)


def reply(ticket: Ticket, by: Person, then: str = "keep", undo: bool = False) -> None:
    until = NOW + timedelta(seconds=10) if undo else None
    comment = conversation.reply(ticket, "Hello", by=by, now=NOW, then=then, undo_until=until)
    if undo:
        undoing.take_back(ticket, comment.id, by=by, now=NOW)


def use_macro(ticket: Ticket, by: Person) -> None:
    macros.apply(MacroCard(1, "Ask", "", {"priority": "high"}), ticket, by=by, now=NOW)


def merge(ticket: Ticket, by: Person) -> None:
    other = make_ticket(ticket.requester)
    merging.merge(other, ticket, agreed=frozenset(), by=by, now=NOW)


MOVES: dict[str, Callable[[Ticket, Person], object]] = {
    "take": lambda t, a: assignment.assign(t, agent=a, by=a, now=NOW),
    "priority": lambda t, a: properties.change_priority(t, Priority.HIGH, by=a, now=NOW),
    "note": lambda t, a: record(t, EventKind.NOTE, by=a, now=NOW),
    "wait": lambda t, a: reply(t, a, "pending"),
    "undo": lambda t, a: reply(t, a, undo=True),
    "macro": use_macro,
    "tags": lambda t, a: properties.change_tags(t, ["leak"], by=a, now=NOW),
    "held": lambda t, a: record(t, EventKind.MAIL_DECIDED, by=a, now=NOW),
    "call": lambda t, a: record(t, EventKind.CREATED, by=a, now=NOW),
    "merge": lambda t, a: merge(t, a),
    "resolve": lambda t, a: lifecycle.change_status(t, Status.RESOLVED, by=a, now=NOW),
}


@pytest.mark.requirement("R 13-18")
@pytest.mark.parametrize("key", MOVES)
def test_a_move_ticks_itself(agent: Person, key: str) -> None:
    colleague = make_agent()
    ticket = make_ticket(assignee=colleague, status=Status.OPEN)
    MOVES[key](make_ticket(assignee=agent, status=Status.OPEN), colleague)
    assert done(agent) == set()
    MOVES[key](ticket, agent)
    assert key in done(agent)
    assert "search" not in done(agent)


def test_every_move_is_shown_by_a_test_here() -> None:
    assert {move.key for move in practice.MOVES} == {*MOVES, practice.SEARCH}


def test_giving_a_ticket_to_somebody_else_is_not_taking_it(agent: Person) -> None:
    assignment.assign(make_ticket(), agent=make_agent(), by=agent, now=NOW)
    assert "take" not in done(agent)


def test_pending_without_a_reply_is_not_waiting(agent: Person) -> None:
    lifecycle.change_status(make_ticket(), Status.PENDING, by=agent, now=NOW)
    reply(make_ticket(), agent)
    assert "wait" not in done(agent)


def test_the_search_is_ticked_by_the_right_number(
    client: FlaskClient, sign_in: SignIn, agent: Person
) -> None:
    make_ticket(make_person(name="Johanna Lind"), subject="The oven is cold")
    hidden = make_group(is_private=True)
    for _ in range(60):
        make_ticket(group=hidden)
    sign_in(client, agent)
    goal = practice.wanted(agent)
    assert goal is not None
    assert goal.subject in client.get("/help/practice").text
    path, page = "/help/practice/search", "/help/practice"
    wrong = post(client, path, {"number": make_ticket().number}, page)
    assert wrong.status_code == 422
    assert "That is another ticket" in wrong.text
    assert post(client, path, {"number": "seven"}, page).status_code == 422
    assert "search" not in done(agent)
    assert post(client, path, {"number": f" {goal.number.lower()}"}, page).status_code == 303
    assert done(agent) == {"search"}
    assert goal.subject not in client.get("/help/practice").text


def test_nobody_is_sent_to_a_ticket_that_they_may_not_see(agent: Person) -> None:
    for ticket in db.session.query(Ticket):
        ticket.group = make_group(is_private=True)
    deleted = make_ticket(deleted_at=NOW)
    db.session.flush()
    cache.forget_stamp()
    goal = practice.wanted(agent)
    assert goal is None
    assert deleted.deleted_at


def test_a_desk_without_demo_data_has_no_practice(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent())
    assert client.get("/help/practice").status_code == 404
    assert client.get("/help/practice/progress").status_code == 404
    assert LINE not in client.get("/desk/").text
    assert "/help/practice" not in client.get("/help/").text


@pytest.mark.requirement("R 13-18")
def test_the_desk_offers_it_until_it_is_put_away(
    client: FlaskClient, sign_in: SignIn, agent: Person
) -> None:
    colleague = make_agent()
    sign_in(client, agent)
    assert LINE in client.get("/desk/").text
    assert "Take a ticket" in client.get("/help/practice/progress").text
    dismissal, page = "/help/practice/dismissal", "/help/practice"
    assert post(client, dismissal, {"away": "yes"}, page).status_code == 303
    assert LINE not in client.get("/desk/").text
    assert "Take a ticket" in client.get(page).text
    assert practice.is_shown_to(colleague)
    assert post(client, dismissal, {"away": "no"}, page).status_code == 303
    assert LINE in client.get("/desk/").text


def test_customers_have_no_part_in_it(client: FlaskClient, sign_in: SignIn, agent: Person) -> None:
    sign_in(client, make_person())
    for path in ("/help/practice", "/help/practice/progress"):
        assert client.get(path).status_code == 403


def test_the_queue_costs_no_statement_more(
    client: FlaskClient, sign_in: SignIn, agent: Person, statements: list[str]
) -> None:
    sign_in(client, agent)
    client.get("/desk/")
    statements.clear()
    assert LINE in client.get("/desk/").text
    assert len(statements) == 2, statements  # who asks, rows
    client.get("/help/practice/progress")
    statements.clear()
    client.get("/help/practice/progress")
    assert len(statements) == 2, statements  # who asks, what they have done

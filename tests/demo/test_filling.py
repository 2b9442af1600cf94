"""What demo data looks like to the product: made by its own rules, and at rest."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, PersonEmail
from app.accounts.passwords import hash_password
from app.automation import escalation
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.demo import filling
from app.demo.cases import CASES
from app.mail.models import OutboundEmail
from app.search.counts import rail_counts
from app.tickets import clocks
from app.tickets.filters import TicketFilters
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Comment, SlaClock, Ticket
from app.tickets.words import ClockState, Status
from tests.accounts.pages import token_of

PASSWORD = "a password of the demo"
TICKETS = 150


@pytest.fixture
def desk(app: Flask) -> dict[str, int]:
    """A small demo; how many rows went where."""
    return filling.fill(
        tickets=TICKETS, seed=4, password_hash=hash_password(PASSWORD), now=utcnow()
    )


def _count(model: type[Any], *where: Any) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(model).where(*where)) or 0


def test_every_table_is_filled_and_nobody_is_mailed(desk: dict[str, int]) -> None:
    assert _count(Ticket) == TICKETS
    assert _count(Comment) == desk["comment"]
    assert {name for name in filling.TABLES if not desk[name]} <= {
        "held_email",
        "inbound_email",
        "mail_receipt",
        "raw_email",
    }
    assert _count(OutboundEmail) == 0


def test_nothing_is_due_that_was_not_told(desk: dict[str, int]) -> None:
    swept = escalation.sweep(utcnow())
    assert (swept.breached, swept.warned, swept.failed) == (0, 0, 0)


def test_history_and_due_times_are_those_of_the_product(desk: dict[str, int]) -> None:
    states = set()
    for ticket in db.session.scalars(sa.select(Ticket)):
        versions = db.session.scalars(
            sa.select(TicketEvent.version)
            .where(TicketEvent.ticket_id == ticket.id)
            .order_by(TicketEvent.id)
        ).all()
        assert list(versions) == list(range(1, ticket.version + 1))
        shown = (ticket.next_due_at, ticket.next_warn_at, ticket.due_at)
        clocks.follow(ticket)
        assert (ticket.next_due_at, ticket.next_warn_at, ticket.due_at) == shown
        states |= {clock.state for clock in ticket.clocks}
        assert ticket.created_at <= ticket.updated_at <= utcnow()
    assert {ClockState.MET, ClockState.BREACHED} <= states


def test_ids_follow_the_order_of_creation(desk: dict[str, int]) -> None:
    moments = db.session.scalars(sa.select(Ticket.created_at).order_by(Ticket.id)).all()
    assert list(moments) == sorted(moments)


def test_decisions_are_kept_for_recent_tickets_alone(desk: dict[str, int]) -> None:
    limit = utcnow() - timedelta(days=90, minutes=1)
    assert _count(DecisionRecord) > 0
    assert _count(DecisionRecord, DecisionRecord.created_at < limit) == 0


def test_texts_are_found_and_later_ones_too(desk: dict[str, int]) -> None:
    """The index is built in bulk; its triggers are back afterwards."""
    from app.search.conditions import select_for
    from app.search.lists import count_capped

    admin = _person("admin@demo.example")
    ticket = db.session.scalars(sa.select(Ticket).limit(1)).one()
    for number in (ticket.number, "Greenlatch"):
        assert count_capped(select_for(TicketFilters(q=number), viewer=admin, now=utcnow())) >= 1
    ticket.subject = "Something about a xylophone"
    db.session.commit()
    assert count_capped(select_for(TicketFilters(q="xylophone"), viewer=admin, now=utcnow())) == 1


def test_everybody_named_can_sign_in(desk: dict[str, int], client: FlaskClient) -> None:
    for address in ("supervisor@demo.example", "agent20@demo.example", "customer500@demo.example"):
        person = _person(address)
        assert person.password_hash == _person("admin@demo.example").password_hash
    token = token_of(client, "/login")
    form = {"email": "agent1@demo.example", "password": PASSWORD, "csrf_token": token}
    assert client.post("/login", data=form).status_code in (302, 303)
    queue = client.get("/desk/")
    assert queue.status_code == 200
    assert "queue-row" in queue.get_data(as_text=True)


@pytest.mark.requirement("R 13-18")
def test_views_have_something_to_show(desk: dict[str, int]) -> None:
    cache.forget_stamp()
    rail = rail_counts(_person("supervisor@demo.example"))
    shown = {view.label: view.count for view in rail.views}
    assert shown["Unresolved"] not in ("", "0")
    assert {"Leaks", "Calls"} <= set(shown)
    assert _count(Ticket, Ticket.status == Status.CLOSED) > TICKETS / 2


def test_a_paused_clock_has_no_due_time(desk: dict[str, int]) -> None:
    paused = SlaClock.state == ClockState.PAUSED
    assert _count(SlaClock, paused, SlaClock.due_at.is_not(None)) == 0


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.subjects[0][:30])
def test_case_has_every_kind_of_text(case: Any) -> None:
    assert case.subjects
    assert case.openings
    assert case.details
    assert case.asks
    assert case.answers
    assert case.replies
    assert case.notes
    assert case.tags


def _person(address: str) -> Person:
    return db.session.scalars(
        sa.select(Person).join(PersonEmail).where(PersonEmail.address == address)
    ).one()

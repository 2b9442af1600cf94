"""Mails of a ticket that did not arrive: shown on its page and in the queue, tried again there."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.mail import failing, outbox
from app.mail.models import FailingAddress, OutboundEmail, OutboundState
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Status
from tests.factories import make_agent, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
ADDRESS = "ann@customer.example"


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    return make_ticket(make_person(ADDRESS, name="Ann"), status=Status.OPEN)


@pytest.fixture
def desk(client: FlaskClient, ticket: Ticket, sign_in: SignIn) -> FlaskClient:
    return sign_in(client, make_agent("bob@desk.example", name="Bob"))


def mail(ticket: Ticket, **columns: Any) -> OutboundEmail:
    row = outbox.row(
        "ticket_reply", ADDRESS, name="Ann", context={}, now=utcnow(), ticket_id=ticket.id
    )
    outbox.queue([row | columns])
    db.session.commit()
    found = sa.select(OutboundEmail).where(OutboundEmail.message_id == row["message_id"])
    return db.session.scalars(found).one()


def page(client: FlaskClient, path: str) -> str:
    return client.get(path).get_data(as_text=True)


def decide(client: FlaskClient, ticket: Ticket, row: OutboundEmail, decision: str) -> int:
    path = f"/desk/tickets/{ticket.number}"
    token = re.search(r'name="csrf_token" value="([^"]+)"', page(client, path))
    assert token
    data = {"csrf_token": token[1], "decision": decision}
    return client.post(f"{path}/mails/{row.id}/delivery", data=data).status_code


def test_a_failed_mail_is_shown_and_tried_again(desk: FlaskClient, ticket: Ticket) -> None:
    make_ticket(status=Status.OPEN)
    path = f"/desk/tickets/{ticket.number}"
    row = mail(ticket)
    assert "Not delivered" not in page(desk, path)
    assert "not delivered" not in page(desk, "/desk/?view=all")
    row.state, row.error = OutboundState.FAILED, "550 no such <user>"
    db.session.commit()
    text = page(desk, path)
    assert "Not delivered to <bdi>Ann &lt;ann@customer.example&gt;</bdi>" in text
    assert "550 no such &lt;user&gt;" in text
    assert page(desk, "/desk/?view=all").count("Mail not delivered") == 1
    assert decide(desk, ticket, row, "retry") == 303
    assert db.session.get_one(OutboundEmail, row.id).state is OutboundState.QUEUED
    assert "Not delivered" not in page(desk, path)
    told = db.session.scalars(sa.select(TicketEvent.to_value)).all()
    assert told == ["Bob sends the mail to ann@customer.example again"]


def test_a_mail_that_is_given_up_is_gone_and_told(desk: FlaskClient, ticket: Ticket) -> None:
    row = mail(ticket, state=OutboundState.FAILED, error="550 no")
    assert decide(desk, ticket, row, "discard") == 303
    assert db.session.get_one(OutboundEmail, row.id).state is OutboundState.CANCELLED
    [event] = db.session.scalars(sa.select(TicketEvent))
    assert event.kind is EventKind.MAIL_RETRIED
    assert decide(desk, ticket, row, "retry") == 409


def test_only_a_mail_that_waits_unusually_long_is_shown(desk: FlaskClient, ticket: Ticket) -> None:
    path = f"/desk/tickets/{ticket.number}"
    row = mail(ticket, attempts=4, error="450 busy", due_at=utcnow() + timedelta(minutes=8))
    assert "Not delivered" not in page(desk, path)
    row.created_at = utcnow() - timedelta(minutes=16)
    db.session.commit()
    text = page(desk, path)
    assert "Not delivered yet" in text
    assert "450 busy (tried 4 times, again" in text
    assert "not delivered" not in page(desk, "/desk/?view=all")


def test_trying_again_clears_an_address_that_failed(desk: FlaskClient, ticket: Ticket) -> None:
    failing.mark(ADDRESS, status="5.1.1", reason="gone", outbound_email_id=None, now=utcnow())
    row = mail(ticket, state=OutboundState.HELD_BACK, error="gone")
    assert "Mail not delivered" in page(desk, "/desk/?view=all")
    assert decide(desk, ticket, row, "retry") == 303
    assert db.session.get_one(OutboundEmail, row.id).state is OutboundState.QUEUED
    assert not db.session.scalars(sa.select(FailingAddress)).all()


def test_mails_of_other_tickets_and_guests_hands(
    desk: FlaskClient, ticket: Ticket, app: Flask, sign_in: SignIn
) -> None:
    row = mail(make_ticket(), state=OutboundState.FAILED)
    assert decide(desk, ticket, row, "discard") == 404
    customer = sign_in(app.test_client(), ticket.requester)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page(customer, "/tickets/new"))
    assert token
    path = f"/desk/tickets/{ticket.number}/mails/{row.id}/delivery"
    assert customer.post(path, data={"csrf_token": token[1]}).status_code == 403
    assert db.session.get_one(OutboundEmail, row.id).state is OutboundState.FAILED


def test_the_page_costs_a_statement_more_only_where_a_mail_failed(
    desk: FlaskClient, ticket: Ticket, statements: list[str]
) -> None:
    path = f"/desk/tickets/{ticket.number}"
    mail(ticket)

    def cost() -> int:
        page(desk, path)
        statements.clear()
        page(desk, path)
        return len(statements)

    usual = cost()
    mail(ticket, state=OutboundState.FAILED)
    assert cost() == usual + 1

"""Undo after Send, with and without htmx; and what the customer sees meanwhile."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.settings_store import change_setting
from app.mail.models import OutboundEmail, OutboundState
from app.tickets.models import Attachment, Comment, ReplyDraft, ReplyUndo, Ticket
from app.tickets.words import Status
from tests.factories import make_agent, make_comment, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent("agent@desk.example", name="Priya Raman")


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    return make_ticket(make_person("ann@customer.example", name="Ann"))


@pytest.fixture
def desk(client: FlaskClient, agent: Person, ticket: Ticket, sign_in: SignIn) -> FlaskClient:
    return sign_in(client, agent)


def send(client: FlaskClient, ticket: Ticket, body: str = "Lift it", **data: object) -> str:
    """Reply; the page that follows."""
    path = f"/desk/tickets/{ticket.number}"
    token = csrf(client.get(f"{path}/status?part=show"))
    fields = {"csrf_token": token, "body": body, "visibility": "public", "then": "keep"} | data
    answer = client.post(f"{path}/comments", data=fields, content_type="multipart/form-data")
    assert answer.status_code in (200, 303), answer.get_data(as_text=True)
    if answer.status_code == 303:
        answer = client.get(answer.headers["Location"])
    return answer.get_data(as_text=True)


def csrf(answer: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', answer.get_data(as_text=True))
    assert found
    return found[1]


def undo_of(page: str) -> tuple[str, dict[str, str]]:
    """The address and the fields of the form in the notice."""
    form = re.search(r'action="([^"]+/withdrawal)".*?</form>', page, re.DOTALL)
    assert form, page
    token = re.search(r'name="csrf_token" value="([^"]+)"', form[0])
    assert token
    return form[1], {"csrf_token": token[1]}


def composer(page: str) -> str:
    return page[page.index("-composer") :]


def test_undo_without_script(desk: FlaskClient, ticket: Ticket) -> None:
    page = send(desk, ticket, then="resolved", attachments=(BytesIO(b"log"), "log.txt"))
    assert "Reply sent" in page
    assert int(re.findall(r'data-seconds="(\d+)"', page)[0]) in (9, 10)
    path, fields = undo_of(page)
    answer = desk.post(path, data=fields)
    assert answer.status_code == 303
    page = desk.get(answer.headers["Location"]).get_data(as_text=True)
    assert "Taken back" in page
    assert ">Lift it</textarea>" in composer(page)
    assert "log.txt" in composer(page)
    assert "withdrawal" not in page
    assert db.session.get_one(Ticket, ticket.id).status is Status.NEW
    assert not db.session.scalars(sa.select(Comment)).all()
    [mail] = db.session.scalars(sa.select(OutboundEmail))
    assert mail.state is OutboundState.CANCELLED


def test_what_was_taken_back_is_sent_again_with_its_files(
    desk: FlaskClient, ticket: Ticket
) -> None:
    path, fields = undo_of(send(desk, ticket, attachments=(BytesIO(b"log"), "log.txt")))
    for _ in range(2):  # a double click changes nothing, and loses nothing
        answer = desk.post(path, data=fields)
        assert answer.status_code == 303
    page = desk.get(answer.headers["Location"]).get_data(as_text=True)
    kept = re.findall(r'name="kept" value="([^"]+)" checked', page)
    assert len(kept) == 1
    page = send(desk, ticket, "Lift it gently", kept=kept[0])
    assert ">Lift it gently</textarea>" not in page
    assert not db.session.scalars(sa.select(ReplyDraft)).all()
    [file] = db.session.scalars(sa.select(Attachment))
    assert file.filename == "log.txt"
    assert [mail.state for mail in db.session.scalars(sa.select(OutboundEmail))] == [
        OutboundState.CANCELLED,
        OutboundState.QUEUED,
    ]


def test_undo_with_htmx(htmx: FlaskClient, agent: Person, ticket: Ticket, sign_in: SignIn) -> None:
    sign_in(htmx, agent)
    text = send(htmx, ticket, then="pending")
    assert "the ticket waits for the customer now" in text
    path, fields = undo_of(text)
    text = htmx.post(path, data=fields).get_data(as_text=True)
    assert text.startswith(f'<section id="ticket-{ticket.number}-conversation"')
    assert re.search(r"autofocus>Lift it</textarea>", text)
    for part in ("composer", "properties", "sla", "head"):
        assert re.search(rf'id="ticket-{ticket.number}-{part}"[^>]* hx-swap-oob', text), part
    assert htmx.post(path, data=fields).status_code == 409


def test_undo_is_offered_though_the_customer_wrote_right_after(
    desk: FlaskClient, ticket: Ticket
) -> None:
    send(desk, ticket)
    make_comment(ticket, ticket.requester, "Never mind")
    db.session.commit()
    page = desk.get(f"/desk/tickets/{ticket.number}").get_data(as_text=True)
    path, fields = undo_of(page)
    assert desk.post(path, data=fields).status_code == 303
    assert db.session.scalars(sa.select(Comment.body)).all() == ["Never mind"]


def test_after_its_time_a_reply_stays(desk: FlaskClient, ticket: Ticket) -> None:
    path, fields = undo_of(send(desk, ticket))
    over = utcnow() - timedelta(seconds=1)
    db.session.execute(sa.update(ReplyUndo).values(until=over))
    db.session.execute(sa.update(Comment).values(undo_until=over))
    answer = desk.post(path, data=fields)
    page = desk.get(answer.headers["Location"]).get_data(as_text=True)
    assert "cannot be taken back" in page
    assert "withdrawal" not in page
    assert "Lift it" in page


def test_colleagues_are_offered_no_undo(
    desk: FlaskClient, ticket: Ticket, app: Flask, sign_in: SignIn
) -> None:
    path, _ = undo_of(send(desk, ticket))
    colleague = sign_in(app.test_client(), make_agent())
    page = colleague.get(f"/desk/tickets/{ticket.number}")
    assert "withdrawal" not in page.get_data(as_text=True)
    assert "Lift it" in page.get_data(as_text=True)
    assert colleague.post(path, data={"csrf_token": csrf(page)}).status_code == 403
    customer = sign_in(app.test_client(), ticket.requester)
    token = csrf(customer.get("/tickets/new"))
    assert customer.post(path, data={"csrf_token": token}).status_code == 403


def test_customers_see_a_reply_once_it_stays(
    desk: FlaskClient, ticket: Ticket, app: Flask, sign_in: SignIn
) -> None:
    send(desk, ticket, attachments=(BytesIO(b"log"), "log.txt"))
    file = db.session.scalars(sa.select(Attachment)).one()
    customer = sign_in(app.test_client(), ticket.requester)
    own, its_file = f"/tickets/{ticket.number}", f"/attachments/{file.id}/log.txt"
    assert "Lift it" not in customer.get(own).get_data(as_text=True)
    assert customer.get(own + its_file).status_code == 404
    db.session.execute(sa.update(Comment).values(undo_until=utcnow()))
    db.session.commit()
    assert "Lift it" in customer.get(own).get_data(as_text=True)
    with customer.get(own + its_file) as answer:
        assert answer.data == b"log"


def test_no_seconds_no_undo(desk: FlaskClient, ticket: Ticket) -> None:
    change_setting("undo_seconds", 0)
    db.session.commit()
    page = send(desk, ticket)
    assert "Reply sent" in page
    assert "withdrawal" not in page
    [mail] = db.session.scalars(sa.select(OutboundEmail))
    assert mail.due_at == mail.created_at

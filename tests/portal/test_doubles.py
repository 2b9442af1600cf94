"""Forms that are sent twice, by a double click or a reload, count once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person
from app.core.db import db
from app.mail.models import OutboundEmail
from app.tickets.models import Comment, Ticket
from app.tickets.words import Status
from tests.factories import make_agent, make_person, make_ticket
from tests.portal.conftest import Visitor

GOOD = {"subject": "Charged twice", "category": "billing", "description": "Twice."}
GUEST = GOOD | {"name": "Thabo", "email": "Thabo@Example.com"}


def count(model: type[Any]) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def test_a_guests_ticket(guest: Visitor) -> None:
    numbers = set()
    for _ in range(3):
        assert guest.post("/tickets/new", **GUEST).status_code == 303
        page = guest.get("/tickets/sent").text
        numbers.add(page[page.index("TKT-") :][:12])
        assert "by " in page
    assert count(Ticket) == 1
    assert len(numbers) == 1
    assert count(OutboundEmail) == 1


def test_what_differs_is_another_ticket(guest: Visitor) -> None:
    changes: tuple[dict[str, Any], ...] = (
        {},
        {"subject": "Charged thrice"},
        {"description": "Thrice."},
        {"category": "technical"},
        {"priority": "low"},
        {"email": "zola@example.com"},
        {"attachments": (BytesIO(b"one"), "a.txt")},
        {"attachments": (BytesIO(b"two"), "a.txt")},
    )
    for number, change in enumerate(changes, 1):
        guest.post("/tickets/new", **{**GUEST, **change})
        assert count(Ticket) == number


def test_the_same_again_later(guest: Visitor) -> None:
    guest.post("/tickets/new", **GUEST)
    ticket = db.session.scalars(sa.select(Ticket)).one()
    ticket.created_at -= timedelta(minutes=2)
    db.session.commit()
    guest.post("/tickets/new", **GUEST)
    assert count(Ticket) == 2


def test_a_customers_ticket_and_reply(customer: Callable[[Person], Visitor]) -> None:
    person = make_person()
    visitor = customer(person)
    for _ in range(2):
        visitor.post("/tickets/new", **GOOD)
    ticket = db.session.scalars(sa.select(Ticket)).one()
    ticket.status = Status.PENDING
    db.session.commit()
    before, path = count(Comment), f"/tickets/{ticket.number}"
    for _ in range(2):
        answer = visitor.post(f"{path}/comments", path, body="It happened again")
        assert answer.status_code == 303
        assert "#comment-" in answer.headers["Location"]
    assert count(Comment) == before + 1
    visitor.post(f"{path}/comments", path, body="And again")
    visitor.post(f"{path}/comments", path, body="It happened again")
    assert count(Comment) == before + 3


def test_a_solution_with_a_last_word(customer: Callable[[Person], Visitor]) -> None:
    ticket = make_ticket(assignee=make_agent(), status=Status.PENDING)
    visitor, path = customer(ticket.requester), f"/tickets/{ticket.number}"
    for _ in range(2):
        visitor.post(f"{path}/resolution", path, body="Thank you")
    assert count(Comment) == 1
    db.session.expire_all()
    assert db.session.get_one(Ticket, ticket.id).status is Status.RESOLVED

"""Tickets that agents open for those who call."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person
from app.core.db import db
from app.tickets.catalog_models import CustomField
from app.tickets.models import Ticket
from app.tickets.words import Source
from tests.factories import category, make_agent

PAGE = "/desk/tickets/new"
CALL = {
    "name": "Johanna Leitner",
    "email": "johanna@backhaus.example",
    "subject": "All ovens are off",
    "category": "technical",
    "description": "Since six this morning.",
}


@pytest.fixture
def desk(
    app: Flask, client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> FlaskClient:
    db.session.add(
        CustomField(
            key="oven",
            label="Oven",
            kind="choice",
            choices=["D4", "D6"],
            is_required=True,
            categories=[category("technical")],
        )
    )
    return sign_in(client, make_agent(name="Priya Raman"))


def post(desk: FlaskClient, **changes: Any) -> TestResponse:
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', desk.get(PAGE).text)
    assert token
    return desk.post(PAGE, data={"csrf_token": token[1], **CALL, **changes})


def only_ticket() -> Ticket:
    return db.session.scalars(sa.select(Ticket)).one()


@pytest.mark.requirement("R 1-3", "R 3-1")
def test_a_call_becomes_a_ticket_with_its_fields(desk: FlaskClient) -> None:
    answer = post(desk, field_oven="D6")
    ticket = only_ticket()
    assert answer.headers["Location"] == f"/desk/tickets/{ticket.number}"
    assert (ticket.source, ticket.custom_fields) == (Source.PHONE, {"oven": "D6"})
    assert ticket.first_response_at is not None
    assert ticket.requester.name == "Johanna Leitner"


def test_a_field_that_is_missing_is_asked_for_beside_it(desk: FlaskClient) -> None:
    answer = post(desk)
    assert answer.status_code == 422
    assert "Oven is needed." in answer.text
    assert "Since six this morning." in answer.text
    assert db.session.scalar(sa.select(sa.func.count(Ticket.id))) == 0


def test_fields_follow_the_category(desk: FlaskClient) -> None:
    htmx = {"HX-Request": "true"}
    there = desk.get(f"{PAGE}?category=technical", headers=htmx).text
    assert 'name="field_oven"' in there
    assert re.search(r'id="subcategory-field" hx-swap-oob="true"', there)
    assert 'name="field_oven"' not in desk.get(f"{PAGE}?category=billing", headers=htmx).text
    assert 'name="field_oven"' in desk.get(f"{PAGE}?category=technical").text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"email": "johanna@backhaus,example"}, "Did you mean johanna@backhaus.example?"),
        ({"email": "johanna@backhaus..example"}, "Did you mean johanna@backhaus.example?"),
        ({"email": "johanna@backhaus"}, "Enter a mail address such as"),
        ({"email": "johanna"}, "Enter a mail address such as"),
        ({"name": " "}, "Type the customer"),
        ({"subject": ""}, "Give the ticket a subject."),
        ({"subcategory": "99999"}, "Choose one of"),
        ({"subcategory": "x"}, "What was chosen is not in it any more."),
        ({"category": "gone"}, "What was chosen is not in it any more."),
    ],
)
def test_mistakes_are_told_beside_their_fields(
    desk: FlaskClient, change: dict[str, str], told: str
) -> None:
    answer = post(desk, field_oven="D4", **change)
    assert answer.status_code == 422
    assert told in answer.text.replace("&#39;", "’")
    assert "1 things" not in answer.text


def test_files_of_a_form_that_comes_back_have_to_be_chosen_again(desk: FlaskClient) -> None:
    answer = post(desk, attachments=(BytesIO(b"log"), "log.txt"))
    assert answer.status_code == 422
    assert "Choose your files again." in answer.text

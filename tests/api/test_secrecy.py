"""What a caller may not see they cannot set, filter by, or find out from an error either."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.tickets.catalog_models import CustomField, Tag
from app.tickets.models import Ticket
from tests.factories import (
    bearer,
    make_agent,
    make_group,
    make_participant,
    make_person,
    make_ticket,
)

V1 = "/api/v1"


@pytest.fixture
def customer(app: Flask) -> Person:
    return make_person("ann@customer.example", name="Ann")


@pytest.fixture
def ticket(customer: Person) -> Ticket:
    group = make_group("Secret team", is_private=True)
    return make_ticket(customer, tags=[Tag(name="churn-risk")], group=group)


@pytest.mark.requirement("X17")
def test_customers_set_only_fields_that_they_see(client: FlaskClient, customer: Person) -> None:
    db.session.add_all(
        [
            CustomField(key="margin", label="Margin", kind="number"),
            CustomField(key="serial", label="Serial", kind="text", is_public=True),
        ]
    )
    auth = bearer(customer)

    def post(**fields: Any) -> int:
        body = {"subject": "a", "description": "b", "custom_fields": fields}
        return client.post(f"{V1}/tickets", json=body, headers=auth).status_code

    assert post(margin=5) == 400
    assert post(serial="S-1") == 201
    body = {"subject": "a", "description": "b", "custom_fields": {"margin": 5}}
    asker = {"requester": {"email": "ann@customer.example"}}
    by_agent = client.post(f"{V1}/tickets", json=body | asker, headers=bearer(make_agent()))
    assert by_agent.status_code == 201


@pytest.mark.parametrize(
    "query",
    [
        "tag=churn-risk",
        "tag=&tag=churn-risk",
        "group=Secret team",
        "group=&group=none",
        "group=no such team",
        "held=1",
        "held=&held=1",
        "sort=UPDATED_AT",
        "sort=created_at&sort=updated_at",
        "assignee=hidden@desk.example",
    ],
)
@pytest.mark.parametrize("resource", ["tickets", "statistics"])
def test_customers_cannot_probe_by_filters(
    client: FlaskClient, ticket: Ticket, query: str, resource: str
) -> None:
    auth = bearer(ticket.requester)
    assert client.get(f"{V1}/{resource}?{query}", headers=auth).status_code == 400
    assert client.get(f"{V1}/{resource}", headers=auth).get_json()["total"] == 1


@pytest.mark.requirement("X18")
def test_a_note_moves_nothing_that_customers_see(client: FlaskClient, customer: Person) -> None:
    agent = make_agent()
    ticket = make_ticket(customer, assignee=agent)
    auth, path = bearer(customer), f"{V1}/tickets/{ticket.number}"

    def seen() -> tuple[str, str | None, str]:
        shown = client.get(path, headers=auth)
        return shown.text, shown.headers["ETag"], client.get(f"{V1}/tickets", headers=auth).text

    before = seen()
    note = {"body": "A difficult one", "visibility": "internal"}
    team = bearer(agent)
    assert client.post(f"{path}/comments", json=note, headers=team).status_code == 201
    assert seen() == before
    assert client.get(f"{V1}/tickets?sort=updated_at", headers=auth).status_code == 400
    assert client.post(f"{path}/comments", json={"body": "Hi"}, headers=team).status_code == 201
    assert seen() != before


def test_an_external_id_that_is_taken_names_no_ticket(client: FlaskClient, ticket: Ticket) -> None:
    ticket.external_id = "crm-7"
    asker = {"email": "cy@customer.example"}
    body = {"subject": "a", "description": "b", "external_id": "crm-7", "requester": asker}
    stranger = bearer(make_agent())  # of no group: the ticket's is private
    answer = client.post(f"{V1}/tickets", json=body, headers=stranger)
    assert answer.status_code == 409
    assert ticket.number not in answer.text


def test_a_customer_takes_no_external_id_that_an_import_brings(
    client: FlaskClient, customer: Person
) -> None:
    """Else the import would change their ticket, and they would read somebody else's."""
    body = {"subject": "a", "description": "b", "external_id": "order-1"}
    answer = client.post(f"{V1}/tickets", json=body, headers=bearer(customer))
    assert answer.status_code == 400
    assert [error["field"] for error in answer.get_json()["errors"]] == ["external_id"]
    brought = body | {"requester": {"email": "cy@customer.example"}}
    del brought["external_id"]
    path, team = f"{V1}/tickets/external/order-1", bearer(make_agent())
    assert client.put(path, json=brought, headers=team).status_code == 201
    assert client.get(f"{V1}/tickets", headers=bearer(customer)).get_json()["total"] == 0


def test_an_agent_without_a_name_is_not_shown_by_address(
    client: FlaskClient, customer: Person
) -> None:
    agent = make_agent("hidden@desk.example")
    agent.name = ""
    ticket = make_ticket(customer, assignee=agent)
    answer = client.get(f"{V1}/tickets/{ticket.number}", headers=bearer(customer))
    assert answer.status_code == 200
    assert "hidden@desk.example" not in answer.text


def test_who_takes_part_is_not_told_the_address_of_who_asks(
    client: FlaskClient, ticket: Ticket
) -> None:
    """The portal shows names alone, and each gets a mail of their own."""
    friend = make_person("friend@elsewhere.example")
    make_participant(ticket, friend)
    path = f"{V1}/tickets/{ticket.number}"
    seen = client.get(path, headers=bearer(friend)).get_json()["requester"]
    assert (seen["name"], seen["email"]) == ("Ann", "")
    own = client.get(path, headers=bearer(ticket.requester)).get_json()["requester"]
    assert own["email"] == "ann@customer.example"


def test_a_hidden_group_is_as_good_as_none(client: FlaskClient, ticket: Ticket) -> None:
    """Nobody moves a ticket to where they cannot see it, or learns that there is such a group."""
    open_ticket, hidden = make_ticket(), ticket.group
    assert hidden is not None
    auth = bearer(make_agent())
    answers = [
        client.post(
            f"{V1}/tickets/{open_ticket.number}/assign", json={"group": value}, headers=auth
        )
        for value in (hidden.id, hidden.name, 999_999, "no such")
    ]
    assert {answer.status_code for answer in answers} == {400}
    assert len({answer.get_json()["detail"] for answer in answers}) == 1
    member = make_agent(groups=(hidden,))
    moved = client.patch(
        f"{V1}/tickets/{open_ticket.number}", json={"group": hidden.id}, headers=bearer(member)
    )
    assert moved.status_code == 200


def test_a_stranger_makes_us_read_no_body(client: FlaskClient, ticket: Ticket) -> None:
    path = f"{V1}/tickets/{ticket.number}/comments"
    kind = {"Content-Type": "application/json"}
    assert client.post(path, data=b"{", headers=kind).status_code == 401
    assert client.post(path, data=b"{", headers=kind | bearer(make_agent())).status_code == 400

"""What the API says of a request that it does not take, and of one that comes again."""

from __future__ import annotations

from http import HTTPStatus

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.db import db
from app.tickets.catalog_models import CustomField
from app.tickets.models import Ticket
from app.tickets.words import Status
from tests.api.bodies import V1, Headers, new
from tests.factories import make_person, make_ticket


def test_each_wrong_field_is_named_as_in_the_request_and_all_at_once(
    client: FlaskClient, auth: Headers
) -> None:
    db.session.add(CustomField(key="serial", label="Serial", kind="number"))
    db.session.commit()
    body = new(subject=" ", description=" \n", requester={"email": "nobody"})
    answer = client.post(f"{V1}/tickets", json=body, headers=auth)
    told = {error["field"]: error["message"] for error in answer.get_json()["errors"]}
    assert answer.status_code == 400
    assert set(told) == {"subject", "description", "requester.email"}
    assert told["requester.email"] == "Enter a mail address such as name@example.com."
    body = new(custom_fields={"serial": "many", "other": 1})
    answer = client.post(f"{V1}/tickets", json=body, headers=auth)
    fields = {error["field"] for error in answer.get_json()["errors"]}
    assert fields == {"custom_fields.serial", "custom_fields.other"}


@pytest.mark.parametrize("address", ["nobody@x.example", "customer@x.example"])
def test_whoever_cannot_be_assigned_is_named_as_in_the_request(
    client: FlaskClient, auth: Headers, address: str
) -> None:
    make_person("customer@x.example")
    path = f"{V1}/tickets/{make_ticket().number}"
    db.session.commit()
    answers = [
        client.post(f"{path}/assign", json={"agent": address}, headers=auth),
        client.patch(path, json={"assignee": address}, headers=auth),
    ]
    told = [(answer.status_code, answer.get_json()["errors"][0]["field"]) for answer in answers]
    assert told == [(400, "agent"), (400, "assignee")]


def test_a_comment_of_white_space_is_none(client: FlaskClient, auth: Headers) -> None:
    path = f"{V1}/tickets/{make_ticket().number}/comments"
    db.session.commit()
    answer = client.post(path, json={"body": " \n "}, headers=auth)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.get_json()["errors"]] == ["body"]


def test_a_problem_of_no_type_of_its_own_is_called_as_its_status(
    client: FlaskClient, auth: Headers
) -> None:
    path = f"{V1}/tickets/{make_ticket(status=Status.CANCELLED).number}"
    db.session.commit()
    answers = [
        client.get(path),
        client.get(f"{V1}/tickets/TKT-AAAAAAAA", headers=auth),
        client.post(f"{path}/close", headers=auth),
        client.patch(path, json={"status": "none"}, headers=auth),
    ]
    told = [(answer.status_code, answer.get_json()["title"]) for answer in answers]
    assert told == [(code, HTTPStatus(code).phrase) for code in (401, 404, 409, 400)]
    assert answers[0].headers["WWW-Authenticate"] == 'Bearer realm="Deskhand API"'


def test_the_answer_that_comes_again_says_where_the_ticket_is(
    client: FlaskClient, auth: Headers
) -> None:
    keyed = {**auth, "Idempotency-Key": "one"}
    first, again = (client.post(f"{V1}/tickets", json=new(), headers=keyed) for _ in range(2))
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.data == first.data


def test_a_change_to_a_ticket_that_is_not_there_opens_none(
    client: FlaskClient, auth: Headers
) -> None:
    for tag in ('"3-00ff"', "*"):
        headers = {**auth, "If-Match": tag}
        answer = client.put(f"{V1}/tickets/external/42", json=new(), headers=headers)
        assert answer.status_code == 412
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 0

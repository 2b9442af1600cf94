"""What holds for every kind of data that is administered."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from wtforms import BooleanField

from app.accounts.models import Person, Role
from app.admin.data import RESOURCES
from app.admin.resource import Resource
from app.core.db import db
from tests.admin.pages import log, post
from tests.factories import make_agent, make_group, make_person, make_skill, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
each = pytest.mark.parametrize("resource", RESOURCES, ids=lambda r: r.path)
MOST_STATEMENTS = 12


@pytest.fixture
def admin(client: FlaskClient, sign_in: SignIn) -> Person:
    """Ada, signed in on the client."""
    ada = make_agent(name="Ada", role=Role.ADMIN)
    sign_in(client, ada)
    return ada


@each
def test_a_box_says_what_it_does(app: Flask, resource: Resource) -> None:
    with app.test_request_context():
        boxes = [field for field in resource.form(None) if isinstance(field, BooleanField)]
    assert [box.name for box in boxes if not box.description] == []


@each
def test_only_its_people_get_in(app: Flask, sign_in: SignIn, resource: Resource) -> None:
    supervisors_too = resource.path in SUPERVISORS
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR, Role.ADMIN):
        client = sign_in(app.test_client(), make_person(role=role))
        may = role is Role.ADMIN or (supervisors_too and role is Role.SUPERVISOR)
        for path in ("", "/new"):
            assert client.get(f"{resource.url}{path}").status_code == (200 if may else 403)
        assert client.get(f"{resource.url}/999999").status_code == (404 if may else 403)
    assert app.test_client().get(resource.url).status_code == 302


SUPERVISORS = {"blocked-senders", "rules", "macros", "policies", "calendars", "templates"} | {
    "article-categories"
}


@each
def test_pages_need_few_statements(
    client: FlaskClient, admin: Person, statements: list[str], resource: Resource
) -> None:
    thing_id = first_id(resource)
    paths = ["", "?q=a", "/new"]
    if thing_id:
        paths += [f"/{thing_id}", *([f"/{thing_id}/deletion"] if resource.is_deletable else [])]
    for path in paths:
        client.get(f"{resource.url}{path}")  # reference data is read the first time
        statements.clear()
        assert client.get(f"{resource.url}{path}").status_code == 200
        assert len(statements) <= MOST_STATEMENTS, path


@each
def test_made_up_pages_are_refused(client: FlaskClient, admin: Person, resource: Resource) -> None:
    for page in ("0", "x", "-1", "401", "9" * 40, "１"):
        answer = client.get(f"{resource.url}?page={page}")
        assert answer.status_code == (200 if resource.put_in_order else 422)


@each
def test_an_empty_form_says_what_is_missing(
    client: FlaskClient, admin: Person, resource: Resource
) -> None:
    answer = post(client, f"{resource.url}/new", {})
    assert answer.status_code == 422
    assert 'class="error"' in answer.text
    assert log() == []


def first_id(resource: Resource) -> int | None:
    make_group("A group")
    make_skill("A skill")
    make_ticket()
    db.session.commit()
    row = db.session.execute(resource.found("").limit(1)).first()
    return row.id if row else None

"""Administration as a whole: who gets through which door, and what each page costs."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.admin.frame import PARTS
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
DOORS = [door for part in PARTS for door in part.doors]


@pytest.mark.parametrize("role", [Role.SUPERVISOR, Role.ADMIN])
def test_the_doors_that_are_shown_are_those_that_open(
    app: Flask, sign_in: SignIn, role: Role
) -> None:
    client = sign_in(app.test_client(), make_agent(role=role))
    shown = set(re.findall(r'class="card" href="([^"]+)"', client.get("/admin/").text))
    opening = {door.path for door in DOORS if client.get(door.path).status_code == 200}
    assert shown == opening
    assert (len(opening) == len(DOORS)) is (role is Role.ADMIN)


def test_nobody_else_gets_in(app: Flask, sign_in: SignIn) -> None:
    assert app.test_client().get("/admin/").status_code == 302
    for person in (make_person(), make_agent()):
        assert sign_in(app.test_client(), person).get("/admin/").status_code == 403


def test_no_page_needs_more_than_twelve_statements(
    client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    for path in ("/admin/", *(door.path for door in DOORS)):
        client.get(path)
        statements.clear()
        assert client.get(path).status_code == 200
        assert len(statements) <= 12, path


def test_each_page_marks_its_own_door(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    for door in DOORS:
        text = client.get(door.path).text
        current = set(re.findall(r'<a href="(/admin/[^"]*)" aria-current="page"', text))
        assert current == {door.path}

"""The team's page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.db import db
from tests.accounts.pages import mails, token_of
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGE = "/admin/people"


def test_only_admins_see_the_team(app: Flask, sign_in: SignIn) -> None:
    statuses = [
        sign_in(app.test_client(), person).get(PAGE).status_code
        for person in (
            make_person(),
            make_agent(),
            make_agent(role=Role.SUPERVISOR),
            make_agent(role=Role.ADMIN),
        )
    ]
    assert statuses == [403, 403, 403, 200]
    assert app.test_client().get(PAGE).status_code == 302


def test_an_admin_invites_from_the_page(client: FlaskClient, sign_in: SignIn) -> None:
    make_person("customer@example.com", name="A Customer")
    make_agent("works@desk.example")
    sign_in(client, make_agent(role=Role.ADMIN, name="Ada"))
    data = {"csrf_token": token_of(client, PAGE), "name": "Priya", "role": "agent"}
    answer = client.post(PAGE, data=data | {"email": "Priya@desk.example"})
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    [mail] = mails("invitation")
    assert (mail.recipient, mail.context["inviter"]) == ("priya@desk.example", "Ada")
    page = client.get(PAGE).text
    assert "An invitation to priya@desk.example is on its way." in page
    assert "Invited" in page
    assert "A Customer" not in page
    for wrong in (
        {"email": "works@desk.example"},
        {"email": "nope"},
        {"email": "x@y.example", "role": "customer"},
        {"email": "x@y.example", "role": "king"},
        {"email": "x@y.example", "name": "a\0b"},
    ):
        assert client.post(PAGE, data=data | wrong).status_code == 422, wrong
    assert len(mails("invitation")) == 1


def test_the_team_is_paged_at_one_cost(
    client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    sign_in(client, make_agent(role=Role.ADMIN, name="Ada"))
    client.get(PAGE)
    statements.clear()
    client.get(PAGE)
    few = len(statements)
    for n in range(60):
        make_agent(name=f"Agent {n:02}")
    db.session.commit()
    client.get(PAGE)
    statements.clear()
    page = client.get(PAGE).text
    assert len(statements) == few
    seen = 0
    path = PAGE
    while path:
        page = client.get(path).text
        seen += page.count("@example.com</bdi>")
        _, found, rest = page.partition(f'href="{PAGE}?after=')
        path = f"{PAGE}?after={rest.partition(chr(34))[0]}" if found else ""
    assert seen == 61


@pytest.mark.parametrize("after", ["-1", "x", "9" * 40, "%00", "2147483648", "１"])
def test_made_up_pages_are_refused(client: FlaskClient, sign_in: SignIn, after: str) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    assert client.get(f"{PAGE}?after={after}").status_code == 422

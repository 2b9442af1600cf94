"""Blocking and unblocking senders in the browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.mail import blocking
from tests.admin.pages import errors, log, post
from tests.factories import make_agent, make_mailbox

SignIn = Callable[[FlaskClient, Person], FlaskClient]
LIST = "/admin/blocked-senders"


@pytest.fixture
def sue(client: FlaskClient, sign_in: SignIn) -> Person:
    sue = make_agent(name="Sue", role=Role.SUPERVISOR)
    sign_in(client, sue)
    return sue


def blocked_by(address: str) -> str:
    cache.forget_stamp()  # a request has changed it
    return blocking.blocked_by(address)


def test_a_supervisor_blocks_changes_and_unblocks(client: FlaskClient, sue: Person) -> None:
    form = {"pattern": " Spam.Example ", "reason": "Newsletters"}
    assert post(client, f"{LIST}/new", form).status_code == 303
    assert blocked_by("a@sub.spam.example") == "spam.example"
    shown = client.get(LIST).text
    assert "spam.example" in shown
    assert "by Sue" in shown
    row = blocking.find("spam.example")
    assert row is not None
    form = {"pattern": "eve@spam.example", "reason": "Only her"}
    assert post(client, f"{LIST}/{row.id}", form).status_code == 303
    assert blocked_by("a@spam.example") == ""
    assert post(client, f"{LIST}/{row.id}/deletion", {"instead": ""}).status_code == 303
    assert blocked_by("eve@spam.example") == ""
    assert [action for _, action, *_ in log()] == ["created", "changed", "changed", "deleted"]


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("example", "Enter an address"),
        ("support@desk.example", "desk itself"),
        ("bad.example", "blocked already"),
    ],
)
def test_what_cannot_be_blocked_is_said_beside_the_field(
    client: FlaskClient, sue: Person, pattern: str, told: str
) -> None:
    make_mailbox("support@desk.example")
    blocking.block("bad.example", by=None, now=utcnow())
    db.session.commit()
    answer = post(client, f"{LIST}/new", {"pattern": pattern})
    assert answer.status_code == 422
    assert told in errors(answer)[0]

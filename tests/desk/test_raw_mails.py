"""Raw mails of a ticket are for admins, and only those of this ticket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.db import db
from app.tickets.models import Comment, Ticket
from tests.channels.mails import deliver, raw
from tests.factories import make_agent, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    """Opened by a mail, answered by another."""
    first = raw("It burns", subject="Help", message_id="first@customer.example")
    deliver(first)
    deliver(
        raw("Still does", message_id="b@customer.example", In_Reply_To="<first@customer.example>")
    )
    return db.session.scalars(sa.select(Ticket)).one()


def test_an_admin_gets_them_as_they_came(
    client: FlaskClient, sign_in: SignIn, ticket: Ticket
) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    path = f"/desk/tickets/{ticket.number}"
    answered = db.session.scalars(sa.select(Comment.inbound_email_id).where(
        Comment.inbound_email_id.is_not(None))).one()  # fmt: skip
    page = client.get(path).text
    for email_id, said in ((0, b"It burns"), (answered, b"Still does")):
        assert f'href="{path}/raw-mails/{email_id}"' in page
        mail = client.get(f"{path}/raw-mails/{email_id}")
        assert mail.data.startswith(b"From: Ann Lee")
        assert said in mail.data
        assert mail.headers["Content-Disposition"].startswith("attachment")
        assert "sandbox" in mail.headers["Content-Security-Policy"]
    other = make_ticket()
    db.session.commit()
    assert client.get(f"/desk/tickets/{other.number}/raw-mails/{answered}").status_code == 404
    assert client.get(f"/desk/tickets/{other.number}/raw-mails/0").status_code == 404


def test_an_agent_does_not(client: FlaskClient, sign_in: SignIn, ticket: Ticket) -> None:
    sign_in(client, make_agent(role=Role.SUPERVISOR))
    assert "raw-mails" not in client.get(f"/desk/tickets/{ticket.number}").text
    assert client.get(f"/desk/tickets/{ticket.number}/raw-mails/0").status_code == 403

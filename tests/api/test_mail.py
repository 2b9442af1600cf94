"""Whole mails over the API: stored once, with an admin's token."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Role
from app.core.clock import utcnow
from app.core.db import db
from app.mail import receiving
from app.mail.models import Channel, InboundEmail, Mailbox, MailReceipt
from app.tickets.models import Ticket
from tests.api.test_tickets import V1, Headers, bearer
from tests.factories import make_agent, make_person

RAW = (
    b"Return-Path: <ada@customer.example>\r\nFrom: Ada <ada@customer.example>\r\n"
    b"To: support@desk.example\r\nSubject: The printer\r\nMessage-ID: <1@customer.example>\r\n"
    b"\r\nIs on fire. \xff\r\n"
)


@pytest.fixture
def admin(app: Flask) -> Headers:
    return bearer(make_agent("root@desk.example", role=Role.ADMIN))


def send(client: FlaskClient, headers: Headers, raw: bytes = RAW, **more: Any) -> Any:
    options = {"content_type": "message/rfc822", **more}
    return client.post(f"{V1}/mail", data=raw, headers=headers, **options)


def test_a_mail_is_kept_as_it_is_and_becomes_a_ticket(
    client: FlaskClient, admin: Headers, run_jobs: Any
) -> None:
    answer = send(client, admin)
    assert answer.status_code == 202
    assert answer.json["is_copy"] is False
    row = db.session.get_one(InboundEmail, answer.json["id"])
    assert (row.raw, row.return_path) == (RAW, "ada@customer.example")
    receipt = db.session.scalars(sa.select(MailReceipt)).one()
    assert (receipt.channel, receipt.inbound_email_id) == (Channel.HTTP, row.id)
    run_jobs()
    assert db.session.scalars(sa.select(Ticket.subject)).all() == ["The printer"]


def test_a_mail_that_comes_again_is_known(client: FlaskClient, admin: Headers) -> None:
    first, second = send(client, admin), send(client, admin)
    assert (second.status_code, second.json["is_copy"]) == (200, True)
    assert second.json["id"] == first.json["id"]


def test_only_admins_hand_in_mails(client: FlaskClient, app: Flask) -> None:
    for person in (make_person("c@customer.example"), make_agent("a@desk.example")):
        assert send(client, bearer(person)).status_code == 403
    assert send(client, bearer(make_agent("s@x.example", role=Role.SUPERVISOR))).status_code == 403
    assert send(client, {}).status_code == 401
    assert db.session.scalar(sa.select(sa.func.count(InboundEmail.id))) == 0


def test_the_mailbox_can_be_named(client: FlaskClient, admin: Headers) -> None:
    box = Mailbox(address="billing@desk.example", created_at=utcnow())
    db.session.add(box)
    db.session.commit()
    answer = send(client, admin, query_string={"mailbox": "Billing@desk.example"})
    assert db.session.get_one(InboundEmail, answer.json["id"]).mailbox_id == box.id
    wrong = send(client, admin, query_string={"mailbox": "nobody@desk.example"})
    assert wrong.status_code == 400
    assert wrong.json["errors"][0]["field"] == "mailbox"


def test_what_is_no_mail_is_refused(client: FlaskClient, admin: Headers) -> None:
    assert send(client, admin, b" \r\n").status_code == 400
    assert send(client, admin, content_type="application/json").status_code == 415
    too_large = send(client, admin, RAW + b"x" * receiving.MAX_SIZE)
    assert too_large.status_code == 413
    assert too_large.json["status"] == 413
    large = send(client, admin, RAW + b"x" * 3_000_000)
    assert large.status_code == 202


def test_it_is_described(client: FlaskClient) -> None:
    described = client.get(f"{V1}/openapi.json").json["paths"]["/api/v1/mail"]["post"]
    assert list(described["requestBody"]["content"]) == ["message/rfc822"]
    assert {"200", "202", "400", "401", "403", "413", "415", "429"} <= set(described["responses"])

"""Outbox and failing addresses in the browser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.db import db
from app.mail import failing, outbox
from app.mail.models import FailingAddress, OutboundEmail, OutboundState
from tests.admin.pages import log, post
from tests.channels.mails import NOW
from tests.factories import make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGES = ("outbox", "failing")
ANN, BOB = "ann@customer.example", "bob@customer.example"


def mail(recipient: str, state: OutboundState, error: str = "") -> OutboundEmail:
    ticket = make_ticket()
    row = outbox.row("ticket_reply", recipient, context={}, now=NOW, ticket_id=ticket.id)
    outbox.INSERT.many([row | {"state": state, "error": error}])
    db.session.commit()
    newest = sa.select(OutboundEmail).order_by(OutboundEmail.id.desc()).limit(1)
    return db.session.scalars(newest).one()


def state_of(email: OutboundEmail) -> OutboundState:
    db.session.expire_all()
    return email.state


def test_only_admins_get_in(app: Flask, sign_in: SignIn) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR):
        client = sign_in(app.test_client(), make_person(role=role))
        assert {client.get(f"/admin/mail/{page}").status_code for page in PAGES} == {403}


def test_the_outbox_is_narrowed_by_recipient_and_state(client: FlaskClient, ada: Person) -> None:
    mail(ANN, OutboundState.FAILED, "550 no such user")
    mail(BOB, OutboundState.QUEUED)
    for query, has_ann, has_bob in (
        ("", True, True),
        ("?q=ANN@", True, False),
        ("?state=queued", False, True),
        ("?q=ann&state=queued", False, False),
    ):
        page = client.get(f"/admin/mail/outbox{query}").text
        assert ((ANN in page), (BOB in page)) == (has_ann, has_bob), query
    assert "550 no such user" in client.get("/admin/mail/outbox").text
    assert client.get("/admin/mail/outbox?state=x").status_code == 422


def test_a_failed_mail_is_sent_again_or_discarded(client: FlaskClient, ada: Person) -> None:
    again, gone = mail(ANN, OutboundState.FAILED), mail(BOB, OutboundState.FAILED)
    page = "/admin/mail/outbox"
    answer = post(client, f"{page}/{again.id}/retry", {"state": "failed"}, page=page)
    assert answer.headers["Location"] == f"{page}?state=failed"
    post(client, f"{page}/{gone.id}/discard", {"state": "//evil"}, page=page)
    assert state_of(again) is OutboundState.QUEUED
    assert state_of(gone) is OutboundState.CANCELLED
    assert post(client, f"{page}/{gone.id}/retry", {}, page=page).status_code == 409
    assert [line[1] for line in log()] == ["sent again", "discarded"]


def test_what_was_sent_is_never_sent_twice(client: FlaskClient, ada: Person) -> None:
    sent, page = mail(ANN, OutboundState.SENT), "/admin/mail/outbox"
    assert f"{page}/{sent.id}/retry" not in client.get(page).text
    assert post(client, f"{page}/{sent.id}/retry", {}, page=page).status_code == 409
    assert post(client, f"{page}/{sent.id}/discard", {}, page=page).status_code == 409
    assert state_of(sent) is OutboundState.SENT


def test_a_mail_that_is_held_back_goes_out_and_clears_its_address(
    client: FlaskClient, ada: Person
) -> None:
    held, page = mail(ANN, OutboundState.HELD_BACK), "/admin/mail/outbox"
    failing.mark(ANN, status="5.1.1", reason="no such user", outbound_email_id=None, now=NOW)
    db.session.commit()
    post(client, f"{page}/{held.id}/retry", {}, page=page)
    assert state_of(held) is OutboundState.QUEUED
    assert failing.find(ANN) is None


@pytest.mark.parametrize("with_missed", [False, True])
def test_a_failing_address_is_cleared(client: FlaskClient, ada: Person, with_missed: bool) -> None:
    held = mail(ANN, OutboundState.HELD_BACK)
    for address in (ANN, BOB):
        failing.mark(address, status="5.1.1", reason="<b>x", outbound_email_id=None, now=NOW)
    db.session.commit()
    page = client.get("/admin/mail/failing").text
    assert "1 mail waits" in page
    assert "<b>x" not in page
    found = client.get(f"/admin/mail/failing?q={BOB[:4].upper()}").text
    assert BOB in found
    assert ANN not in found
    assert "Nothing found" in client.get("/admin/mail/failing?q=zebra").text
    data = {"address": ANN} | ({"again": "1"} if with_missed else {})
    post(client, "/admin/mail/failing", data)
    assert db.session.scalars(sa.select(FailingAddress.address)).all() == [BOB]
    assert state_of(held) is (OutboundState.QUEUED if with_missed else OutboundState.HELD_BACK)
    assert post(client, "/admin/mail/failing", data).status_code == 404


@pytest.mark.parametrize("mails", [1, 30])
def test_pages_need_few_statements(
    client: FlaskClient, ada: Person, statements: list[str], mails: int
) -> None:
    for n in range(mails):
        mail(f"x{n}@customer.example", OutboundState.HELD_BACK)
        failing.mark(
            f"x{n}@customer.example", status="", reason="", outbound_email_id=None, now=NOW
        )
    db.session.commit()
    for path in PAGES:
        client.get(f"/admin/mail/{path}")
        statements.clear()
        assert client.get(f"/admin/mail/{path}").status_code == 200
        assert len(statements) <= 12, path

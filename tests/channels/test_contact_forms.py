"""Mails that a web site sends for its visitors."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.mail import blocking
from app.mail.models import InboundState, OutboundEmail, SenderCheck
from app.mail.tokens import desk_id
from app.tickets.mail_models import HeldEmail
from app.tickets.models import Ticket
from tests.channels.mails import ANN, NOW, deliver, raw

OWN, NOBODY = "Our site <support@desk.example>", "No-Reply@site.example"
VISITOR = {"reply_to": f"Ann Lee <{ANN}>"}


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("sender", [OWN, NOBODY])
def test_the_visitor_asks(sender: str) -> None:
    email = deliver(raw("The oven is cold.", sender=sender, subject="Contact", **VISITOR))
    assert email.state is InboundState.TICKET
    requester = db.session.scalars(sa.select(Ticket)).one().requester
    assert (requester.email, requester.name) == (ANN, "Ann Lee")
    # Anybody can write anybody's address into a form.
    assert db.session.scalars(sa.select(OutboundEmail).filter_by(kind="auto_response")).all() == []


@pytest.mark.usefixtures("app")
def test_it_speaks_for_nobody_on_a_ticket() -> None:
    opened = deliver(raw("The oven is cold.", subject="Oven", message_id="1@c"))
    number = db.session.scalars(sa.select(Ticket.number)).one()
    assert opened.state is InboundState.TICKET
    for fields in ({"in_reply_to": "<1@c>"}, {"subject": f"[{number}] Oven"}):
        for sender in (OWN, NOBODY):
            text = f"Close it, {sender} {fields}"
            email = deliver(raw(text, sender=sender, **{**VISITOR, **fields}))
            assert email.state is (InboundState.IGNORED if sender == OWN else InboundState.HELD)
    assert len(db.session.scalars(sa.select(Ticket)).all()) == 1
    held = db.session.scalars(sa.select(HeldEmail.from_address)).all()
    assert held == 2 * [NOBODY.lower()]


@pytest.mark.usefixtures("app")
def test_no_blocked_sender_asks_for_another() -> None:
    blocking.block("site.example", by=None, now=NOW)
    email = deliver(raw("Buy!", sender=NOBODY, **VISITOR))
    assert (email.state, db.session.scalars(sa.select(Ticket)).all()) == (InboundState.IGNORED, [])


@pytest.mark.parametrize("sender", [OWN, NOBODY])
@pytest.mark.parametrize(
    ("result", "check"), [("fail", SenderCheck.FAIL), ("pass", SenderCheck.UNKNOWN)]
)
def test_the_check_of_its_sender_warns_and_proves_nobody_else(
    app: Flask, monkeypatch: pytest.MonkeyPatch, sender: str, result: str, check: SenderCheck
) -> None:
    settings = dataclasses.replace(app.extensions["settings"], authserv_id="mx.desk.example")
    monkeypatch.setitem(app.extensions, "settings", settings)
    told = f"mx.desk.example; dmarc={result}"
    deliver(raw("Cold.", sender=sender, authentication_results=told, **VISITOR))
    assert db.session.scalars(sa.select(Ticket.sender_check)).one() is check


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reply_to": "support@desk.example"},
        {"reply_to": f"{ANN}, bob@customer.example"},
        {"reply_to": NOBODY},
        {"reply_to": ANN, "auto_submitted": "auto-replied"},
        {"reply_to": ANN, "x_deskhand_desk": "ours"},
    ],
)
def test_a_mail_of_ours_that_comes_back_stays_one(app: Flask, fields: dict[str, str]) -> None:
    if "x_deskhand_desk" in fields:
        fields = {**fields, "x_deskhand_desk": desk_id()}
    email = deliver(raw(f"Hello {fields}", sender=OWN, **fields))
    assert email.state is InboundState.IGNORED

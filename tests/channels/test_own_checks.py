"""Where no mail server tells who wrote a mail, the desk finds it out before it takes any lock."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.mail.models import InboundState, SenderCheck
from app.tickets.models import Comment
from app.tickets.words import Status
from tests import factories
from tests.channels.mails import NOW, deliver, raw, token_address
from tests.mail.test_sender_verification import Names, names, signed

__all__ = ["names"]
SENDER = "ann@mail.x.example"


@pytest.fixture(autouse=True)
def _checking(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(app.extensions["settings"], verify_senders=True)
    monkeypatch.setitem(app.extensions, "settings", settings)


def test_a_signed_reply_joins_and_an_unsigned_one_is_held(names: Names) -> None:
    ticket = factories.make_ticket(factories.make_person(SENDER), status=Status.PENDING)
    db.session.commit()
    to = token_address(ticket, ticket.requester)
    good = deliver(signed(mail=raw("Mine", sender=SENDER, to=to)), NOW)
    bad = deliver(raw("Not mine", sender=SENDER, to=to), NOW)
    assert (good.state, good.sender_check) == (InboundState.COMMENT, SenderCheck.PASS)
    assert (bad.state, bad.sender_check) == (InboundState.HELD, SenderCheck.FAIL)
    assert "whose policy is reject" in bad.reason
    assert [c.body for c in db.session.scalars(sa.select(Comment))] == ["Mine"]


def test_a_mail_that_names_no_ticket_asks_nobody(names: Names) -> None:
    names.is_silent = True
    row = deliver(raw("Hello", sender=SENDER, subject="Help"), NOW)
    assert (row.state, row.sender_check) == (InboundState.TICKET, SenderCheck.UNKNOWN)

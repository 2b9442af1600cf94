"""Two desks that write to each other over a real SMTP server stop by themselves."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.channels import inbound_email
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core import cache
from app.core.db import db
from app.mail import delivery, receiving
from app.mail.models import InboundEmail, InboundState
from app.settings import load
from app.tickets import conversation
from app.tickets.models import Ticket
from app.tickets.words import Source
from tests import factories, servers
from tests.mail.smtp import Inbox, smtp_server

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


class Desk:
    """A Deskhand with its own database, which sends to the server between the two."""

    def __init__(self, name: str, folder: Path, between: Inbox) -> None:
        self.address = f"help@{name}.example"
        environ = {
            "DESKHAND_DATA_DIR": str(folder / name),
            "DESKHAND_REDIS_URL": servers.redis_url(),
            "DESKHAND_BASE_URL": f"https://{name}.example",
            "DESKHAND_MAIL_FROM": self.address,
            "DESKHAND_SMTP_URL": between.url,
            "DESKHAND_LOG_LEVEL": "WARNING",
        }
        self.app: Flask = create_app(load(environ))
        with self.at_work():
            upgrade()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """In its process: what was kept in memory is of this desk alone."""
        with self.app.app_context():
            cache.clear()
            db.session.info["writes_freely"] = True
            yield
            db.session.remove()

    def take(self, raw: bytes, now: datetime) -> InboundState:
        with self.at_work():
            stored = receiving.store(raw, None, now=now)
            db.session.commit()
            inbound_email.process_due(lambda: now)
            delivery.send_due(lambda: now)
            return db.session.scalars(
                sa.select(InboundEmail.state).where(InboundEmail.id == stored.id)
            ).one()

    def close(self) -> None:
        with self.app.app_context():
            db.engine.dispose()


@pytest.fixture(scope="module")
def between() -> Iterator[Inbox]:
    with smtp_server() as inbox:
        yield inbox


@pytest.fixture(scope="module")
def desks(tmp_path_factory: pytest.TempPathFactory, between: Inbox) -> Iterator[list[Desk]]:
    folder = tmp_path_factory.mktemp("desks")
    desks = [Desk(name, folder, between) for name in ("one", "two")]
    yield desks
    for desk in desks:
        desk.close()
    cache.clear()


def exchange(
    desks: list[Desk], between: Inbox, gateway: Callable[[bytes], bytes], now: datetime
) -> list[InboundState]:
    """Carry every mail to the desk that it is for, until nobody sends any more."""
    states: list[InboundState] = []
    while between.envelopes:
        envelope = between.envelopes.pop(0)
        assert len(states) < 50, "they talk for ever"
        for desk in desks:
            domain = desk.address.rpartition("@")[2]
            if envelope.rcpt_tos[0].endswith(domain):
                raw = f"Return-Path: <{envelope.mail_from}>\r\n".encode()
                raw += gateway(bytes(envelope.content or b""))
                states.append(desk.take(raw, now + timedelta(seconds=len(states))))
    return states


def without(*fields: str) -> Callable[[bytes], bytes]:
    """A gateway that drops some fields, folded lines included."""
    pattern = "|".join(fields)
    field = re.compile(rf"^(?:{pattern}):.*\r\n(?:[ \t].*\r\n)*".encode(), re.M | re.I)
    return lambda raw: field.sub(b"", raw)


GATEWAYS = {
    "as it is": lambda raw: raw,
    "a gateway that drops what says automatic": without("Auto-Submitted", "X-Auto.*", "List-.*"),
    "one that drops the thread": without("In-Reply-To", "References"),
}


@pytest.mark.requirement("X44")
@pytest.mark.parametrize("gateway", GATEWAYS)
def test_a_desk_that_asks_another_starts_no_endless_talk(
    desks: list[Desk], between: Inbox, gateway: str
) -> None:
    one, two = desks
    with one.at_work():
        agent = factories.make_agent()
        asked = NewTicket(
            subject="Do you deliver?",
            description="They did not come.",
            requester=RequesterInput(two.address, "The other desk"),
            source=Source.PHONE,
            by=agent,
        )
        ticket = db.session.get_one(Ticket, take_in(asked, now=NOW).id)
        conversation.reply(ticket, "When do you come?", by=agent, now=NOW)
        db.session.commit()
        delivery.send_due(lambda: NOW)
    between.envelopes[:] = [e for e in between.envelopes if e.rcpt_tos == [two.address]]
    states = exchange(desks, between, GATEWAYS[gateway], NOW)
    assert 1 <= len(states) <= 5
    assert states[0] is InboundState.TICKET


def test_a_mail_that_comes_back_in_another_name_is_known(desks: list[Desk], between: Inbox) -> None:
    """A list of which the desk is a member writes its own sender and Message-ID."""
    one, two = desks
    raw = f"From: {two.address}\r\nTo: {one.address}\r\nSubject: Hi\r\nMessage-ID: <x@y>\r\n\r\nHi"
    between.envelopes.clear()
    assert one.take(raw.encode(), NOW) is InboundState.TICKET
    answer = next(e for e in between.envelopes if e.rcpt_tos == [two.address])
    between.envelopes.clear()
    back = re.sub(rb"(?m)^From: .*$", b"From: list@lists.example\r", bytes(answer.content or b""))
    back = re.sub(rb"(?m)^Message-ID: .*$", b"Message-ID: <new@lists.example>\r", back)
    assert one.take(back, NOW) is InboundState.IGNORED
    assert between.envelopes == []

"""Mail servers that refuse, hang up and fall silent: one bad mail never stops the others."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.mail import delivery, outbox, smtp
from app.mail.models import OutboundEmail, OutboundState
from tests.faults.rude_smtp import WHIMS, RudeServer, rude_server

NOW = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)
CONTEXT = {"number": "TKT-7K2M9QXA", "subject": "Help", "recipient": "Ann", "priority": "High"}
FOR_EVER = {"rcpt-550", "end-554"}


@pytest.fixture
def use(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    def use(server: RudeServer) -> None:
        url = f"smtp://127.0.0.1:{server.server_address[1]}"
        settings = dataclasses.replace(app.extensions["settings"], smtp_url=url)
        monkeypatch.setitem(app.extensions, "settings", settings)

    return use


def put(*recipients: str) -> None:
    for recipient in recipients:
        outbox.queue([outbox.row("assigned", recipient, context=CONTEXT, now=NOW)])


def rows() -> dict[str, OutboundEmail]:
    every = sa.select(OutboundEmail).execution_options(populate_existing=True)
    return {row.recipient: row for row in db.session.scalars(every)}


def send(later: timedelta = timedelta()) -> delivery.Round:
    return delivery.send_due(lambda: NOW + later)


@pytest.mark.parametrize("whim", WHIMS)
def test_one_bad_mail_among_good_ones(use: Any, whim: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "silent" in whim:
        monkeypatch.setattr(smtp, "TIMEOUT_SECONDS", 2)
    before, bad, after = "ann@x.example", f"{whim}@x.example", "bob@x.example"
    with rude_server() as server:
        use(server)
        put(before, bad, after)
        done = send()
    is_for_ever = whim in FOR_EVER
    assert done == delivery.Round(sent=2, failed=is_for_ever, put_off=not is_for_ever)
    assert server.taken == {before: 1, after: 1}
    found = rows()
    row = found[bad]
    assert row.state is (OutboundState.FAILED if is_for_ever else OutboundState.QUEUED)
    assert row.locked_until is None
    assert row.error
    if (said := WHIMS[whim][1]) and said[0].isdigit():
        assert row.error == said
    if not is_for_ever:
        assert row.due_at == NOW + timedelta(minutes=1)
    assert found[after].state is OutboundState.SENT


def test_many_bad_mails_stop_the_good_ones_for_a_round_at_most(use: Any) -> None:
    bad = [f"data-hangup@{n}.example" for n in range(4)]
    with rude_server() as server:
        use(server)
        put(*bad, "ann@x.example")
        assert send() == delivery.Round(put_off=smtp.MOST_HANG_UPS)
        assert send() == delivery.Round(put_off=1, sent=1)
    assert server.taken == {"ann@x.example": 1}


def test_a_server_that_ends_old_connections_gets_the_rest_on_new_ones(use: Any) -> None:
    with rude_server(most=2) as server:
        use(server)
        put(*(f"p{n}@x.example" for n in range(7)))
        assert send() == delivery.Round(sent=7)
    assert set(server.taken.values()) == {1}
    assert server.connections == 4


@pytest.mark.parametrize("greeting", ["421 4.3.2 try later", "554 5.3.2 no service", "hello?"])
def test_a_server_that_takes_nobody_in_ends_the_round(use: Any, greeting: str) -> None:
    with rude_server(greeting=greeting) as server:
        use(server)
        put("ann@x.example", "bob@x.example")
        assert send() == delivery.Round(put_off=1)
        assert server.connections == 1
        server.greeting = "220 welcome"
        assert send(timedelta(minutes=1)) == delivery.Round(sent=2)


def test_a_missing_sign_in_fails_no_mail(use: Any) -> None:
    with rude_server(to_mail="530 5.7.0 authentication required") as server:
        use(server)
        put("ann@x.example", "bob@x.example")
        assert send() == delivery.Round(put_off=1)
        server.to_mail = "250 OK"
        assert send(timedelta(minutes=1)) == delivery.Round(sent=2)


def test_a_refused_sender_fails_that_mail_alone(use: Any) -> None:
    with rude_server(to_mail="553 5.7.1 not your address") as server:
        use(server)
        put("ann@x.example", "bob@x.example")
        assert send() == delivery.Round(failed=2)
    assert {row.error for row in rows().values()} == {"553 5.7.1 not your address"}

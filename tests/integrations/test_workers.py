"""Real processes send to webhooks and are killed: nothing is lost, nothing overtakes another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.api import payloads
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.integrations import deliveries
from app.integrations.models import DeliveryState, WebhookDelivery
from app.tickets import properties
from app.tickets.models import Ticket
from app.tickets.timeline import System
from app.tickets.words import Priority, Source
from tests.integrations.courier import SIGN
from tests.integrations.hooks import make_webhook
from tests.own_desk import own_desk
from tests.receiver import Got, Receiver, receiver, says

TICKETS, CHANGES = 8, 6
MESSAGES = TICKETS * (CHANGES + 1)
SECONDS = 240
AFTER_LEASE = timedelta(minutes=3)

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[tuple[dict[str, str], Receiver]]:
    """The environment of a desk of its own with one webhook, and its receiver."""
    environ = own_environ | {"DESKHAND_OUTBOUND_ALLOW": "127.0.0.1"}
    with receiver() as server, own_desk(environ):
        begin_write()
        make_webhook(server.url, ["ticket.created", "ticket.priority_changed"])
        yield environ, server


@contextmanager
def _courier(environ: dict[str, str], how: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.integrations.courier", how]
    with subprocess.Popen(command, env={**os.environ, **environ}) as process:
        try:
            yield process
        finally:
            process.kill()


def _change_tickets() -> None:
    begin_write()
    for n in range(TICKETS):
        new = NewTicket(f"Ticket {n}", "Help", RequesterInput("a@x.example"), Source.WEB)
        take_in(new, now=utcnow())
    db.session.commit()
    for change in range(CHANGES):
        begin_write()
        for ticket in db.session.scalars(sa.select(Ticket).with_for_update()):
            to = (Priority.CRITICAL, Priority.LOW)[change % 2]
            properties.change_priority(ticket, to, by=System(), now=utcnow())
        db.session.commit()


def test_a_killed_worker_loses_nothing_and_keeps_the_order(
    desk: tuple[dict[str, str], Receiver],
) -> None:
    environ, server = desk
    killed = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, got: Got) -> None:
        if len(server.got) > MESSAGES // 4:
            killed.wait(SECONDS)
        says()(handler, got)

    server.behave = answer
    _change_tickets()
    close_session()
    with _courier(environ, "deliver") as worker:
        server.wait_for(MESSAGES // 4, SECONDS)
        worker.kill()
        assert worker.wait(SECONDS) == -signal.SIGKILL
    killed.set()
    assert len(server.got) < MESSAGES
    deliveries.deliver_due(payloads.make, lambda: utcnow() + AFTER_LEASE)
    begin_write()
    states = Counter(db.session.scalars(sa.select(WebhookDelivery.state)))
    assert states == {DeliveryState.DELIVERED: MESSAGES}
    arrived = Counter(got.headers["webhook-id"] for got in server.got)
    assert set(arrived) == set(db.session.scalars(sa.select(WebhookDelivery.message_id)))
    # Once more, with the same id, where it died between the receiver's yes and our commit.
    assert arrived.total() - MESSAGES <= deliveries.AT_ONCE_TO_ONE
    versions: dict[str, list[int]] = defaultdict(list)
    for got in server.got:
        data = json.loads(got.body)["data"]
        if data["change"]["version"] not in versions[data["ticket"]["number"]]:
            versions[data["ticket"]["number"]].append(data["change"]["version"])
    assert len(versions) == TICKETS
    for its in versions.values():
        assert its == sorted(its)


@pytest.mark.parametrize("own_environ", ["sqlite"], indirect=True)  # the same threads on both
def test_a_receiver_that_hangs_keeps_a_worker_from_nothing(
    desk: tuple[dict[str, str], Receiver],
) -> None:
    """A worker's own thread never waits: it ends its other jobs while the receiver holds on."""
    environ, server = desk
    server.behave = server.hang
    _change_tickets()
    close_session()
    with _courier(environ, "aside") as worker:
        server.wait_for(1, SECONDS)
        (Path(environ["DESKHAND_DATA_DIR"]) / SIGN).touch()
        assert worker.wait(SECONDS) == 0
    assert not server.is_over.is_set()

"""SQLite, while another program writes for long: wait, then say so; nothing typed is lost."""

from __future__ import annotations

import html
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import Envelope
from flask import Flask

from app.accounts import invitations, passwords
from app.accounts.models import Person, Role
from app.core import db as database
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail import delivery, outbox, receiving
from app.mail.models import InboundEmail, InboundState, OutboundEmail, OutboundState
from app.tickets.models import Ticket
from tests.faults.conftest import own_app
from tests.faults.site import TICKET
from tests.mail.smtp import smtp_server
from tests.portal.conftest import Visitor
from worker import jobs

pytestmark = pytest.mark.real_commits

EMAIL, PASSWORD = "ana@desk.example", "correct horse battery"
MAIL = {"number": "TKT-7K2M9QXA", "subject": "Help", "recipient": "Ann", "priority": "High"}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Flask]:
    with smtp_server() as inbox, own_app(tmp_path, DESKHAND_SMTP_URL=inbox.url) as app:
        app.extensions["inbox"] = inbox
        yield app


class LongWriter:
    """Another program in its transaction."""

    def __init__(self, folder: Path) -> None:
        self.other = sqlite3.connect(
            folder / "deskhand.db", isolation_level=None, check_same_thread=False
        )

    def begin(self) -> None:
        self.other.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        self.other.execute("ROLLBACK")

    def end_after(self, seconds: float) -> None:
        threading.Timer(seconds, self.end).start()


@pytest.fixture
def writer(desk: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LongWriter]:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    close_session()
    db.engine.dispose()  # connections that know the longer wait
    writer = LongWriter(tmp_path)
    yield writer
    writer.other.close()


def tickets() -> list[Ticket]:
    close_session()
    return list(db.session.scalars(sa.select(Ticket)))


def hidden_fields(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page)
    return [(html.unescape(name), html.unescape(value)) for name, value in found]


def test_the_ticket_form_comes_back_to_be_sent_again(desk: Flask, writer: LongWriter) -> None:
    text = 'Two lines,\nand "signs" <b>&amp;</b> of all kinds: ÄÖ 日本'
    guest = Visitor(desk.test_client())
    writer.begin()
    refused = guest.post("/tickets/new", **{**TICKET, "description": text})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert "Nothing was lost" in refused.text
    assert "Send again" in refused.text
    assert 'action="/tickets/new"' in refused.text
    assert tickets() == []
    writer.end()
    fields = hidden_fields(refused.text)
    assert dict(fields)["description"] == text
    assert guest.client.post("/tickets/new", data=dict(fields)).status_code == 303
    [ticket] = tickets()
    assert (ticket.description, ticket.subject) == (text, TICKET["subject"])


def test_files_are_asked_for_again(desk: Flask, writer: LongWriter) -> None:
    guest = Visitor(desk.test_client())
    file = (BytesIO(b"%PDF-1.4 x"), "invoice.pdf", "application/pdf")
    writer.begin()
    refused = guest.post("/tickets/new", **TICKET, attachments=file)
    writer.end()
    assert refused.status_code == 503
    assert 'type="file" id="again-attachments" name="attachments"' in refused.text
    assert "multipart/form-data" in refused.text


def make_login(role: Role) -> None:
    begin_write()
    key = passwords.hash_password(PASSWORD)
    invitations.make_person(EMAIL, name="Ana", role=role, password_hash=key, now=utcnow())
    db.session.commit()


def test_a_password_is_never_written_into_a_page(desk: Flask, writer: LongWriter) -> None:
    make_login(Role.CUSTOMER)
    guest = Visitor(desk.test_client())
    writer.begin()
    refused = guest.post("/login", page="/login", email=EMAIL, password=PASSWORD)
    writer.end()
    assert refused.status_code == 503
    assert PASSWORD not in refused.text
    assert 'href="/login"' in refused.text


def test_a_form_waits_for_its_turn(
    desk: Flask, writer: LongWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 20.0)
    writer.begin()
    began = time.monotonic()
    writer.end_after(0.5)
    assert Visitor(desk.test_client()).post("/tickets/new", **TICKET).status_code == 303
    assert time.monotonic() - began >= 0.4
    assert len(tickets()) == 1


def test_an_agent_goes_on_reading(desk: Flask, writer: LongWriter) -> None:
    make_login(Role.AGENT)
    agent = Visitor(desk.test_client())
    assert agent.post("/login", page="/login", email=EMAIL, password=PASSWORD).status_code == 303
    begin_write()
    db.session.execute(sa.update(Person).values(last_active_at=None))  # it would note a request
    db.session.commit()
    writer.begin()
    assert agent.get("/desk/").status_code == 200
    writer.end()


@contextmanager
def locked(writer: LongWriter) -> Iterator[None]:
    writer.begin()
    yield
    writer.end()


def test_jobs_fail_for_now_and_do_their_work_later(desk: Flask, writer: LongWriter) -> None:
    begin_write()
    outbox.queue([outbox.row("assigned", "ann@x.example", context=MAIL, now=utcnow())])
    receiving.store(b"From: bob@x.example\nSubject: Help\n\nHelp", None, now=utcnow())
    db.session.commit()
    for job in (jobs.send_outbox, jobs.process_mail, jobs.sweep_sla, jobs.housekeeping):
        with locked(writer), pytest.raises(sa.exc.OperationalError, match="locked"):
            job()
        close_session()
    jobs.process_mail()
    jobs.send_outbox()
    close_session()
    assert db.session.scalars(sa.select(InboundEmail.state)).all() == [InboundState.TICKET]
    assert set(db.session.scalars(sa.select(OutboundEmail.state))) == {OutboundState.SENT}
    assert set(db.session.scalars(sa.select(OutboundEmail.attempts))) == {1}


def test_a_mail_that_was_sent_is_marked_though_somebody_writes(
    desk: Flask, writer: LongWriter
) -> None:
    inbox = desk.extensions["inbox"]

    def take_and_lock(envelope: Envelope) -> str:
        writer.begin()
        writer.end_after(1.5)
        return "250 OK"

    inbox.after_data = take_and_lock
    begin_write()
    outbox.queue([outbox.row("assigned", "ann@x.example", context=MAIL, now=utcnow())])
    db.session.commit()
    assert delivery.send_due() == delivery.Round(sent=1)
    assert delivery.send_due() == delivery.Round()
    assert len(inbox.envelopes) == 1

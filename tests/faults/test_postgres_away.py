"""PostgreSQL is restarted or cannot be reached: it is said clearly, and all goes on afterwards."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from flask import Flask
from psycopg import sql
from sqlalchemy import make_url

from app import create_app
from app.accounts import invitations, passwords
from app.accounts.models import Role
from app.core import db as core_db
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail import outbox
from app.mail.models import OutboundEmail, OutboundState
from app.settings import load
from tests import servers
from tests.faults.conftest import own_app
from tests.faults.site import TICKET
from tests.mail.smtp import smtp_server
from tests.portal.conftest import Visitor
from worker import jobs

pytestmark = [pytest.mark.real_commits, pytest.mark.postgres]

EMAIL, PASSWORD = "ana@desk.example", "correct horse battery"
MAIL = {"number": "TKT-7K2M9QXA", "subject": "Help", "recipient": "Ann", "priority": "High"}


class Database:
    """The desk's, as its administrator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url
        server = make_url(url)
        self.name = sql.Identifier(server.database or "")
        admin = server.set(drivername="postgresql", database="postgres")
        self.admin = psycopg.connect(admin.render_as_string(hide_password=False), autocommit=True)
        self.text = server.database

    def cut(self) -> None:
        """End every connection, as a restart does."""
        self.admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
            [self.text],
        )

    @contextmanager
    def away(self) -> Iterator[None]:
        allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        self.admin.execute(allow.format(self.name, sql.SQL("false")))
        self.cut()
        yield
        self.admin.execute(allow.format(self.name, sql.SQL("true")))


@pytest.fixture
def database() -> Iterator[Database]:
    database = Database(servers.postgres_url("away"))
    yield database
    database.admin.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_db, "BUSY_SECONDS", 0.3)
    monkeypatch.setattr(core_db, "CONNECT_SECONDS", 2)


@pytest.fixture
def desk(tmp_path: Path, database: Database) -> Iterator[Flask]:
    with (
        smtp_server() as inbox,
        own_app(tmp_path, DESKHAND_DATABASE_URL=database.url, DESKHAND_SMTP_URL=inbox.url) as app,
    ):
        app.extensions["inbox"] = inbox
        yield app


def test_after_a_restart_requests_and_jobs_go_on(desk: Flask, database: Database) -> None:
    guest = Visitor(desk.test_client())
    for _ in range(3):
        database.cut()
        assert guest.get("/").status_code == 200
        database.cut()
        assert guest.post("/tickets/new", **TICKET).status_code == 303
        close_session()
        database.cut()
        jobs.send_outbox()
    close_session()
    assert set(db.session.scalars(sa.select(OutboundEmail.state))) == {OutboundState.SENT}


def test_while_it_is_away(desk: Flask, database: Database) -> None:
    begin_write()
    key = passwords.hash_password(PASSWORD)
    invitations.make_person(EMAIL, name="A", role=Role.AGENT, password_hash=key, now=utcnow())
    outbox.queue([outbox.row("assigned", "ann@x.example", context=MAIL, now=utcnow())])
    db.session.commit()
    agent = Visitor(desk.test_client())
    assert agent.post("/login", page="/login", email=EMAIL, password=PASSWORD).status_code == 303
    token = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', agent.get("/tickets/new").text)
    assert token
    with database.away():
        for path in ("/", "/desk/", "/tickets/new"):
            page = agent.get(path)
            assert page.status_code == 503
            assert "Our database does not answer" in page.text
        form = {"csrf_token": token[1], "subject": "Kept", "description": "What was typed"}
        refused = agent.client.post("/tickets/new", data=form)
        assert refused.status_code == 503
        assert "What was typed" in refused.text
        api = agent.client.get("/api/v1/tickets", headers={"Authorization": "Bearer dsk_x"})
        assert api.status_code == 503
        assert "database does not answer" in api.get_json()["detail"]
        assert agent.get("/healthz").status_code == 200
        assert agent.get("/readyz").status_code == 503
        with pytest.raises(sa.exc.OperationalError):
            jobs.send_outbox()
        close_session()
    assert agent.client.post("/tickets/new", data=form).status_code == 303
    jobs.send_outbox()
    close_session()
    assert set(db.session.scalars(sa.select(OutboundEmail.state))) == {OutboundState.SENT}


def test_the_connection_is_cut_while_a_mail_is_sent(desk: Flask, database: Database) -> None:
    """The server has the mail: it must be marked over a new connection, not sent again."""
    inbox = desk.extensions["inbox"]

    def take_and_cut(envelope: object) -> str:
        database.cut()
        return "250 OK"

    inbox.after_data = take_and_cut
    begin_write()
    outbox.queue([outbox.row("assigned", "ann@x.example", context=MAIL, now=utcnow())])
    db.session.commit()
    jobs.send_outbox()
    close_session()
    jobs.send_outbox()
    close_session()
    assert len(inbox.envelopes) == 1
    assert set(db.session.scalars(sa.select(OutboundEmail.state))) == {OutboundState.SENT}


def test_somebody_holds_a_lock_for_long(impatient: None, desk: Flask, database: Database) -> None:
    guest = Visitor(desk.test_client())
    url = make_url(database.url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as other:
        other.execute("LOCK TABLE ticket IN EXCLUSIVE MODE")
        refused = guest.post("/tickets/new", **TICKET)
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
        assert "Very busy" in refused.text
        assert TICKET["description"] in refused.text
        other.rollback()
    assert guest.post("/tickets/new", **TICKET).status_code == 303


def test_a_server_that_hangs_is_not_waited_for_long(impatient: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        port = hanging.getsockname()[1]
        url = f"postgresql://desk@127.0.0.1:{port}/desk"
        environ = {"DESKHAND_DATA_DIR": str(tmp_path), "DESKHAND_DATABASE_URL": url}
        client = create_app(load({**environ, "DESKHAND_LOG_LEVEL": "ERROR"})).test_client()
        began = time.monotonic()
        assert client.get("/tickets/new").status_code == 503
        assert time.monotonic() - began < 25

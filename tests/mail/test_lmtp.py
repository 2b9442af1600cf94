"""Deliveries by mail servers: acknowledged once stored, for our own addresses alone."""

from __future__ import annotations

import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.mail import lmtp, receiving, tokens
from app.mail.models import InboundEmail, Mailbox
from app.mail.parsing import parse
from tests import servers
from tests.faults.conftest import own_app
from tests.mail.listener import Listener, listener
from tests.process.test_supervisor import wait_until
from tests.servers import free_port

SUPPORT, BILLING = "support@desk.example", "billing@desk.example"
SETTINGS = {"DESKHAND_MAIL_FROM": SUPPORT, "DESKHAND_LOG_LEVEL": "ERROR"}
numbers = count(1)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, is_postgres: bool) -> Iterator[Path]:
    """A desk with a mailbox beside that of ``DESKHAND_MAIL_FROM``, which the first mail makes."""
    folder = tmp_path_factory.mktemp("lmtp")
    settings = dict(SETTINGS)
    if is_postgres:
        settings["DESKHAND_DATABASE_URL"] = servers.postgres_url("lmtp")
        (folder / "database").write_text(settings["DESKHAND_DATABASE_URL"])
    with own_app(folder, **settings):
        begin_write()
        db.session.add(Mailbox(address=BILLING, created_at=utcnow()))
        db.session.commit()
        yield folder


def settings_of(folder: Path) -> dict[str, str]:
    database = folder / "database"
    own = {"DESKHAND_DATABASE_URL": database.read_text()} if database.exists() else {}
    return {**SETTINGS, "DESKHAND_REDIS_URL": servers.redis_url(), **own}


@pytest.fixture(scope="module")
def lmtp_listener(desk: Path) -> Iterator[Listener]:
    with listener(desk, **settings_of(desk)) as running:
        yield running


@pytest.fixture(scope="module")
def smtp_listener(desk: Path) -> Iterator[Listener]:
    with listener(desk, f"smtp://127.0.0.1:{free_port()}", **settings_of(desk)) as running:
        yield running


def mail(text: str = "Help") -> tuple[str, bytes]:
    """A mail that is like no other, and its Message-ID."""
    message_id = f"<{next(numbers)}@customer.example>"
    head = f"From: Ada <ada@customer.example>\r\nTo: {SUPPORT}\r\nSubject: Help\r\n"
    return message_id, f"{head}Message-ID: {message_id}\r\n\r\n{text}\r\n".encode()


def stored(message_id: str) -> list[InboundEmail]:
    db.session.rollback()
    by_id = sa.select(InboundEmail).where(InboundEmail.message_id == message_id.strip("<>"))
    return list(db.session.scalars(by_id.order_by(InboundEmail.mailbox_id)))


@contextmanager
def broken_database() -> Iterator[None]:
    """One that has no room for mails, and says so at once."""
    for old, new in (("inbound_email", "elsewhere"), ("elsewhere", "inbound_email")):
        if new == "inbound_email":
            yield
        begin_write()
        db.session.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))
        db.session.commit()


def test_a_mail_is_acknowledged_when_it_is_stored(lmtp_listener: Listener) -> None:
    message_id, raw = mail("Help\r\n.\r\n.hidden dots\r\n\r\n")
    with lmtp_listener.client() as client:
        assert client.sendmail("ada@customer.example", [SUPPORT], raw) == {}
        (row,) = stored(message_id)
    assert row.return_path == "ada@customer.example"
    assert row.raw.endswith(raw)
    assert parse(row.raw).text.split("\n")[1:3] == [".", ".hidden dots"]


def test_a_mail_that_cannot_be_stored_stays_with_the_sender(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        with broken_database(), pytest.raises(smtplib.SMTPDataError) as refused:
            client.sendmail("ada@customer.example", [SUPPORT], raw)
        assert 400 <= refused.value.smtp_code < 500
        assert stored(message_id) == []
        assert client.sendmail("ada@customer.example", [SUPPORT], raw) == {}
    assert len(stored(message_id)) == 1


def test_a_mail_that_comes_again_is_acknowledged_and_kept_once(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        for _ in range(3):
            assert client.sendmail("ada@customer.example", [SUPPORT], raw) == {}
    assert len(stored(message_id)) == 1


@pytest.mark.parametrize("kind", ["lmtp", "smtp"])
def test_nothing_is_relayed(kind: str, lmtp_listener: Listener, smtp_listener: Listener) -> None:
    running = lmtp_listener if kind == "lmtp" else smtp_listener
    foreign = ["ada@customer.example", "nobody@desk.example", "support@desk.example.evil.example"]
    tricks = ["support%evil.example@desk.example", "@desk.example:ada@evil.example"]
    with running.client() as client:
        client.mail("ada@customer.example")
        for address in foreign:
            assert client.rcpt(address)[0] == 550, address
        for address in tricks:
            assert client.rcpt(address)[0] >= 500, address
        assert client.docmd("DATA")[0] == 503


def test_addresses_with_a_reply_token_are_ours(desk: Path, lmtp_listener: Listener) -> None:
    secret = (desk / "secret_key").read_text()
    assert secret
    local, _, domain = SUPPORT.partition("@")
    with lmtp_listener.client() as client:
        client.mail("ada@customer.example")
        for tail in (tokens.reply_token(7), "anything"):
            assert client.rcpt(f"{local}+{tail}@{domain}".swapcase())[0] == 250


def test_each_recipient_has_an_answer_and_each_mailbox_a_mail(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    recipients = [SUPPORT, "nobody@desk.example", BILLING, "support+x@desk.example"]
    with lmtp_listener.client() as client:
        client.mail("ada@customer.example")
        assert [client.rcpt(address)[0] for address in recipients] == [250, 550, 250, 250]
        assert client.docmd("DATA")[0] == 354
        client.send(raw + b".\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 250]
        assert client.noop()[0] == 250  # and no answer more
    rows = stored(message_id)
    assert len({row.mailbox_id for row in rows}) == len(rows) == 2
    assert b"Delivered-To: support+x@desk.example\r\n" in rows[0].raw


def test_the_return_path_of_a_bounce_stays_empty(smtp_listener: Listener) -> None:
    message_id, raw = mail()
    with smtp_listener.client() as client:
        client.sendmail("", [SUPPORT], raw)
    (row,) = stored(message_id)
    assert row.return_path == ""
    assert row.raw.startswith(b"Return-Path: <>\r\n")
    assert b"\r\nReceived: from mx.example ([127.0.0.1])\r\n\tby " in row.raw


def test_a_forged_return_path_below_ours_is_not_believed(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        client.sendmail("ada@customer.example", [SUPPORT], b"Return-Path: <>\r\n" + raw)
    assert stored(message_id)[0].return_path == "ada@customer.example"


@pytest.mark.requirement("X47")
@pytest.mark.parametrize("announced", [True, False])
def test_a_mail_over_the_limit_is_refused_for_good(
    smtp_listener: Listener, lmtp_listener: Listener, announced: bool
) -> None:
    if announced:
        with smtp_listener.client() as client:
            size = f"SIZE={receiving.MAX_SIZE + 1}"
            assert client.mail("ada@customer.example", [size])[0] == 552
        return
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        client.mail("ada@customer.example")
        client.rcpt(SUPPORT)
        client.rcpt(BILLING)
        client.docmd("DATA")
        client.send(raw)
        line = b"x" * 999_998 + b"\r\n"
        for _ in range(receiving.MAX_SIZE // len(line) + 1):
            client.send(line)
        client.send(b".\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [552, 552]
        assert client.sendmail("ada@customer.example", [SUPPORT], raw) == {}
    assert len(stored(message_id)) == 1


def test_lines_of_any_length_and_bytes_of_any_kind(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    body = bytes(range(14, 256)) * 20_000 + b"\r\n" + b"." * 3_000_000 + b"\r\n.\xff\r\n"
    with lmtp_listener.client() as client:
        client.sendmail("ada@customer.example", [SUPPORT], raw + body, ["BODY=8BITMIME"])
    assert stored(message_id)[0].raw.endswith(raw + body)


def test_addresses_beyond_ascii(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        client.command_encoding = "utf-8"
        client.sendmail("zoë@kundin.example", [SUPPORT], raw, ["SMTPUTF8", "BODY=8BITMIME"])
    assert stored(message_id)[0].return_path == "zoë@kundin.example"


def test_commands_may_come_all_at_once(lmtp_listener: Listener) -> None:
    (first, raw), (second, again) = mail(), mail()
    commands = f"MAIL FROM:<ada@customer.example>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode()
    with lmtp_listener.connect() as client, client.makefile("rb") as answers:
        hello = b"LHLO mx.example\r\n"
        client.sendall(hello + b"".join(commands + one + b".\r\n" for one in (raw, again)))
        client.sendall(b"QUIT\r\n")
        codes = [line[:3] for line in answers if line[3:4] == b" "]
    assert codes == [b"220", b"250", *[b"250", b"250", b"354", b"250"] * 2, b"221"]
    assert len(stored(first)) == len(stored(second)) == 1


@pytest.mark.parametrize("end", [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n"])
def test_no_mail_is_smuggled_into_another(smtp_listener: Listener, end: bytes) -> None:
    message_id, raw = mail()
    inner, smuggled = mail()
    commands = f"MAIL FROM:<boss@desk.example>\r\nRCPT TO:<{SUPPORT}>\r\nDATA\r\n".encode()
    with smtp_listener.client() as client:
        client.mail("ada@customer.example")
        client.rcpt(SUPPORT)
        client.docmd("DATA")
        client.send(raw + end + commands + smuggled + b"\r\n.\r\n")
        assert client.getreply()[0] == 250
    assert len(stored(message_id)) == 1
    assert stored(inner) == []


def test_a_peer_that_hangs_up_has_sent_nothing(lmtp_listener: Listener) -> None:
    message_id, raw = mail()
    with lmtp_listener.client() as client:
        client.mail("ada@customer.example")
        client.rcpt(SUPPORT)
        client.docmd("DATA")
        client.send(raw)
    with lmtp_listener.client() as client:
        assert client.noop()[0] == 250
    assert stored(message_id) == []


def test_one_connection_too_many_is_told_to_come_back(smtp_listener: Listener) -> None:
    crowd: list[socket.socket] = []

    def all_are_let_in() -> bool:  # those of the tests before may be leaving still
        crowd[:] = [smtp_listener.connect() for _ in range(lmtp.MOST_CONNECTIONS)]
        if all(one.recv(4) == b"220 " for one in crowd):
            return True
        for one in crowd:
            one.close()
        return False

    wait_until(all_are_let_in)
    try:
        with smtp_listener.connect() as late:
            assert late.recv(4) == b"421 "
    finally:
        for one in crowd:
            one.close()


def test_a_stop_lets_the_mail_in_hand_be_finished(desk: Path) -> None:
    message_id, raw = mail()
    with listener(desk, **settings_of(desk)) as running:
        idle = running.connect()
        with running.client() as client:
            client.mail("ada@customer.example")
            client.rcpt(SUPPORT)
            client.docmd("DATA")
            client.send(raw)
            running.process.send_signal(signal.SIGTERM)
            wait_until(lambda: not running.listens())
            client.send(b".\r\n")
            assert client.getreply()[0] == 250
            assert client.getreply()[0] == 421
        assert idle.makefile("rb").read().splitlines()[-1].startswith(b"421 ")
        idle.close()
        assert running.end() == 0
    assert len(stored(message_id)) == 1


def test_a_socket_left_by_the_dead_is_taken_over(desk: Path, tmp_path: Path) -> None:
    place = tmp_path / "lmtp.sock"
    message_id, raw = mail()
    with listener(desk, f"lmtp://{place}", **settings_of(desk)) as running:
        running.process.kill()
        running.end()
        assert place.is_socket()
        running.start()
        with running.client() as client:
            assert client.sendmail("ada@customer.example", [SUPPORT], raw) == {}
        assert running.stop() == 0
    assert not place.exists()
    assert len(stored(message_id)) == 1


def test_a_place_that_is_taken_is_said_in_one_line(desk: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"lmtp://127.0.0.1:{taken.getsockname()[1]}"
        environ = {**os.environ, **settings_of(desk), "DESKHAND_DATA_DIR": str(desk)}
        done = subprocess.run(
            [sys.executable, "-m", "app", "lmtp"],
            env={**environ, "DESKHAND_LMTP_LISTEN": where},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: cannot listen on 127.0.0.1, port ")
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks")
def test_swaks_delivers(smtp_listener: Listener, lmtp_listener: Listener) -> None:
    for running, protocol in ((smtp_listener, "ESMTP"), (lmtp_listener, "LMTP")):
        assert isinstance(running.address, tuple)
        message_id = f"{next(numbers)}@swaks.example"
        done = subprocess.run(
            [
                *("swaks", "--protocol", protocol, "--server", "127.0.0.1"),
                *("--port", str(running.address[1]), "--pipeline"),
                *("--from", "ada@customer.example", "--to", f"{SUPPORT},{BILLING}"),
                *("--header", f"Message-Id: <{message_id}>", "--attach", "@/etc/hostname"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        assert {row.mailbox_id for row in stored(message_id)} == {1, 2}

"""A real Postfix hands mails over, by LMTP and by a pipe, as docs/mail.md says."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import pytest
import sqlalchemy as sa

from app.core.db import begin_write, db
from app.mail.models import Channel, InboundEmail, MailReceipt
from app.mail.parsing import parse
from tests import servers
from tests.faults.conftest import own_app
from tests.mail.listener import Listener, listener
from tests.process.test_run import DESKHAND
from tests.process.test_supervisor import wait_until
from tests.servers import free_port

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("postfix") is None, reason="needs Postfix, and root to run it"
)

SETTINGS = {"DESKHAND_MAIL_FROM": "support@desk.example", "DESKHAND_LOG_LEVEL": "ERROR"}
MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.example
mydestination =
alias_maps =
smtpd_peername_lookup = no
smtpd_recipient_restrictions = reject_unauth_destination
virtual_mailbox_domains = desk.example, pipe.example
recipient_delimiter = +
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
transport_maps = inline:{{ pipe.example=deskhand: }}
deskhand_destination_recipient_limit = 1
"""
MASTER = """
{smtp} inet n - n - - smtpd
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
pickup unix n - n 60 1 pickup
showq unix n - n - - showq
error unix - - n - - error
lmtp unix - - n - - lmtp
deskhand unix - n n - 2 pipe flags=DR user=nobody null_sender=
  directory={desk} argv={command}
"""


@dataclass
class Postfix:
    """One of the test's own, that sends to a desk."""

    folder: Path
    port: int
    listener: Listener

    def run(self, *command: str) -> str:
        config = ["-c", str(self.folder / "etc")]
        done = subprocess.run(
            [command[0], *config, *command[1:]], capture_output=True, text=True, check=True
        )
        return done.stdout

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def send(self, recipient: str, message_id: str, sender: str = "ada@customer.example") -> None:
        raw = f"From: Ada <{sender}>\r\nSubject: Help\r\nMessage-ID: <{message_id}>\r\n\r\nHelp\r\n"
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            client.sendmail(sender, [recipient], raw)


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    folder = Path(mkdtemp(prefix="deskhand-postfix-"))
    folder.chmod(0o755)
    for name in ("etc", "queue", "data", "desk"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    port = free_port()
    environ = {**SETTINGS, "DESKHAND_REDIS_URL": servers.redis_url()}
    with (
        own_app(folder / "desk" / "data", **SETTINGS),
        listener(folder / "desk" / "data", **environ) as running,
    ):
        assert isinstance(running.address, tuple)
        words = {"folder": folder, "smtp": port, "lmtp": running.address[1]}
        # Postfix runs no pipe as root, and nobody else may run the Python of these tests: what it
        # pipes is put aside, and then ingested by us.
        command = folder / "desk" / "keep"
        command.write_text('#!/bin/sh\ncat > "$0.$$.part" && mv "$0.$$.part" "$0.$$.eml"\n')
        command.chmod(0o755)
        shutil.chown(folder / "desk", "nobody")
        (folder / "etc" / "main.cf").write_text(MAIN.format(**words))
        (folder / "etc" / "master.cf").write_text(
            MASTER.format(**words, desk=folder / "desk", command=command)
        )
        running_postfix = Postfix(folder, port, running)
        running_postfix.run("postfix", "start")
        try:
            yield running_postfix
        finally:
            running_postfix.run("postfix", "abort")
            shutil.rmtree(folder, ignore_errors=True)


def stored(message_id: str) -> list[tuple[Channel, str | None, bytes]]:
    db.session.rollback()
    rows = sa.select(InboundEmail, MailReceipt.channel).join(
        MailReceipt, MailReceipt.inbound_email_id == InboundEmail.id
    )
    found = db.session.execute(rows.where(InboundEmail.message_id == message_id))
    return [(channel, email.return_path, email.raw) for email, channel in found]


def test_by_lmtp(postfix: Postfix) -> None:
    postfix.send("support+TOKEN@desk.example", "lmtp@customer.example")
    wait_until(lambda: bool(stored("lmtp@customer.example")))
    [(channel, return_path, raw)] = stored("lmtp@customer.example")
    assert (channel, return_path) == (Channel.LMTP, "ada@customer.example")
    assert "support+TOKEN@desk.example" in parse(raw).recipients


def test_an_unknown_address_comes_back_to_the_sender(postfix: Postfix) -> None:
    postfix.send("nobody@desk.example", "nobody@customer.example")
    wait_until(lambda: "550 5.1.1" in postfix.log())
    assert stored("nobody@customer.example") == []


def test_what_cannot_be_stored_waits_at_postfix(postfix: Postfix) -> None:
    for old, new in (("raw_email", "away"), ("away", "raw_email")):
        if new == "raw_email":
            postfix.send("support@desk.example", "later@customer.example")
            wait_until(lambda: "451 4.3.0" in postfix.log())
        begin_write()
        db.session.execute(sa.text(f"ALTER TABLE {old} RENAME TO {new}"))
        db.session.commit()
    assert stored("later@customer.example") == []
    postfix.run("postqueue", "-f")
    wait_until(lambda: len(stored("later@customer.example")) == 1)


def test_by_a_pipe(postfix: Postfix) -> None:
    postfix.send("support+TOKEN@pipe.example", "pipe@customer.example")
    postfix.send("support@pipe.example", "null@customer.example", sender="")
    wait_until(lambda: len(list((postfix.folder / "desk").glob("*.eml"))) == 2)
    for path in (postfix.folder / "desk").glob("*.eml"):
        with path.open("rb") as piped:
            command = [*DESKHAND, "mail", "ingest"]
            subprocess.run(command, env=postfix.listener.environ, stdin=piped, check=True)
    [(channel, return_path, raw)] = stored("pipe@customer.example")
    assert (channel, return_path) == (Channel.PIPE, "ada@customer.example")
    assert "support+TOKEN@pipe.example" in parse(raw).recipients
    assert stored("null@customer.example")[0][1] == ""

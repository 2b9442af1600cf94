"""``deskhand run`` with a mail listener: a mail, its answer, a reply with a quote, and a bounce."""

from __future__ import annotations

import shutil
import smtplib
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.mail.parsing import ParsedEmail
from tests.mail.smtp import Inbox, smtp_server
from tests.process.test_run import Desk, children
from tests.process.test_supervisor import lives, wait_until
from tests.servers import free_port

pytestmark = pytest.mark.slow

SUPPORT, ANN = "support@desk.example", "ann@customer.example"
BOUNCE = """From: MAILER-DAEMON@mx.customer.example
To: {to}
Subject: Undelivered Mail Returned to Sender
Message-ID: <bounce@mx.customer.example>
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=part

--part

I could not deliver your mail.
--part
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.customer.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user here
--part
Content-Type: text/rfc822-headers

Message-ID: <{message_id}>
To: {recipient}
--part--
"""


class Site:
    """A running desk with its mail server and its listener."""

    def __init__(self, folder: Path, inbox: Inbox) -> None:
        self.inbox, self.lmtp = inbox, free_port()
        self.desk = Desk(
            folder,
            DESKHAND_LMTP_LISTEN=f"lmtp://127.0.0.1:{self.lmtp}",
            DESKHAND_SMTP_URL=inbox.url,
            DESKHAND_MAIL_FROM=SUPPORT,
        )

    def deliver(self, sender: str, recipient: str, raw: str) -> None:
        with smtplib.LMTP("127.0.0.1", self.lmtp, timeout=20) as client:
            assert client.sendmail(sender, [recipient], raw.encode()) == {}

    def rows(self, statement: str) -> list[tuple[str, ...]]:
        with closing(sqlite3.connect(self.desk.folder / "deskhand.db", timeout=20)) as database:
            return database.execute(statement).fetchall()

    def sent_to(self, address: str) -> list[tuple[str, ParsedEmail]]:
        """Return path and content of the mails that *address* got."""
        both = zip(self.inbox.envelopes, self.inbox.mails, strict=True)
        return [(e.mail_from or "", mail) for e, mail in both if e.rcpt_tos == [address]]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with smtp_server() as inbox:
        site = Site(tmp_path, inbox)
        try:
            site.desk.wait_until_ready()
            yield site
        finally:
            if site.desk.process.poll() is None:
                site.desk.stop()


def test_a_conversation_over_real_servers(site: Site) -> None:
    wait_until(lambda: "lmtp" in children(site.desk.process.pid))
    listening = ("swaks", "--protocol", "LMTP", "--server", f"127.0.0.1:{site.lmtp}")

    def delivers() -> bool:
        mail = ("--from", ANN, "--to", SUPPORT, "--header", "Subject: The panel", "--body", "E-41")
        if shutil.which("swaks"):
            command = [*listening, *mail]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        try:
            site.deliver(
                ANN, SUPPORT, f"From: {ANN}\nSubject: The panel\nMessage-ID: <1@c>\n\nE-41\n"
            )
        except OSError:
            return False
        return True

    wait_until(delivers)
    wait_until(lambda: len(site.sent_to(ANN)) == 1)
    return_path, answer = site.sent_to(ANN)[0]
    [(number,)] = site.rows("SELECT number FROM ticket")
    assert number in answer.subject

    quote = "".join(f"> {line}\n" for line in answer.text.splitlines())
    site.deliver(
        ANN,
        answer.reply_to[0].email,
        f"From: Ann <{ANN}>\nTo: {answer.reply_to[0].email}\nSubject: Re: {answer.subject}\n"
        f"Message-ID: <2@c>\nIn-Reply-To: <{answer.message_id}>\n\nIt is the left one.\n\n"
        f"On Sun, 22 Nov 2026 at 10:00, Deskhand <{SUPPORT}> wrote:\n{quote}",
    )
    of_ann = "SELECT body FROM comment WHERE author_kind = 'requester'"
    wait_until(lambda: site.rows(of_ann) != [])
    assert [body.strip() for (body,) in site.rows(of_ann)] == ["It is the left one."]
    assert len(site.rows("SELECT id FROM ticket")) == 1

    told = {"to": return_path, "recipient": ANN, "message_id": answer.message_id}
    site.deliver("", return_path, BOUNCE.format(**told))
    bounces = "SELECT reason FROM inbound_email WHERE message_id = 'bounce@mx.customer.example'"
    wait_until(lambda: site.rows(f"{bounces} AND state != 'waiting'") != [])
    [(reason,)] = site.rows(bounces)
    assert number in reason
    assert ANN in reason

    parts = children(site.desk.process.pid)
    assert site.desk.stop() < 10
    assert site.desk.process.returncode == 0
    assert not any(map(lives, parts.values()))

"""Trying a mailbox step by step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from app.core.sealing import seal
from app.mail.credentials import ImapAccount
from app.mail.models import AfterStoring, Security
from app.mail.trying import try_connection, try_sending
from tests.mail.dovecot import Dovecot
from tests.mail.smtp import smtp_server
from tests.servers import free_port

pytestmark = pytest.mark.usefixtures("app")


def outcome(account: ImapAccount) -> list[tuple[str, bool]]:
    return [(step.name, step.is_ok) for step in try_connection(account)]


def test_every_step_goes_well(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, b"Subject: One\r\n\r\n")
    steps = try_connection(account(imap_after=AfterStoring.MOVE, imap_after_folder="Done"))
    assert [step.told for step in steps] == [
        f"127.0.0.1:{server.port} answers, without encryption.",
        f"Signed in as {user}.",
        "INBOX has 1 messages. The server tells of new mail at once.",
        "Done will be made with the first mail.",
    ]
    assert all(step.is_ok for step in steps)


def test_the_step_that_fails_is_the_last_and_says_why(
    server: Dovecot, account: Callable[..., ImapAccount]
) -> None:
    tried = try_connection(account(imap_folder="No such"))
    assert [step.is_ok for step in tried] == [True, True, False]
    assert tried[-1].told.startswith("select failed: ")
    assert "Mailbox doesn't exist: No such" in tried[-1].told
    assert outcome(account(imap_secret=seal("wrong"))) == [("Connection", True), ("Sign-in", False)]
    untrusted = try_connection(account(imap_security=Security.TLS, imap_port=server.tls_port))
    assert "certificate is not trusted" in untrusted[0].told
    refused = try_connection(account(imap_security=Security.NONE, imap_port=free_port()))
    assert refused[0].told == "Nothing listens on that port of the server."
    unknown = try_connection(account(imap_host="nowhere.invalid"))
    assert unknown[0].told.startswith("There is no such server")


def test_trying_changes_nothing(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, b"Subject: One\r\n\r\n")
    try_connection(account(imap_after=AfterStoring.MOVE, imap_after_folder="Done"))
    with server.client(user) as client:
        assert client.search("UNSEEN") == [1]
        assert not client.folder_exists("Done")


def test_a_server_for_sending_is_tried_without_a_mail() -> None:
    with smtp_server() as inbox:
        [step] = try_sending(inbox.url, "desk.example")
        assert (step.is_ok, step.told) == (True, f"{inbox.url} takes mail from us.")
        login = inbox.url.replace("//", "//ann:s3cret@")
        [step] = try_sending(login, "desk.example")
        assert not step.is_ok
        assert "s3cret" not in step.told
        assert inbox.envelopes == []
    [step] = try_sending(inbox.url, "desk.example")
    assert not step.is_ok

"""Fetching by IMAP from a real Dovecot: every message once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from imapclient import DELETED, SEEN

from app.core.db import db
from app.core.sealing import seal
from app.mail import fetch_state, fetching, imap
from app.mail.credentials import ImapAccount
from app.mail.fetching import Round
from app.mail.models import (
    AfterStoring,
    InboundEmail,
    InboundState,
    MailboxPoll,
    MailReceipt,
    Security,
)
from tests.mail.conftest import NOW
from tests.mail.dovecot import PASSWORD, Dovecot
from tests.mail.proxy import proxy_to

pytestmark = pytest.mark.usefixtures("app")


def mail(subject: str, *, body: str = "Hello.", message_id: str = "") -> bytes:
    told = f"Message-ID: <{message_id}>\r\n" if message_id else ""
    return (
        f"From: Thabo <thabo@customer.example>\r\nTo: help@desk.example\r\n{told}"
        f"Subject: {subject}\r\n\r\n{body}\r\n"
    ).encode()


def poll(account: ImapAccount, now: datetime = NOW) -> Round:
    found = fetching.poll(account, clock=lambda: now)
    db.session.expire_all()
    return found


def subjects() -> list[str]:
    return list(db.session.scalars(sa.select(InboundEmail.subject).order_by(InboundEmail.id)))


def state() -> MailboxPoll:
    return db.session.scalars(sa.select(MailboxPoll)).one()


@pytest.mark.requirement("R 7-1", "X42")
def test_every_message_is_stored_once_with_its_receipt(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"), mail("Two"))
    assert poll(account()) == Round(stored=2)
    server.add(user, mail("Three"))
    assert poll(account()) == Round(stored=1)
    assert poll(account()) == Round()
    assert subjects() == ["One", "Two", "Three"]
    receipts = db.session.scalars(sa.select(MailReceipt).order_by(MailReceipt.uid)).all()
    assert [receipt.uid for receipt in receipts] == [1, 2, 3]
    assert {receipt.folder for receipt in receipts} == {f"{user}@127.0.0.1/INBOX"}
    assert (state().server_count, state().missing_count) == (3, 0)


def test_what_another_client_has_read_or_marked_deleted_is_fetched_as_well(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("Read"), mail("Deleted"), mail("New"))
    with server.client(user) as client:
        client.add_flags([1], [SEEN])
        client.add_flags([2], [DELETED])
    assert poll(account()).stored == 3


@pytest.mark.requirement("X42")
def test_a_long_outage_loses_nothing(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("Before"))
    poll(account())
    server.add(user, *(mail(f"During {n}") for n in range(60)))
    with server.client(user) as client:
        client.add_flags(client.search("ALL"), [SEEN])
    assert poll(account(), NOW + timedelta(days=60)).stored == 60


def test_fetching_leaves_messages_unread_and_where_they_are(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"))
    poll(account())
    with server.client(user) as client:
        assert client.get_flags([1])[1] in ((), (b"\\Recent",))


def test_stored_messages_are_flagged(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"))
    poll(account(imap_after=AfterStoring.FLAG))
    with server.client(user) as client:
        assert SEEN in client.get_flags([1])[1]


def test_stored_messages_are_moved_to_a_folder_made_for_them(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"), mail("Two"))
    poll(account(imap_after=AfterStoring.MOVE, imap_after_folder="Im Desk übernommen"))
    assert (state().server_count, state().missing_count) == (0, 0)
    with server.client(user) as client:
        assert client.search("ALL") == []
        assert client.select_folder("Im Desk übernommen")[b"EXISTS"] == 2


def test_a_refused_move_is_told_and_hinders_no_message(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"))
    wrong = account(imap_after=AfterStoring.MOVE, imap_after_folder="a//b")
    assert poll(wrong).stored == 1
    server.add(user, mail("Two"))
    assert poll(wrong).stored == 1
    assert "cannot be filed" in state().error
    poll(account(imap_after_folder="Done"))
    assert state().error == ""
    with server.client(user) as client:
        assert client.search("ALL") == []


def test_a_changed_uidvalidity_reads_all_again_and_makes_no_doubles(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"), mail("Two", message_id="two@x"))
    poll(account())
    server.change_uidvalidity(user)
    server.add(user, mail("Three"))
    assert poll(account()) == Round(stored=1, copies=2)
    assert subjects() == ["One", "Two", "Three"]
    assert state().missing_count == 0


def test_another_server_has_other_uids(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"))
    poll(account())
    server.add(f"{user}b", mail("Two"))
    assert poll(account(imap_user=f"{user}b")).stored == 1
    assert subjects() == ["One", "Two"]


def test_old_messages_are_left_alone_where_an_admin_says_so(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("Old"))
    assert poll(account(imap_takes_old=False)) == Round()
    server.add(user, mail("New"))
    assert poll(account()) == Round(stored=1)
    assert subjects() == ["New"]
    assert (state().server_count, state().missing_count) == (2, 0)


def test_old_messages_are_told_by_their_day_where_the_uids_have_changed(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    started = datetime.now(UTC)
    with server.client(user) as client:
        client.append("INBOX", mail("Old"), msg_time=started - timedelta(days=9))
    assert poll(account(imap_takes_old=False), started) == Round()
    server.change_uidvalidity(user)
    server.add(user, mail("New"))
    assert poll(account(), started) == Round(stored=1)
    assert subjects() == ["New"]


@pytest.mark.requirement("X47")
def test_a_message_beyond_the_limit_is_kept_in_quarantine_with_its_beginning(
    server: Dovecot,
    user: str,
    account: Callable[..., ImapAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "MAX_SIZE", 10_000)
    monkeypatch.setattr(fetching, "GROUP_BYTES", 10_000)
    monkeypatch.setattr(fetching, "BEGINNING", 5_000)
    server.add(user, mail("Large", body="word " * 4_000), mail("Small"))
    poll(account(imap_after=AfterStoring.MOVE, imap_after_folder="Done"))
    large, small = db.session.scalars(sa.select(InboundEmail).order_by(InboundEmail.subject)).all()
    assert (large.state, large.size) == (InboundState.QUARANTINED, 5_000)
    assert "the whole is in INBOX" in large.reason
    assert small.state is InboundState.WAITING
    with server.client(user) as client:  # the only whole one stays where it is
        assert client.search("ALL") == [1]


def test_a_large_folder_is_looked_through_now_and_then(
    server: Dovecot,
    user: str,
    account: Callable[..., ImapAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fetching, "SMALL_FOLDER", 1)
    server.add(user, mail("One"), mail("Two"))
    poll(account())
    # As though a message had appeared below the last UID, which no server may do.
    db.session.execute(sa.delete(MailReceipt).where(MailReceipt.uid == 1))
    db.session.execute(sa.delete(InboundEmail).where(InboundEmail.subject == "One"))
    server.add(user, mail("Three"))
    assert poll(account()) == Round(stored=1)
    assert poll(account(), NOW + timedelta(minutes=11)) == Round(stored=1)
    assert sorted(subjects()) == ["One", "Three", "Two"]


def test_a_message_that_cannot_be_stored_does_not_stop_the_others(
    server: Dovecot,
    user: str,
    account: Callable[..., ImapAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.add(user, mail("One"), mail("Poison"), mail("Three"))
    store = fetching.receiving.store

    def fragile(raw: bytes, *args: Any, **how: Any) -> Any:
        if b"Poison" in raw:
            raise ValueError("it hurts")
        return store(raw, *args, **how)

    monkeypatch.setattr(fetching.receiving, "store", fragile)
    assert poll(account()) == Round(stored=2, failed=1)
    assert (state().server_count, state().missing_count) == (3, 1)
    assert poll(account()) == Round(failed=1)  # at once again, then later and later
    assert poll(account(), NOW + timedelta(seconds=59)) == Round()
    monkeypatch.setattr(fetching.receiving, "store", store)
    assert poll(account(), NOW + timedelta(minutes=2)) == Round(stored=1)
    assert state().missing_count == 0
    assert sorted(subjects()) == ["One", "Poison", "Three"]


def test_a_wrong_password_is_told_and_tried_again_ever_later(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    wrong = account(imap_secret=seal("wrong"))
    pauses = []
    for _ in range(2):
        with pytest.raises(imap.LoginError):
            poll(wrong)
        pauses.append((state().next_poll_at - NOW).total_seconds())
    assert state().error == "Sign-in was refused: [AUTHENTICATIONFAILED] Authentication failed."
    for _ in range(7):
        again = fetch_state.note_trouble(wrong.mailbox_id, "Still wrong", now=NOW)
        pauses.append((again - NOW).total_seconds())
    assert pauses == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    poll(account(imap_secret=seal(PASSWORD)))
    assert (state().error, state().failures) == ("", 0)


def test_a_certificate_of_nobody_we_know_is_refused(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    for security, port in ((Security.TLS, server.tls_port), (Security.STARTTLS, server.port)):
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            poll(account(imap_security=security, imap_port=port))
        assert "certificate is not trusted" in state().error


@pytest.mark.requirement("R 7-1")
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
def test_fetches_over_tls(
    server: Dovecot,
    user: str,
    account: Callable[..., ImapAccount],
    monkeypatch: pytest.MonkeyPatch,
    security: Security,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.certificate))
    server.add(user, mail("One"))
    port = server.tls_port if security is Security.TLS else server.port
    assert poll(account(imap_security=security, imap_port=port)).stored == 1


@pytest.mark.requirement("X42")
def test_a_connection_cut_in_the_middle_of_a_message_loses_and_doubles_nothing(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, *(mail(f"Number {n}", body="word " * 2_000) for n in range(5)))
    with proxy_to(server.port) as proxy:
        through = account(imap_port=proxy.port)
        for passed in range(2_000, 60_000, 7_000):
            proxy.cut_server_after(passed)
            with suppress(*imap.LOST), fetching.session(through) as client:
                fetching.take_round(client, through, careful=True)
        proxy.heal()
        poll(through, datetime.now(UTC) + timedelta(minutes=5))
    assert sorted(subjects()) == [f"Number {n}" for n in range(5)]
    assert state().missing_count == 0


def test_a_cut_connection_is_told_on_the_mailbox(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"))
    with proxy_to(server.port) as proxy:
        proxy.cut_server_after(700)
        with pytest.raises(imap.LOST):
            poll(account(imap_port=proxy.port))
    assert "connection was lost" in state().error

"""The ledger against the mail server, by count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.mail import fetching, imap, ledger, receiving
from app.mail.credentials import ImapAccount
from app.mail.ledger import Reckoning
from app.mail.models import Channel, InboundEmail, InboundState, Mailbox, MailReceipt
from app.mail.receiving import Origin
from tests.mail.conftest import NOW
from tests.mail.dovecot import Dovecot

pytestmark = pytest.mark.usefixtures("app")


def mail(subject: str) -> bytes:
    return (
        f"From: a@b.example\r\nTo: help@desk.example\r\nSubject: {subject}\r\n\r\nHi\r\n".encode()
    )


def of(address: str) -> Reckoning:
    db.session.expire_all()
    return next(one for one in ledger.reckon() if one.address == address)


def test_every_message_is_accounted_for_whatever_its_way_in(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"), mail("Two"))
    fetching.poll(account(), clock=lambda: NOW)
    for raw in (mail("Two"), mail("Three")):
        receiving.store(raw, None, origin=Origin(Channel.LMTP), now=NOW)
    receiving.store(mail("Four"), None, now=NOW)
    found = of("help@desk.example")
    assert found.messages == {Channel.IMAP: 2, Channel.LMTP: 2, Channel.PIPE: 1}
    assert (found.copies, found.unread, found.mails) == (1, 0, 4)
    assert found.outcomes == {InboundState.WAITING: 4}
    assert (found.server_count, found.missing_count) == (2, 0)
    assert found.adds_up


def test_a_lost_mail_does_not_add_up(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    server.add(user, mail("One"), mail("Two"))
    fetching.poll(account(), clock=lambda: NOW)
    db.session.execute(sa.delete(MailReceipt).where(MailReceipt.uid == 1))
    assert not of("help@desk.example").adds_up


def test_a_message_on_the_server_that_is_not_here_does_not_add_up(
    server: Dovecot,
    user: str,
    account: Callable[..., ImapAccount],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def hurts(*_: object, **__: object) -> None:
        raise ValueError("it hurts")

    server.add(user, mail("One"))
    monkeypatch.setattr(fetching.receiving, "store", hurts)
    fetching.poll(account(), clock=lambda: NOW)
    found = of("help@desk.example")
    assert (found.server_count, found.missing_count, found.unread) == (1, 1, 1)
    assert not found.adds_up
    assert db.session.scalar(sa.select(sa.func.count(InboundEmail.id))) == 0


def test_fetching_that_fails_for_ten_minutes_stands_still(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    fetching.poll(account(), clock=lambda: NOW)
    assert ledger.standing_still(NOW + timedelta(minutes=10)) == []
    wrong = account(imap_user="nobody", imap_folder="None")
    for minutes in (1, 11):
        at = NOW + timedelta(minutes=minutes)
        with pytest.raises(imap.TROUBLE):
            fetching.poll(wrong, clock=lambda at=at: at)  # type: ignore[misc]
        still = ledger.standing_still(at)
        assert [one.address for one in still] == ["help@desk.example"] * (minutes > 10)
    assert "None" in still[0].error


def test_fetching_that_nobody_does_stands_still(
    server: Dovecot, user: str, account: Callable[..., ImapAccount]
) -> None:
    fetching.poll(account(), clock=lambda: NOW)
    assert ledger.standing_still(NOW + timedelta(minutes=9)) == []
    late = NOW + timedelta(minutes=12)
    assert [one.error for one in ledger.standing_still(late)] == [""]
    row = db.session.scalars(sa.select(Mailbox)).one()
    row.is_active = False
    db.session.commit()
    assert ledger.standing_still(late) == []

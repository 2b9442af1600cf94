"""Mailboxes on a real IMAP server."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.core.sealing import seal
from app.mail.credentials import ImapAccount, imap_account
from app.mail.models import Incoming, Mailbox, Security
from tests.mail.dovecot import PASSWORD, Dovecot, dovecot

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
_users = itertools.count()


@pytest.fixture
def server() -> Dovecot:
    return dovecot()


@pytest.fixture
def user() -> str:
    """One that no other test uses."""
    return f"user{next(_users)}"


@pytest.fixture
def account(server: Dovecot, user: str) -> Callable[..., ImapAccount]:
    """Make, or change, the mailbox that is fetched as *user*."""

    def make(**changes: Any) -> ImapAccount:
        row = db.session.scalar(sa.select(Mailbox).where(Mailbox.address == "help@desk.example"))
        if row is None:
            row = Mailbox(
                address="help@desk.example",
                created_at=NOW,
                incoming=Incoming.IMAP,
                imap_host="127.0.0.1",
                imap_port=server.port,
                imap_security=Security.NONE,
                imap_user=user,
                imap_secret=seal(PASSWORD),
            )
            db.session.add(row)
        for name, value in changes.items():
            setattr(row, name, value)
        db.session.commit()
        found = imap_account(row)
        assert found
        return found

    return make

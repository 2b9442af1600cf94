"""Mailboxes that sign in with OAuth2: a real token server, a real IMAP server that asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.core.db import db
from app.mail import fetching, oauth
from app.mail.credentials import ImapAccount, OAuth2
from app.mail.models import ImapAuth, MailboxPoll
from app.mail.oauth import NoToken
from tests.mail.conftest import NOW
from tests.mail.dovecot import Dovecot
from tests.mail.token_server import TokenServer, token_server
from tests.receiver import receiver, says

pytestmark = pytest.mark.usefixtures("app")

MAIL = b"From: thabo@customer.example\r\nSubject: Hello\r\n\r\nHello.\r\n"


@pytest.fixture
def tokens(server: Dovecot, user: str) -> Iterator[TokenServer]:
    with token_server(server.token_port, user) as found:
        yield found


@pytest.fixture
def oauth_account(tokens: TokenServer, account: Callable[..., ImapAccount]) -> ImapAccount:
    secret = OAuth2("desk", "client secret", "first", tokens.url, scope="imap")
    return account(imap_auth=ImapAuth.OAUTH2, imap_secret=secret.sealed())


def poll(account: ImapAccount, *, minutes: int = 0) -> fetching.Round:
    return fetching.poll(account, clock=lambda: NOW + timedelta(minutes=minutes))


def test_a_token_serves_until_it_is_over(
    server: Dovecot, user: str, tokens: TokenServer, oauth_account: ImapAccount
) -> None:
    server.add(user, MAIL)
    assert poll(oauth_account).stored == 1
    poll(oauth_account, minutes=58)
    assert len(tokens.asked) == 1
    poll(oauth_account, minutes=60)
    assert [fields["refresh_token"] for fields in tokens.asked] == ["first", "refresh1"]
    assert tokens.asked[0] == {
        "grant_type": "refresh_token",
        "client_id": "desk",
        "client_secret": "client secret",
        "refresh_token": "first",
        "scope": "imap",
    }


def test_a_token_that_was_taken_back_early_is_replaced(
    server: Dovecot, user: str, tokens: TokenServer, oauth_account: ImapAccount
) -> None:
    server.add(user, MAIL)
    poll(oauth_account)
    tokens.good.clear()
    assert poll(oauth_account, minutes=1).copies == 0
    assert len(tokens.asked) == 2


def test_a_refused_refresh_is_told_on_the_mailbox(
    server: Dovecot, user: str, tokens: TokenServer, oauth_account: ImapAccount
) -> None:
    poll(oauth_account)
    tokens.refresh_tokens.append("of another client")
    with pytest.raises(NoToken):
        poll(oauth_account, minutes=61)
    state = db.session.scalars(sa.select(MailboxPoll)).one()
    assert state.error == (
        "The token server refused: invalid_grant: The refresh token was used or taken back."
    )


def test_new_credentials_are_used_in_place_of_the_token_of_the_old(
    server: Dovecot,
    user: str,
    tokens: TokenServer,
    oauth_account: ImapAccount,
    account: Callable[..., ImapAccount],
) -> None:
    poll(oauth_account)
    tokens.refresh_tokens.append("entered anew")
    secret = OAuth2("desk", "client secret", "entered anew", tokens.url)
    poll(account(imap_secret=secret.sealed()), minutes=1)
    assert tokens.asked[-1]["refresh_token"] == "entered anew"


def test_tokens_are_sealed_in_the_database(
    server: Dovecot, user: str, tokens: TokenServer, oauth_account: ImapAccount
) -> None:
    poll(oauth_account)
    state = db.session.scalars(sa.select(MailboxPoll)).one()
    assert state.token
    assert "access1" not in state.token
    assert "client secret" not in oauth_account.sealed


@pytest.mark.parametrize("url", ["http://tokens.example/", "file:///etc/passwd", "gopher://x"])
def test_secrets_are_sent_over_https_alone(url: str) -> None:
    with pytest.raises(NoToken, match="https://"):
        oauth.refresh(OAuth2("desk", "secret", "first", url), None, now=NOW)


def test_a_token_server_sends_us_nowhere_else() -> None:
    """Its address is an admin's to enter; what only this machine reaches is not."""
    with receiver(says(302, Location="/elsewhere")) as found:
        with pytest.raises(NoToken, match="HTTP status 302"):
            oauth.refresh(OAuth2("desk", "secret", "first", found.url), None, now=NOW)
        assert [got.method for got in found.got] == ["POST"]

"""Access tokens for mailboxes that sign in with OAuth2 (RFC 6749, section 6)."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit

from app.core.errors import DomainError
from app.core.sealing import Unreadable, seal, unseal
from app.mail.credentials import OAuth2

TIMEOUT_SECONDS = 20.0
LONGEST_ANSWER = 100_000  # bytes
EARLY = timedelta(seconds=60)  # a token is not used in its last minute
USUAL_LIFE = 3600  # seconds, where the server does not say
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class _Staying(urllib.request.HTTPRedirectHandler):
    """Token servers do not redirect; whoever does leads to what only this machine reaches."""

    def redirect_request(self, *_: object) -> None:
        """Follow none: the redirect itself is the answer, a refusal."""


_opener = urllib.request.build_opener(_Staying)


class NoToken(DomainError):
    """The token server gave none; the message is what it said."""


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """An access token, until when it works, and the refresh token for the next one."""

    access: str
    expires_at: datetime
    refresh: str
    fingerprint: str  # of the `OAuth2` that it was made from

    def sealed(self) -> str:
        """For ``MailboxPoll.token``."""
        fields = (self.access, self.expires_at.isoformat(), self.refresh, self.fingerprint)
        return seal(json.dumps(fields))


def kept_token(sealed: str, client: OAuth2) -> Token | None:
    """The token in use, unless there is none or it was made from other credentials."""
    try:
        access, expires_at, refresh, fingerprint = (
            json.loads(unseal(sealed)) if sealed else [""] * 4
        )
    except (Unreadable, ValueError):
        return None
    if fingerprint != client.fingerprint:
        return None
    return Token(access, datetime.fromisoformat(expires_at), refresh, fingerprint)


def is_fresh(token: Token | None, *, now: datetime) -> bool:
    """True for a token that works for another minute."""
    return token is not None and token.expires_at > now + EARLY


def refresh(client: OAuth2, token: Token | None, *, now: datetime) -> Token:
    """Ask for a new access token; talks to the token server.

    Some servers give a new refresh token each time and soon refuse the old one: the newest is
    used, and the one that was entered where that is refused.

    Raises:
        NoToken: with the server's words.
    """
    if token is not None and token.refresh != client.refresh_token:
        try:
            return _ask(client, token.refresh, now=now)
        except NoToken:
            pass
    return _ask(client, client.refresh_token, now=now)


def _ask(client: OAuth2, refresh_token: str, *, now: datetime) -> Token:
    parts = urlsplit(client.token_url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise NoToken("The token address must start with https://")
    fields = {
        "grant_type": "refresh_token",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "refresh_token": refresh_token,
        "scope": client.scope,
    }
    body = urlencode({name: value for name, value in fields.items() if value}).encode()
    request = urllib.request.Request(  # noqa: S310  (checked above)
        client.token_url, data=body, headers={"Accept": "application/json"}
    )
    try:
        with _opener.open(request, timeout=TIMEOUT_SECONDS) as answer:
            told = json.loads(answer.read(LONGEST_ANSWER))
        life = int(told.get("expires_in") or USUAL_LIFE)
        access = str(told["access_token"])
    except urllib.error.HTTPError as error:
        raise NoToken(f"The token server refused: {_reason(error)}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoToken(f"The token server gave no token: {error}") from None
    return Token(
        access=access,
        expires_at=now + timedelta(seconds=life),
        refresh=str(told.get("refresh_token") or refresh_token),
        fingerprint=client.fingerprint,
    )


def _reason(error: urllib.error.HTTPError) -> str:
    """The error as RFC 6749, section 5.2, has it, else the status."""
    try:
        told = json.loads(error.read(LONGEST_ANSWER))
        words = [str(told[key]) for key in ("error", "error_description") if told.get(key)]
    except (OSError, ValueError, TypeError, AttributeError):
        words = []
    return ": ".join(words) or f"HTTP status {error.code}"

"""How we sign in at a mailbox's IMAP server, and the one mailbox that the environment may name."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from urllib.parse import unquote, urlsplit

import sqlalchemy as sa
from flask import current_app

from app.core.cache import reference
from app.core.db import db
from app.core.sealing import seal, unseal
from app.mail import mailboxes
from app.mail.models import AfterStoring, ImapAuth, Incoming, Mailbox, Security
from app.settings import Settings

SECURITY_BY_SCHEME = {
    "imaps": Security.TLS,
    "imap+starttls": Security.STARTTLS,
    "imap": Security.NONE,
}


@dataclass(frozen=True, slots=True, repr=False)
class OAuth2:
    """A client that may ask for access tokens (RFC 6749, section 6)."""

    client_id: str
    client_secret: str
    refresh_token: str
    token_url: str
    scope: str = ""

    def sealed(self) -> str:
        """For ``Mailbox.imap_secret``."""
        return seal(json.dumps(asdict(self)))

    @property
    def fingerprint(self) -> str:
        """Tells one set of these from another."""
        return hashlib.sha256(json.dumps(asdict(self)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class ImapAccount:
    """A mailbox as fetching needs it; equal as long as nothing about it has changed."""

    mailbox_id: int
    address: str
    host: str
    port: int
    security: Security
    user: str
    auth: ImapAuth
    sealed: str
    folder: str = "INBOX"
    after: AfterStoring = AfterStoring.KEEP
    after_folder: str = ""
    takes_old: bool = True

    @property
    def source(self) -> str:
        """Whose folder of which server: UIDs mean nothing elsewhere."""
        return f"{self.user}@{self.host}/{self.folder}"[:800]

    @property
    def password(self) -> str:
        """The password; empty where none was entered.

        Raises:
            app.core.sealing.Unreadable: the ``SECRET_KEY`` has changed.
        """
        return unseal(self.sealed) if self.sealed else ""

    @property
    def oauth2(self) -> OAuth2:
        """The client of an account that signs in with tokens; raises like `password`."""
        return OAuth2(**json.loads(unseal(self.sealed))) if self.sealed else OAuth2("", "", "", "")


def imap_accounts() -> list[ImapAccount]:
    """Every active mailbox that is fetched by IMAP, the one of the environment included; cached."""
    return reference("imap accounts", _load)


def _load() -> list[ImapAccount]:
    rows = sa.select(Mailbox).where(Mailbox.is_active).order_by(Mailbox.id)
    return [account for row in db.session.scalars(rows) if (account := imap_account(row))]


def make_first_mailbox(*, now: datetime) -> None:
    """See that ``DESKHAND_IMAP_URL`` has its mailbox; the caller is in a transaction that writes.

    One that an admin has switched off stays so.
    """
    settings: Settings = current_app.extensions["settings"]
    address = settings.mail_from.lower()
    known = sa.select(Mailbox.id).where(Mailbox.address == address)
    if settings.imap_url and db.session.scalar(known) is None:
        mailboxes.default(now=now)


def imap_account(mailbox: Mailbox) -> ImapAccount | None:
    """Where this mailbox is fetched from; None where it is not.

    What an admin has set there wins over ``DESKHAND_IMAP_URL``, which is for the mailbox of
    ``DESKHAND_MAIL_FROM``.
    """
    if mailbox.incoming is Incoming.IMAP:
        return ImapAccount(
            mailbox_id=mailbox.id,
            address=mailbox.address,
            host=mailbox.imap_host,
            port=mailbox.imap_port,
            security=mailbox.imap_security,
            user=mailbox.imap_user,
            auth=mailbox.imap_auth,
            sealed=mailbox.imap_secret,
            folder=mailbox.imap_folder,
            after=mailbox.imap_after,
            after_folder=mailbox.imap_after_folder,
            takes_old=mailbox.imap_takes_old,
        )
    settings: Settings = current_app.extensions["settings"]
    if settings.imap_url and mailbox.address.lower() == settings.mail_from.lower():
        return _from_url(settings.imap_url, mailbox)
    return None


def _from_url(url: str, mailbox: Mailbox) -> ImapAccount:
    parts = urlsplit(url)
    security = SECURITY_BY_SCHEME[parts.scheme]
    password = unquote(parts.password or "")
    return ImapAccount(
        mailbox_id=mailbox.id,
        address=mailbox.address,
        host=parts.hostname or "",
        port=parts.port or (993 if security is Security.TLS else 143),
        security=security,
        user=unquote(parts.username or ""),
        auth=ImapAuth.PASSWORD,
        sealed=_sealed_once(password),
        folder=unquote(parts.path.strip("/")) or "INBOX",
    )


def _sealed_once(password: str) -> str:
    """The same text for the same password, so that an account stays equal to itself."""
    kept: dict[str, str] = current_app.extensions.setdefault("imap_url_password", {})
    if password not in kept:
        kept[password] = seal(password)
    return kept[password]

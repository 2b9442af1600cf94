"""Signed links to one ticket for one person, and the cookies that they are traded for.

A key names a row of `TicketAccess` and the moment it was signed. The row says how long keys last,
and that those signed before a moment are revoked. Keys and cookies are signed apart, so that
neither passes for the other, and neither is ever logged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import current_app
from itsdangerous import BadData, URLSafeSerializer
from sqlalchemy.dialects import postgresql, sqlite

from app.core.clock import utcnow
from app.core.db import db
from app.core.statements import Write
from app.tickets.mail_models import TicketAccess

LIFETIME = timedelta(days=90)  # after the last mail to that person
CHAT_LIFETIME = timedelta(days=7)  # of a chat window's key; each message there brings a new one
MAX_LENGTH = 200  # of a key; ours have about 50 characters

LINK, COOKIE, CHAT = "deskhand.ticket-link", "deskhand.ticket-cookie", "deskhand.chat"


def _upsert(dialect: Any) -> sa.Executable:
    insert = dialect.insert(TicketAccess.__table__)
    later = {"expires_at": insert.excluded.expires_at}
    upsert = insert.on_conflict_do_update(index_elements=["ticket_id", "person_id"], set_=later)
    found: sa.Executable = upsert.returning(TicketAccess.id)
    return found


UPSERT = Write({"sqlite": _upsert(sqlite), "postgresql": _upsert(postgresql)})


def access_rows(ticket_id: int, person_ids: Iterable[int], *, now: datetime) -> dict[int, int]:
    """Let these people in by link for 90 days from *now*. Access ids by person.

    One statement for each: made once, since the new ticket's lock is held meanwhile.
    """
    row = {"ticket_id": ticket_id, "expires_at": now + LIFETIME, "created_at": now}
    return {
        person_id: UPSERT.one(**row, person_id=person_id) for person_id in dict.fromkeys(person_ids)
    }


def link_key(access_id: int, *, now: datetime | None = None) -> str:
    """A key for a link in a mail, good for as long as its row says."""
    return _sign(LINK, access_id, now or utcnow())


def open_key(key: str, *, now: datetime | None = None) -> TicketAccess | None:
    """The access that a key of a link stands for; None if forged, expired or revoked."""
    return _access(LINK, key, now or utcnow())


def cookie_value(access: TicketAccess, *, now: datetime) -> str:
    """What a link's key is traded for."""
    return _sign(COOKIE, access.id, now)


def open_cookie(value: str, *, now: datetime) -> TicketAccess | None:
    """The access that a cookie stands for; None if forged, expired or revoked."""
    return _access(COOKIE, value, now)


def chat_key(access_id: int, *, now: datetime) -> str:
    """What a chat window shows for its one ticket; it opens no page."""
    return _sign(CHAT, access_id, now)


def read_chat_key(text: str, *, now: datetime) -> tuple[int, datetime] | None:
    """The id of the access that a window's key names, and when it was signed; no statement.

    None if it is forged or expired. Whether it was revoked, the row says.
    """
    found = _read(CHAT, text)
    return None if found is None or found[1] + CHAT_LIFETIME <= now else found


def is_good(access: TicketAccess, signed_at: datetime, *, now: datetime) -> bool:
    """False where the access is over, or keys signed then were revoked."""
    is_revoked = access.revoked_at is not None and signed_at <= access.revoked_at
    return access.expires_at > now and not is_revoked


def revoke(ticket_id: int, person_id: int, *, now: datetime) -> None:
    """Make every key and cookie that this person has for this ticket worthless from *now* on.

    The next mail to them carries a new one.
    """
    mine = (TicketAccess.ticket_id == ticket_id, TicketAccess.person_id == person_id)
    db.session.execute(sa.update(TicketAccess).where(*mine).values(revoked_at=now))


def _sign(purpose: str, access_id: int, now: datetime) -> str:
    return _signer(purpose).dumps([access_id, int(now.timestamp() * 1000)])


def _access(purpose: str, text: str, now: datetime) -> TicketAccess | None:
    found = _read(purpose, text)
    if found is None:
        return None
    access = db.session.get(TicketAccess, found[0])
    return access if access is not None and is_good(access, found[1], now=now) else None


def _read(purpose: str, text: str) -> tuple[int, datetime] | None:
    """What was signed: the id of an access, and when."""
    if not text.isascii() or len(text) > MAX_LENGTH:
        return None
    try:
        access_id, milliseconds = _signer(purpose).loads(text)
    except BadData:
        return None
    return access_id, datetime.fromtimestamp(milliseconds / 1000, UTC)


def _signer(purpose: str) -> URLSafeSerializer:
    return URLSafeSerializer(
        current_app.config["SECRET_KEY"],
        salt=purpose,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )

"""API tokens: bearer keys of a person, shown once, kept as SHA-256."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import ApiToken, Person
from app.accounts.sign_in import key_hash
from app.accounts.touches import TOUCH_EVERY, write_later
from app.core import audit
from app.core.cache import READ_STAMP, remember_stamp
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Forbidden, NotFound
from app.core.statements import Read, loaded

PREFIX = "dsk_"  # lets secret scanners find a token that was committed by mistake

HOLDER: Read[Any] = Read(
    sa.select(
        *Person.__table__.columns,
        ApiToken.id,
        ApiToken.last_used_at,
        ApiToken.may_write,
        READ_STAMP.scalar_subquery(),
    )
    .join(ApiToken, ApiToken.person_id == Person.id)
    .where(
        ApiToken.key_hash == sa.bindparam("key_hash"),
        ApiToken.revoked_at.is_(None),
        sa.or_(
            ApiToken.expires_at.is_(None),
            ApiToken.expires_at > sa.bindparam("now", type_=ApiToken.expires_at.type),
        ),
        Person.is_active,
    ),
    make=lambda *row: row,
)


def make_token(
    person: Person,
    name: str,
    *,
    now: datetime,
    expires_at: datetime | None = None,
    may_write: bool = True,
    by: Person | None = None,
) -> str:
    """A new token of *person*; the only time that it is seen.

    Args:
        by: who makes it; None for the command line.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    db.session.add(
        ApiToken(
            person_id=person.id,
            name=name,
            key_hash=key_hash(token),
            may_write=may_write,
            created_at=now,
            expires_at=expires_at,
        )
    )
    what = "read and write" if may_write else "read"
    until = f" until {expires_at.date().isoformat()}" if expires_at else ""
    audit.write(
        *("created", "API token", None, name),
        new=f"Of {person.display_name}, may {what}{until}",
        by=by,
        now=now,
    )
    return token


def token_in(header: str) -> str:
    """What stands behind ``Bearer``, however it is spaced; "" for another scheme."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def person_of_token(header: str, *, writes: bool) -> Person | None:
    """Whose request this is by its ``Authorization: Bearer`` header; one statement.

    None for an unknown, revoked or expired token, or another scheme (RFC 6750, section 2.1).
    Notes the use, to the minute, once the request is answered.

    Raises:
        Forbidden: it *writes*, and the token may read alone.
    """
    token = token_in(header)
    if not token:
        return None
    now = utcnow()
    found = HOLDER.one(key_hash=key_hash(token), now=now)
    if found is None:
        return None
    *_, token_id, last_used_at, may_write, stamp = found
    remember_stamp(stamp)
    if writes and not may_write:
        raise Forbidden("This token may only read. Make one that may write, too.")
    if last_used_at is None or now - last_used_at >= TOUCH_EVERY:
        write_later(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))
    return loaded(Person, found)


def tokens_of(person: Person) -> list[ApiToken]:
    """The tokens of *person* that work, newest first."""
    found = sa.select(ApiToken).where(ApiToken.person_id == person.id)
    found = found.where(ApiToken.revoked_at.is_(None)).order_by(ApiToken.id.desc())
    return list(db.session.scalars(found))


def revoke(person: Person, token_id: int, *, by: Person, now: datetime) -> None:
    """Make one token of *person* useless at once.

    Raises:
        NotFound: it is not theirs, or is revoked already.
    """
    mine = sa.update(ApiToken).where(ApiToken.id == token_id, ApiToken.person_id == person.id)
    revoked = mine.where(ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    name = db.session.scalar(revoked.returning(ApiToken.name))
    if name is None:
        raise NotFound("There is no such token.")
    old = f"Of {person.display_name}"
    audit.write("revoked", "API token", token_id, name, old=old, by=by, now=now)

"""API tokens: bearer keys of a person, shown once, kept as SHA-256."""

from __future__ import annotations

import secrets
from datetime import datetime

import sqlalchemy as sa

from app.accounts.models import ApiToken, Person
from app.accounts.sign_in import key_hash
from app.accounts.touches import TOUCH_EVERY, write_later
from app.core.cache import READ_STAMP, remember_stamp
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound

PREFIX = "dsk_"  # lets secret scanners find a token that was committed by mistake

HOLDER = (
    sa.select(Person, ApiToken.id, ApiToken.last_used_at, READ_STAMP.scalar_subquery())
    .join(ApiToken, ApiToken.person_id == Person.id)
    .where(
        ApiToken.key_hash == sa.bindparam("key_hash"),
        ApiToken.revoked_at.is_(None),
        sa.or_(
            ApiToken.expires_at.is_(None),
            ApiToken.expires_at > sa.bindparam("now", type_=ApiToken.expires_at.type),
        ),
        Person.is_active,
    )
)


def make_token(
    person: Person, name: str, *, now: datetime, expires_at: datetime | None = None
) -> str:
    """A new token of *person*; the only time that it is seen."""
    token = PREFIX + secrets.token_urlsafe(32)
    db.session.add(
        ApiToken(
            person_id=person.id,
            name=name,
            key_hash=key_hash(token),
            created_at=now,
            expires_at=expires_at,
        )
    )
    return token


def person_of_token(header: str) -> Person | None:
    """Whose request this is by its ``Authorization: Bearer`` header; one statement.

    None for an unknown, revoked or expired token, or another scheme (RFC 6750, section 2.1).
    Notes the use, to the minute, once the request is answered.
    """
    scheme, _, token = header.strip().partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        return None
    now = utcnow()
    asked = {"key_hash": key_hash(token.strip()), "now": now}
    found = db.session.execute(HOLDER, asked).one_or_none()
    if found is None:
        return None
    person, token_id, last_used_at, stamp = found
    remember_stamp(stamp)
    if last_used_at is None or now - last_used_at >= TOUCH_EVERY:
        write_later(sa.update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now))
    return person  # type: ignore[no-any-return]


def tokens_of(person: Person) -> list[ApiToken]:
    """The tokens of *person* that work, newest first."""
    found = sa.select(ApiToken).where(ApiToken.person_id == person.id)
    found = found.where(ApiToken.revoked_at.is_(None)).order_by(ApiToken.id.desc())
    return list(db.session.scalars(found))


def revoke(person: Person, token_id: int, *, now: datetime) -> None:
    """Make one token of *person* useless at once.

    Raises:
        NotFound: it is not theirs, or is revoked already.
    """
    mine = sa.update(ApiToken).where(ApiToken.id == token_id, ApiToken.person_id == person.id)
    revoked = mine.where(ApiToken.revoked_at.is_(None)).values(revoked_at=now)
    if db.session.scalar(revoked.returning(ApiToken.id)) is None:
        raise NotFound("There is no such token.")

"""Passwords: argon2id hashes, checked in about the same time whether or not somebody is known."""

from __future__ import annotations

from functools import cache

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.accounts.models import Person, PersonEmail
from app.core.db import db

LEAST, MOST = 10, 200  # characters; NIST SP 800-63B asks for length, not for kinds of characters

# OWASP's second choice of parameters: 19 MiB a check, so that parallel sign-ins fit small machines.
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def hash_password(password: str) -> str:
    """The argon2id hash of *password*; takes some 20 ms on purpose, so not under a lock."""
    return _hasher.hash(_bytes(password))


def matches(password_hash: str | None, password: str) -> bool:
    """True if *password* is the one; as slow where there is no hash."""
    try:
        _hasher.verify(password_hash or _nobodys_hash(), _bytes(password))
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


def needs_rehash(password_hash: str) -> bool:
    """True for a hash made with other parameters than today's."""
    return _hasher.check_needs_rehash(password_hash)


def who(address: str, password: str) -> Person | None:
    """The active person with this address and password, else None."""
    found = sa.select(Person).join(PersonEmail).where(PersonEmail.address == address)
    person = db.session.scalars(found).one_or_none()
    if person is not None and not person.is_active:
        person = None
    return person if matches(person.password_hash if person else None, password) else None


@cache
def _nobodys_hash() -> str:
    return _hasher.hash("what is checked where nobody is known")


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")

"""Secrets at rest: passwords and keys of other servers, unreadable in a copy of the database.

Fernet (AES-128-CBC with an HMAC) of the package ``cryptography``, under a key derived from the
``SECRET_KEY``: whoever has that key and the database reads all, a backup of the database does not.
"""

from __future__ import annotations

import base64
from functools import lru_cache
from typing import TYPE_CHECKING

from flask import current_app

from app.core.errors import DomainError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


class Unreadable(DomainError):
    """A sealed text was changed, or sealed under another ``SECRET_KEY``."""


def seal(text: str) -> str:
    """*text* in a form that may be stored: ASCII, about a third longer, another one each time."""
    return _fernet(str(current_app.secret_key)).encrypt(text.encode()).decode("ascii")


def unseal(sealed: str) -> str:
    """What was sealed.

    Raises:
        Unreadable: the text was changed, or the ``SECRET_KEY`` is another one.
    """
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(str(current_app.secret_key)).decrypt(sealed.encode()).decode()
    except InvalidToken:
        told = "A stored secret cannot be read: DESKHAND_SECRET_KEY has changed. Enter it again."
        raise Unreadable(told) from None


@lru_cache(maxsize=2)  # one key a process; tests have a second
def _fernet(secret: str) -> Fernet:
    """Loads the cipher's library when it is first needed: most processes seal nothing."""
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    key = HKDF(SHA256(), length=32, salt=None, info=b"deskhand.sealing").derive(secret.encode())
    return Fernet(base64.urlsafe_b64encode(key))

"""Reply tokens: the part of ``support+TOKEN@`` that says who answers to which ticket.

24 base32 characters: 40 bits of an id and 80 bits of a MAC over it, so that none can be guessed.
They are compared without case, because some mail systems change it (RFC 5321, 2.4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from flask import current_app

ID_BYTES, MAC_BYTES = 5, 10
LENGTH = 24


def reply_token(access_id: int) -> str:
    """The token for an id of the access that it stands for (below 2**40), in lower case."""
    number = access_id.to_bytes(ID_BYTES, "big")
    return base64.b32encode(number + _mac(number)).decode().lower()


def read_reply_token(text: str) -> int | None:
    """The id in a token in any case, or None where it is forged or no token."""
    if len(text) != LENGTH or not text.isascii():
        return None
    try:
        content = base64.b32decode(text.upper())
    except binascii.Error:
        return None
    number, mac = content[:ID_BYTES], content[ID_BYTES:]
    return int.from_bytes(number, "big") if hmac.compare_digest(mac, _mac(number)) else None


def _mac(number: bytes) -> bytes:
    key = hashlib.sha256(b"deskhand.reply-token" + str(current_app.secret_key).encode()).digest()
    return hmac.digest(key, number, "sha256")[:MAC_BYTES]

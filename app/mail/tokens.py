"""Tokens: the part of ``support+TOKEN@`` that says who answers to what.

Base32 characters: 40 bits for each id and 80 bits of a MAC over them, so that none can be guessed;
24 for one id. Each purpose has a key of its own, so that none passes for another's. They are
compared without case, because some mail systems change it (RFC 5321, 2.4).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from flask import current_app

ID_BYTES, MAC_BYTES = 5, 10
LENGTH, AGENT_LENGTH = 24, 32
REPLY, AGENT, RETURN = b"deskhand.reply-token", b"deskhand.agent-token", b"deskhand.return-token"


def reply_token(access_id: int) -> str:
    """The token for an id of the access that it stands for (below 2**40), in lower case."""
    return _make(REPLY, access_id)


def read_reply_token(text: str) -> int | None:
    """The id in a token in any case, or None where it is forged or no token."""
    found = _read(REPLY, text, 1)
    return found[0] if found else None


def agent_token(ticket_id: int, person_id: int) -> str:
    """The token by which one agent answers to one ticket; it rests on no row."""
    return _make(AGENT, ticket_id, person_id)


def read_agent_token(text: str) -> tuple[int, int] | None:
    """The ids of ticket and agent, or None as above."""
    found = _read(AGENT, text, 2)
    return (found[0], found[1]) if found else None


def return_token(email_id: int) -> str:
    """The token in the return path of one mail that we send: bounces go there."""
    return _make(RETURN, email_id)


def read_return_token(text: str) -> int | None:
    """The id of the mail in the outbox, or None as above."""
    found = _read(RETURN, text, 1)
    return found[0] if found else None


def desk_id() -> str:
    """By which this desk knows its own mails, whatever happened to them on their way."""
    return _mac(b"deskhand.desk", b"").hex()


def _make(purpose: bytes, *ids: int) -> str:
    content = b"".join(number.to_bytes(ID_BYTES, "big") for number in ids)
    return base64.b32encode(content + _mac(purpose, content)).decode().lower()


def _read(purpose: bytes, text: str, count: int) -> list[int] | None:
    length = count * ID_BYTES
    if len(text) != (length + MAC_BYTES) // 5 * 8 or not text.isascii():
        return None
    try:
        content = base64.b32decode(text.upper())
    except binascii.Error:
        return None
    numbers, mac = content[:length], content[length:]
    if not hmac.compare_digest(mac, _mac(purpose, numbers)):
        return None
    return [int.from_bytes(numbers[n : n + ID_BYTES], "big") for n in range(0, length, ID_BYTES)]


def _mac(purpose: bytes, content: bytes) -> bytes:
    key = hashlib.sha256(purpose + str(current_app.secret_key).encode()).digest()
    return hmac.digest(key, content, "sha256")[:MAC_BYTES]

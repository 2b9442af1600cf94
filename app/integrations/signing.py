"""Secrets and signatures of Standard Webhooks 1.0.0.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
LEAST, MOST = 24, 64  # bytes of a secret


def make_secret() -> str:
    """A new secret, as both sides write it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def is_secret(text: str) -> bool:
    """True for what can sign: ``whsec_`` and 24 to 64 bytes in base64."""
    try:
        return text.startswith(PREFIX) and LEAST <= len(_key(text)) <= MOST
    except (binascii.Error, ValueError):
        return False


def make_id() -> str:
    """A new id of a message; without the full stop that parts what is signed."""
    return f"msg_{secrets.token_hex(16)}"


def headers(
    message_id: str, content: bytes, signed_by: Sequence[str], *, now: datetime
) -> dict[str, str]:
    """The three headers for *content*, with a signature by each of the secrets."""
    stamp = str(int(now.timestamp()))
    signed = b".".join((message_id.encode(), stamp.encode(), content))
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in signed_by),
    }


def _signature(secret: str, signed: bytes) -> str:
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    return base64.b64decode(secret.removeprefix(PREFIX), validate=True)

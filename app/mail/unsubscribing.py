"""Links by which somebody stops a kind of mail without signing in (RFC 2369 and 8058).

A token names a person and what they want no more: a kind of notice, or one ticket. It is signed
and has no end: mails are old when people have had enough of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import current_app
from itsdangerous import BadData, URLSafeSerializer

from app.settings import Settings

# Notices to agents: what each switch on the account page says.
NOTICES = {
    "assigned": "A ticket is assigned to you",
    "group_ticket": "Nobody could take a ticket of your group",
    "customer_reply": "A customer replies",
    "mail_held": "A mail from someone new waits for a decision",
    "mail_came_back": "A mail to a customer did not arrive",
    "sla_warning": "A target is near",
    "sla_breach": "A target was missed",
}
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Subscription:
    """What is stopped: a *kind* of notice, or (*ticket_id*) the mails of one ticket."""

    person_id: int
    kind: str = ""
    ticket_id: int = 0


def token(subscription: Subscription) -> str:
    """The token of a link."""
    what = subscription.kind or subscription.ticket_id
    return _signer().dumps([subscription.person_id, what])


def read(text: str) -> Subscription | None:
    """What a token stands for; None where it is forged."""
    if not text.isascii() or len(text) > MAX_LENGTH:
        return None
    try:
        person_id, what = _signer().loads(text)
    except (BadData, ValueError):
        return None
    if isinstance(what, str):
        return Subscription(person_id, kind=what)
    return Subscription(person_id, ticket_id=what)


def link(context: Mapping[str, Any]) -> str:
    """The address for a mail's List-Unsubscribe, "" where nothing can be stopped.

    Args:
        context: of a mail in the outbox; ``stop`` is person, then kind or ticket.
    """
    stop = context.get("stop")
    if not stop:
        return ""
    settings: Settings = current_app.extensions["settings"]
    return f"{settings.base_url}/notices/{_signer().dumps(stop)}"


def _signer() -> URLSafeSerializer:
    return URLSafeSerializer(
        current_app.config["SECRET_KEY"],
        salt="deskhand.unsubscribe",
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )

"""Mail that nobody wants: whose is not read, and what the mail server calls spam."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.core import audit
from app.core.audit import Actor, Facts
from app.core.cache import reference
from app.core.db import db
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.mail import mailboxes
from app.mail.models import BlockedSender
from app.mail.parsing import ParsedEmail

THING = "blocked sender"
WRONG = "Enter an address such as name@example.com, or a domain such as example.com."


def blocked_by(address: str) -> str:
    """The address or domain by which this sender is blocked, or ""; cached."""
    patterns = reference("blocked_senders", _load)
    address = address.lower()
    if address in patterns:
        return address
    labels = address.rpartition("@")[2].split(".")
    parents = (".".join(labels[n:]) for n in range(len(labels)))
    return next((domain for domain in parents if domain in patterns), "")


def block(pattern: str, *, reason: str = "", by: Actor | None, now: datetime) -> BlockedSender:
    """Read no more mail of an address, or of a domain with all below it. Twice is once.

    Raises:
        Invalid: as `checked` says.
    """
    pattern = checked(pattern)
    row = find(pattern)
    if row is None:
        row = BlockedSender(
            pattern=pattern,
            reason=reason[:300],
            created_by_id=by.id if by else None,
            created_at=now,
        )
        db.session.add(row)
        db.session.flush()
        audit.note(THING, row.id, pattern, before={}, after=facts(row), by=by, now=now)
    return row


def facts(row: BlockedSender) -> Facts:
    """It in words, for the audit log."""
    return {"Address or domain": row.pattern, "Reason": row.reason}


def checked(pattern: str) -> str:
    """An address or domain in the form in which it is compared.

    Raises:
        Invalid: neither of them, a whole top-level domain, or one of our own.
    """
    pattern = pattern.strip().lower()
    domain = pattern.rpartition("@")[2]
    odd = any(c.isspace() or not c.isprintable() for c in pattern)
    if odd or "." not in domain.strip(".") or pattern.startswith("@") or len(pattern) > 254:
        raise Invalid(WRONG, {"pattern": WRONG})
    ours = "This is an address of the desk itself."
    if mailboxes.is_own(pattern) or any(box.endswith(f"@{pattern}") for box in _own()):
        raise Invalid(ours, {"pattern": ours})
    return pattern


def find(pattern: str) -> BlockedSender | None:
    """The row of exactly this address or domain."""
    return db.session.scalar(sa.select(BlockedSender).where(BlockedSender.pattern == pattern))


def called_spam(mail: ParsedEmail) -> str:
    """The field by which the mail server says that a mail is spam, or "".

    The settings name the fields. Whoever forges one harms only his own mail.
    """
    for name in setting("spam_headers"):
        value = mail.header(str(name).lower()).strip()
        if value.lower().startswith(("yes", "true")):
            return f"{name}: {value[:80]}"
    return ""


def _own() -> list[str]:
    return list(mailboxes.mailboxes())


def _load() -> frozenset[str]:
    return frozenset(db.session.scalars(sa.select(BlockedSender.pattern)))

"""The automatic answer to a new ticket: by category and language, rate limited, never in a loop."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.channels.models import AutoResponseTemplate
from app.core.cache import reference
from app.core.db import db
from app.core.settings_store import setting
from app.core.statements import Read
from app.mail.models import OutboundEmail

KIND = "auto_response"
_recent = (
    sa.select(OutboundEmail.id)
    .where(
        OutboundEmail.recipient == sa.bindparam("address"),
        OutboundEmail.kind == KIND,
        OutboundEmail.created_at > sa.bindparam("since"),
    )
    .limit(sa.bindparam("most"))
    .subquery()
)
RECENT = Read(sa.select(sa.func.count()).select_from(_recent), make=int)
UNREAD = re.compile(r"(?:no|do-?not)[-_.]?reply|mailer-daemon@|postmaster@", re.IGNORECASE)
PLACEHOLDER = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent (``body`` None: nothing), and why, for the Why tab."""

    reason: str
    subject: str = ""
    body: str | None = None


def prepare(
    *,
    category_id: int,
    language: str,
    address: str,
    automatic_reason: str,
    values: dict[str, str],
    now: datetime,
) -> Answer:
    """The answer for a new ticket, or why there is none. One statement where one may be sent.

    Args:
        automatic_reason: why the mail that opened the ticket is automatic (RFC 3834), else "".
        values: by placeholder, ``ticket.number`` and so on; anything else stays as it is written.
    """
    if automatic_reason:
        return Answer(f"Not sent: the mail was automatic ({automatic_reason}).")
    if not address:
        return Answer("Not sent: the requester has no mail address.")
    if UNREAD.match(address):
        return Answer(f"Not sent: nobody reads mail to {address}.")
    templates = reference("auto_response_templates", _load)
    found = templates.get((category_id, language)) or templates.get((category_id, "en"))
    if found is None:
        return Answer("Not sent: the category has no active template.")
    most = int(setting("auto_responses_an_hour"))
    recent = RECENT.one(address=address, since=now - timedelta(hours=1), most=most) or 0
    if recent >= most:
        return Answer(f"Not sent: this address got {most} automatic answers within the hour.")
    subject, body = (fill(text, values) for text in found)
    return Answer("Sent: the category's template.", " ".join(subject.split())[:200], body)


def fill(text: str, values: dict[str, str]) -> str:
    """Replace known placeholders, once: what comes in is never read as a placeholder again."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)


def due_words(due_at: datetime | None, zone: str) -> str:
    """ "Monday 23 November at 16:40 (Europe/Berlin)", for a person who reads it later."""
    if due_at is None:
        return "as soon as we can"
    local = due_at.astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%B} at {local:%H:%M} ({zone})"


def _load() -> dict[tuple[int, str], tuple[str, str]]:
    rows = db.session.scalars(sa.select(AutoResponseTemplate).where(AutoResponseTemplate.is_active))
    return {(row.category_id, row.language): (row.subject, row.body) for row in rows}

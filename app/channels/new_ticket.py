"""What becomes a ticket, whichever way it came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.accounts.models import Person
from app.mail.models import SenderCheck
from app.tickets.attachments import StoredFile
from app.tickets.words import Priority, Source

Decision = tuple[str, str, list[dict[str, Any]]]  # kind, summary, details: of a `DecisionRecord`


@dataclass(frozen=True, slots=True)
class RequesterInput:
    """Who asks: a known person by id, or an address with what they say of themselves."""

    email: str = ""
    name: str = ""
    phone: str = ""
    external_id: str | None = None
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be; checked by its form or schema, cleaned, and with its files stored.

    Attributes:
        by: who opens it for the requester; None means the requester.
        automatic_reason: why the mail that opens it is automatic, else "".
        inbound_message_ids: Message-ID of that mail, and what it refers to.
        decisions: taken before, such as the threading match.
    """

    subject: str
    description: str
    requester: RequesterInput
    source: Source
    category_id: int | None = None
    subcategory_id: int | None = None
    priority: Priority | None = None
    group_id: int | None = None
    channel: str = ""
    tags: Sequence[str] = ()
    custom_fields: dict[str, Any] = field(default_factory=dict)
    files: Sequence[StoredFile] = ()
    external_id: str | None = None
    description_html: str | None = None
    description_quoted: str = ""
    mailbox_id: int | None = None
    follow_up_of_id: int | None = None
    automatic_reason: str = ""
    sender_check: SenderCheck = SenderCheck.UNKNOWN
    inbound_message_ids: Sequence[str] = ()
    by: Person | None = None
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of it."""

    id: int
    number: str
    requester_id: int
    assignee_id: int | None
    group_id: int | None
    first_response_due_at: datetime | None

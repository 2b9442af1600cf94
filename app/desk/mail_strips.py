"""What agents have to know of a ticket's mail before they answer, above its conversation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.accounts.models import PersonEmail
from app.core.statements import Read
from app.desk.people_strip import PeopleStrip
from app.desk.ticket_reading import TicketFacts
from app.desk.ticket_views import CommentView, Entry
from app.mail import failing
from app.mail.models import FailingAddress, SenderCheck
from app.tickets.words import Status
from app.web import words

FAILING: Read[Any] = Read(
    sa.select(
        FailingAddress.address, FailingAddress.since, FailingAddress.status, FailingAddress.reason
    )
    .where(FailingAddress.address.in_(sa.bindparam("addresses", expanding=True)))
    .order_by(FailingAddress.address)
)

_theirs = aliased(PersonEmail)
OTHERS: Read[Any] = Read(
    sa.select(_theirs.address.label("fails"), PersonEmail.address)
    .join(PersonEmail, PersonEmail.person_id == _theirs.person_id)
    .outerjoin(FailingAddress, FailingAddress.address == PersonEmail.address)
    .where(
        _theirs.address.in_(sa.bindparam("addresses", expanding=True)),
        FailingAddress.address.is_(None),
    )
    .order_by(PersonEmail.address)
    .limit(10)
)


@dataclass(frozen=True, slots=True)
class Failing:
    """An address that is mailed no more, and why."""

    address: str
    since_text: str
    reason: str
    others: Sequence[str]  # more addresses of the same person, which work as far as is known


@dataclass(frozen=True, slots=True)
class MailStrips:
    """``forwarded_from`` is "Ann <ann@x>", "" without; ``is_quiet``: a thank-you opened nothing."""

    may_be_forged: bool
    forwarded_from: str
    is_quiet: bool
    failing: Sequence[Failing]


def mail_strips(
    ticket: TicketFacts,
    people: PeopleStrip,
    entries: Sequence[Entry],
    *,
    now: datetime,
    tz: ZoneInfo,
) -> MailStrips:
    """Two statements where an address fails, else none.

    Args:
        entries: the conversation, oldest first.
    """
    said = [entry for entry in entries if isinstance(entry, CommentView)]
    solved = ticket.status in (Status.RESOLVED, Status.CLOSED)
    name, address = ticket.forwarded_name, ticket.forwarded_from
    return MailStrips(
        may_be_forged=ticket.sender_check is SenderCheck.FAIL,
        forwarded_from=f"{name} <{address}>" if name and address else address,
        is_quiet=solved and bool(said) and said[-1].is_quiet,
        failing=_failing([line.address for line in people.lines if line.is_failing], now, tz),
    )


def _failing(addresses: Sequence[str], now: datetime, tz: ZoneInfo) -> list[Failing]:
    if not addresses:
        return []
    others: dict[str, list[str]] = {}
    for row in OTHERS.all(addresses=list(addresses)):
        others.setdefault(row.fails, []).append(row.address)
    return [
        Failing(
            row.address,
            words.moment(row.since, now, tz),
            failing.in_words(row.status, row.reason),
            others.get(row.address, []),
        )
        for row in FAILING.all(addresses=list(addresses))
    ]

"""The ledger against the mail servers, by count: what came, what became of it, what is missing."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.core.db import db
from app.mail.credentials import imap_accounts
from app.mail.models import (
    Channel,
    InboundEmail,
    InboundState,
    Mailbox,
    MailboxPoll,
    MailReceipt,
)

STILL = timedelta(minutes=10)  # without a successful look a mailbox stands still

POLLS = sa.select(MailboxPoll.__table__)
WAYS = sa.select(
    MailReceipt.mailbox_id,
    MailReceipt.channel,
    sa.func.count().label("messages"),
    sa.func.count(MailReceipt.inbound_email_id).label("mails"),
    sa.func.sum(sa.case((MailReceipt.is_copy, 1), else_=0)).label("copies"),
).group_by(MailReceipt.mailbox_id, MailReceipt.channel)
OUTCOMES = sa.select(InboundEmail.mailbox_id, InboundEmail.state, sa.func.count()).group_by(
    InboundEmail.mailbox_id, InboundEmail.state
)


@dataclass(slots=True)
class Reckoning:
    """One mailbox: its server's count beside ours.

    ``messages`` are receipts by their way in; each became a mail, was a copy of one that we had
    (``copies``), or could not be read yet (``unread``). ``outcomes`` counts the mails by what
    became of them. The server's side is there for IMAP alone, as of ``counted_at``: of
    ``server_count`` messages in the folder ``missing_count`` have no mail here.
    """

    mailbox_id: int
    address: str
    is_active: bool
    is_imap: bool
    messages: dict[Channel, int] = field(default_factory=dict)
    copies: int = 0
    unread: int = 0
    outcomes: dict[InboundState, int] = field(default_factory=dict)
    source: str = ""
    server_count: int | None = None
    missing_count: int | None = None
    counted_at: datetime | None = None
    started_at: datetime | None = None
    polled_at: datetime | None = None
    succeeded_at: datetime | None = None
    next_poll_at: datetime | None = None
    failures: int = 0
    error: str = ""
    is_idling: bool = False

    @property
    def mails(self) -> int:
        """Different mails that this mailbox has here."""
        return sum(self.outcomes.values())

    @property
    def adds_up(self) -> bool:
        """True where every message is accounted for, on both sides."""
        taken = sum(self.messages.values()) - self.copies - self.unread
        return taken == self.mails and not self.unread and not self.missing_count

    def stands_still(self, now: datetime) -> bool:
        """True where fetching should have gone well by now and has not."""
        if not (self.is_active and self.is_imap) or self.started_at is None:
            return False
        late = self.next_poll_at is not None and self.next_poll_at < now - STILL
        return late or (self.failures > 0 and (self.succeeded_at or self.started_at) < now - STILL)


def reckon() -> list[Reckoning]:
    """Every mailbox by its address, in four statements; the two that count read whole tables."""
    imap = {account.mailbox_id for account in imap_accounts()}
    rows = sa.select(Mailbox.id, Mailbox.address, Mailbox.is_active).order_by(Mailbox.address)
    found = {
        row.id: Reckoning(row.id, row.address, row.is_active, row.id in imap)
        for row in db.session.execute(rows)
    }
    for way in db.session.execute(WAYS):
        one = found[way.mailbox_id]
        one.messages[way.channel] = way.messages
        one.copies += way.copies
        one.unread += way.messages - way.mails
    outcomes: defaultdict[int, dict[InboundState, int]] = defaultdict(dict)
    for mailbox_id, state, count in db.session.execute(OUTCOMES):
        outcomes[mailbox_id][state] = count
    for one in found.values():
        one.outcomes = outcomes[one.mailbox_id]
    _add_polls(found)
    return list(found.values())


def standing_still(now: datetime) -> list[Reckoning]:
    """The mailboxes whose fetching stands still, with the error; two small statements."""
    found = {
        account.mailbox_id: Reckoning(account.mailbox_id, account.address, True, True)
        for account in imap_accounts()
    }
    if found:
        _add_polls(found)
    return [one for one in found.values() if one.stands_still(now)]


def _add_polls(found: dict[int, Reckoning]) -> None:
    for row in db.session.execute(POLLS):
        one = found.get(row.mailbox_id)
        if one is not None and one.is_imap:
            for name in (
                "source",
                "server_count",
                "missing_count",
                "counted_at",
                "started_at",
                "polled_at",
                "succeeded_at",
                "next_poll_at",
                "failures",
                "error",
                "is_idling",
            ):
                setattr(one, name, getattr(row, name))

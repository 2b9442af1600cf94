"""Mail that stands still: it is not fetched, not read or not sent, and nobody would notice."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.core.cache import for_seconds
from app.core.db import db
from app.mail import ledger, servers
from app.mail.models import InboundEmail

KEPT_SECONDS = 20.0
UNREAD_AFTER = timedelta(minutes=10)  # a stored mail is read within seconds
OLDEST_UNREAD: sa.Select[Any] = sa.select(sa.func.min(InboundEmail.due_at)).where(
    sa.text("state = 'waiting'")  # as the partial index spells it
)


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that stands still.

    Attributes:
        key: the same as long as it is the same standstill's cause; "fetching:", "reading:" or
            "sending:", and what it is about.
        text: what is wrong, and the words of whoever says so.
        path: the page that tells more.
    """

    key: str
    title: str
    text: str
    since: datetime
    path: str

    @property
    def part(self) -> str:
        """Which part of mail: fetching, reading or sending."""
        return self.key.partition(":")[0]


def alarms(now: datetime) -> list[Alarm]:
    """What stands still at this moment; five small statements."""
    found = [
        Alarm(
            f"fetching:{one.mailbox_id}",
            f"Mail of {one.address} is not fetched",
            one.error or "Nobody looks into the mailbox. Does the mail fetcher run?",
            one.succeeded_at or one.started_at or now,
            f"/admin/mailboxes/{one.mailbox_id}",
        )
        for one in ledger.standing_still(now)
    ]
    oldest = db.session.scalar(OLDEST_UNREAD)
    if oldest is not None and oldest <= now - UNREAD_AFTER:
        told = "No worker reads it. Does a worker run?"
        found.append(Alarm("reading:", "Mail waits to be read", told, oldest, "/admin/system"))
    found += [
        Alarm(
            f"sending:{one.server}",
            "Mail is not sent",
            f"{one.server}: {one.error}" if one.server else f"{one.error}. Does a worker run?",
            one.since,
            "/admin/mail/outbox?state=queued",
        )
        for one in servers.standstills(now)
    ]
    return found


def recent(now: datetime) -> list[Alarm]:
    """The same, asked anew every twenty seconds at most: for what many pages show."""
    return for_seconds("mail alarms", KEPT_SECONDS, lambda: alarms(now))


def readiness(now: datetime) -> dict[str, str]:
    """For /readyz, which anybody may read: no addresses and no servers."""
    stuck = {alarm.part for alarm in recent(now)}
    parts = ("fetching", "reading", "sending")
    return {part: "stands still" if part in stuck else "ok" for part in parts}

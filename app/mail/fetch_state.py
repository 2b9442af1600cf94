"""How fetching of a mailbox stands, in the database: each function is one short transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.core import cache
from app.core.db import begin_write, db, insert_into
from app.mail.models import Channel, MailboxPoll, MailReceipt

POLL_SECONDS = 60  # between two looks where the server cannot tell of news
FIRST_PAUSE, LONGEST_PAUSE = 5, 600  # seconds after failures, doubled each time
OVERDUE = timedelta(minutes=2)
LONGEST_RETRY = timedelta(days=1)  # for a message that the server does not give

_poll: Any = MailboxPoll.__table__
_receipt: Any = MailReceipt.__table__


@dataclass(frozen=True, slots=True)
class Place:
    """Where we are in one folder of one server."""

    mailbox_id: int
    source: str
    uid_validity: int
    start_uid: int
    last_uid: int
    counted_at: datetime | None

    @property
    def receipts(self) -> tuple[sa.ColumnElement[bool], ...]:
        """Picks the receipts of this folder's messages."""
        return (
            MailReceipt.mailbox_id == self.mailbox_id,
            MailReceipt.folder == self.source,
            MailReceipt.uid_validity == self.uid_validity,
        )


def place(mailbox_id: int, source: str, uid_validity: int) -> Place | None:
    """Where we are; None where this folder is new to us, or its UIDs are."""
    row = _read(mailbox_id)
    if row is None or row.source != source or row.uid_validity != uid_validity:
        return None
    return Place(mailbox_id, source, uid_validity, row.start_uid, row.last_uid, row.counted_at)


def started_at(mailbox_id: int, source: str) -> datetime | None:
    """When we first looked into that folder."""
    row = _read(mailbox_id)
    return row.started_at if row is not None and row.source == source else None


def kept_token(mailbox_id: int) -> str:
    """The sealed token in use, or the empty string."""
    row = _read(mailbox_id)
    return row.token if row is not None else ""


def _read(mailbox_id: int) -> Any:
    row = db.session.execute(sa.select(_poll).where(_poll.c.mailbox_id == mailbox_id)).one_or_none()
    db.session.rollback()
    return row


def start(
    mailbox_id: int, source: str, uid_validity: int, *, start_uid: int, now: datetime
) -> None:
    """Begin with this folder's first message."""
    row = _read(mailbox_id)
    is_known = row is not None and row.source == source
    _write(
        mailbox_id,
        now=now,
        source=source,
        uid_validity=uid_validity,
        start_uid=start_uid,
        last_uid=start_uid - 1,
        started_at=row.started_at if is_known else now,
        server_count=None,
        missing_count=None,
        counted_at=None,
    )


def keep_token(mailbox_id: int, token: str, *, now: datetime) -> None:
    """Keep the sealed token for the next sign-in."""
    _write(mailbox_id, now=now, token=token)


def note_idling(mailbox_id: int, *, until: datetime, now: datetime) -> None:
    """From here the server tells of news; at the latest *until* somebody looks."""
    _write(mailbox_id, now=now, is_idling=True, next_poll_at=until)


def note_progress(place: Place, *, now: datetime) -> None:
    """A long look goes on: nobody else need start one. In the caller's transaction."""
    mine = sa.update(_poll).where(_poll.c.mailbox_id == place.mailbox_id)
    db.session.execute(mine.values(next_poll_at=now + timedelta(seconds=POLL_SECONDS)))


def overdue(mailbox_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Those of the mailboxes that somebody should have looked into by now."""
    late = sa.select(_poll.c.mailbox_id).where(_poll.c.next_poll_at >= now - OVERDUE)
    found = set(db.session.scalars(late))
    db.session.rollback()
    return set(mailbox_ids) - found


def note_success(
    place: Place,
    *,
    error: str,
    server_count: int,
    whole: Sequence[int] | None,
    last_uid: int,
    now: datetime,
) -> None:
    """A look is over; *whole*: all UIDs that it saw, where it went through the whole folder."""
    counts: dict[str, Any] = {"server_count": server_count}
    if whole is not None:
        counts["missing_count"] = len(set(whole) - _uids(*place.receipts, _has_mail()))
        counts["counted_at"] = now
    _write(
        place.mailbox_id,
        now=now,
        polled_at=now,
        succeeded_at=now,
        failures=0,
        error=error,
        is_idling=False,
        next_poll_at=now + timedelta(seconds=POLL_SECONDS),
        last_uid=max(place.last_uid, last_uid),
        **counts,
    )


def note_trouble(mailbox_id: int, error: str, *, now: datetime) -> datetime:
    """A look has failed; returns when to try again."""
    row = _read(mailbox_id)
    failures = (row.failures if row is not None else 0) + 1
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE)
    again = now + timedelta(seconds=pause)
    _write(
        mailbox_id,
        now=now,
        polled_at=now,
        failures=failures,
        error=error[:2000],
        is_idling=False,
        next_poll_at=again,
    )
    return again


def _write(mailbox_id: int, *, now: datetime, **values: Any) -> None:
    fresh = {
        "source": "",
        "start_uid": 1,
        "last_uid": 0,
        "started_at": now,
        "next_poll_at": now,
        "failures": 0,
        "error": "",
        "is_idling": False,
        "token": "",
    }
    insert = insert_into(_poll).values(mailbox_id=mailbox_id, **{**fresh, **values})
    begin_write()
    cache.forget_stamp()
    db.session.execute(insert.on_conflict_do_update(index_elements=["mailbox_id"], set_=values))
    db.session.commit()


def _has_mail() -> sa.ColumnElement[bool]:
    return MailReceipt.inbound_email_id.is_not(None)


def _uids(*conditions: sa.ColumnElement[bool]) -> set[int]:
    uids = db.session.scalars(sa.select(MailReceipt.uid).where(*conditions))
    found = {uid for uid in uids if uid is not None}
    db.session.rollback()
    return found


def without_receipt(place: Place, uids: Sequence[int], *, now: datetime) -> list[int]:
    """Which of these messages we do not have, and may try now."""
    waits = sa.or_(_has_mail(), MailReceipt.retry_at > now)
    return sorted(set(uids) - _uids(*place.receipts, waits))


def to_retry(place: Place, *, now: datetime) -> set[int]:
    """Messages that could not be read before, and may be tried again."""
    return _uids(*place.receipts, MailReceipt.retry_at <= now)


def unfiled(place: Place) -> list[int]:
    """Messages that are stored, but were neither flagged nor moved yet."""
    return sorted(_uids(*place.receipts, ~MailReceipt.is_filed, _has_mail()))


def mark_filed(place: Place, uids: Sequence[int]) -> None:
    """These were flagged or moved."""
    begin_write()
    cache.forget_stamp()
    those = sa.update(_receipt).where(*place.receipts, MailReceipt.uid.in_(uids))
    db.session.execute(those.values(is_filed=True))
    db.session.commit()


def note_failure(place: Place, uid: int, error: str, *, now: datetime) -> None:
    """A message could not be read: at once again, then after 1, 4, 16... minutes."""
    known = sa.select(MailReceipt.id, MailReceipt.attempts)
    known = known.where(*place.receipts, MailReceipt.uid == uid).with_for_update()
    begin_write()
    cache.forget_stamp()
    row = db.session.execute(known).one_or_none()
    attempts = (row.attempts if row else 0) + 1
    pause = timedelta(minutes=4 ** min(attempts - 2, 10)) if attempts > 1 else timedelta()
    told = {
        "attempts": attempts,
        "error": error[:2000],
        "retry_at": now + min(pause, LONGEST_RETRY),
    }
    if row is not None:
        mine = sa.update(_receipt).where(MailReceipt.id == row.id)
        db.session.execute(mine.where(MailReceipt.inbound_email_id.is_(None)).values(**told))
    else:
        db.session.execute(
            sa.insert(_receipt).values(
                mailbox_id=place.mailbox_id,
                channel=Channel.IMAP,
                folder=place.source,
                uid_validity=place.uid_validity,
                uid=uid,
                is_copy=False,
                is_filed=True,
                received_at=now,
                **told,
            )
        )
    db.session.commit()

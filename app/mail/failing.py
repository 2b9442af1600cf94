"""Addresses that gave back what we sent: no longer mailed, until somebody says that they work."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.core.db import db
from app.mail import outbox
from app.mail.models import FailingAddress, OutboundEmail, OutboundState

_no_sync = {"synchronize_session": False}
# Returned by the other side after it had taken the mail: what `returned` wrote into the row.
RETURNED = "came back: "


def find(address: str) -> FailingAddress | None:
    """Why this address is not mailed; None where it is. One statement."""
    return db.session.get(FailingAddress, address.lower())


def mark(
    address: str, *, status: str, reason: str, outbound_email_id: int | None, now: datetime
) -> bool:
    """Note that an address fails; False where that is known already.

    What waits for it in the outbox is held back when its turn comes.
    """
    if find(address) is not None:
        return False
    db.session.add(
        FailingAddress(
            address=address.lower(),
            since=now,
            status=status[:20],
            reason=reason[:2000],
            outbound_email_id=outbound_email_id,
        )
    )
    db.session.flush()
    return True


def returned(email: OutboundEmail, words: str) -> None:
    """Note on a mail that was sent that it never arrived."""
    email.state, email.error = OutboundState.FAILED, f"{RETURNED}{words}"[:2000]


def in_words(status: str, reason: str) -> str:
    """Why a mail came back: the other server's words, after the status that they may lack."""
    told = reason if status in reason else f"{status} {reason}"
    return " ".join(told.split()).strip(" .")[:300]


def missed(address: str) -> list[OutboundEmail]:
    """What did not reach an address since it fails, oldest first: held back, or given back."""
    row = find(address)
    if row is None:
        return []
    came_back = OutboundEmail.error.startswith(RETURNED, autoescape=True)
    theirs = (
        sa.select(OutboundEmail)
        .where(
            OutboundEmail.recipient == row.address,
            sa.or_(
                OutboundEmail.state == OutboundState.HELD_BACK,
                sa.and_(OutboundEmail.state == OutboundState.FAILED, came_back),
            ),
        )
        .order_by(OutboundEmail.id)
    )
    return list(db.session.scalars(theirs))


def try_again(email: OutboundEmail, *, now: datetime) -> bool:
    """Send a mail again that did not arrive: somebody says that the address works.

    False where it is being sent at the moment, or was.
    """
    db.session.execute(
        sa.delete(FailingAddress).where(FailingAddress.address == email.recipient.lower()),
        execution_options=_no_sync,
    )
    return outbox.retry(email.id, now=now)


def clear(address: str, *, send_again: bool, now: datetime) -> int:
    """Mail an address again. With *send_again* what it missed goes out; how many mails that are.

    Else they stay where they are, and can be sent one by one from the outbox.
    """
    mails = missed(address) if send_again else []
    if mails:
        outbox.send_again([mail.id for mail in mails], now=now)
    db.session.execute(
        sa.delete(FailingAddress).where(FailingAddress.address == address.lower()),
        execution_options=_no_sync,
    )
    return len(mails)

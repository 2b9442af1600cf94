"""A ticket that is spam: cancelled, told apart by a tag, and its sender not read any more."""

from __future__ import annotations

from datetime import datetime

from app.accounts.models import Person
from app.core.errors import Conflict, Invalid
from app.mail import blocking
from app.tickets import lifecycle, properties
from app.tickets.models import Ticket
from app.tickets.timeline import record
from app.tickets.words import EventKind, Status

TAG = "spam"


def mark(ticket: Ticket, *, block: str, by: Person, now: datetime) -> str:
    """Cancel the locked *ticket* as spam. What was done, in words; no customer hears of it.

    Args:
        block: ``address`` or ``domain`` of whoever asks, or ``nobody``.
    Raises:
        InvalidTransition: it is solved already.
        Conflict: one of us asks, or somebody without an address.
        Invalid: nothing that can be blocked.
    """
    if ticket.requester.is_agent:
        raise Conflict("This ticket was opened by somebody of your team.")
    lifecycle.change_status(ticket, Status.CANCELLED, by=by, now=now)
    properties.change_tags(ticket, [*(tag.name for tag in ticket.tags), TAG], by=by, now=now)
    told = f"{by.display_name} marked it as spam"
    pattern = _pattern(ticket, block)
    if pattern:
        blocking.block(pattern, reason=f"Spam: {ticket.number}", by=by, now=now)
        told += f" and blocked {pattern}"
    record(ticket, EventKind.SPAM, by=by, now=now, new=told)
    return f"{ticket.number} is cancelled as spam" + (
        f", {pattern} is blocked." if pattern else "."
    )


def _pattern(ticket: Ticket, block: str) -> str:
    if block == "nobody":
        return ""
    address = ticket.requester.email
    if not address:
        raise Conflict("Whoever opened this ticket has no mail address to block.")
    if block not in ("address", "domain"):
        raise Invalid("Choose whom to block.")
    return address if block == "address" else address.rpartition("@")[2]

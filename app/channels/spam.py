"""A ticket that is spam: cancelled, told apart by a tag, and its sender not read any more."""

from __future__ import annotations

from datetime import datetime

from app.accounts.models import Person
from app.core.errors import Conflict
from app.mail import blocking
from app.tickets import lifecycle, properties
from app.tickets.models import Ticket
from app.tickets.timeline import record
from app.tickets.words import EventKind, Status

TAG = "spam"


def mark(ticket: Ticket, *, by: Person, now: datetime) -> str:
    """Cancel the locked *ticket* as spam and block the address of whoever asks, never a domain.

    Returns what was done, in words; no customer hears of it.

    Raises:
        InvalidTransition: it is solved already.
        Conflict: one of us asks, or somebody without an address.
        Invalid: the address is the desk's own.
    """
    address = ticket.requester.email
    if ticket.requester.is_agent:
        raise Conflict("This ticket was opened by somebody of your team.")
    if not address:
        raise Conflict("Whoever opened this ticket has no mail address to block.")
    lifecycle.change_status(ticket, Status.CANCELLED, by=by, now=now)
    properties.change_tags(ticket, [*(tag.name for tag in ticket.tags), TAG], by=by, now=now)
    blocking.block(address, reason=f"Spam: {ticket.number}", by=by, now=now)
    told = f"{by.display_name} marked it as spam and blocked {address}"
    record(ticket, EventKind.SPAM, by=by, now=now, new=told)
    return f"{ticket.number} is cancelled as spam, {address} is blocked."

"""Mails of ours that came back: noted on their ticket, and addresses that fail mailed no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import sqlalchemy as sa

from app.accounts import addresses
from app.accounts.models import Person
from app.core.db import db
from app.core.errors import NotFound
from app.mail import authenticity, bounces, failing, mailboxes, outbox
from app.mail.bounces import Action, Bounce, BouncedRecipient
from app.mail.models import InboundState, OutboundEmail
from app.mail.parsing import ParsedEmail
from app.tickets import notifications
from app.tickets.models import Comment, Ticket
from app.tickets.queries import refuse_hidden
from app.tickets.timeline import System, record
from app.tickets.words import EventKind

# What customers get. Notices to agents are left out: one about them could come back in turn.
TO_CUSTOMERS = ("ticket_reply", "auto_response", "ticket_link")
Outcome = tuple[InboundState, str]


def take(mail: ParsedEmail, why: str, *, now: datetime) -> Outcome:
    """Do what a delivery report asks for; what became of it, in words.

    Anybody can write such a report. One is believed only with the Message-ID or the return token
    of a mail that we sent, which nobody but its recipient's side can know; and an address counts
    as failing only if that mail went to this very address.

    Args:
        why: by which sign it was known as a report.
    """
    report = bounces.read(mail)
    email = _our_mail(mail, report)
    if email is None:
        return InboundState.IGNORED, f"A delivery report about no mail of ours: {why}."
    about = next((one for one in report.recipients if _is_for(one, email.recipient)), None)
    ticket = _ticket_of(email)
    db.session.refresh(email, with_for_update=True)  # the ticket first: so does who sends again
    where = f" on {ticket.number}" if ticket else ""
    if email.error.startswith(failing.RETURNED):
        return InboundState.BOUNCE, f"The mail to {email.recipient} had come back before."
    if about is None:
        named = ", ".join(one.address for one in report.recipients[:3]) or "nobody"
        told = f"A delivery report about the mail to {email.recipient} names {named}"
        _note(ticket, email, f"{told}.", now=now)
        return InboundState.BOUNCE, f"Noted{where}: {told}."
    if about.action in (Action.DELIVERED, Action.RELAYED, Action.EXPANDED):
        return InboundState.BOUNCE, f"The mail to {email.recipient} was {about.action.value}."
    if about.action is Action.DELAYED:
        told = f"The mail to {email.recipient} is late, their server tries again"
        _note(ticket, email, f"{told}{_words(about)}.", now=now)
        return InboundState.BOUNCE, f"Noted{where}: {told}{_words(about)}."
    return InboundState.BOUNCE, f"Noted{where}: {_came_back(ticket, email, about, now=now)}"


def _came_back(
    ticket: Ticket | None, email: OutboundEmail, about: BouncedRecipient, *, now: datetime
) -> str:
    """Note on a mail, its ticket and its address that it did not arrive; in words."""
    failing.returned(email, _words(about).lstrip(": "))
    told = f"The mail to {email.recipient} came back{_words(about)}."
    if about.is_hard and failing.mark(
        email.recipient,
        status=about.status,
        reason=about.reason,
        outbound_email_id=email.id,
        now=now,
    ):
        told += " Nothing more is sent to this address until somebody clears it."
    _note(ticket, email, told, now=now)
    if ticket is not None and email.kind in TO_CUSTOMERS:
        comment = db.session.get(Comment, email.comment_id) if email.comment_id else None
        notifications.mail_came_back(ticket, told, body=comment.body if comment else "", now=now)
    return told


def clear(address: str, *, send_again: bool, by: Person, now: datetime) -> str:
    """Mail a failing address again, and what it missed if wished. What was done, in words.

    Raises:
        NotFound: nothing is known against this address.
    """
    address = address.lower()
    missed = failing.missed(address)
    if failing.find(address) is None:
        raise NotFound("This address is mailed already.")
    tickets = list(_tickets(email.ticket_id for email in missed))
    count = failing.clear(address, send_again=send_again, now=now)
    told = f"{by.display_name} cleared the address {address}"
    if count:
        told += f"; {_mails(count)} that it missed will be sent again"
    for ticket in tickets:
        record(ticket, EventKind.ADDRESS_CLEARED, by=by, now=now, new=told)
    return f"{told}."


def use_instead(person: Person, fails: str, other: str, *, by: Person, now: datetime) -> str:
    """Mail *person* at another of their addresses, and send there what they missed. In words.

    Raises:
        NotFound: one of the addresses is not theirs, or nothing is known against the first.
        Forbidden: they asked something that *by* may not see.
    """
    owned = {email.address for email in person.emails}
    if fails not in owned or failing.find(fails) is None:
        raise NotFound("This address is mailed already.")
    refuse_hidden(person, by=by)
    addresses.make_main(person, other, by=by)
    missed = failing.missed(fails)
    tickets = list(_tickets(email.ticket_id for email in missed))
    for email in missed:
        email.recipient = other
    db.session.flush()
    count = outbox.send_again([email.id for email in missed], now=now)
    told = f"{by.display_name} mails {person.display_name} at {other} instead of {fails}"
    told += f"; {_mails(count)} that they missed will be sent there" if count else ""
    for ticket in tickets:
        record(ticket, EventKind.ADDRESS_CLEARED, by=by, now=now, new=told)
    return f"{told}."


def _mails(count: int) -> str:
    return "1 mail" if count == 1 else f"{count} mails"


def _our_mail(mail: ParsedEmail, report: Bounce) -> OutboundEmail | None:
    """The mail of ours that a report is about; by Message-ID, then by return token."""
    ids = [report.original_message_id, *mail.in_reply_to, *reversed(mail.references)]
    wanted = list(dict.fromkeys(one for one in ids if one))[:50]
    if wanted:
        ours = sa.select(OutboundEmail).where(OutboundEmail.message_id.in_(wanted))
        found = {row.message_id: row for row in db.session.scalars(ours)}
        for message_id in wanted:
            if message_id in found:
                return found[message_id]
    for email_id in mailboxes.returned_ids(mail.recipients):
        email = db.session.get(OutboundEmail, email_id)
        if email is not None:
            return email
    return None


def _is_for(one: BouncedRecipient, address: str) -> bool:
    return _plain(address) in (_plain(one.address), _plain(one.final_address))


def _plain(address: str) -> str:
    local, _, domain = address.lower().rpartition("@")
    return f"{local}@{authenticity.as_ascii(domain)}"


def _words(about: BouncedRecipient) -> str:
    told = failing.in_words(about.status, about.reason)
    return f": {told}" if told else ""


def _ticket_of(email: OutboundEmail) -> Ticket | None:
    return next(_tickets([email.ticket_id]), None)


def _tickets(ids: Iterable[int | None]) -> Iterator[Ticket]:
    """These tickets, or those that they were merged into, locked, each once."""
    seen: set[int] = set()
    for ticket_id in sorted({i for i in ids if i is not None}):
        ticket = db.session.get(Ticket, ticket_id, with_for_update=True)
        if ticket is not None and ticket.merged_into_id is not None:
            ticket = db.session.get(Ticket, ticket.merged_into_id, with_for_update=True)
        if ticket is not None and ticket.deleted_at is None and ticket.id not in seen:
            seen.add(ticket.id)
            yield ticket


def _note(ticket: Ticket | None, email: OutboundEmail, told: str, *, now: datetime) -> None:
    """A line of history: no comment, so no status and no clock changes."""
    if ticket is not None:
        record(
            ticket,
            EventKind.MAIL_BOUNCED,
            by=System("Mail"),
            now=now,
            new=told,
            details={"outbound_email_id": email.id, "address": email.recipient},
        )

"""What an agent decides about a mail from someone new: accept, let take part, split, discard."""

from __future__ import annotations

from datetime import datetime

from app.accounts import addresses, people
from app.accounts.models import Person
from app.channels import agent_mail, answers
from app.channels.answers import Reply
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.mail import automatic, blocking, mailboxes, parsing
from app.mail.automatic import MailKind
from app.mail.models import InboundEmail, InboundState
from app.mail.parsing import ParsedEmail
from app.tickets import attachments, participants
from app.tickets.attachments import StoredFile
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Ticket
from app.tickets.queries import refuse_hidden
from app.tickets.timeline import record
from app.tickets.words import EventKind, HeldState, Source

BLOCKED = "blocked"  # discarded, and nothing from that address is read any more


def decide(ticket: Ticket, held_id: int, decision: str, *, by: Person, now: datetime) -> str:
    """Do what was chosen, once. Returns what happened, in words.

    Args:
        decision: a `HeldState` other than waiting, or `BLOCKED`.
    Raises:
        NotFound: no such held mail on this ticket.
        Conflict: somebody has decided already; or the address is somebody else's.
        Invalid: unknown decision.
    """
    held = db.session.get(HeldEmail, held_id, with_for_update=True) if held_id < 2**31 else None
    if held is None or held.ticket_id != ticket.id:
        raise NotFound("There is no such mail on this ticket.")
    if held.state is not HeldState.WAITING:
        raise Conflict("Somebody has decided about this mail already. Reload the page.")
    blocks = decision == BLOCKED
    try:
        state = HeldState.DISCARDED if blocks else HeldState(decision)
    except ValueError:
        state = HeldState.WAITING
    if state is HeldState.WAITING:
        raise Invalid("Choose what to do with the mail.")
    email = db.session.get_one(InboundEmail, held.inbound_email_id)
    held.state, held.decided_by_id, held.decided_at = state, by.id, now
    who = held.from_name or held.from_address
    if state is HeldState.DISCARDED:
        email.state, email.reason = InboundState.IGNORED, f"Discarded by {by.display_name}"
        told = f"{by.display_name} discarded the mail from {who}"
        if blocks:
            why = f"Held on {ticket.number}"
            blocking.block(held.from_address, reason=why, by=by, now=now)
            told += f" and blocked {held.from_address}"
    elif state is HeldState.SPLIT:
        number = _split(ticket, held, email, now=now)
        told = f"The mail from {who} became {number}"
    elif state is HeldState.ALIAS:
        refuse_hidden(ticket.requester, by=by)
        addresses.add(ticket.requester, held.from_address, by=by)
        _accept(ticket, held, email, now=now)
        told = (
            f"{by.display_name} accepted the mail from {who} and added {held.from_address} to "
            f"the addresses of {ticket.requester.display_name}"
        )
    else:
        if state is HeldState.ADDED:
            participants.add(ticket, held.from_address, name=held.from_name, by=by, now=now)
        _accept(ticket, held, email, now=now)
        told = f"{by.display_name} accepted the mail from {who}"
    record(ticket, EventKind.MAIL_DECIDED, by=by, now=now, new=told, details={"held": held.id})
    return f"{told}."


def stored_files(mail: ParsedEmail) -> list[StoredFile]:
    """The mail's attachments with their bytes in the storage."""
    return [
        attachments.store_bytes(
            part.data,
            part.filename,
            part.content_type,
            is_inline=part.inline,
            content_id=part.content_id,
        )
        for part in mail.attachments
    ]


def _accept(ticket: Ticket, held: HeldEmail, email: InboundEmail, *, now: datetime) -> None:
    mail = parsing.parse_incoming(email.raw)
    verdict = automatic.classify(mail, return_path=email.return_path)
    found = people.find_or_make(held.from_address, name=held.from_name, now=now)
    person = db.session.get_one(Person, found.id)
    quoted = mail.text if mail.text.strip() != mail.reply_text.strip() else ""
    if person.is_agent:  # whoever accepts it vouches that it is theirs
        comment = agent_mail.reply(
            ticket, held.body, by=person, files=stored_files(mail), email_id=email.id, now=now
        )
        comment.sender_check, email.state = email.sender_check, InboundState.COMMENT
        return
    answers.receive(
        ticket,
        Reply(
            body=held.body,
            source=Source.EMAIL,
            files=stored_files(mail),
            body_html=mail.html,
            quoted=quoted,
            inbound_email_id=email.id,
            message_ids=[email.message_id] if email.message_id else [],
            is_automatic=verdict.kind is MailKind.ANSWER,
            automatic_reason=verdict.reason,
            sender_check=email.sender_check,
        ),
        by=person,
        now=now,
    )
    key = (email.message_id, ticket.id)
    if email.message_id and db.session.get(TicketMessageId, key) is None:
        db.session.add(TicketMessageId(message_id=key[0], ticket_id=ticket.id, created_at=now))
    email.state = InboundState.COMMENT


def _split(ticket: Ticket, held: HeldEmail, email: InboundEmail, *, now: datetime) -> str:
    mail = parsing.parse_incoming(email.raw)
    verdict = automatic.classify(mail, return_path=email.return_path)
    boxes = {box.id: box for box in mailboxes.mailboxes().values()}
    box = boxes.get(email.mailbox_id)
    opened = take_in(
        NewTicket(
            subject=(mail.subject or "(no subject)")[:500],
            description=held.body,
            description_html=mail.html,
            requester=RequesterInput(held.from_address, held.from_name),
            source=Source.EMAIL,
            category_id=ticket.category_id,
            group_id=box.group_id if box else None,
            mailbox_id=email.mailbox_id,
            files=stored_files(mail),
            automatic_reason=verdict.reason,
            sender_check=email.sender_check,
            inbound_message_ids=[email.message_id] if email.message_id else [],
            decisions=[("threading", f"Held on {ticket.number}, made a ticket of its own.", [])],
        ),
        now=now,
    )
    email.state = InboundState.TICKET
    return opened.number

"""Which ticket does a mail answer? By reply token, then Message-IDs, then the subject."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from app.core.db import db
from app.mail import mailboxes
from app.mail.parsing import ParsedEmail
from app.tickets.mail_models import TicketAccess, TicketMessageId
from app.tickets.models import Participant, Ticket

_number = re.compile(r"\[\s*(TKT-[A-HJKMNP-Z2-9]{8})\s*\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Match:
    """The ticket that a mail names, and how, in words for the Why tab.

    ``is_secret``: by something that only whoever got a mail of the ticket knows. Its number is
    told on the phone. ``person_id``: by a reply address that was made for this person, as one who
    takes part; ``agent_id``: that was made for this agent.
    """

    ticket_id: int
    how: str
    is_secret: bool = True
    agent_id: int | None = None
    person_id: int | None = None


def find_ticket(mail: ParsedEmail, *, sender_id: int | None) -> Match | None:
    """The ticket that *mail* names, first that fits; who may join it is another question.

    At most three statements. Ids may have been seen on several tickets (mailers do reuse them):
    then the one where the sender takes part, else the newest.
    """
    for ticket_id, agent_id in mailboxes.agent_ids(mail.recipients):
        if db.session.get(Ticket, ticket_id) is not None:
            return Match(ticket_id, "a reply address made for an agent", agent_id=agent_id)
    for access_id in mailboxes.access_ids(mail.recipients):
        access = db.session.get(TicketAccess, access_id)
        if access is not None:
            how = "a reply address that was made for this ticket"
            return Match(access.ticket_id, how, person_id=access.person_id)
    if found := _by_message_ids(mail, sender_id):
        return found
    numbers = [number.upper() for number in _number.findall(mail.subject)]
    if numbers:
        rows = db.session.execute(
            sa.select(Ticket.number, Ticket.id).where(Ticket.number.in_(numbers[:5]))
        )
        id_by_number = {row.number: row.id for row in rows}
        for number in numbers:
            if number in id_by_number:
                how = f"[{number}] in its subject"
                return Match(id_by_number[number], how, is_secret=False)
    return None


def names_something(mail: ParsedEmail) -> bool:
    """True where a ticket could be named: only then it matters who the sender really is."""
    recipients = mail.recipients
    return bool(
        mail.in_reply_to
        or mail.references
        or _number.search(mail.subject)
        or mailboxes.agent_ids(recipients)
        or mailboxes.access_ids(recipients)
    )


def _by_message_ids(mail: ParsedEmail, sender_id: int | None) -> Match | None:
    # The mail that is answered, then the thread from its end.
    wanted = list(dict.fromkeys((*mail.in_reply_to, *reversed(mail.references))))
    if not wanted:
        return None
    tickets_by_id: dict[str, list[int]] = {}
    known = sa.select(TicketMessageId.message_id, TicketMessageId.ticket_id)
    for row in db.session.execute(known.where(TicketMessageId.message_id.in_(wanted))):
        tickets_by_id.setdefault(row.message_id, []).append(row.ticket_id)
    for message_id in wanted:
        tickets = sorted(tickets_by_id.get(message_id, ()), reverse=True)
        if tickets:
            mine = _where_they_take_part(tickets, sender_id) if len(tickets) > 1 else set()
            chosen = next((ticket for ticket in tickets if ticket in mine), tickets[0])
            return Match(chosen, f"it answers <{message_id}>, a mail of this ticket")
    return None


def takes_part(ticket: Ticket, person_id: int) -> bool:
    """True for the requester, for followers and for people cc'd in an accepted mail."""
    return ticket.requester_id == person_id or bool(_where_they_take_part([ticket.id], person_id))


def _where_they_take_part(ticket_ids: Iterable[int], person_id: int | None) -> set[int]:
    ids = list(ticket_ids)
    asked = sa.select(Ticket.id).where(Ticket.id.in_(ids), Ticket.requester_id == person_id)
    cc = sa.select(Participant.ticket_id).where(
        Participant.ticket_id.in_(ids), Participant.person_id == person_id
    )
    return set(db.session.scalars(asked.union(cc)))

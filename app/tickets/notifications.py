"""Who hears of what, and with which mail: rows in the outbox, in the transaction of the change.

Internal notes never pass here: nothing in this module reads a comment that is not public.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import AGENT_ROLES, Person, PersonEmail, Role, group_member
from app.core.db import db
from app.mail import outbox
from app.mail.models import OutboundEmail
from app.mail.tokens import reply_token
from app.tickets import keys
from app.tickets.models import Comment, HeldEmail, Participant, SlaClock, Ticket, TicketMessageId
from app.tickets.words import Visibility

MOST_IN_GROUP = 50  # a notice to a group goes to so many members at most


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody with a main address."""

    id: int
    name: str
    address: str


def recipients(condition: sa.ColumnElement[bool]) -> list[Recipient]:
    """Active people with an address who fit *condition*; one statement."""
    found = (
        sa.select(Person.id, Person.name, PersonEmail.address)
        .join(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
        .where(Person.is_active, condition)
        .order_by(Person.id)
    )
    return [Recipient(*row) for row in db.session.execute(found)]


def assigned(ticket: Ticket, agent_id: int, *, by_id: int | None, now: datetime) -> None:
    """Tell an agent that a ticket is theirs, unless they took it themselves."""
    if agent_id != by_id:
        to = recipients(Person.id == agent_id)
        _tell_agents("assigned", ticket, to, now=now)


def unassignable(ticket: Ticket, *, now: datetime) -> None:
    """Tell the group (or the supervisors) that nobody could take a ticket."""
    _tell_agents("group_ticket", ticket, group_of(ticket), now=now)


def customer_replied(ticket: Ticket, comment: Comment, *, now: datetime) -> None:
    """Tell the assignee, else the group, of a customer's public comment."""
    author = comment.author.display_name if comment.author else ""
    to = _holder(ticket)
    _tell_agents(
        "customer_reply", ticket, to, now=now, comment=comment, author=author, body=comment.body
    )


def agent_replied(ticket: Ticket, comment: Comment, *, files: Sequence[str], now: datetime) -> None:
    """Mail a public reply to requester and participants, each with a key of their own."""
    if comment.visibility is not Visibility.PUBLIC:
        raise ValueError("an internal note is never mailed")
    taking_part = sa.select(Participant.person_id).where(Participant.ticket_id == ticket.id)
    to = recipients(
        sa.and_(
            sa.or_(Person.id == ticket.requester_id, Person.id.in_(taking_part)),
            Person.id != (comment.author_id or 0),
        )
    )
    author = comment.author.display_name if comment.author else ""
    context = {"author": author, "body": comment.body, "files": list(files)}
    tell_customers("ticket_reply", ticket, to, context=context, now=now, comment_id=comment.id)


def mail_held(ticket: Ticket, held: HeldEmail, *, now: datetime) -> None:
    """Tell the assignee, else the group, that a mail from someone new waits for a decision."""
    author = held.from_name or held.from_address
    _tell_agents("mail_held", ticket, _holder(ticket), now=now, author=author, reason=held.reason)


def sla_warned(ticket: Ticket, clock: SlaClock, *, now: datetime) -> None:
    """Tell the assignee, else the group, that a target is near."""
    _tell_agents("sla_warning", ticket, _holder(ticket), now=now, **_clock(clock))


def sla_breached(ticket: Ticket, clock: SlaClock, *, now: datetime) -> None:
    """Tell the assignee, else the group, and the supervisors that a target was missed."""
    supervisors = recipients(Person.role.in_((Role.SUPERVISOR, Role.ADMIN)))
    to = {person.id: person for person in (*_holder(ticket), *supervisors)}
    _tell_agents("sla_breach", ticket, to.values(), now=now, **_clock(clock))


def group_of(ticket: Ticket) -> list[Recipient]:
    """The members of the ticket's group; the supervisors where it has none."""
    if ticket.group_id is None:
        return recipients(Person.role.in_((Role.SUPERVISOR, Role.ADMIN)))
    members = sa.select(group_member.c.person_id).where(group_member.c.group_id == ticket.group_id)
    return recipients(Person.id.in_(members) & Person.role.in_(AGENT_ROLES))[:MOST_IN_GROUP]


def tell_customers(
    kind: str,
    ticket: Ticket,
    to: Iterable[Recipient],
    *,
    context: dict[str, Any],
    now: datetime,
    comment_id: int | None = None,
    is_automatic: bool = False,
) -> None:
    """One mail for each, with their own link and reply token, in the ticket's mail thread."""
    to = list(to)
    access = keys.access_rows(ticket.id, [person.id for person in to], now=now)
    threads = _threads(ticket.id, to)
    rows = [
        outbox.row(
            kind,
            person.address,
            name=person.name,
            context={
                **common(ticket.number, ticket.subject),
                "recipient": person.name,
                "key": keys.link_key(access[person.id]),
                **context,
            },
            now=now,
            mailbox_id=ticket.mailbox_id,
            ticket_id=ticket.id,
            comment_id=comment_id,
            in_reply_to=threads[person.id][-1] if threads[person.id] else "",
            references=" ".join(threads[person.id][:1] + threads[person.id][1:][-9:]),
            reply_token=reply_token(access[person.id]),
            is_automatic=is_automatic,
        )
        for person in to
    ]
    send(ticket.id, rows, now=now)


def common(number: str, subject: str) -> dict[str, Any]:
    """What every mail about a ticket may show."""
    return {"number": number, "subject": subject}


def _threads(ticket_id: int, to: Iterable[Recipient]) -> dict[int, list[str]]:
    """By person, Message-IDs that their mail client can know, oldest first; one statement.

    These are the mails that came in, and of ours those that went to them: a thread built upon
    other people's copies falls apart in their client.
    """
    found = (
        sa.select(TicketMessageId.message_id, OutboundEmail.recipient)
        .outerjoin(OutboundEmail, OutboundEmail.message_id == TicketMessageId.message_id)
        .where(TicketMessageId.ticket_id == ticket_id)
        .order_by(TicketMessageId.created_at, OutboundEmail.id.is_not(None), OutboundEmail.id)
    )
    seen = db.session.execute(found).all()
    return {
        person.id: [row.message_id for row in seen if row.recipient in (None, person.address)]
        for person in to
    }


def send(ticket_id: int, rows: Sequence[dict[str, Any]], *, now: datetime) -> None:
    """Put *rows* into the outbox and remember their Message-IDs for the answers."""
    if not rows:
        return
    outbox.queue(rows)
    db.session.execute(
        sa.insert(TicketMessageId),
        [
            {"message_id": row["message_id"], "ticket_id": ticket_id, "created_at": now}
            for row in rows
        ],
    )


def _tell_agents(
    kind: str,
    ticket: Ticket,
    to: Iterable[Recipient],
    *,
    now: datetime,
    comment: Comment | None = None,
    **extra: Any,
) -> None:
    rows = [
        outbox.row(
            kind,
            person.address,
            name=person.name,
            context={
                **common(ticket.number, ticket.subject),
                "recipient": person.name,
                "priority": ticket.priority.label,
                **extra,
            },
            now=now,
            mailbox_id=ticket.mailbox_id,
            ticket_id=ticket.id,
            comment_id=comment.id if comment else None,
            is_automatic=True,
        )
        for person in to
    ]
    send(ticket.id, rows, now=now)


def _holder(ticket: Ticket) -> list[Recipient]:
    """The assignee, else the group's members."""
    if ticket.assignee_id is not None:
        return recipients(Person.id == ticket.assignee_id)
    return group_of(ticket)


def _clock(clock: SlaClock) -> dict[str, Any]:
    return {
        "target": clock.target.label,
        "due_at": clock.due_at.isoformat() if clock.due_at else "",
    }

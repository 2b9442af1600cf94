"""Who hears of what, and with which mail: rows in the outbox, in the transaction of the change.

Internal notes never pass here: nothing in this module reads a comment that is not public.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import current_app

from app.accounts import directory
from app.accounts.directory import AgentCard
from app.accounts.models import Person, PersonEmail
from app.core.db import db
from app.core.settings_store import setting
from app.core.statements import Write
from app.mail import outbox
from app.mail.models import OutboundEmail
from app.mail.tokens import agent_token, reply_token
from app.settings import Settings
from app.tickets import chatting, keys
from app.tickets.attachments import StoredFile
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Comment, Participant, SlaClock, Ticket
from app.tickets.words import AuthorKind, Source, Visibility

# Notices to which an agent may answer by mail, where it can be told that it was the agent.
ANSWERABLE = ("assigned", "group_ticket", "customer_reply", "sla_warning", "sla_breach")
QUOTED, QUOTED_LINES = 1000, 12  # of what the customer said last, below an answer
CHAT_NOTICE = timedelta(minutes=5)
MOST_IN_GROUP = 50  # a notice to a group goes to so many members at most


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody with a main address."""

    id: int
    name: str
    address: str


_taking_part = sa.select(Participant.person_id).where(
    Participant.ticket_id == sa.bindparam("ticket_id")
)
READERS = (
    sa.select(Person.id, Person.name, PersonEmail.address)
    .join(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
    .where(
        Person.is_active,
        sa.or_(Person.id == sa.bindparam("requester_id"), Person.id.in_(_taking_part)),
        Person.id != sa.bindparam("author_id"),
    )
    .order_by(Person.id)
)
_message_ids: Any = TicketMessageId.__table__
MESSAGE_IDS = Write(sa.insert(_message_ids))


def _working(cards: Iterable[AgentCard]) -> list[Recipient]:
    """Those of *cards* who still work here and have an address, by id; no statement."""
    found = [card for card in cards if card.is_active and card.email]
    return [Recipient(c.id, c.name, c.email) for c in sorted(found, key=lambda card: card.id)]


def _agent(agent_id: int) -> list[Recipient]:
    card = directory.agents().get(agent_id)
    return _working([card]) if card else []


def _supervisors() -> list[Recipient]:
    return _working(card for card in directory.agents().values() if card.is_supervisor)


def assigned(ticket: Ticket, agent_id: int, *, by_id: int | None, now: datetime) -> None:
    """Tell an agent that a ticket is theirs, unless they took it themselves."""
    send(ticket.id, assigned_rows(ticket, agent_id, by_id=by_id, now=now), now=now)


def assigned_rows(
    ticket: Ticket, agent_id: int, *, by_id: int | None, now: datetime
) -> list[dict[str, Any]]:
    """The same as rows for `send`."""
    to = _agent(agent_id) if agent_id != by_id else []
    return _agents_rows("assigned", ticket, to, now=now)


def unassignable(ticket: Ticket, *, now: datetime) -> None:
    """Tell the group (or the supervisors) that nobody could take a ticket."""
    send(ticket.id, unassignable_rows(ticket, now=now), now=now)


def unassignable_rows(ticket: Ticket, *, now: datetime) -> list[dict[str, Any]]:
    """The same as rows for `send`."""
    return _agents_rows("group_ticket", ticket, group_of(ticket), now=now)


def customer_replied(ticket: Ticket, comment: Comment, *, now: datetime) -> None:
    """Tell the assignee, else the group, of a customer's public comment."""
    if comment.source is Source.CHAT and _was_told_just_now(ticket, now=now):
        return
    author = comment.author.display_name if comment.author else ""
    to = _holder(ticket)
    _tell_agents(
        "customer_reply", ticket, to, now=now, comment=comment, author=author, body=comment.body
    )


def _was_told_just_now(ticket: Ticket, *, now: datetime) -> bool:
    """True where a notice of a customer's words is some minutes old: a chat has many lines."""
    newest = sa.select(OutboundEmail.id).where(
        OutboundEmail.ticket_id == ticket.id,
        OutboundEmail.kind == "customer_reply",
        OutboundEmail.created_at > now - CHAT_NOTICE,
    )
    return db.session.scalar(newest.limit(1)) is not None


def readers(ticket: Ticket, *, author_id: int) -> list[Recipient]:
    """Who hears of a public reply by *author_id*: the requester first; one statement."""
    its = {"ticket_id": ticket.id, "requester_id": ticket.requester_id, "author_id": author_id}
    found = [Recipient(*row) for row in db.session.connection().execute(READERS, its)]
    return sorted(found, key=lambda person: person.id != ticket.requester_id)


def agent_replied(
    ticket: Ticket,
    comment: Comment,
    *,
    to: Sequence[Recipient],
    files: Sequence[StoredFile],
    now: datetime,
) -> None:
    """Mail a public reply to those of `readers` who get it, each with a key of their own.

    They leave once it can be taken back no more; to whoever chats, once they have not seen it.
    """
    if comment.visibility is not Visibility.PUBLIC:
        raise ValueError("an internal note is never mailed")
    author = comment.author.display_name if comment.author else ""
    context = {
        "author": author,
        "body": comment.body,
        "files": [mail_file(file) for file in files],
        "quoted": _last_words(ticket, comment) if setting("mail_quotes") else None,
    }
    tell_customers(
        "ticket_reply",
        ticket,
        to,
        context=context,
        now=now,
        comment_id=comment.id,
        due_at=comment.undo_until,
        requesters_at=chatting.mail_waits_until(ticket, now=now),
    )


def _last_words(ticket: Ticket, comment: Comment) -> dict[str, str] | None:
    """What a customer said last before *comment*, shortened; one statement."""
    before = (
        sa.select(Comment.body, Comment.created_at, Person.name)
        .outerjoin(Person, Person.id == Comment.author_id)
        .where(
            Comment.ticket_id == ticket.id,
            Comment.author_kind == AuthorKind.REQUESTER,
            Comment.visibility == Visibility.PUBLIC,
            sa.not_(Comment.is_automatic),
            Comment.id < comment.id,
        )
        .order_by(Comment.created_at.desc(), Comment.id.desc())
        .limit(1)
    )
    row = db.session.execute(before).one_or_none()
    if row is None and ticket.source is Source.PHONE:
        return None  # an agent wrote it down
    body, at, name = row or (ticket.description, ticket.created_at, ticket.requester.name)
    lines = body.strip().splitlines()
    text = "\n".join(lines[:QUOTED_LINES])[:QUOTED]
    if len(text) < len(body.strip()):
        text = f"{text.rstrip()} …"
    return {"author": name or "", "at": at.isoformat(), "text": text} if text else None


def mail_file(file: StoredFile) -> dict[str, Any]:
    """A file as the outbox names it; the worker takes its bytes from the storage."""
    return {
        "name": file.filename,
        "type": file.content_type,
        "size": file.size,
        "sha256": file.sha256,
        "content_id": file.content_id if file.is_inline else "",
    }


def mail_held(ticket: Ticket, held: HeldEmail, *, now: datetime) -> None:
    """Tell the assignee, else the group, that a mail from someone new waits for a decision."""
    author = held.from_name or held.from_address
    _tell_agents("mail_held", ticket, _holder(ticket), now=now, author=author, reason=held.reason)


def mail_came_back(ticket: Ticket, told: str, *, body: str, now: datetime) -> None:
    """Tell the assignee, else the group, that a mail to a customer did not arrive."""
    _tell_agents("mail_came_back", ticket, _holder(ticket), now=now, told=told, body=body)


def sla_warned(ticket: Ticket, clock: SlaClock, *, now: datetime) -> None:
    """Tell the assignee, else the group, that a target is near."""
    _tell_agents("sla_warning", ticket, _holder(ticket), now=now, **_clock(clock))


def sla_breached(ticket: Ticket, clock: SlaClock, *, now: datetime) -> None:
    """Tell the assignee, else the group, and the supervisors that a target was missed."""
    to = {person.id: person for person in (*_holder(ticket), *_supervisors())}
    _tell_agents("sla_breach", ticket, to.values(), now=now, **_clock(clock))


def group_of(ticket: Ticket) -> list[Recipient]:
    """The members of the ticket's group; the supervisors where there are none."""
    group = directory.groups().get(ticket.group_id or 0)
    members, cards = group.member_ids if group else (), directory.agents()
    found = _working(cards[i] for i in members if i in cards)[:MOST_IN_GROUP]
    return found or _supervisors()


def tell_customers(
    kind: str,
    ticket: Ticket,
    to: Iterable[Recipient],
    *,
    context: dict[str, Any],
    now: datetime,
    comment_id: int | None = None,
    is_automatic: bool = False,
    due_at: datetime | None = None,
    requesters_at: datetime | None = None,
) -> None:
    """One mail for each, with their own link and reply token, in the ticket's mail thread.

    Args:
        due_at: before which none leaves, *requesters_at*: before which the requester's does not.
    """
    to = list(to)
    later = max((at for at in (due_at, requesters_at) if at), default=None)
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
                "stop": None if person.id == ticket.requester_id else [person.id, ticket.id],
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
            due_at=later if person.id == ticket.requester_id else due_at,
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
    merged = sa.select(Ticket.id).where(Ticket.merged_into_id == ticket_id)
    found = (
        sa.select(TicketMessageId.message_id, OutboundEmail.recipient)
        .outerjoin(OutboundEmail, OutboundEmail.message_id == TicketMessageId.message_id)
        .where(
            sa.or_(TicketMessageId.ticket_id == ticket_id, TicketMessageId.ticket_id.in_(merged))
        )
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
    MESSAGE_IDS.many(
        [
            {"message_id": row["message_id"], "ticket_id": ticket_id, "created_at": now}
            for row in rows
        ]
    )


def _tell_agents(
    kind: str, ticket: Ticket, to: Iterable[Recipient], *, now: datetime, **extra: Any
) -> None:
    send(ticket.id, _agents_rows(kind, ticket, to, now=now, **extra), now=now)


def _agents_rows(
    kind: str,
    ticket: Ticket,
    to: Iterable[Recipient],
    *,
    now: datetime,
    comment: Comment | None = None,
    **extra: Any,
) -> list[dict[str, Any]]:
    settings: Settings = current_app.extensions["settings"]
    can_answer = kind in ANSWERABLE and settings.checks_senders
    cards = directory.agents()
    return [
        outbox.row(
            kind,
            person.address,
            name=person.name,
            context={
                **common(ticket.number, ticket.subject),
                "recipient": person.name,
                "priority": ticket.priority.label,
                "stop": [person.id, kind],
                "can_answer": can_answer,
                **extra,
            },
            now=now,
            mailbox_id=ticket.mailbox_id,
            ticket_id=ticket.id,
            comment_id=comment.id if comment else None,
            reply_token=agent_token(ticket.id, person.id) if can_answer else "",
            is_automatic=True,
        )
        for person in to
        if kind not in cards[person.id].muted_notices
    ]


def _holder(ticket: Ticket) -> list[Recipient]:
    """The assignee, else the group's members: also where an assignee has left a private group, or
    the group has become private, so that they may not read it any more."""
    holder = ticket.assignee_id
    group = directory.groups().get(ticket.group_id or 0)
    if holder is not None and group is not None and group.is_private:
        card = directory.agents().get(holder)
        is_one = holder in group.member_ids or (card is not None and card.is_supervisor)
        holder = holder if is_one else None
    return _agent(holder) if holder is not None else group_of(ticket)


def _clock(clock: SlaClock) -> dict[str, Any]:
    return {
        "target": clock.target.label,
        "due_at": clock.due_at.isoformat() if clock.due_at else "",
    }

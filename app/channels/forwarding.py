"""A customer's mail that an agent forwards in: the customer is proposed as the requester."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.accounts import people
from app.accounts.models import Person
from app.channels.planning import EARLIER
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.settings_store import setting, settings_of
from app.mail import mailboxes
from app.mail.forwarded import Forwarded
from app.tickets import catalog, conversation, decisions, holding, properties
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.prioritising import score
from app.tickets.timeline import System, record
from app.tickets.words import AuthorKind, EventKind, Source, Visibility


@dataclass(frozen=True, slots=True)
class Content:
    """What a ticket that a mail opens says."""

    subject: str
    body: str
    quoted: str
    html: str | None
    message_ids: Sequence[str]
    automatic_reason: str = ""


def content(told: Forwarded, message_ids: Sequence[str]) -> Content:
    """The first mail's own words; nobody is answered before it is clear who asks."""
    first = told.mail
    ids = [*message_ids, *([first.message_id] if first and first.message_id else [])]
    body = first.reply_text if first and first.reply_text.strip() else told.text
    quoted = told.text if body.split() != told.text.split() else ""
    html = first.html if first else None
    return Content(
        told.subject, body, quoted, html, list(dict.fromkeys(ids)), "forwarded by an agent"
    )


def propose(ticket_id: int, told: Forwarded, *, is_proven: bool, now: datetime) -> None:
    """Name the sender of the first mail on the new ticket; what stood above it becomes a note.

    Args:
        is_proven: whether the mail is from the agent whose address it bears.
    """
    ticket = db.session.get_one(Ticket, ticket_id)
    if told.preface:
        _add_note(ticket, told.preface, is_proven=is_proven, now=now)
    try:
        address = people.normal_address(told.email)
    except Invalid:
        return
    known = people.find(address)
    if mailboxes.is_own(address) or (known is not None and known.id == ticket.requester_id):
        return
    ticket.forwarded_from, ticket.forwarded_name = address, told.name[:200]
    summary = f"An agent forwarded a mail of {told.name or address}, who is proposed as requester."
    decisions.add(ticket.id, "requester", summary, now=now)


def _add_note(ticket: Ticket, text: str, *, is_proven: bool, now: datetime) -> None:
    """A note of the agent; of nobody where anybody may have written it in the agent's name."""
    if is_proven:
        internal = Visibility.INTERNAL
        by, source = ticket.requester, Source.EMAIL
        conversation.reply(ticket, text, by=by, now=now, visibility=internal, source=source)
        return
    note = Comment(
        ticket_id=ticket.id,
        author_kind=AuthorKind.SYSTEM,
        visibility=Visibility.INTERNAL,
        body=f"Above it stood, in the name of {ticket.requester.display_name}:\n\n{text}",
        source=Source.EMAIL,
        created_at=now,
    )
    db.session.add(note)
    db.session.flush()
    record(ticket, EventKind.NOTE, by=System("Mail"), now=now, details={"comment": note.id})


def accept(ticket: Ticket, *, by: Person, now: datetime) -> str:
    """Make the first mail's sender the requester of the locked *ticket*. In words.

    Raises:
        Conflict: nobody is proposed, or somebody has decided already.
    """
    address, name = _proposed(ticket)
    asker = people.find_or_make(address, name=name, now=now)
    ticket.forwarded_from = ticket.forwarded_name = ""
    change_requester(ticket, asker, by=by, now=now)
    return f"{asker.name or asker.email} is the requester now."


def dismiss(ticket: Ticket, *, by: Person, now: datetime) -> str:
    """Leave the ticket to whoever forwarded the mail. In words.

    Raises:
        Conflict: as above.
    """
    address, _ = _proposed(ticket)
    ticket.forwarded_from = ticket.forwarded_name = ""
    told = f"{by.display_name} kept the requester, {address} was proposed"
    record(ticket, EventKind.REQUESTER, by=by, now=now, new=told)
    return f"{ticket.requester.display_name} stays the requester."


def change_requester(ticket: Ticket, asker: people.Requester, *, by: Person, now: datetime) -> None:
    """Somebody else asks: priority (unless it was chosen) and service level follow from them."""
    old = ticket.requester
    if asker.id == old.id:
        return
    ticket.requester = db.session.get_one(Person, asker.id)
    ticket.requester_id = asker.id
    record(
        ticket,
        EventKind.REQUESTER,
        by=by,
        now=now,
        field="requester",
        old=old.display_name,
        new=f"{by.display_name} made {asker.name or asker.email} the requester",
        details={"from_id": old.id, "to_id": asker.id},
    )
    if ticket.priority_is_computed:
        _score_again(ticket, asker, now=now)
    holding.rechoose_policy(ticket, now=now)


def _proposed(ticket: Ticket) -> tuple[str, str]:
    if not ticket.forwarded_from:
        raise Conflict("Somebody has decided who asks already. Reload the page.")
    return ticket.forwarded_from, ticket.forwarded_name


def _score_again(ticket: Ticket, asker: people.Requester, *, now: datetime) -> None:
    files = sa.select(Attachment.id).where(
        Attachment.ticket_id == ticket.id,
        Attachment.comment_id.is_(None),
        Attachment.is_inline.is_(False),
    )
    enough = int(setting("priority_regular_after")) + 2  # this ticket is among them by now
    times = [
        row.created_at
        for row in EARLIER.all(person_id=asker.id, enough=enough)
        if row.created_at != ticket.created_at
    ]
    points = score(
        ticket.subject,
        ticket.description,
        tier=asker.tier,
        category_key=catalog.categories()[ticket.category_id].key,
        has_files=db.session.scalar(files.limit(1)) is not None,
        earlier=len(times),
        last_at=times[0] if times else None,
        now=now,
        weights=settings_of("priority_"),
    )
    ticket.priority_score = points.total
    decisions.add(ticket.id, "priority", points.summary, points.details, now=now)
    properties.change_priority(
        ticket, points.priority, by=System("Priority"), now=now, choose_again=False
    )
    ticket.priority_is_computed = True

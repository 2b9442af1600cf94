"""Merging two tickets into one, and undoing it.

The merged ticket is closed and keeps its number, its history and its reply addresses; whoever
looks for it by any of these is led to the survivor. Its conversation moves: each comment remembers
where it was written. ``Ticket.merged_into_id`` always names the last survivor, so that nobody
follows more than one step, whatever was merged into what.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import Person, PersonEmail, Role
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.jobs import Job, ring
from app.mail.models import OutboundEmail
from app.tickets import clocks, conversation, lifecycle, merge_moves
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.merge_models import TicketMerge
from app.tickets.models import Attachment, Comment, Participant, Ticket
from app.tickets.queries import NUMBER
from app.tickets.timeline import record
from app.tickets.words import (
    WAITS_FOR_US,
    AuthorKind,
    EventKind,
    HeldState,
    Status,
    Target,
    Visibility,
)

UNDO_DAYS = 30
NOT_THERE = "There is no such ticket, or it is not for you."
RESPONSES = (Target.FIRST_RESPONSE, Target.NEXT_RESPONSE)


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who takes part in a ticket."""

    id: int
    name: str
    address: str
    role: Role

    @property
    def text(self) -> str:
        """Name and address, as far as known."""
        if self.name and self.address:
            return f"{self.name} ({self.address})"
        return self.name or self.address or "Unknown"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a merge would do that somebody should know before.

    Attributes:
        read_survivor: who takes part in the merged ticket alone, and will read the survivor.
        read_merged: who takes part in the survivor alone, and will read the merged ticket.
        comments: public messages and internal notes that move, the description left out.
        reopens: the survivor is opened again, since the merged ticket waits for an answer.
    """

    read_survivor: list[Reader]
    read_merged: list[Reader]
    comments: int
    files: int
    held: int
    reopens: bool

    @property
    def strangers(self) -> frozenset[int]:
        """Ids of the customers who will read what they could not read before."""
        people = (*self.read_survivor, *self.read_merged)
        return frozenset(person.id for person in people if person.role is Role.CUSTOMER)


def outlook(merged: Ticket, survivor: Ticket) -> Outlook:
    """What merging would do; five statements, no change."""
    from_merged, from_survivor = _readers(merged), _readers(survivor)

    def count(model: Any, *only: sa.ColumnElement[bool]) -> int:
        rows = sa.select(sa.func.count()).select_from(model)
        return db.session.scalar(rows.where(model.ticket_id == merged.id, *only)) or 0

    return Outlook(
        read_survivor=[p for i, p in from_merged.items() if i not in from_survivor],
        read_merged=[p for i, p in from_survivor.items() if i not in from_merged],
        comments=count(Comment),
        files=count(Attachment),
        held=count(HeldEmail, HeldEmail.state == HeldState.WAITING),
        reopens=_reopens(merged, survivor),
    )


def lock_both(numbers: Collection[str]) -> dict[str, Ticket]:
    """The tickets of *numbers*, their rows locked in the order of their ids, so that two merges of
    the same pair wait for each other rather than for ever."""
    wanted = sa.select(Ticket).where(Ticket.number.in_(numbers)).order_by(Ticket.id)
    wanted = wanted.with_for_update(of=Ticket).execution_options(populate_existing=True)
    return {ticket.number: ticket for ticket in db.session.scalars(wanted)}


def lock_pair(number: str, into: str, *, by: Person) -> tuple[Ticket, Ticket]:
    """Both tickets, locked, as `lock_both`.

    Raises:
        NotFound: deleted, unknown and foreign ones alike.
    """
    hidden = hidden_group_ids(by)
    if not (NUMBER.fullmatch(number) and NUMBER.fullmatch(into)):
        raise NotFound(NOT_THERE)
    found = lock_both((number, into))
    seen = [found.get(each) for each in (number, into)]
    merged, survivor = (
        ticket if ticket and ticket.deleted_at is None and ticket.group_id not in hidden else None
        for ticket in seen
    )
    if merged is None or survivor is None:
        raise NotFound(NOT_THERE)
    return merged, survivor


def merge(
    merged: Ticket,
    survivor: Ticket,
    *,
    agreed: Collection[int],
    by: Person,
    now: datetime,
) -> TicketMerge:
    """Make one conversation of two, on *survivor*. Both rows are locked (`lock_both`).

    Args:
        agreed: ids of the people of whom *by* was told that they will read more than before.
    Raises:
        Conflict: one of them cannot be merged now; the message says why.
        Invalid: somebody not *agreed* upon would read more than before.
    """
    if reason := refusal(merged, survivor, now=now):
        raise Conflict(reason)
    seen = outlook(merged, survivor)
    if not seen.strangers <= set(agreed):
        raise Invalid(
            "Look at who will read the conversation, and confirm that they may.",
            {"agreed": "Confirm that they may read it."},
        )
    done = TicketMerge(
        ticket_id=merged.id,
        survivor_id=survivor.id,
        was_status=merged.status,
        was_closed_at=merged.closed_at,
        merged_at=now,
    )
    waits_since = _waits_since(merged, survivor)
    with merge_moves.out_of_the_index(merged, survivor):
        done.comment_id = merge_moves.move_description(merged, survivor).id
        merge_moves.move_comments(merged.id, to=survivor.id)
        merge_moves.move_mails(survivor.id, of=OutboundEmail.ticket_id == merged.id)
        merge_moves.move_drafts(merged.id, to=survivor.id)
        done.brought = {
            "people": merge_moves.bring_people(
                merged, survivor, [p.id for p in seen.read_survivor], now=now
            ),
            "tags": merge_moves.bring_tags(merged, survivor),
            "held": merge_moves.bring_held(merged.id, to=survivor.id),
        }
    _refresh_preview(survivor)
    db.session.add(done)
    db.session.flush()
    _tell(done, merged, survivor, by=by, now=now)
    _close(merged, survivor, now=now)
    if seen.reopens:
        lifecycle.change_status(survivor, Status.OPEN, by=by, now=now)
    if waits_since is not None and survivor.is_active:
        clocks.customer_wrote(survivor, now=waits_since)
    ring(Job.HAND_OUT)
    return done


def undo(done: TicketMerge, merged: Ticket, survivor: Ticket, *, by: Person, now: datetime) -> None:
    """Make two tickets of one again. Both rows are locked.

    What was said since by people who take part through the merged ticket alone goes back with
    them; everything else that was said since stays on the survivor.

    Raises:
        Conflict: it cannot be undone (any more); the message says why.
    """
    if reason := cannot_undo(done, merged, survivor, now=now):
        raise Conflict(reason)
    people = list(done.brought["people"])
    with merge_moves.out_of_the_index(merged, survivor):
        merge_moves.take_back_comments(done, people)
        theirs = sa.select(TicketMessageId.message_id).where(
            TicketMessageId.ticket_id.in_([merged.id, *merge_moves.merged_into(merged.id)])
        )
        here = OutboundEmail.ticket_id == survivor.id
        merge_moves.move_mails(merged.id, of=sa.and_(here, OutboundEmail.message_id.in_(theirs)))
        merge_moves.take_back_people(survivor, people)
        tags = set(done.brought["tags"])
        survivor.tags = [tag for tag in survivor.tags if tag.id not in tags]
        merge_moves.move_held(done.brought["held"], of=survivor.id, to=merged.id)
    merged.status, merged.closed_at = done.was_status, done.was_closed_at
    merged.merged_into_id = None
    children = merge_moves.merged_into(merged.id)
    if children:
        merge_moves.point(children, to=merged.id)
    clocks.restore(merged, deleted_at=done.merged_at, now=now)
    done.undone_at = now
    for ticket in (merged, survivor):
        _refresh_preview(ticket)
    told = f"{by.display_name} undid the merge of {merged.number} into {survivor.number}"
    for ticket in (merged, survivor):
        record(ticket, EventKind.UNMERGED, by=by, now=now, new=told, details={"merge": done.id})
    ring(Job.HAND_OUT)


def cannot_undo(done: TicketMerge, merged: Ticket, survivor: Ticket, *, now: datetime) -> str:
    """Why a merge cannot be undone, in words; "" where it can."""
    if done.undone_at is not None:
        return "This merge was undone already."
    if now - done.merged_at > timedelta(days=UNDO_DAYS):
        return f"A merge can be undone for {UNDO_DAYS} days."
    if survivor.merged_into_id is not None:
        return f"{survivor.number} was itself merged since. Undo that first."
    if survivor.deleted_at is not None or merged.deleted_at is not None:
        gone = survivor if survivor.deleted_at is not None else merged
        return f"{gone.number} was deleted since. Restore it first."
    return ""


def find(merge_id: int, *, by: Person) -> tuple[TicketMerge, Ticket, Ticket]:
    """A merge with its two tickets, merged and surviving, both locked.

    Raises:
        NotFound: there is none, or one of them is not for *by*.
    """
    done = db.session.get(TicketMerge, merge_id)
    if done is not None:
        wanted = sa.select(Ticket).where(Ticket.id.in_((done.ticket_id, done.survivor_id)))
        wanted = wanted.order_by(Ticket.id).with_for_update(of=Ticket)
        rows = db.session.scalars(wanted.execution_options(populate_existing=True))
        tickets = {ticket.id: ticket for ticket in rows}
        db.session.refresh(done)
        hidden = hidden_group_ids(by)
        if len(tickets) == 2 and not any(t.group_id in hidden for t in tickets.values()):
            return done, tickets[done.ticket_id], tickets[done.survivor_id]
    raise NotFound("There is no such merge, or it is not for you.")


def undoable(merge_ids: Sequence[int], *, now: datetime) -> set[int]:
    """Which of these merges are not undone and recent enough; one statement."""
    since = now - timedelta(days=UNDO_DAYS)
    found = sa.select(TicketMerge.id).where(
        TicketMerge.id.in_(merge_ids),
        TicketMerge.undone_at.is_(None),
        TicketMerge.merged_at >= since,
    )
    return set(db.session.scalars(found))


def refusal(merged: Ticket, survivor: Ticket, *, now: datetime) -> str:
    """Why these two cannot be merged now, in words; "" where they can."""
    if merged.id == survivor.id:
        return "A ticket cannot be merged into itself."
    for ticket in (merged, survivor):
        if ticket.deleted_at is not None:
            return f"{ticket.number} is deleted. Restore it first."
        if ticket.merged_into_id is not None:
            into = db.session.get_one(Ticket, ticket.merged_into_id).number
            return f"{ticket.number} was merged into {into} already."
    if survivor.status is Status.CANCELLED:
        return f"{survivor.number} is cancelled. Open it again first, or keep the other."
    card = directory.groups().get(merged.group_id or 0)
    if card is not None and card.is_private and survivor.group_id != merged.group_id:
        return (
            f"{merged.number} belongs to {card.name}, a private group, and {survivor.number} does "
            f"not. Keep {merged.number} in place of it, or move one of them first."
        )
    leaving = sa.select(Comment.id).where(
        Comment.ticket_id.in_((merged.id, survivor.id)), Comment.undo_until > now
    )
    if db.session.scalar(leaving.limit(1)) is not None:
        return "A reply on one of them is just leaving. Try again in a few seconds."
    return ""


def _readers(ticket: Ticket) -> dict[int, Reader]:
    """Who takes part in a ticket, by id; one statement."""
    its = sa.select(Participant.person_id).where(Participant.ticket_id == ticket.id)
    main = sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main)
    found = (
        sa.select(Person.id, Person.name, sa.func.coalesce(PersonEmail.address, ""), Person.role)
        .outerjoin(PersonEmail, main)
        .where(sa.or_(Person.id == ticket.requester_id, Person.id.in_(its)))
        .order_by(Person.id)
    )
    return {row[0]: Reader(*row) for row in db.session.execute(found)}


def _reopens(merged: Ticket, survivor: Ticket) -> bool:
    """What waits for us must not end on a ticket that waits for nobody."""
    return merged.status in WAITS_FOR_US and survivor.status in (
        Status.PENDING,
        Status.RESOLVED,
        Status.CLOSED,
    )


def _waits_since(merged: Ticket, survivor: Ticket) -> datetime | None:
    """Since when the merged ticket's customer waits for an answer that nobody gave elsewhere."""
    waiting = [
        clock.started_at
        for clock in merged.clocks
        if clock.target in RESPONSES and clocks.is_on(clock) and merged.status in WAITS_FOR_US
    ]
    if not waiting:
        return None
    answers = sa.select(sa.func.max(Comment.created_at)).where(
        Comment.ticket_id == survivor.id,
        Comment.author_kind == AuthorKind.AGENT,
        Comment.visibility == Visibility.PUBLIC,
    )
    answered_at = db.session.scalar(answers)
    since = max(waiting)
    return since if answered_at is None or since > answered_at else None


def _close(merged: Ticket, survivor: Ticket, *, now: datetime) -> None:
    """It is over here, and was not solved here: its clocks count as neither met nor missed."""
    clocks.void(merged, now=now)
    if merged.status is not Status.CLOSED:
        merged.status, merged.closed_at = Status.CLOSED, now
    merged.merged_into_id = survivor.id
    if children := merge_moves.merged_into(merged.id):
        merge_moves.point(children, to=survivor.id)


def _tell(
    done: TicketMerge, merged: Ticket, survivor: Ticket, *, by: Person, now: datetime
) -> None:
    who = by.display_name
    details = {"merge": done.id, "merged": merged.number, "survivor": survivor.number}
    for ticket, told in (
        (merged, f"{who} merged this ticket into {survivor.number}"),
        (survivor, f"{who} merged {merged.number}, “{merged.subject}”, into this ticket"),
    ):
        record(ticket, EventKind.MERGED, by=by, now=now, new=told, details=details)


def _refresh_preview(ticket: Ticket) -> None:
    """One line of the newest message, after messages came or went."""
    newest = (
        sa.select(Comment.body, Person.name)
        .outerjoin(Person, Person.id == Comment.author_id)
        .where(Comment.ticket_id == ticket.id, Comment.is_automatic.is_(False))
        .order_by(Comment.created_at.desc(), Comment.id.desc())
        .limit(1)
    )
    row = db.session.execute(newest).one_or_none()
    body, name = row if row else (ticket.description, ticket.requester.display_name)
    ticket.preview = conversation.preview_line(name or "Deskhand", body)

"""Taking a reply back before it leaves: its mails, its text, and what it changed on the ticket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person
from app.core.db import db
from app.core.errors import Conflict, Forbidden
from app.core.jobs import Job, ring
from app.mail import outbox
from app.tickets import clocks, durations, participants
from app.tickets.attachments import StoredFile
from app.tickets.history_models import TicketEvent
from app.tickets.kept_files import keep
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import (
    Attachment,
    Comment,
    Participant,
    ReplyDraft,
    ReplyUndo,
    SlaClock,
    Ticket,
)
from app.tickets.timeline import record
from app.tickets.words import AuthorKind, EventKind, Status, Target, Visibility

TIMES = ("first_response_at", "resolved_at", "closed_at", "finished_at")
# What came after a reply and stands in the way of putting the whole ticket back.
IN_THE_WAY = (
    EventKind.STATUS,
    EventKind.PRIORITY,
    EventKind.ASSIGNED,
    EventKind.GROUP,
    EventKind.CATEGORY,
    EventKind.DUE,
    EventKind.COMMENT,
    EventKind.SLA_STARTED,
    EventKind.SLA_WARNED,
    EventKind.SLA_BREACHED,
    EventKind.ESCALATED,
    EventKind.DELETED,
    EventKind.RESTORED,
)


class TooLate(Conflict):
    """The reply is on its way, or was taken back already."""


def state_of(ticket: Ticket) -> dict[str, Any]:
    """What a reply may change, as JSON."""
    return {
        "status": ticket.status.value,
        "assignee_id": ticket.assignee_id,
        "preview": ticket.preview,
        **{name: _text(getattr(ticket, name)) for name in TIMES},
        "clocks": {str(clock.id): clocks.state_of(clock) for clock in ticket.clocks},
    }


def allow(comment: Comment, ticket: Ticket, before: dict[str, Any], *, until: datetime) -> None:
    """Let *comment* be taken back; *before* is the ticket's `state_of` before it."""
    db.session.add(
        ReplyUndo(comment_id=comment.id, before=before, version=ticket.version, until=until)
    )


def take_back(ticket: Ticket, comment_id: int, *, by: Person, now: datetime) -> None:
    """Cancel the reply's mails and undo the reply; its text and files become a draft.

    A ticket that nobody else has touched since is put back as it was, clocks included. Else its
    status stays, and only the response that was not given is awaited again.

    Raises:
        TooLate: one of its mails has left or is leaving, or nothing is there any more.
        Forbidden: somebody else wrote it.
    """
    comment = db.session.get(Comment, comment_id)
    if comment is None or comment.ticket_id != ticket.id:
        raise TooLate("This reply was taken back already.")
    if comment.author_id != by.id:
        raise Forbidden("Only whoever wrote a reply can take it back.")
    undo = db.session.get(ReplyUndo, comment_id)
    if undo is None or now >= undo.until:
        raise TooLate("This reply has left already, it cannot be taken back.")
    message_ids = outbox.take_back(ticket.id, comment.id)
    if message_ids is None:
        raise TooLate("This reply is on its way already, it cannot be taken back.")
    mine = TicketMessageId.message_id.in_(message_ids), TicketMessageId.ticket_id == ticket.id
    db.session.execute(sa.delete(TicketMessageId).where(*mine))
    _keep_draft(ticket, comment, by=by, now=now)
    record(ticket, EventKind.TAKEN_BACK, by=by, now=now)
    _uninvite(ticket, comment, by=by, now=now)
    touched = (
        TicketEvent.ticket_id == ticket.id,
        TicketEvent.version > undo.version,
        TicketEvent.kind.in_(IN_THE_WAY),
    )
    if db.session.scalar(sa.select(TicketEvent.id).where(*touched).limit(1)) is None:
        _put_back(ticket, undo.before, by=by, now=now)
    else:
        _await_again(ticket, comment, undo.before, now=now)
    db.session.delete(undo)
    db.session.flush()
    db.session.delete(comment)
    db.session.flush()
    ring(Job.HAND_OUT)  # it may be waiting for somebody again


def drop_draft(ticket: Ticket, *, by: Person) -> None:
    """The composer was sent: what stood in it is nobody's draft any more."""
    mine = ReplyDraft.ticket_id == ticket.id, ReplyDraft.person_id == by.id
    db.session.execute(sa.delete(ReplyDraft).where(*mine))


def forget_old(now: datetime) -> None:
    """Drop what can be taken back no more."""
    db.session.execute(sa.delete(ReplyUndo).where(ReplyUndo.until <= now))


def _keep_draft(ticket: Ticket, comment: Comment, *, by: Person, now: datetime) -> None:
    mine = sa.select(Attachment).where(Attachment.comment_id == comment.id)
    files = [
        keep(StoredFile(file.sha256, file.filename, file.content_type, file.size)).token
        for file in db.session.scalars(mine.order_by(Attachment.id))
    ]
    draft = ReplyDraft(
        ticket_id=ticket.id, person_id=by.id, body=comment.body, files=files, saved_at=now
    )
    db.session.merge(draft)


def _uninvite(ticket: Ticket, comment: Comment, *, by: Person, now: datetime) -> None:
    """Who was to join with this reply does not: a wrong address is why replies are taken back."""
    joined = sa.select(Participant.person_id).where(
        Participant.ticket_id == ticket.id, Participant.created_at == comment.created_at
    )
    for person_id in db.session.scalars(joined).all():
        participants.remove(ticket, person_id, by=by, now=now)


def _put_back(ticket: Ticket, before: dict[str, Any], *, by: Person, now: datetime) -> None:
    """The ticket as it was before the reply; the history says what changed back."""
    status, assignee_id = Status(before["status"]), before["assignee_id"]
    if ticket.status is not status:
        old, new = ticket.status.label, status.label
        record(ticket, EventKind.STATUS, by=by, now=now, field="status", old=old, new=new)
        ticket.status = status
    if ticket.assignee_id != assignee_id:
        assignee = db.session.get(Person, assignee_id) if assignee_id else None
        record(
            ticket,
            EventKind.ASSIGNED,
            by=by,
            now=now,
            field="assignee",
            old=ticket.assignee.display_name if ticket.assignee else None,
            new=assignee.display_name if assignee else None,
            details={"from_id": ticket.assignee_id, "to_id": assignee_id},
        )
        ticket.assignee, ticket.assignee_id = assignee, assignee_id
    ticket.preview = before["preview"]
    for name in TIMES:
        setattr(ticket, name, _time(before[name]))
    durations.answered(ticket)
    if ticket.finished_at is None:
        ticket.resolution_seconds = ticket.resolution_business_seconds = None
    for clock in list(ticket.clocks):
        clocks.put_back(clock, before["clocks"][str(clock.id)])
    clocks.follow(ticket)


def _await_again(
    ticket: Ticket, comment: Comment, before: dict[str, Any], *, now: datetime
) -> None:
    """The reply was no answer; what else happened since stands."""
    answers = sa.select(sa.func.min(Comment.created_at)).where(
        Comment.ticket_id == ticket.id,
        Comment.id > comment.id,
        Comment.author_kind == AuthorKind.AGENT,
        Comment.visibility == Visibility.PUBLIC,
    )
    answered_at = db.session.scalar(answers)
    ticket.first_response_at = _time(before["first_response_at"]) or answered_at
    durations.answered(ticket)
    if answered_at is None and ticket.is_active:
        was_on = {int(key) for key, state in before["clocks"].items() if not state["stopped_at"]}
        again = [clock for clock in ticket.clocks if clock.id in was_on]
        _drop_new_cycle(ticket, again, since=comment.created_at)
        clocks.unanswered(ticket, again, now=now)
    newest = sa.select(Comment).where(Comment.ticket_id == ticket.id, Comment.id > comment.id)
    if db.session.scalar(newest.limit(1)) is None:
        ticket.preview = before["preview"]


def _drop_new_cycle(ticket: Ticket, again: list[SlaClock], *, since: datetime) -> None:
    """A customer's comment since has started a wait of its own, beside the one that goes on."""
    if not any(clock.target in clocks.RESPONSES for clock in again):
        return
    for clock in list(ticket.clocks):
        if clock.target is Target.NEXT_RESPONSE and clock.started_at >= since:
            ticket.clocks.remove(clock)
            db.session.delete(clock)


def _text(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None

"""What moves from one ticket to another when they are merged, and back when that is undone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.core.db import db
from app.mail.models import OutboundEmail
from app.tickets.mail_models import HeldEmail
from app.tickets.merge_models import TicketMerge, below
from app.tickets.models import Attachment, Comment, Participant, ReplyDraft, Ticket
from app.tickets.properties import MOST_TAGS
from app.tickets.words import AuthorKind, HeldState, ParticipantKind, Visibility

_quietly = {"synchronize_session": False}


@contextmanager
def out_of_the_index(*tickets: Ticket) -> Iterator[None]:
    """Index both conversations once in place of once for each comment that moves.

    The full-text index knows no deleted tickets; nobody outside this transaction sees these two
    gone.
    """
    db.session.flush()
    ids = [ticket.id for ticket in tickets]
    both = sa.update(Ticket).where(Ticket.id.in_(ids))
    hidden = both.values(deleted_at=tickets[0].created_at)
    db.session.execute(hidden, execution_options=_quietly)
    yield
    db.session.flush()
    db.session.execute(both.values(deleted_at=None), execution_options=_quietly)


def move_description(merged: Ticket, survivor: Ticket) -> Comment:
    """The merged ticket's first message, as a comment of its requester at its time."""
    comment = Comment(
        ticket_id=survivor.id,
        author_id=merged.requester_id,
        author_kind=AuthorKind.REQUESTER,
        visibility=Visibility.PUBLIC,
        body=merged.description,
        body_html=merged.description_html,
        quoted=merged.description_quoted,
        source=merged.source,
        sender_check=merged.sender_check,
        origin_ticket_id=merged.id,
        # Before the automatic answer, which was made at the same moment.
        created_at=merged.created_at - timedelta(microseconds=1),
    )
    db.session.add(comment)
    db.session.flush()
    its_files = Attachment.ticket_id == merged.id, Attachment.comment_id.is_(None)
    db.session.execute(
        sa.update(Attachment)
        .where(*its_files)
        .values(ticket_id=survivor.id, comment_id=comment.id),
        execution_options=_quietly,
    )
    return comment


def move_comments(merged_id: int, *, to: int) -> None:
    """All comments with their files; those that came from elsewhere before remember that."""
    _expire_comments()
    for model, values in (
        (Attachment, {}),
        (Comment, {"origin_ticket_id": sa.func.coalesce(Comment.origin_ticket_id, merged_id)}),
    ):
        move = sa.update(model).where(model.ticket_id == merged_id)
        db.session.execute(move.values(ticket_id=to, **values), execution_options=_quietly)


def move_mails(to: int, *, of: sa.ColumnElement[bool]) -> None:
    """Let mails that were sent, or wait or failed, show on another ticket's page."""
    mails = sa.update(OutboundEmail).where(of).values(ticket_id=to)
    db.session.execute(mails, execution_options=_quietly)


def move_drafts(merged_id: int, *, to: int) -> None:
    """What somebody was writing there is below what they were writing here."""
    for draft in db.session.scalars(sa.select(ReplyDraft).where(ReplyDraft.ticket_id == merged_id)):
        here = db.session.get(ReplyDraft, (to, draft.person_id))
        body, files = draft.body, list(draft.files)
        if here is not None:
            body, files = f"{here.body}\n\n{body}", [*here.files, *files]
        moved = ReplyDraft(
            ticket_id=to,
            person_id=draft.person_id,
            body=body,
            files=files,
            saved_at=draft.saved_at,
        )
        db.session.merge(moved)
        db.session.delete(draft)
    db.session.flush()


def take_back_comments(done: TicketMerge, people: Sequence[int]) -> None:
    """What came with the merged ticket, and what its own people have said on the survivor since."""
    merged_id, survivor_id = done.ticket_id, done.survivor_id
    _expire_comments()
    here = Comment.ticket_id == survivor_id
    theirs = sa.and_(
        Comment.origin_ticket_id.is_(None),
        Comment.author_id.in_(people),
        Comment.created_at >= done.merged_at,
    )
    came = Comment.origin_ticket_id.in_([merged_id, *merged_into(merged_id)])
    if done.comment_id is not None:
        files = sa.update(Attachment).where(Attachment.comment_id == done.comment_id)
        files = files.values(ticket_id=merged_id, comment_id=None)
        db.session.execute(files, execution_options=_quietly)
        gone = sa.delete(Comment).where(Comment.id == done.comment_id)
        db.session.execute(gone, execution_options=_quietly)
        done.comment_id = None
    ids = sa.select(Comment.id).where(here, sa.or_(came, theirs))
    files = sa.update(Attachment).where(Attachment.comment_id.in_(ids))
    db.session.execute(files.values(ticket_id=merged_id), execution_options=_quietly)
    origin = sa.case(
        (Comment.origin_ticket_id == merged_id, sa.null()), else_=Comment.origin_ticket_id
    )
    back = sa.update(Comment).where(here, sa.or_(came, theirs))
    back = back.values(ticket_id=merged_id, origin_ticket_id=origin)
    db.session.execute(back, execution_options=_quietly)


def _expire_comments() -> None:
    """What the session holds of them is about to be changed behind its back."""
    db.session.flush()
    for row in db.session:
        if isinstance(row, (Comment, Attachment, HeldEmail)):
            db.session.expire(row)


def bring_people(
    merged: Ticket, survivor: Ticket, ids: Sequence[int], *, now: datetime
) -> list[int]:
    """Let the merged ticket's people take part in the survivor: its requester as a follower."""
    its = sa.select(Participant).where(Participant.ticket_id == merged.id)
    kinds = {row.person_id: row.kind for row in db.session.scalars(its)}
    for person_id in ids:
        kind = kinds.get(person_id, ParticipantKind.FOLLOWER)
        db.session.add(
            Participant(ticket_id=survivor.id, person_id=person_id, kind=kind, created_at=now)
        )
    db.session.flush()
    return list(ids)


def take_back_people(survivor: Ticket, people: Sequence[int]) -> None:
    """Who has become the requester meanwhile takes part as such."""
    gone = sa.delete(Participant).where(
        Participant.ticket_id == survivor.id, Participant.person_id.in_(people)
    )
    db.session.execute(gone)


def bring_tags(merged: Ticket, survivor: Ticket) -> list[int]:
    has = {tag.id for tag in survivor.tags}
    new = [tag for tag in merged.tags if tag.id not in has][: max(0, MOST_TAGS - len(has))]
    survivor.tags = [*survivor.tags, *new]
    return [tag.id for tag in new]


def bring_held(merged_id: int, *, to: int) -> list[int]:
    waiting = sa.select(HeldEmail.id).where(
        HeldEmail.ticket_id == merged_id, HeldEmail.state == HeldState.WAITING
    )
    ids = list(db.session.scalars(waiting))
    move_held(ids, of=merged_id, to=to)
    return ids


def move_held(ids: Sequence[int], *, of: int, to: int) -> None:
    """Those that still wait; what was decided stays where it was decided."""
    move = sa.update(HeldEmail).where(
        HeldEmail.id.in_(ids), HeldEmail.ticket_id == of, HeldEmail.state == HeldState.WAITING
    )
    db.session.execute(move.values(ticket_id=to), execution_options=_quietly)


def merged_into(ticket_id: int) -> list[int]:
    """Ids of the tickets that were merged into this one, into those, and so on, and still are."""
    return below(TicketMerge.ticket_id, ticket_id)


def point(ids: Sequence[int], *, to: int) -> None:
    """Let tickets that were merged before lead to their survivor of now."""
    db.session.execute(sa.update(Ticket).where(Ticket.id.in_(ids)).values(merged_into_id=to))

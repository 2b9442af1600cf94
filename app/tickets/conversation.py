"""What is said on a ticket: agents' replies and notes, customers' comments."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from app.accounts.models import Person
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.tickets import (
    attachments,
    clocks,
    holding,
    lifecycle,
    notifications,
    participants,
    undoing,
)
from app.tickets.attachments import StoredFile
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.notifications import Recipient
from app.tickets.timeline import record
from app.tickets.words import AuthorKind, EventKind, ParticipantKind, Source, Status, Visibility

LONGEST = 50_000
DOUBLE_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who gets a reply, beside those whom it would go to anyway.

    Attributes:
        seen: whom its writer was shown as recipients; None: nobody was shown.
        left_out: of these, who does not get it this time.
        cc: mail addresses of people who get it too, and take part from now on.
        read: id of the newest comment that its writer had before them; None: not known.
    """

    seen: Collection[int] | None = None
    left_out: Collection[int] = ()
    cc: Sequence[str] = ()
    read: int | None = None


EVERYBODY = Audience()


def reply(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    now: datetime,
    visibility: Visibility = Visibility.PUBLIC,
    then: str = "keep",
    files: Sequence[StoredFile] = (),
    source: Source = Source.WEB,
    undo_until: datetime | None = None,
    audience: Audience = EVERYBODY,
) -> Comment:
    """An agent's public reply, or internal note.

    A public reply takes an unassigned ticket, starts a new or open one (unless *then* says
    otherwise), answers the customer's clocks and is mailed to requester and participants.

    Args:
        then: ``keep``, ``pending`` (Send and wait) or ``resolved`` (Send and resolve).
        undo_until: until when a public reply can be taken back; its mails and the customer wait.
        audience: who of requester and participants gets the mail, and who joins them.
    Raises:
        Conflict: a closed or cancelled ticket is reopened first; or somebody would get the reply
            whom its writer was not shown, or has written what its writer has not read.
        Invalid: empty or too long, for nobody, or a wrong address.
    """
    if visibility is Visibility.INTERNAL:
        return _note(ticket, body, by=by, now=now, files=files, source=source)
    if ticket.status in (Status.CLOSED, Status.CANCELLED):
        raise Conflict(
            f"This ticket is {ticket.status.label.lower()}. Reopen it first, then reply; "
            "an internal note is possible at any time."
        )
    before = undoing.state_of(ticket) if undo_until is not None else {}
    _refuse_unread(ticket, audience.read, by=by)
    to = _recipients(ticket, audience, by=by, now=now)
    if ticket.assignee_id is None:
        holding.give(ticket, by, by=by, now=now)
    comment = _add(
        ticket,
        body,
        by=by,
        kind=AuthorKind.AGENT,
        visibility=Visibility.PUBLIC,
        now=now,
        files=files,
        source=source,
        undo_until=undo_until,
    )
    comment.sent_to = participants.in_words([person.name or person.address for person in to])
    details = {"comment": comment.id}
    record(ticket, EventKind.COMMENT, by=by, now=now, details=details, outside_at=undo_until)
    lifecycle.tell_ended(ticket, clocks.answered(ticket, now=now), now=now)
    notifications.agent_replied(ticket, comment, to=to, files=files, now=now)
    _move_on(ticket, then, by=by, now=now)
    if undo_until is not None:
        undoing.allow(comment, ticket, before, until=undo_until)
    return comment


def _note(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    now: datetime,
    files: Sequence[StoredFile],
    source: Source,
) -> Comment:
    """For agents alone: answers nobody, moves nothing on."""
    comment = _add(
        ticket,
        body,
        by=by,
        kind=AuthorKind.AGENT,
        visibility=Visibility.INTERNAL,
        now=now,
        files=files,
        source=source,
    )
    record(ticket, EventKind.NOTE, by=by, now=now, details={"comment": comment.id})
    return comment


def _refuse_unread(ticket: Ticket, read: int | None, *, by: Person) -> None:
    """Let nobody answer past what was said publicly since they looked; one statement."""
    if read is None:
        return
    newer = (
        sa.select(Comment)
        .where(
            Comment.ticket_id == ticket.id,
            Comment.id > read,
            Comment.visibility == Visibility.PUBLIC,
            Comment.is_automatic.is_(False),
            Comment.author_id != by.id,
        )
        .order_by(Comment.id.desc())
        .limit(1)
    )
    comment = db.session.scalar(newer)
    if comment is not None:
        who = comment.author.display_name if comment.author else "Somebody"
        raise Conflict(f"{who} wrote meanwhile. Read it above, then send yours once more.")


def _recipients(
    ticket: Ticket, audience: Audience, *, by: Person, now: datetime
) -> list[Recipient]:
    """Who gets a reply of *by*; whoever is cc'd takes part from then on."""
    seen = None if audience.seen is None else set(audience.seen)
    for address in audience.cc:
        person = participants.add(ticket, address, by=by, now=now, kind=ParticipantKind.CC)
        if seen is not None:
            seen.add(person.id)
    found = notifications.readers(ticket, author_id=by.id)
    new = participants.missing((person.id for person in found), seen)
    if new:
        names = ", ".join(person.name or person.address for person in found if person.id in new)
        raise Conflict(
            f"{names} joined the conversation meanwhile. Look at who gets the reply, "
            "and send it once more."
        )
    to = [person for person in found if person.id not in audience.left_out]
    if found and not to:
        raise Invalid("Choose somebody who gets it, or make it a note.")
    return to


def said_before(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    now: datetime,
    visibility: Visibility = Visibility.PUBLIC,
    files: Sequence[StoredFile] = (),
) -> Comment | None:
    """The newest comment of the locked *ticket*, if it is this very one and was made just now.

    For forms: a double click sends them twice. At most two statements.
    """
    newest = sa.select(Comment).where(Comment.ticket_id == ticket.id)
    comment = db.session.scalar(
        newest.order_by(Comment.created_at.desc(), Comment.id.desc()).limit(1)
    )
    if comment is None or now - comment.created_at > DOUBLE_WITHIN:
        return None
    said = (comment.author_id, comment.visibility, comment.body)
    if said != (by.id, visibility, body.strip()):
        return None
    kept = sa.select(Attachment.sha256).where(Attachment.comment_id == comment.id)
    if sorted(db.session.scalars(kept)) != sorted(file.sha256 for file in files):
        return None
    return comment


def _move_on(ticket: Ticket, then: str, *, by: Person, now: datetime) -> None:
    """The status after a public reply."""
    if then == "keep":
        if ticket.status in (Status.NEW, Status.OPEN):
            lifecycle.change_status(ticket, Status.IN_PROGRESS, by=by, now=now)
        return
    try:
        wanted = {"pending": Status.PENDING, "resolved": Status.RESOLVED}[then]
    except KeyError:
        raise Invalid("Choose how to go on.", {"then": "keep, pending or resolved"}) from None
    if ticket.status is not wanted:
        lifecycle.change_status(ticket, wanted, by=by, now=now)


def customer_comment(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    now: datetime,
    files: Sequence[StoredFile] = (),
    source: Source = Source.WEB,
    body_html: str | None = None,
    quoted: str = "",
    inbound_email_id: int | None = None,
    is_automatic: bool = False,
    is_quiet: bool = False,
) -> Comment:
    """A comment by requester or participant. A waiting, resolved or closed ticket opens.

    An automatic one (out of office) is kept folded, changes no status and starts no clock; a quiet
    one (a mere thank-you) stands open and does as little. What is
    too late for a closed ticket is `channels.answers`' to know.
    """
    comment = _add(
        ticket,
        body,
        by=by,
        kind=AuthorKind.REQUESTER,
        visibility=Visibility.PUBLIC,
        now=now,
        files=files,
        source=source,
        body_html=body_html,
        quoted=quoted,
        inbound_email_id=inbound_email_id,
        is_automatic=is_automatic,
    )
    comment.is_quiet = is_quiet
    how = {"automatic": True} if is_automatic else {"quiet": True} if is_quiet else {}
    record(ticket, EventKind.COMMENT, by=by, now=now, details={"comment": comment.id, **how})
    if is_automatic or is_quiet:
        return comment
    if ticket.status in (Status.PENDING, Status.RESOLVED, Status.CLOSED):
        lifecycle.change_status(ticket, Status.OPEN, by=by, now=now)
    clocks.customer_wrote(ticket, now=now)
    notifications.customer_replied(ticket, comment, now=now)
    return comment


def _add(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    kind: AuthorKind,
    visibility: Visibility,
    now: datetime,
    files: Sequence[StoredFile],
    source: Source,
    body_html: str | None = None,
    quoted: str = "",
    inbound_email_id: int | None = None,
    is_automatic: bool = False,
    undo_until: datetime | None = None,
) -> Comment:
    body = body.strip()
    if not body and not files and not body_html and not quoted:
        raise Invalid("Write something first.", {"body": "Write something first."})
    if len(body) > LONGEST and source is not Source.EMAIL:
        message = f"At most {LONGEST:,} characters; put the rest into a file."
        raise Invalid(message, {"body": message})
    comment = Comment(
        ticket_id=ticket.id,
        author=by,
        author_kind=kind,
        visibility=visibility,
        body=body,
        body_html=body_html,
        quoted=quoted,
        inbound_email_id=inbound_email_id,
        is_automatic=is_automatic,
        source=source,
        created_at=now,
        undo_until=undo_until,
    )
    db.session.add(comment)
    db.session.flush()
    rows = attachments.rows(
        files, ticket_id=ticket.id, comment_id=comment.id, uploader_id=by.id, now=now
    )
    if rows:
        db.session.execute(sa.insert(Attachment), rows)
    if not is_automatic:
        ticket.preview = preview_line(by.display_name, body)
    return comment


def preview_line(name: str, text: str) -> str:
    """ "Johanna: The panel shows E-41" for the queue, at most 200 characters."""
    first = name.split(" ")[0][:40]
    line = " ".join(text[:400].split())
    return f"{first}: {line}"[:200]

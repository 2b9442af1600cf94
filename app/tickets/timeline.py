"""The history of a ticket: writing its lines, and telling them in words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person
from app.core.db import db
from app.core.errors import Conflict
from app.core.statements import Read
from app.integrations import announcing
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import AssignmentMethod, EventKind
from app.web import words


@dataclass(frozen=True, slots=True)
class System:
    """The desk itself, or a rule, as the one who acts (``id``: a person's, in plain inserts)."""

    name: str = "Deskhand"
    id: int | None = None


By = Person | System


class StaleChange(Conflict):
    """Somebody else has changed the same field since the form was made."""

    def __init__(self, event: TicketEvent, chosen: str) -> None:
        field = FIELD_NAMES.get(event.field, event.field)
        who = event.actor_name or "Deskhand"
        now = event.to_value or "nothing"
        super().__init__(
            f"{who} changed the {field} meanwhile. "
            f"It is {now} now, you chose {chosen or 'nothing'}."
        )
        self.field, self.current, self.chosen = event.field, now, chosen


FIELD_NAMES = {"assignee": "assignee", "custom_field": "field", "due_at": "due time"}


def record(
    ticket: Ticket,
    kind: EventKind,
    *,
    by: By,
    now: datetime,
    field: str = "",
    old: str | None = None,
    new: str | None = None,
    details: dict[str, Any] | None = None,
    outside_at: datetime | None = None,
) -> TicketEvent:
    """Add a line; the ticket's version grows and it counts as changed *now*.

    Args:
        field: the changed field's name, by which stale forms are told.
        old: value before, new: value after, both in words.
        outside_at: before which no webhook is told, since it can be taken back.
    """
    ticket.version += 1
    ticket.updated_at = now
    columns = row(
        ticket.id,
        kind,
        by=by,
        now=now,
        field=field,
        old=old,
        new=new,
        version=ticket.version,
        details=details,
    )
    event = TicketEvent(**columns)
    db.session.add(event)
    announcing.announce(ticket.id, [columns], not_before=outside_at)
    return event


def row(
    ticket_id: int,
    kind: EventKind,
    *,
    by: By,
    now: datetime,
    version: int,
    field: str = "",
    old: str | None = None,
    new: str | None = None,
    details: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Columns of a `TicketEvent`, for plain inserts."""
    return {
        "ticket_id": ticket_id,
        "kind": kind,
        "actor_id": by.id,
        "actor_name": by.name,
        "field": field,
        "from_value": old,
        "to_value": new,
        "details": details or {},
        "version": version,
        "created_at": now,
    }


def refuse_stale(ticket: Ticket, field: str, *, version: int | None, chosen: str) -> None:
    """Let a form of an older *version* through unless *field* itself has changed since.

    Raises:
        StaleChange: with both values in words.
        Conflict: a version that the ticket has not reached: it says nothing of what was seen.
    """
    if version is not None and version > ticket.version:
        raise Conflict("The ticket has no such version. Reload it to see how it stands now.")
    if version is None or version == ticket.version:
        return
    later = (
        sa.select(TicketEvent)
        .where(
            TicketEvent.ticket_id == ticket.id,
            TicketEvent.version > version,
            TicketEvent.field == field,
        )
        .order_by(TicketEvent.id.desc())
        .limit(1)
    )
    event = db.session.scalar(later)
    if event is not None and (event.to_value or "") != chosen:
        raise StaleChange(event, chosen)


METHODS = {
    AssignmentMethod.SPECIFIC_AGENT: "by rule",
    AssignmentMethod.GROUP: "from the group",
    AssignmentMethod.SKILL_BASED: "by skill",
    AssignmentMethod.LEAST_BUSY: "as the least busy",
    AssignmentMethod.ROUND_ROBIN: "by turn",
}


@dataclass(slots=True)
class Line:
    """A line of history as pages read it."""

    id: int
    kind: EventKind
    actor_name: str
    field: str
    from_value: str | None
    to_value: str | None
    details: dict[str, Any]
    created_at: datetime


_NEWEST = (
    sa.select(
        TicketEvent.id,
        TicketEvent.kind,
        TicketEvent.actor_name,
        TicketEvent.field,
        TicketEvent.from_value,
        TicketEvent.to_value,
        TicketEvent.details,
        TicketEvent.created_at,
    )
    .where(TicketEvent.ticket_id == sa.bindparam("ticket_id"))
    .order_by(TicketEvent.id.desc())
    .limit(sa.bindparam("most"))
)
_LINES = Read(_NEWEST, Line)
_LINES_BEFORE = Read(_NEWEST.where(TicketEvent.id < sa.bindparam("before")), Line)


def lines(ticket_id: int, *, most: int, before: int | None = None) -> list[Line]:
    """The newest lines of a ticket's history (before the one of an id), newest first."""
    if before is None:
        return _LINES.all(ticket_id=ticket_id, most=most)
    return _LINES_BEFORE.all(ticket_id=ticket_id, most=most, before=before)


def describe(event: TicketEvent | Line, zone: tzinfo = UTC) -> str:
    """One line of history in words, without the time; times in it are told in *zone*."""
    who = event.actor_name or "Deskhand"
    old, new = event.from_value, event.to_value
    match event.kind:
        case EventKind.CREATED:
            return f"{who} opened the ticket {event.details.get('how', '')}".rstrip()
        case EventKind.ASSIGNED:
            return _assigned(event, who)
        case EventKind.GROUP:
            return f"{who} moved it to {new}" if new else f"{who} took it out of {old}"
        case EventKind.TAGS:
            return f"{who} changed the tags from {old or 'none'} to {new or 'none'}"
        case EventKind.SUBJECT:
            return f"{who} changed the subject from “{old}” to “{new}”"
        case EventKind.CUSTOM_FIELD:
            return f"{who} set {event.details.get('label', 'a field')} to {new or 'nothing'}"
        case EventKind.MACRO:
            return f"{who} used the macro “{new}”"
        case EventKind.COMMENT:
            return f"{who} replied"
        case EventKind.TAKEN_BACK:
            return f"{who} took a reply back before it left"
        case EventKind.NOTE:
            return f"{who} added an internal note"
        case EventKind.STATUS | EventKind.PRIORITY | EventKind.CATEGORY:
            return f"{who} changed the {event.kind} from {old or 'none'} to {new or 'none'}"
        case EventKind.DUE:
            was, is_now = _moment(old, zone), _moment(new, zone)
            return f"{who} changed the due time from {was} to {is_now}"
        case _:
            return new or _PLAIN[event.kind].format(who=who)


def _moment(stored: str | None, zone: tzinfo) -> str:
    return words.exact(datetime.fromisoformat(stored), zone) if stored else "none"


def _assigned(event: TicketEvent | Line, who: str) -> str:
    if event.to_value is None:
        return f"{who} took it from {event.from_value}"
    method = event.details.get("method", AssignmentMethod.MANUAL)
    if method == AssignmentMethod.MANUAL:
        return (
            f"{who} took it" if event.to_value == who else f"{who} assigned it to {event.to_value}"
        )
    return f"Assigned to {event.to_value} {METHODS[AssignmentMethod(method)]}"


_PLAIN = {
    EventKind.AUTO_RESPONSE: "An automatic answer was sent",
    EventKind.MAIL_HELD: "A mail from someone new is held",
    EventKind.MAIL_DECIDED: "{who} decided about a held mail",
    EventKind.MAIL_BOUNCED: "A mail came back",
    EventKind.MAIL_FLOOD: "Too many mails came",
    EventKind.MAIL_RETRIED: "{who} decided about a mail that did not arrive",
    EventKind.ADDRESS_CLEARED: "{who} cleared an address",
    EventKind.REQUESTER: "{who} changed the requester",
    EventKind.SPAM: "{who} marked it as spam",
    EventKind.PARTICIPANT: "{who} added somebody to the conversation",
    EventKind.FOLLOW_UP: "A follow-up was opened",
    EventKind.SLA_STARTED: "A clock was started",
    EventKind.SLA_MET: "A target was met",
    EventKind.SLA_WARNED: "A target is near",
    EventKind.SLA_BREACHED: "A target was missed",
    EventKind.ESCALATED: "Escalated",
    EventKind.UNASSIGNABLE: "Nobody could take it",
    EventKind.DELETED: "{who} deleted the ticket",
    EventKind.RESTORED: "{who} restored the ticket",
    EventKind.CHAT_SEEN: "The answer was seen in the chat window, so it is not mailed",
}

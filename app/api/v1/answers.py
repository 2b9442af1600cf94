"""Tickets, comments and history as JSON. Plain dicts: lists of a hundred tickets stay quick."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import current_app

from app.accounts import directory
from app.accounts.models import MAIN_ADDRESS, Person
from app.core.db import db
from app.core.statements import Read
from app.search.lists import Columns, tags_of
from app.sla import queries
from app.sla.business_time import CalendarError, WorkingHours, add_business_time
from app.tickets import catalog, clocks, timeline
from app.tickets.history_models import TicketEvent
from app.tickets.models import Attachment, Comment, SlaClock, Ticket
from app.tickets.queries import SHOWN_TO_CUSTOMERS
from app.tickets.words import ClockState

Files = dict[int | None, list[dict[str, Any]]]

TICKET = Columns(
    (
        Ticket.id,
        Ticket.number,
        Ticket.external_id,
        Ticket.subject,
        Ticket.description,
        Ticket.status,
        Ticket.priority,
        Ticket.category_id,
        Ticket.subcategory_id,
        Ticket.requester_id,
        Ticket.assignee_id,
        Ticket.group_id,
        Ticket.source,
        Ticket.channel,
        Ticket.custom_fields,
        Ticket.due_at,
        Ticket.first_response_at,
        Ticket.resolved_at,
        Ticket.closed_at,
        Ticket.created_at,
        Ticket.updated_at,
        Ticket.version,
        Person.name.label("requester_name"),
        sa.func.coalesce(MAIN_ADDRESS, "").label("requester_email"),
    ),
    sa.outerjoin(Ticket, Person, Person.id == Ticket.requester_id),
)
_ONE: Read[Any] = Read(
    sa.select(*TICKET.columns).select_from(TICKET.source).where(Ticket.id == sa.bindparam("id"))
)
_SAID = (
    sa.select(Comment.ticket_id, sa.func.max(Comment.created_at).label("at"))
    .where(Comment.ticket_id.in_(sa.bindparam("ids", expanding=True)), SHOWN_TO_CUSTOMERS)
    .group_by(Comment.ticket_id)
)
_ONLY = sa.bindparam("only", type_=sa.Integer)
_COMMENTS = (
    sa.select(
        Comment.id,
        Comment.author_id,
        Comment.author_kind,
        Comment.body,
        Comment.visibility,
        Comment.created_at,
        Person.name,
        sa.func.coalesce(MAIN_ADDRESS, "").label("email"),
    )
    .outerjoin(Person, Person.id == Comment.author_id)
    .where(
        Comment.ticket_id == sa.bindparam("ticket_id"),
        sa.or_(_ONLY.is_(None), Comment.id == _ONLY),
    )
    .order_by(Comment.created_at, Comment.id)
)
_FOR_AGENTS: Read[Any] = Read(_COMMENTS)
_FOR_CUSTOMERS: Read[Any] = Read(_COMMENTS.where(SHOWN_TO_CUSTOMERS))
_FILES: Read[Any] = Read(
    sa.select(
        Attachment.comment_id,
        Attachment.id,
        Attachment.filename,
        Attachment.content_type,
        Attachment.size,
        Ticket.number,
    )
    .join(Ticket, Ticket.id == Attachment.ticket_id)
    .where(Attachment.ticket_id == sa.bindparam("ticket_id"))
    .order_by(Attachment.id)
)
_CLOCKS: Read[Any] = Read(
    sa.select(*SlaClock.__table__.columns)
    .where(SlaClock.ticket_id == sa.bindparam("ticket_id"))
    .order_by(SlaClock.id)
)


def tickets(rows: Sequence[sa.Row[Any]], viewer: Person) -> list[dict[str, Any]]:
    """Rows of `TICKET` as JSON; one statement: for the tags, or what a customer knows of."""
    ids = [row.id for row in rows]
    if not viewer.is_agent:
        said = {row.ticket_id: row.at for row in db.session.execute(_SAID, {"ids": ids})}
        return [each | _known(row, said.get(row.id)) for row, each in _each(rows, viewer)]
    tags = tags_of(ids)
    groups = directory.groups()
    return [
        each | _internal(row, groups.get(row.group_id), tags.get(row.id, []))
        for row, each in _each(rows, viewer)
    ]


def detail(ticket_id: int, viewer: Person, *, now: datetime) -> dict[str, Any]:
    """One ticket with comments and clocks."""
    found = tickets(_ONE.all(id=ticket_id), viewer)[0]
    files = _files(ticket_id)
    found["attachments"] = files.get(None, [])
    found["comments"] = comments(ticket_id, viewer, files=files)
    if viewer.is_agent:
        found["sla"] = [_clock(row, now) for row in _CLOCKS.all(ticket_id=ticket_id)]
    return found


def comments(
    ticket_id: int, viewer: Person, comment_id: int | None = None, files: Files | None = None
) -> list[dict[str, Any]]:
    """Comments with authors and files, oldest first; a customer's are the public ones."""
    read = _FOR_AGENTS if viewer.is_agent else _FOR_CUSTOMERS
    rows = read.all(ticket_id=ticket_id, only=comment_id)
    files = _files(ticket_id) if files is None else files
    return [
        {
            "id": row.id,
            "author": (
                _person(row.author_id, row.name, row.email, viewer) if row.author_id else None
            ),
            "author_type": row.author_kind.value,
            "body": row.body,
            "visibility": row.visibility.value,
            "attachments": files.get(row.id, []),
            "created_at": row.created_at.isoformat(),
        }
        for row in rows
    ]


def _files(ticket_id: int) -> Files:
    """Files by their comment; None: sent with the description. ``url`` is where a token reads the
    bytes (`app.api.v1.files`).
    """
    base = f"{current_app.extensions['settings'].base_url}/api/v1/tickets"
    found: Files = {}
    for row in _FILES.all(ticket_id=ticket_id):
        file = {
            "id": row.id,
            "filename": row.filename,
            "content_type": row.content_type,
            "size": row.size,
            "url": f"{base}/{row.number}/attachments/{row.id}",
        }
        found.setdefault(row.comment_id, []).append(file)
    return found


def history(ticket_id: int) -> list[dict[str, Any]]:
    """Every line, oldest first."""
    events = db.session.scalars(
        sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket_id).order_by(TicketEvent.id)
    )
    return [
        {
            "id": event.id,
            "kind": event.kind.value,
            "actor": {"id": event.actor_id, "name": event.actor_name},
            "field": event.field,
            "from": event.from_value,
            "to": event.to_value,
            "text": timeline.describe(event),
            "created_at": event.created_at.isoformat(),
        }
        for event in events
    ]


def _each(rows: Sequence[Any], viewer: Person) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Each row with what everybody sees of it."""
    categories, agents = catalog.categories(), directory.agents()
    public = None if viewer.is_agent else {c.key for c in catalog.custom_fields() if c.is_public}
    for row in rows:
        category = categories[row.category_id]
        subs = (sub.key for sub in category.subcategories if sub.id == row.subcategory_id)
        agent = agents.get(row.assignee_id)
        fields = row.custom_fields
        if public is not None:
            fields = {key: value for key, value in fields.items() if key in public}
        yield (
            row,
            {
                "number": row.number,
                "external_id": row.external_id,
                "subject": row.subject,
                "description": row.description,
                "status": row.status.value,
                "priority": row.priority.value,
                "category": category.key,
                "subcategory": next(subs, None),
                "requester": _person(
                    row.requester_id, row.requester_name, row.requester_email, viewer
                ),
                "assignee": _person(agent.id, agent.name, agent.email, viewer) if agent else None,
                "source": row.source.value,
                "custom_fields": fields,
                "due_at": _time(row.due_at),
                "first_response_at": _time(row.first_response_at),
                "resolved_at": _time(row.resolved_at),
                "closed_at": _time(row.closed_at),
                "created_at": row.created_at.isoformat(),
            },
        )


def _internal(row: Any, group: directory.GroupCard | None, tags: list[str]) -> dict[str, Any]:
    return {
        "updated_at": row.updated_at.isoformat(),
        "version": row.version,
        "group": {"id": group.id, "name": group.name} if group else None,
        "channel": row.channel,
        "tags": tags,
    }


def _known(row: Any, said: datetime | None) -> dict[str, Any]:
    """A note moves neither time nor version that customers see: it would tell that there is one."""
    times = (row.created_at, row.resolved_at, row.closed_at, said)
    return {"updated_at": _time(max(then for then in times if then))}


def _person(person_id: int, name: str | None, email: str, viewer: Person) -> dict[str, Any]:
    """A customer sees others by name; only the team sees their addresses."""
    is_shown = viewer.is_agent or person_id == viewer.id
    if not is_shown:  # a card without a name has the address for one
        name, email = "" if name == email else name, ""
    return {"id": person_id, "name": name or "", "email": email}


def _clock(clock: SlaClock, now: datetime) -> dict[str, Any]:
    terms = queries.terms(clock.terms_id)
    return {
        "policy": {"id": terms.policy_id, "name": terms.policy},
        "target": clock.target.value,
        "cycle": clock.cycle,
        "state": clocks.shown_state(clock, now).value,
        "started_at": clock.started_at.isoformat(),
        "due_at": _time(_due(clock, terms.hours)),
        "stopped_at": _time(clock.stopped_at),
        "overdue_seconds": clocks.overdue_seconds(clock, now),
    }


def _due(clock: SlaClock, hours: WorkingHours) -> datetime | None:
    """When it is due; of one that was met, when it would have been."""
    if clock.state is ClockState.MET and clock.stopped_at and clock.left_seconds is not None:
        left = timedelta(seconds=max(0, clock.left_seconds))
        with suppress(CalendarError):  # it lies beyond what a calendar knows
            return add_business_time(clock.stopped_at, left, hours)
    return clock.due_at


def _time(then: datetime | None) -> str | None:
    return then.isoformat() if then else None

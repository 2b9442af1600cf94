"""Events on tickets become deliveries, in the transaction of the event itself.

Where no webhook wants an event nothing is done, and to know that costs no statement.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.core.cache import reference
from app.core.db import db
from app.core.jobs import Job, ring
from app.integrations import signing
from app.integrations.models import DeliveryState, Webhook, WebhookDelivery

GIVE_UP_AFTER = timedelta(days=3)
TEST = "webhook.test"

# What webhooks may ask for, in words. Names as Standard Webhooks has them.
EVENTS = {
    "ticket.created": "A ticket was opened",
    "ticket.status_changed": "Its status changed",
    "ticket.priority_changed": "Its priority changed",
    "ticket.assigned": "An agent got it, or gave it up",
    "ticket.group_changed": "It moved to another group",
    "ticket.updated": "Something else of it changed: subject, category, tags, fields, due time",
    "ticket.merged": "It was merged, or a merge undone",
    "ticket.deleted": "It was deleted",
    "ticket.restored": "It was restored",
    "comment.created": "Somebody replied",
    "note.created": "An internal note was added",
    "sla.warning": "A target is near",
    "sla.breached": "A target was missed",
}
# By the kind of the line of history; the other kinds are told to nobody outside.
BY_KIND = {
    "created": "ticket.created",
    "status": "ticket.status_changed",
    "priority": "ticket.priority_changed",
    "assigned": "ticket.assigned",
    "group": "ticket.group_changed",
    "category": "ticket.updated",
    "subject": "ticket.updated",
    "tags": "ticket.updated",
    "custom_field": "ticket.updated",
    "due": "ticket.updated",
    "requester": "ticket.updated",
    "merged": "ticket.merged",
    "unmerged": "ticket.merged",
    "deleted": "ticket.deleted",
    "restored": "ticket.restored",
    "comment": "comment.created",
    "note": "note.created",
    "sla_warned": "sla.warning",
    "sla_breached": "sla.breached",
}
NOTES = frozenset({"note.created"})  # only for webhooks that may have internal notes
_table: Any = WebhookDelivery.__table__
INSERT = sa.insert(_table)
HOOKS = sa.select(Webhook.id, Webhook.events, Webhook.with_notes).where(Webhook.is_active)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A webhook in use, and which events it wants."""

    id: int
    events: frozenset[str]


def subscribers() -> tuple[Subscriber, ...]:
    """Every webhook in use, kept until one changes."""
    return reference("webhooks", _load)


def _load() -> tuple[Subscriber, ...]:
    return tuple(
        Subscriber(row.id, frozenset(row.events) - (frozenset() if row.with_notes else NOTES))
        for row in db.session.execute(HOOKS.order_by(Webhook.id))
    )


def announce(
    ticket_id: int, lines: Iterable[Mapping[str, Any]], *, not_before: datetime | None = None
) -> None:
    """Put lines of a ticket's history (columns of its events) into the way to who wants them.

    Args:
        not_before: until when the event can be taken back.
    """
    _announce(((ticket_id, line) for line in lines), not_before)


def announce_all(lines: Iterable[Mapping[str, Any]]) -> None:
    """The same for lines of several tickets; one statement at most."""
    _announce(((line["ticket_id"], line) for line in lines), None)


def _announce(lines: Iterable[tuple[int, Mapping[str, Any]]], not_before: datetime | None) -> None:
    hooks = subscribers()
    if not hooks:
        return
    told = [(ticket_id, line, BY_KIND.get(line["kind"])) for ticket_id, line in lines]
    rows = [
        row(hook.id, event, _facts(line), ticket_id, now=line["created_at"], due_at=not_before)
        for ticket_id, line, event in told
        for hook in hooks
        if event in hook.events
    ]
    if rows:
        db.session.connection().execute(INSERT, rows)
        ring(Job.DELIVER_WEBHOOKS)


def row(
    webhook_id: int,
    event: str | None,
    facts: dict[str, Any],
    ticket_id: int | None,
    *,
    now: datetime,
    due_at: datetime | None = None,
    body: str | None = None,
) -> dict[str, Any]:
    """Columns of a `WebhookDelivery`, for plain inserts."""
    return {
        "webhook_id": webhook_id,
        "ticket_id": ticket_id,
        "message_id": signing.make_id(),
        "event": event,
        "facts": facts,
        "body": body,
        "state": DeliveryState.WAITING,
        "created_at": now,
        "due_at": due_at or now,
        "give_up_at": (due_at or now) + GIVE_UP_AFTER,
    }


def _facts(line: Mapping[str, Any]) -> dict[str, Any]:
    """The line as JSON."""
    named = ("actor_id", "actor_name", "field", "from_value", "to_value", "details", "version")
    facts = {name: line[name] for name in named}
    return {**facts, "kind": str(line["kind"]), "created_at": line["created_at"].isoformat()}

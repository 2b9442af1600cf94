"""What webhooks are sent: the event, and the ticket as the API shows it when that is made."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Person, Role
from app.api.v1 import answers
from app.core.db import db
from app.integrations.models import WebhookDelivery
from app.tickets import timeline
from app.tickets.models import Comment, Ticket
from app.tickets.timeline import Line
from app.tickets.words import EventKind, Visibility

LONGEST = 50_000  # characters of a text; a mail may be longer, and is read over the API then
ONE = (
    sa.select(*answers.TICKET.columns)
    .select_from(answers.TICKET.source)
    .where(Ticket.id == sa.bindparam("ticket_id"))
)
TEAM = Person(id=0, name="", role=Role.ADMIN)  # sees all; stands in no database


def make(delivery: WebhookDelivery, with_notes: bool) -> str | None:
    """The body for a delivery; None where its comment was taken back, or is internal.

    Six statements. A note goes only where *with_notes* allows it, whatever was asked for.
    """
    row = db.session.execute(ONE, {"ticket_id": delivery.ticket_id}).one_or_none()
    if row is None:
        return None
    facts, kind = delivery.facts, EventKind(delivery.facts["kind"])
    ticket = answers.tickets([row], TEAM)[0]
    data: dict[str, Any] = {"change": _change(facts, kind), "ticket": _cut(ticket, "description")}
    if kind in (EventKind.COMMENT, EventKind.NOTE):
        comment_id = int(facts["details"].get("comment", 0))
        at = db.session.scalar(sa.select(Comment.ticket_id).where(Comment.id == comment_id))
        # A merge may have moved it to another ticket meanwhile.
        found = answers.comments(at, TEAM, comment_id) if at is not None else []
        if not found or (found[0]["visibility"] == Visibility.INTERNAL.value and not with_notes):
            return None
        data["comment"] = _cut(found[0], "body")
    told = {"type": delivery.event, "timestamp": facts["created_at"], "data": data}
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))


def _change(facts: dict[str, Any], kind: EventKind) -> dict[str, Any]:
    """The line of history, as ``GET /tickets/{number}/history`` tells it."""
    line = Line(
        id=0,
        kind=kind,
        actor_name=facts["actor_name"],
        field=facts["field"],
        from_value=facts["from_value"],
        to_value=facts["to_value"],
        details=facts["details"],
        created_at=datetime.fromisoformat(facts["created_at"]),
    )
    return {
        "kind": kind.value,
        "actor": {"id": facts["actor_id"], "name": line.actor_name},
        "field": line.field,
        "from": line.from_value,
        "to": line.to_value,
        "text": timeline.describe(line),
        "version": facts["version"],
    }


def _cut(told: dict[str, Any], name: str) -> dict[str, Any]:
    text = told[name]
    return told if len(text) <= LONGEST else {**told, name: text[:LONGEST], "is_cut": True}

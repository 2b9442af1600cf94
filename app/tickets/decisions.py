"""Why the desk decided something by itself: rows for the Why tab."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from app.core.db import db
from app.tickets.history_models import DecisionRecord

TITLES = {
    "threading": "Which ticket a mail belongs to",
    "requester": "Requester",
    "mark": "Marks in the subject",
    "priority": "Priority",
    "rules": "Assignment rules",
    "assignment": "Assignment",
    "sla": "Service level",
    "auto_response": "Automatic answer",
}


def explain(
    ticket_id: int,
    kind: str,
    summary: str,
    details: Sequence[dict[str, Any]] = (),
    *,
    now: datetime,
) -> dict[str, Any]:
    """Columns of a `DecisionRecord`; each detail has at least ``text``."""
    return {
        "ticket_id": ticket_id,
        "kind": kind,
        "summary": summary,
        "details": list(details),
        "created_at": now,
    }


def add(
    ticket_id: int,
    kind: str,
    summary: str,
    details: Sequence[dict[str, Any]] = (),
    *,
    now: datetime,
) -> None:
    """Add one decision to the running transaction."""
    db.session.add(DecisionRecord(**explain(ticket_id, kind, summary, details, now=now)))

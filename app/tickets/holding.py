"""Who holds a ticket: setting assignee and group, with history and notices."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Group, Person
from app.core.db import db
from app.core.jobs import Job, ring
from app.sla import queries
from app.tickets import clocks, decisions, notifications
from app.tickets.models import ACTIVE, Ticket
from app.tickets.timeline import By, record
from app.tickets.words import AssignmentMethod, EventKind, Status


def give(
    ticket: Ticket,
    agent: Person | None,
    *,
    by: By,
    now: datetime,
    method: AssignmentMethod = AssignmentMethod.MANUAL,
    details: dict[str, Any] | None = None,
) -> None:
    """Make *agent* the assignee (None: nobody); a new ticket opens. Nothing if it is so already."""
    if ticket.assignee_id == (agent.id if agent else None):
        return
    old = ticket.assignee
    ticket.assignee = agent
    ticket.assignee_id = agent.id if agent else None
    record(
        ticket,
        EventKind.ASSIGNED,
        by=by,
        now=now,
        field="assignee",
        old=old.display_name if old else None,
        new=agent.display_name if agent else None,
        details={
            "method": method.value,
            "from_id": old.id if old else None,
            "to_id": agent.id if agent else None,
            **(details or {}),
        },
    )
    if agent is not None:
        agent.last_assigned_at = now
        open_if_new(ticket, by=by, now=now)
        notifications.assigned(ticket, agent.id, by_id=by.id, now=now)
    if old is not None:
        ring(Job.HAND_OUT)  # somebody has room now


def give_to_group(
    ticket: Ticket, group: Group | None, *, by: By, now: datetime, choose_again: bool = True
) -> None:
    """Move the ticket to *group* (None: none); a new ticket opens."""
    if ticket.group_id == (group.id if group else None):
        return
    old = ticket.group
    ticket.group = group
    ticket.group_id = group.id if group else None
    record(
        ticket,
        EventKind.GROUP,
        by=by,
        now=now,
        field="group",
        old=old.name if old else None,
        new=group.name if group else None,
    )
    if group is not None:
        open_if_new(ticket, by=by, now=now)
        ring(Job.HAND_OUT)
    if choose_again:
        rechoose_policy(ticket, now=now)


def open_if_new(ticket: Ticket, *, by: By, now: datetime) -> None:
    """Assigning a new ticket opens it."""
    if ticket.status is Status.NEW:
        ticket.status = Status.OPEN
        record(
            ticket,
            EventKind.STATUS,
            by=by,
            now=now,
            field="status",
            old=Status.NEW.label,
            new=Status.OPEN.label,
        )


def tier_changed(requesters: sa.ColumnElement[bool], *, now: datetime) -> None:
    """Choose the policy again for what *requesters* (a condition on `Person`) still wait for."""
    if not any(policy.tiers for policy in queries.active_policies()):
        return
    theirs = sa.select(Ticket).join(Person, Person.id == Ticket.requester_id)
    theirs = theirs.where(requesters, sa.text(ACTIVE)).order_by(Ticket.id)
    for ticket in db.session.scalars(theirs.with_for_update(of=Ticket)):
        rechoose_policy(ticket, now=now)


def rechoose_policy(ticket: Ticket, *, now: datetime) -> None:
    """After a change that an SLA policy may hang on; the reason goes to the Why tab."""
    chosen = clocks.choose_again(ticket, now=now)
    if chosen is not None:
        summary, details = chosen
        decisions.add(ticket.id, "sla", summary, details, now=now)

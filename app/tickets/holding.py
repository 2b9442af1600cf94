"""Who holds a ticket: setting assignee and group, with history and notices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import selectinload

from app.accounts import people
from app.accounts.models import Group, Person
from app.core.db import db
from app.core.jobs import Job, ring
from app.sla import queries
from app.tickets import clocks, decisions, notifications
from app.tickets.models import ACTIVE, Ticket
from app.tickets.timeline import By, record
from app.tickets.words import AssignmentMethod, EventKind, Status

AT_ONCE = 500  # tickets that one statement loads


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


def tier_changed(requesters: sa.ColumnElement[bool], *, by: By, now: datetime) -> None:
    """Choose the policy again for what *requesters* (a condition on `Person`) still wait for."""
    serve_again(waiting_of(requesters), by=by, now=now)


def waiting_of(requesters: sa.ColumnElement[bool]) -> list[int]:
    """Ids of what *requesters* (a condition on `Person`) wait for, if policies ask for tiers."""
    if not any(policy.tiers for policy in queries.active_policies()):
        return []
    theirs = sa.select(Ticket.id).join(Person, Person.id == Ticket.requester_id)
    return list(db.session.scalars(theirs.where(requesters, sa.text(ACTIVE)).order_by(Ticket.id)))


def serve_again(ticket_ids: Sequence[int], *, by: By, now: datetime) -> None:
    """Choose the policy of these tickets again; their requesters' tier is another now.

    Nothing else of the ticket has changed, so the history says why its times are others.
    """
    for ticket in active(ticket_ids):
        if rechoose_policy(ticket, now=now):
            tier = ticket.requester.effective_tier.value
            name = _policy_name(ticket)
            told = f"{ticket.requester.display_name} has the tier {tier} now: {name}"
            record(ticket, EventKind.REQUESTER, by=by, now=now, new=told)


def active(ticket_ids: Sequence[int]) -> Iterator[Ticket]:
    """Those of these tickets that wait for somebody, locked, a few hundred at a time."""
    for start in range(0, len(ticket_ids), AT_ONCE):
        ids = ticket_ids[start : start + AT_ONCE]
        found = sa.select(Ticket).where(Ticket.id.in_(ids), sa.text(ACTIVE)).order_by(Ticket.id)
        found = found.options(
            selectinload(Ticket.clocks),
            selectinload(Ticket.requester).selectinload(Person.organization),
        )
        yield from db.session.scalars(found.with_for_update(of=Ticket))


def rechoose_policy(ticket: Ticket, *, now: datetime) -> bool:
    """After a change that an SLA policy may hang on; the reason goes to the Why tab.

    Returns:
        Whether it is another policy.
    """
    chosen = clocks.choose_again(ticket, now=now)
    if chosen is not None:
        summary, details = chosen
        decisions.add(ticket.id, "sla", summary, details, now=now)
    return chosen is not None


@people.when_joining
def _joined(person: Person, now: datetime) -> None:
    tier_changed(Person.id == person.id, by=person, now=now)


def _policy_name(ticket: Ticket) -> str:
    policies = queries.active_policies()
    name = next((p.terms.policy for p in policies if p.terms.policy_id == ticket.sla_policy_id), "")
    return f"SLA policy {name}" if name else "no SLA policy"

"""The table of status changes, and what each change brings with it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person, Role
from app.core.db import db
from app.core.errors import Conflict, Forbidden
from app.tickets import holding, lifecycle
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.timeline import System
from app.tickets.words import EventKind, Status
from tests.factories import make_agent, make_group, make_ticket

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

ALLOWED = {
    "new": "open in_progress pending resolved closed cancelled",
    "open": "in_progress pending resolved closed cancelled",
    "in_progress": "open pending resolved closed cancelled",
    "pending": "open in_progress resolved closed cancelled",
    "resolved": "open closed",
    "closed": "open",
    "cancelled": "open",
}
PAIRS = [(Status(old), new) for old in ALLOWED for new in Status]


def ticket_in(status: Status) -> Ticket:
    columns: dict[str, datetime] = {}
    if status in (Status.RESOLVED, Status.CLOSED):
        columns["resolved_at"] = NOW - timedelta(days=1)
    if status is Status.CLOSED:
        columns["closed_at"] = NOW - timedelta(hours=2)
    return make_ticket(status=status, **columns)


@pytest.mark.requirement("R 1-1", "R 1-6", "X20")
@pytest.mark.parametrize(("old", "new"), PAIRS, ids=lambda status: status.value)
def test_only_the_table_s_changes_are_allowed(app: Flask, old: Status, new: Status) -> None:
    ticket = ticket_in(old)
    boss = make_agent(role=Role.SUPERVISOR)
    if new.value in ALLOWED[old.value].split():
        lifecycle.change_status(ticket, new, by=boss, now=NOW)
        assert ticket.status is new
    else:
        with pytest.raises(lifecycle.InvalidTransition) as refused:
            lifecycle.change_status(ticket, new, by=boss, now=NOW)
        assert ticket.status is old
        for word in ALLOWED[old.value].split():
            assert word.replace("_", " ") in refused.value.message


def test_an_agent_may_not_reopen_a_cancelled_ticket(app: Flask) -> None:
    ticket = ticket_in(Status.CANCELLED)
    with pytest.raises(Forbidden):
        lifecycle.change_status(ticket, Status.OPEN, by=make_agent(), now=NOW)


@pytest.mark.requirement("R 0-17", "X20", "X36")
def test_resolving_stamps_and_reopening_clears(app: Flask) -> None:
    ticket, agent = ticket_in(Status.OPEN), make_agent()
    lifecycle.change_status(ticket, Status.RESOLVED, by=agent, now=NOW)
    assert (ticket.resolved_at, ticket.closed_at) == (NOW, None)
    lifecycle.change_status(ticket, Status.OPEN, by=agent, now=NOW)
    assert (ticket.resolved_at, ticket.closed_at) == (None, None)


@pytest.mark.requirement("X20")
def test_closing_stamps_a_resolution_that_was_never_said(app: Flask) -> None:
    ticket = ticket_in(Status.OPEN)
    lifecycle.change_status(ticket, Status.CLOSED, by=make_agent(), now=NOW)
    assert (ticket.resolved_at, ticket.closed_at) == (NOW, NOW)


def test_closing_a_resolved_ticket_keeps_when_it_was_resolved(app: Flask) -> None:
    ticket = ticket_in(Status.RESOLVED)
    lifecycle.change_status(ticket, Status.CLOSED, by=System(), now=NOW)
    assert ticket.resolved_at == NOW - timedelta(days=1)


@pytest.mark.requirement("R 0-18")
def test_starting_a_ticket_that_nobody_holds_takes_it(app: Flask) -> None:
    ticket, agent, other = ticket_in(Status.NEW), make_agent(), make_agent()
    lifecycle.change_status(ticket, Status.IN_PROGRESS, by=agent, now=NOW)
    assert ticket.assignee is agent
    held = make_ticket(status=Status.OPEN, assignee=other)
    lifecycle.change_status(held, Status.IN_PROGRESS, by=agent, now=NOW)
    assert held.assignee is other


@pytest.mark.requirement("R 0-20")
def test_assigning_a_new_ticket_opens_it(app: Flask) -> None:
    one, two = ticket_in(Status.NEW), ticket_in(Status.NEW)
    holding.give(one, make_agent(), by=make_agent(), now=NOW)
    holding.give_to_group(two, make_group(), by=make_agent(), now=NOW)
    assert (one.status, two.status) == (Status.OPEN, Status.OPEN)


def test_reopening_takes_it_from_somebody_who_left(app: Flask) -> None:
    gone = make_agent(is_active=False)
    ticket = make_ticket(status=Status.RESOLVED, assignee=gone, resolved_at=NOW)
    lifecycle.change_status(ticket, Status.OPEN, by=make_agent(), now=NOW)
    assert ticket.assignee is None


@pytest.mark.requirement("R 0-19", "R 2-8", "R 13-1", "X15", "X16")
def test_history_tells_who_from_and_to(app: Flask) -> None:
    ticket, agent = ticket_in(Status.OPEN), make_agent(name="Priya Raman")
    before = ticket.version
    lifecycle.change_status(ticket, Status.PENDING, by=agent, now=NOW)
    db.session.flush()
    event = db.session.scalars(
        sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    ).one()
    assert (event.kind, event.from_value, event.to_value) == (EventKind.STATUS, "Open", "Pending")
    assert (event.actor_id, event.actor_name) == (agent.id, "Priya Raman")
    assert ticket.version == before + 1
    assert ticket.updated_at == NOW


@pytest.mark.requirement("R 13-3", "X21")
def test_deleting_hides_and_restoring_brings_back(app: Flask) -> None:
    ticket, boss = ticket_in(Status.OPEN), make_agent(role=Role.SUPERVISOR)
    with pytest.raises(Forbidden):
        lifecycle.delete(ticket, by=make_agent(), now=NOW)
    lifecycle.delete(ticket, by=boss, now=NOW)
    assert (ticket.deleted_at, ticket.deleted_by_id) == (NOW, boss.id)
    with pytest.raises(Conflict):
        lifecycle.delete(ticket, by=boss, now=NOW)
    lifecycle.restore(ticket, by=boss, now=NOW)
    assert (ticket.deleted_at, ticket.status) == (None, Status.OPEN)


def test_a_person_is_needed_for_people(app: Flask) -> None:
    """The desk itself may move a ticket, and takes none."""
    ticket = ticket_in(Status.OPEN)
    lifecycle.change_status(ticket, Status.IN_PROGRESS, by=System("Rule"), now=NOW)
    assert ticket.assignee is None
    assert isinstance(make_agent(), Person)

"""Tickets that wait for an agent, and how they go out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog

from app.accounts import directory
from app.accounts.models import Distribution, Group, Person
from app.core import cache
from app.core.db import begin_write, db
from app.core.jobs import is_stopping
from app.core.outages import outage
from app.routing.assignment import desk, lock, take
from app.routing.rules import Choice, Wanted, decide
from app.tickets import catalog, decisions, holding, notifications
from app.tickets.history_models import TicketEvent
from app.tickets.models import LOAD, Ticket
from app.tickets.timeline import System, record
from app.tickets.words import EventKind, Status

log = structlog.get_logger(__name__)

BATCH = 500  # waiting tickets looked at between two reads
ROUTING = System("Routing")

# Where it waits: moved to another group, or given up, it is news to somebody once more.
_PLACED = (EventKind.UNASSIGNABLE, EventKind.ASSIGNED, EventKind.GROUP)
_TOLD = (
    sa.select(TicketEvent.kind == EventKind.UNASSIGNABLE)
    .where(TicketEvent.ticket_id == Ticket.id, TicketEvent.kind.in_(_PLACED))
    .order_by(TicketEvent.id.desc())
    .limit(1)
    .correlate(Ticket)
    .scalar_subquery()
)


def hand_out(now: datetime) -> int:
    """Give waiting tickets to whoever has room, highest priority and oldest first; how many.

    Each goes out in a transaction of its own, so that creation never waits for long. Reading
    comes first, without a lock: only where somebody seems to be free is the lock taken and
    everything read again. A ticket that nobody can take is told to its group, once, and again
    where it came to another group or was given up.
    """
    db.session.commit()
    handed, after = 0, None
    while batch := _read(after):
        now_open = _Openings(now)
        for row in batch:
            if is_stopping():
                return handed
            if row.is_told and not now_open.any_for(row):
                continue
            if _hand_out(row.id, now):
                handed += 1
                now_open = _Openings(now)
        after = batch[-1]
    return handed


def _conditions() -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """New or open, unassigned, and in a group that distributes or in none."""
    groups = directory.groups().values()
    distributing = [g.id for g in groups if g.distribution is not Distribution.NONE]
    return (
        sa.text(LOAD),  # as the partial index spells it
        Ticket.status.in_((Status.NEW, Status.OPEN)),
        Ticket.assignee_id.is_(None),
        sa.or_(Ticket.group_id.is_(None), Ticket.group_id.in_(distributing)),
    )


def _read(after: sa.Row[Any] | None) -> Sequence[sa.Row[Any]]:
    """The next waiting tickets in the order in which they go out."""
    cache.forget_stamp()
    order = (Ticket.priority, Ticket.created_at, Ticket.id)
    query = (
        sa.select(*order, Ticket.category_id, Ticket.subcategory_id, Ticket.group_id)
        .add_columns(_TOLD.label("is_told"))
        .where(*_conditions())
        .order_by(*order)
        .limit(BATCH)
    )
    if after is not None:
        query = query.where(sa.tuple_(*order) > (after.priority, after.created_at, after.id))
    rows = db.session.execute(query).all()
    db.session.rollback()
    return rows


class _Openings:
    """Whether anybody is free for tickets of a kind: read once, asked often."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.desk = desk(now)
        self.known: dict[tuple[int, int | None, int | None], bool] = {}
        db.session.rollback()

    def any_for(self, row: sa.Row[Any]) -> bool:
        """True where an agent would be chosen, if none had given the ticket up."""
        kind = (row.category_id, row.subcategory_id, row.group_id)
        if kind not in self.known:
            category = catalog.categories()[row.category_id]
            wanted = Wanted(category, row.subcategory_id, row.group_id)
            self.known[kind] = decide(self.desk, wanted, now=self.now).agent_id is not None
        return self.known[kind]


def _hand_out(ticket_id: int, now: datetime) -> bool:
    """Give one ticket away, if it still waits and somebody can take it; commits.

    One that fails is logged, tried again in the next round, and does not hold up the rest.
    """
    begin_write()
    cache.forget_stamp()
    try:
        lock()
        query = sa.select(Ticket).where(Ticket.id == ticket_id, *_conditions())
        # Whoever holds the ticket at this moment may want our lock next: don't wait for them.
        query = query.with_for_update(skip_locked=True, of=Ticket)
        ticket = db.session.scalar(query, execution_options={"populate_existing": True})
        given = ticket is not None and _give(ticket, now)
        db.session.commit()
    except Exception as error:
        db.session.rollback()
        if outage(error):
            raise
        log.exception("handing out failed", ticket=ticket_id)
        return False
    return given


def _give(ticket: Ticket, now: datetime) -> bool:
    category = catalog.categories()[ticket.category_id]
    exclude = gave_up([ticket.id])[ticket.id]
    wanted = Wanted(category, ticket.subcategory_id, ticket.group_id, exclude)
    choice = decide(desk(now), wanted, now=now)
    if choice.agent_id is None:
        _tell_once(ticket, choice, now)
        return False
    if choice.group_id is not None:
        group = db.session.get_one(Group, choice.group_id)
        holding.give_to_group(ticket, group, by=ROUTING, now=now)
    holding.give(
        ticket,
        db.session.get_one(Person, choice.agent_id),
        by=ROUTING,
        now=now,
        method=choice.method,
        details={"rule_id": choice.rule_id},
    )
    db.session.flush()
    take(choice)
    decisions.add(ticket.id, "rules", choice.summary, choice.explanation, now=now)
    return True


def _tell_once(ticket: Ticket, choice: Choice, now: datetime) -> None:
    if not db.session.scalar(sa.select(_TOLD).where(Ticket.id == ticket.id)):
        record(ticket, EventKind.UNASSIGNABLE, by=ROUTING, now=now, new=choice.summary)
        notifications.unassignable(ticket, now=now)
        decisions.add(ticket.id, "rules", choice.summary, choice.explanation, now=now)


def gave_up(ticket_ids: Sequence[int]) -> dict[int, frozenset[int]]:
    """Who gave each ticket up, or was taken off it by hand: it never comes back to them by itself.

    The history tells it: somebody's line that takes the ticket from an agent.
    """
    lines = sa.select(TicketEvent.ticket_id, TicketEvent.details).where(
        TicketEvent.ticket_id.in_(ticket_ids),
        TicketEvent.kind == EventKind.ASSIGNED,
        TicketEvent.actor_id.is_not(None),
        TicketEvent.from_value.is_not(None),
    )
    found: dict[int, set[int]] = defaultdict(set)
    for ticket_id, details in db.session.execute(lines):
        found[ticket_id].add(details.get("from_id"))
    return {ticket_id: frozenset(found[ticket_id]) for ticket_id in ticket_ids}

"""Telling SLA warnings and breaches, each exactly once a clock, and what a breach does.

Any number of processes may sweep at once and be killed at any point: a clock is claimed and its
consequences are written in one transaction, so that both happen or neither.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from app.accounts.models import Distribution, Group
from app.core import cache
from app.core.db import begin_write, db
from app.core.errors import DomainError
from app.core.jobs import is_stopping
from app.core.outages import outage
from app.sla import queries
from app.sla.models import EscalationKind
from app.sla.targets import Escalation
from app.tickets import clocks, holding, notifications, properties
from app.tickets.models import SlaClock, Ticket
from app.tickets.timeline import System, record
from app.tickets.words import ClockState, EventKind, Priority

log = structlog.get_logger(__name__)

RETRY_AFTER = timedelta(hours=1)


@dataclass(slots=True)
class Swept:
    """How many clocks one sweep told of, and how many it has to try again."""

    breached: int = 0
    warned: int = 0
    failed: int = 0


def sweep(now: datetime) -> Swept:
    """Tell every breach and warning that is due; commits each by itself.

    One that fails is logged, tried again an hour later, and does not hold up the rest.
    """
    swept = Swept()
    while not is_stopping() and (told := _next(claim_breach, escalate, now, swept)):
        swept.breached += told == "told"
    while not is_stopping() and (told := _next(claim_warning, warn, now, swept)):
        swept.warned += told == "told"
    return swept


def _next(
    claim: Callable[..., SlaClock | None],
    tell: Callable[..., None],
    now: datetime,
    swept: Swept,
) -> str:
    """Claim and tell one clock: "told", "failed", or "" where none is due."""
    begin_write()
    cache.forget_stamp()
    clock_id = None
    try:
        clock = claim(now=now)
        if clock is None:
            db.session.rollback()
            return ""
        clock_id = clock.id
        tell(clock, now=now)
        db.session.commit()
    except Exception as error:
        db.session.rollback()
        if clock_id is None or outage(error):
            raise  # not this clock's fault: the database is gone or busy, the next sweep goes on
        log.exception("escalation failed", clock=clock_id)
        begin_write()
        later = sa.update(SlaClock).where(SlaClock.id == clock_id)
        db.session.execute(later.values(retry_at=now + RETRY_AFTER))
        db.session.commit()
        swept.failed += 1
        return "failed"
    return "told"


def claim_breach(*, now: datetime) -> SlaClock | None:
    """Claim the clock longest past its due time, or None. One statement: safe in parallel."""
    breached = (SlaClock.due_at <= now, SlaClock.breached_at.is_(None), _is_ripe(now))
    oldest = sa.select(SlaClock.id).where(*breached).order_by(SlaClock.due_at)
    marks = {"breached_at": now, "state": ClockState.BREACHED, "warn_at": None}
    return _claim(oldest, breached, marks)


def claim_warning(*, now: datetime) -> SlaClock | None:
    """Claim the clock longest past its warning point and not yet due, or None."""
    near = (
        SlaClock.warn_at <= now,
        SlaClock.warned_at.is_(None),
        SlaClock.due_at > now,  # else only the breach is told
        _is_ripe(now),
    )
    oldest = sa.select(SlaClock.id).where(*near).order_by(SlaClock.warn_at)
    return _claim(oldest, near, {"warned_at": now})


def _is_ripe(now: datetime) -> sa.ColumnElement[bool]:
    return sa.or_(SlaClock.retry_at.is_(None), SlaClock.retry_at <= now)


def _claim(
    oldest: sa.Select[int],
    conditions: tuple[sa.ColumnElement[bool], ...],
    marks: dict[str, object],
) -> SlaClock | None:
    if db.engine.dialect.name == "postgresql":
        # Sweepers pass each other by. Ticket and clock are locked together without waiting, so
        # that nobody who holds the ticket and wants its clocks can be in our way, or we in theirs.
        oldest = oldest.join(Ticket, Ticket.id == SlaClock.ticket_id)
        oldest = oldest.with_for_update(skip_locked=True, key_share=True)
    claim = (
        sa.update(SlaClock)
        .where(SlaClock.id == oldest.limit(1).scalar_subquery(), *conditions)
        .values(retry_at=None, **marks)
        .returning(SlaClock)
    )
    return db.session.scalar(claim, execution_options={"populate_existing": True})


def warn(clock: SlaClock, *, now: datetime) -> None:
    """Tell that the target of a claimed *clock* is near: history, and a notice to the holder."""
    ticket = _ticket(clock)
    record(
        ticket,
        EventKind.SLA_WARNED,
        by=System("SLA"),
        now=now,
        new=f"{clock.target.label} is due soon",
        details=_details(clock),
    )
    notifications.sla_warned(ticket, clock, now=now)


def escalate(clock: SlaClock, *, now: datetime) -> None:
    """Tell the breach of a claimed *clock* and take the policy's steps, if the ticket is active."""
    ticket = _ticket(clock)
    terms = queries.terms(clock.terms_id)
    by = System(f"SLA policy {terms.policy}")
    record(
        ticket,
        EventKind.SLA_BREACHED,
        by=by,
        now=now,
        new=f"{clock.target.label} is overdue",
        details=_details(clock),
    )
    clocks.follow(ticket)
    notifications.sla_breached(ticket, clock, now=now)
    if not ticket.is_active or ticket.deleted_at is not None:
        return
    steps = [step for step in terms.escalations if step.target in (None, clock.target)]
    taken = [text for step in steps if (text := _take(step, ticket, by, now))]
    if taken:
        record(
            ticket,
            EventKind.ESCALATED,
            by=by,
            now=now,
            new=f"Escalated: {', '.join(taken)}",
            details=_details(clock),
        )


def _ticket(clock: SlaClock) -> Ticket:
    return db.session.get_one(Ticket, clock.ticket_id, populate_existing=True)


def _details(clock: SlaClock) -> dict[str, object]:
    due_at = clock.due_at.isoformat() if clock.due_at else None
    return {"clock": clock.id, "target": clock.target.value, "due_at": due_at}


def _take(step: Escalation, ticket: Ticket, by: System, now: datetime) -> str | None:
    """Take one step; what it did in words, None where it is so already. Chooses no policy."""
    try:
        match EscalationKind(step.kind):
            case EscalationKind.RAISE_PRIORITY:
                return _raise_priority(ticket, step.value, by, now)
            case EscalationKind.REASSIGN_GROUP:
                return _reassign(ticket, step.value, by, now)
            case EscalationKind.ADD_TAG:
                return _add_tag(ticket, step.value, by, now)
    except (DomainError, ValueError) as error:  # a step that cannot be: the breach is told anyway
        log.warning("escalation step left out", ticket=ticket.number, error=str(error))
        return None


def _raise_priority(ticket: Ticket, value: str, by: System, now: datetime) -> str | None:
    one_up = max(ticket.priority.rank - 1, Priority.CRITICAL.rank)  # rank 1 is the most severe
    to = Priority(value) if value else Priority.of_rank(one_up)
    if to.rank >= ticket.priority.rank:
        return None
    properties.change_priority(ticket, to, by=by, now=now, choose_again=False)
    return f"priority raised to {to.label}"


def _reassign(ticket: Ticket, value: str, by: System, now: datetime) -> str | None:
    """Move to the group and take it from an assignee who is no member."""
    group = db.session.get(Group, int(value))
    if group is None or group.id == ticket.group_id:
        return None
    holding.give_to_group(ticket, group, by=by, now=now, choose_again=False)
    if ticket.assignee is not None and ticket.assignee not in group.members:
        holding.give(ticket, None, by=by, now=now)
    if ticket.assignee is None and group.distribution is Distribution.NONE:
        notifications.unassignable(ticket, now=now)
    return f"moved to {group.name}"


def _add_tag(ticket: Ticket, name: str, by: System, now: datetime) -> str | None:
    names = [tag.name for tag in ticket.tags]
    if name in names:
        return None
    properties.change_tags(ticket, [*names, name], by=by, now=now)
    return f"tag {name} added"

"""How a ticket moves from status to status, is deleted and restored."""

from __future__ import annotations

from datetime import datetime

from app.accounts.models import Person
from app.core.errors import Conflict, Forbidden
from app.core.jobs import Job, ring
from app.tickets import clocks, durations, holding
from app.tickets.models import SlaClock, Ticket
from app.tickets.timeline import By, System, record
from app.tickets.words import TRANSITIONS, ClockState, EventKind, Status

DONE = (Status.RESOLVED, Status.CLOSED, Status.CANCELLED)


class InvalidTransition(Conflict):
    """The table of changes does not allow this one; the message lists what it allows."""

    def __init__(self, old: Status, new: Status) -> None:
        self.allowed = TRANSITIONS[old]
        words = ", ".join(status.label.lower() for status in self.allowed)
        super().__init__(
            f"A ticket that is {old.label.lower()} cannot become {new.label.lower()}. "
            f"It can become: {words}."
        )


def change_status(ticket: Ticket, to: Status, *, by: By, now: datetime) -> None:
    """Move *ticket* to another status with all that follows: stamps, clocks, history.

    Raises:
        InvalidTransition: the table has no such change (also: to the status that it has).
        Forbidden: a cancelled ticket is reopened by a supervisor or admin.
    """
    old = ticket.status
    if not ticket.can_become(to):
        raise InvalidTransition(old, to)
    person = by if isinstance(by, Person) else None
    if old is Status.CANCELLED and person is not None and not person.is_supervisor:
        raise Forbidden("A cancelled ticket is opened again by a supervisor.")
    ends = to in DONE and old not in DONE
    changes = durations.changes_of(ticket.id) if ends else []
    ticket.status = to
    if to is Status.RESOLVED:
        ticket.resolved_at = now
    elif to is Status.CLOSED:
        ticket.closed_at = now
        ticket.resolved_at = ticket.resolved_at or now
    elif old in DONE:
        durations.note_reopened(ticket, old, at=now)
        ticket.resolved_at = ticket.closed_at = None
    if ends:
        durations.finished(ticket, changes, at=now)
    record(ticket, EventKind.STATUS, by=by, now=now, field="status", old=old.label, new=to.label)
    tell_ended(ticket, clocks.follow_status(ticket, old, now=now), now=now)
    starts = to is Status.IN_PROGRESS and ticket.assignee_id is None
    if starts and person is not None and person.is_agent:
        holding.give(ticket, person, by=by, now=now)
    if old in DONE and ticket.assignee is not None and not _works_here(ticket.assignee):
        # HAND_OUT routes it again: whoever held it is gone.
        holding.give(ticket, None, by=by, now=now, details={"left": True})
    if to in (*DONE, Status.PENDING) or old in DONE:
        ring(Job.HAND_OUT)


def delete(ticket: Ticket, *, by: Person, now: datetime) -> None:
    """Hide the ticket everywhere and keep it; its clocks are void.

    Raises:
        Forbidden: only a supervisor or admin deletes.
        Conflict: it is deleted already.
    """
    _supervisor(by, "delete")
    if ticket.deleted_at is not None:
        raise Conflict("This ticket is deleted already.")
    clocks.void(ticket, now=now)
    ticket.deleted_at, ticket.deleted_by_id = now, by.id
    record(ticket, EventKind.DELETED, by=by, now=now)
    ring(Job.HAND_OUT)


def restore(ticket: Ticket, *, by: Person, now: datetime) -> None:
    """Undo a deletion; what it stopped goes on.

    Raises:
        Forbidden: only a supervisor or admin restores.
        Conflict: it is not deleted.
    """
    _supervisor(by, "restore")
    if ticket.deleted_at is None:
        raise Conflict("This ticket is not deleted.")
    deleted_at, ticket.deleted_at, ticket.deleted_by_id = ticket.deleted_at, None, None
    clocks.restore(ticket, deleted_at=deleted_at, now=now)
    record(ticket, EventKind.RESTORED, by=by, now=now)
    ring(Job.HAND_OUT)  # it may be waiting for somebody


def tell_ended(ticket: Ticket, ended: list[SlaClock], *, now: datetime) -> None:
    """A line of history for each target that was met."""
    for clock in ended:
        if clock.state is ClockState.MET:
            record(
                ticket,
                EventKind.SLA_MET,
                by=System("SLA"),
                now=now,
                new=f"{clock.target.label} in time",
                details={"clock": clock.id},
            )


def _works_here(person: Person) -> bool:
    return person.is_active and person.is_agent


def _supervisor(person: Person, verb: str) -> None:
    if not person.is_supervisor:
        raise Forbidden(f"Ask a supervisor to {verb} a ticket.")

"""The SLA clocks of a ticket: started, met, paused, stopped, run again.

Callers have locked the ticket's row and bring the time. Its own due times follow each change.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from app.accounts.models import Group
from app.core.db import db
from app.core.settings_store import setting
from app.sla import queries
from app.sla.business_time import business_time_between
from app.sla.targets import Choice, Facts, Target, Terms, choose, due_times
from app.tickets import catalog, durations
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import ClockState, Source, Status


@dataclass(frozen=True, slots=True)
class NewClocks:
    """What a new ticket needs: rows and columns for plain inserts.

    Attributes:
        rows: for `SlaClock`, without ``ticket_id``.
        columns: of the `Ticket` itself.
        summary, details: of the decision record.
    """

    rows: list[dict[str, Any]]
    columns: dict[str, Any]
    summary: str
    details: list[dict[str, Any]]


def for_new_ticket(facts: Facts, *, start: datetime) -> NewClocks:
    """Choose a policy and its clocks for a ticket made at *start*; no statement where cached."""
    choice = _choose(facts, start)
    terms_id = queries.terms_id(choice.terms) if choice.terms else 0
    rows = new_clocks(choice, terms_id=terms_id, source=Source(facts.source), start=start)
    columns: dict[str, Any] = {"sla_policy_id": choice.terms.policy_id if choice.terms else None}
    if facts.source == Source.PHONE:
        columns |= {
            "first_response_at": start,
            "first_response_seconds": 0,
            "first_response_business_seconds": 0,
        }
    running = sorted((row for row in rows if row["due_at"]), key=lambda row: row["due_at"])
    for row in running[:1]:
        columns |= {"next_due_at": row["due_at"], "next_warn_at": row["warn_at"]}
    for row in running:
        if row["target"] is Target.RESOLUTION:
            columns["due_at"] = row["due_at"]
    return NewClocks(rows, columns, *explain(choice))


def new_clocks(
    choice: Choice, *, terms_id: int, source: Source, start: datetime
) -> list[dict[str, Any]]:
    """Rows of `SlaClock`, without ``ticket_id``, for a ticket made at *start* (pure).

    A phone ticket has had its first response: somebody talked.
    """
    if choice.terms is None:
        return []
    rows: list[dict[str, Any]] = []
    for target in (Target.FIRST_RESPONSE, Target.RESOLUTION):
        minutes = choice.terms.minutes[target]
        is_met = target is Target.FIRST_RESPONSE and source is Source.PHONE
        due = choice.due[target]
        rows.append(
            {
                "target": target,
                "cycle": 1,
                "state": ClockState.MET if is_met else ClockState.RUNNING,
                "terms_id": terms_id,
                "target_minutes": minutes,
                "started_at": start,
                "due_at": None if is_met else due.due_at,
                "warn_at": None if is_met else due.warn_at,
                "pauses": [],
                "left_seconds": minutes * 60 if is_met else None,
                "stopped_at": start if is_met else None,
            }
        )
    return rows


def explain(choice: Choice) -> tuple[str, list[dict[str, Any]]]:
    """Summary and details of the decision record: the policy, its due times, what missed."""
    details: list[dict[str, Any]] = [
        {"text": f"{miss.policy}: {miss.reason}", "result": "missed"} for miss in choice.missed
    ]
    if choice.terms is None:
        return "No SLA policy fits, so nothing is due.", details
    for target in (Target.FIRST_RESPONSE, Target.RESOLUTION):
        within = _in_words(choice.terms.minutes[target])
        due_at = choice.due[target].due_at
        details.append({"text": f"{target.label} within {within}", "at": due_at.isoformat()})
    return f"SLA policy {choice.terms.policy}, counted in {choice.terms.calendar}.", details


RESPONSES = (Target.FIRST_RESPONSE, Target.NEXT_RESPONSE)
STATE_TIMES = ("due_at", "warn_at", "paused_at", "stopped_at")


def state_of(clock: SlaClock) -> dict[str, Any]:
    """How a clock stands, as JSON for `put_back`."""
    times = {name: getattr(clock, name) for name in STATE_TIMES}
    return {
        "state": clock.state.value,
        "pauses": clock.pauses,
        "left_seconds": clock.left_seconds,
        **{name: time.isoformat() if time else None for name, time in times.items()},
    }


def put_back(clock: SlaClock, state: dict[str, Any]) -> None:
    """Make a clock stand as it did at `state_of`; `follow` comes after the last."""
    clock.state = ClockState(state["state"])
    clock.pauses, clock.left_seconds = state["pauses"], state["left_seconds"]
    for name in STATE_TIMES:
        text = state[name]
        setattr(clock, name, datetime.fromisoformat(text) if text else None)


def unanswered(ticket: Ticket, ended: list[SlaClock], *, now: datetime) -> None:
    """The answer that *ended* these was taken back: responses are awaited as if it never was."""
    for clock in ended:
        if clock.target in RESPONSES and clock.stopped_at is not None:
            clock.stopped_at = None
            _compute(clock, now)
    follow(ticket)


def answered(ticket: Ticket, *, now: datetime) -> list[SlaClock]:
    """An agent has written to the customer: first and next response end. Returns what ended."""
    if ticket.first_response_at is None:
        ticket.first_response_at = now
        durations.answered(ticket)
    ended = [clock for clock in ticket.clocks if is_on(clock) and clock.target in RESPONSES]
    _end_all(ticket, ended, now)
    return ended


def customer_wrote(ticket: Ticket, *, now: datetime) -> SlaClock | None:
    """A customer's comment, accepted and no automatic one: the next response is awaited.

    Only after an agent's public reply, and once until the next. Returns the clock that starts.
    """
    resolution = _resolution(ticket)
    if ticket.first_response_at is None or resolution is None:
        return None
    cycles = [clock for clock in ticket.clocks if clock.target is Target.NEXT_RESPONSE]
    if any(is_on(clock) for clock in cycles):
        return None
    minutes = queries.terms(resolution.terms_id).minutes.get(Target.NEXT_RESPONSE)
    if minutes is None:
        return None
    clock = SlaClock(
        target=Target.NEXT_RESPONSE,
        cycle=len(cycles) + 1,
        state=ClockState.RUNNING,
        terms_id=resolution.terms_id,
        target_minutes=minutes,
        started_at=now,
        pauses=[],
    )
    _compute(clock, now)
    ticket.clocks.append(clock)
    follow(ticket)
    return clock


def follow_status(ticket: Ticket, was: Status, *, now: datetime) -> list[SlaClock]:
    """Do what a change of status from *was* to ``ticket.status`` does to the clocks.

    Returns the clocks that ended.
    """
    done = (Status.RESOLVED, Status.CLOSED, Status.CANCELLED)
    if ticket.status is was:
        return []
    if ticket.status is Status.CANCELLED:
        return void(ticket, now=now)
    if ticket.status in done:
        return stop(ticket, now=now)
    if was in done:
        reopen(ticket, now=now)
    elif was is Status.PENDING:
        resume(ticket, now=now)
    if ticket.status is Status.PENDING:
        pause(ticket, now=now)
    return []


def pause(ticket: Ticket, *, now: datetime) -> None:
    """The ticket waits on the customer: the resolution clock stands still."""
    clock = _resolution(ticket)
    if clock is None or clock.paused_at is not None:
        return
    if clock.state is ClockState.VOID:
        clock.paused_at = now  # no policy at the moment; the next one wants to know
    elif is_on(clock):
        _stand_still(clock, now)
        follow(ticket)


def resume(ticket: Ticket, *, now: datetime) -> None:
    """The ticket waits no more: due is later by the calendar time that it stood still."""
    clock = _resolution(ticket)
    if clock is None or clock.paused_at is None:
        return
    if clock.state is ClockState.VOID:
        _add_pause(clock, clock.paused_at, now)
    elif is_on(clock):
        _run_again(clock, clock.paused_at, now)
        follow(ticket)


def stop(ticket: Ticket, *, now: datetime) -> list[SlaClock]:
    """Resolved or closed: every clock ends, met if in time. Returns what ended."""
    ended = [clock for clock in ticket.clocks if is_on(clock)]
    _end_all(ticket, ended, now)
    return ended


def void(ticket: Ticket, *, now: datetime) -> list[SlaClock]:
    """Cancelled or deleted: every clock ends and counts as neither. Returns what ended.

    A breach that was told stays one.
    """
    ended = [clock for clock in ticket.clocks if is_on(clock)]
    for clock in ended:
        _void(clock, now)
    follow(ticket)
    return ended


def reopen(ticket: Ticket, *, now: datetime) -> None:
    """The resolution clock runs again with what was left; a breach stays one, told once."""
    clock = _resolution(ticket)
    if clock is not None and clock.stopped_at is not None and ticket.sla_policy_id is not None:
        _run_again(clock, clock.paused_at or clock.stopped_at, now)
        follow(ticket)


def restore(ticket: Ticket, *, deleted_at: datetime, now: datetime) -> None:
    """Undo what deleting at *deleted_at* did: what it stopped goes on, without the time between."""
    for clock in ticket.clocks:
        if clock.stopped_at is None or clock.stopped_at < deleted_at:
            continue
        if clock.paused_at is None:
            _run_again(clock, clock.stopped_at, now)
        else:  # it was paused, and still is
            clock.stopped_at = None
            if clock.breached_at is None:
                clock.state = ClockState.PAUSED
    follow(ticket)


def choose_again(ticket: Ticket, *, now: datetime) -> tuple[str, list[dict[str, Any]]] | None:
    """After a change of priority, category, tier or group: the policy that fits now.

    Another policy counts from the ticket's creation and keeps what was met, told and paused; the
    same one stays as it was when the ticket came under it. Escalations don't call this.

    Returns:
        Summary and details for the decision record; None where the policy stays.
    """
    choice = _choose(facts_of(ticket), ticket.created_at)
    policy_id = choice.terms.policy_id if choice.terms else None
    if policy_id == ticket.sla_policy_id:
        return None
    ticket.sla_policy_id = policy_id
    if choice.terms is None:
        void(ticket, now=now)
    else:
        _come_under(ticket, choice, choice.terms, now)
    return explain(choice)


def _come_under(ticket: Ticket, choice: Choice, terms: Terms, now: datetime) -> None:
    """Put the clocks of *ticket* under the chosen *terms*; start those that it never had."""
    terms_id = queries.terms_id(terms)
    for clock in ticket.clocks:
        _change_terms(ticket, clock, terms, terms_id, now)
    known = {clock.target for clock in ticket.clocks}
    rows = new_clocks(choice, terms_id=terms_id, source=ticket.source, start=ticket.created_at)
    for row in rows:
        if row["target"] not in known and ticket.is_active:
            _start_late(ticket, SlaClock(**row), now)
    if ticket.status is Status.PENDING:
        pause(ticket, now=now)
    follow(ticket)


def _start_late(ticket: Ticket, clock: SlaClock, now: datetime) -> None:
    """Start a clock that the ticket never had, less what it waited for the customer or was done.

    Nothing starts for what was answered before.
    """
    if clock.target is Target.RESOLUTION:
        changes = durations.changes_of(ticket.id)
        spans = list(durations.worked_on(ticket.created_at, changes, until=now))
        for (_, since), (until, _) in pairwise(spans):
            _add_pause(clock, since, until)
        _compute(clock, now)
        if ticket.status is Status.PENDING:
            _stand_still(clock, spans[-1][1])
    elif clock.state is ClockState.RUNNING and ticket.first_response_at is not None:
        return
    ticket.clocks.append(clock)


def follow(ticket: Ticket) -> None:
    """Bring the due times on the ticket itself in step with its clocks."""
    for name, value in _due_columns(ticket.clocks).items():
        if name != "due_at" or not ticket.due_at_is_manual:
            setattr(ticket, name, value)


def facts_of(ticket: Ticket) -> Facts:
    """What *ticket*'s policy is chosen by; flushes, so that changed relations count."""
    db.session.flush()
    group = db.session.get(Group, ticket.group_id) if ticket.group_id else None
    return Facts(
        priority=ticket.priority,
        category_id=ticket.category_id,
        tier=ticket.requester.effective_tier,
        group_id=ticket.group_id,
        source=ticket.source,
        category_name=catalog.categories()[ticket.category_id].name,
        group_name=group.name if group else "",
    )


def is_on(clock: SlaClock) -> bool:
    """True from start to stop, paused or overdue or not."""
    return clock.stopped_at is None


def shown_state(clock: SlaClock, now: datetime) -> ClockState:
    """The state for pages and the API: breached from the due time on, told or not."""
    if clock.state is ClockState.RUNNING and _is_breached(clock, now):
        return ClockState.BREACHED
    return clock.state


def overdue_seconds(clock: SlaClock, now: datetime) -> int:
    """How long after its due time the target was reached, paused, or still is not; 0: in time."""
    if clock.due_at is None:  # met, paused in time, or void
        return 0
    until = clock.stopped_at or clock.paused_at or now
    return max(0, round((until - clock.due_at).total_seconds()))


def _choose(facts: Facts, start: datetime) -> Choice:
    percent = setting("sla_warning_percent")
    return choose(queries.active_policies(), facts, start=start, warning_percent=percent)


def _resolution(ticket: Ticket) -> SlaClock | None:
    return next((clock for clock in ticket.clocks if clock.target is Target.RESOLUTION), None)


def _is_breached(clock: SlaClock, now: datetime) -> bool:
    """True for what was told as a breach, or will be."""
    if clock.breached_at is not None or clock.state is ClockState.BREACHED:
        return True
    return clock.due_at is not None and clock.due_at <= now


def _stand_still(clock: SlaClock, now: datetime) -> None:
    clock.left_seconds = _left(clock, now)
    clock.paused_at = now
    if _is_breached(clock, now):
        clock.state = ClockState.BREACHED  # keeps its due time: perhaps nobody was told yet
    else:
        clock.state = ClockState.PAUSED
        clock.due_at = clock.warn_at = None


def _halt(clock: SlaClock, now: datetime) -> None:
    if clock.paused_at is None:
        clock.left_seconds = _left(clock, now)
    clock.stopped_at = now


def _end(clock: SlaClock, now: datetime) -> None:
    _halt(clock, now)
    if _is_breached(clock, now):
        clock.state = ClockState.BREACHED  # keeps its due time, by which the sweep finds it
    else:
        clock.state = ClockState.MET
        clock.due_at = None
    clock.warn_at = None


def _end_all(ticket: Ticket, ended: list[SlaClock], now: datetime) -> None:
    for clock in ended:
        _end(clock, now)
    follow(ticket)


def _void(clock: SlaClock, now: datetime) -> None:
    _halt(clock, now)
    if clock.breached_at is None:
        clock.state = ClockState.VOID
        clock.due_at = None
    clock.warn_at = None


def _add_pause(clock: SlaClock, since: datetime, until: datetime) -> None:
    clock.pauses = [*clock.pauses, [since.isoformat(), until.isoformat()]]
    clock.paused_at = None


def _run_again(clock: SlaClock, since: datetime, now: datetime) -> None:
    """Go on after a pause or stop from *since* to *now*."""
    _add_pause(clock, since, now)
    clock.stopped_at = None
    _compute(clock, now)


def _change_terms(
    ticket: Ticket, clock: SlaClock, terms: Terms, terms_id: int, now: datetime
) -> None:
    """Put one clock under other terms; what has ended keeps its result."""
    is_open = clock.target is Target.RESOLUTION or (
        clock.target is Target.FIRST_RESPONSE and ticket.first_response_at is None
    )
    if clock.state is ClockState.VOID and ticket.is_active and is_open:
        clock.stopped_at = None  # there was no policy for a while
    if not is_on(clock) and clock.target is not Target.RESOLUTION:
        return
    minutes = terms.minutes.get(clock.target)
    if minutes is None:  # no next response is promised any more
        _void(clock, now)
        return
    clock.terms_id, clock.target_minutes = terms_id, minutes
    if is_on(clock):
        paused_at, clock.paused_at = clock.paused_at, None
        _compute(clock, now)
        if paused_at is not None:
            _stand_still(clock, paused_at)


def _compute(clock: SlaClock, now: datetime) -> None:
    """Due time and warning point of a running clock from its start, target and pauses."""
    pauses = [
        (datetime.fromisoformat(since), datetime.fromisoformat(until))
        for since, until in clock.pauses
    ]
    due = due_times(
        clock.started_at,
        clock.target_minutes,
        queries.terms(clock.terms_id).hours,
        pauses=pauses,
        now=now,
        warning_percent=setting("sla_warning_percent"),
    )
    clock.due_at = due.due_at
    if clock.breached_at is None:
        clock.warn_at = due.warn_at
        clock.state = ClockState.RUNNING


def _left(clock: SlaClock, now: datetime) -> int | None:
    """Calendar seconds from *now* to the due time, negative once it is past."""
    if clock.due_at is None:
        return None
    hours = queries.terms(clock.terms_id).hours
    left = business_time_between(now, clock.due_at, hours)
    overdue = business_time_between(clock.due_at, now, hours)
    return round((left - overdue).total_seconds())


def _due_columns(clocks: list[SlaClock]) -> dict[str, datetime | None]:
    """Columns of the ticket; ``due_at`` is missing once the resolution is met or late for good."""
    columns: dict[str, datetime | None] = {"next_due_at": None, "next_warn_at": None}
    running = [clock for clock in clocks if is_on(clock) and clock.paused_at is None]
    for clock in sorted(running, key=lambda clock: clock.due_at or clock.started_at)[:1]:
        columns |= {"next_due_at": clock.due_at, "next_warn_at": clock.warn_at}
    resolution = next((clock for clock in clocks if clock.target is Target.RESOLUTION), None)
    if resolution is None or resolution.state is ClockState.VOID:
        columns["due_at"] = None
    elif is_on(resolution):
        columns["due_at"] = None if resolution.paused_at else resolution.due_at
    return columns


def _in_words(minutes: int) -> str:
    """90 -> "1 h 30 min", 1440 -> "24 h"."""
    hours, rest = divmod(minutes, 60)
    return " ".join(f"{count} {unit}" for count, unit in ((hours, "h"), (rest, "min")) if count)

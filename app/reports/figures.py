"""The numbers of a report, a handful of statements for any period.

Everything is added up in the database; what comes back is one row for each combination of status,
priority, category, agent, group and source that occurs, not one for each ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.core.cache import reference_for
from app.core.db import UTCDateTime, db
from app.reports import cuts
from app.reports.cuts import DIMENSIONS, Cut
from app.reports.measures import MEASURES
from app.reports.periods import Period, Step
from app.reports.sources import (
    COUNTED,
    DIMENSION_NAMES,
    STATES,
    Worked,
    answered,
    decided,
    resolved,
)
from app.tickets.history_models import Reopening, TicketEvent
from app.tickets.models import FINISHED, Ticket
from app.tickets.words import ACTIVE_STATUSES, Status, Target

PERCENTILES = {"median": 0.5, "percentile_90": 0.9}
_LAST_EVENT = sa.select(sa.func.max(TicketEvent.id))
COUNTED_APART = ("solved", "reopened", "answered_without_sla", "resolved_without_sla")


@dataclass(slots=True)
class Spread:
    """How long something took, in seconds; None where nothing was measured.

    Percentiles are by nearest rank: the time of a real ticket.
    """

    mean: float | None = None
    median: int | None = None
    percentile_90: int | None = None


@dataclass(slots=True)
class Duration:
    """A time over *count* tickets: as it passed, and in business hours."""

    count: int = 0
    total: int = 0
    total_business: int = 0
    calendar: Spread = field(default_factory=Spread)
    business: Spread = field(default_factory=Spread)

    @property
    def mean(self) -> float | None:
        """Seconds that passed, on average."""
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class Compliance:
    """Clocks that were met and missed."""

    met: int = 0
    missed: int = 0

    @property
    def decided(self) -> int:
        """Both."""
        return self.met + self.missed

    @property
    def rate(self) -> float | None:
        """The share that was met; None, not 0 or 1, where there was no clock."""
        return self.met / self.decided if self.decided else None


def _by_target() -> dict[Target, Compliance]:
    return {target: Compliance() for target in Target}


@dataclass(slots=True)
class Line:
    """A report's numbers for all of its tickets, or for one row of a break-down."""

    key: str = ""
    label: str = ""
    handled: int = 0
    created: int = 0
    resolved: int = 0
    opening_backlog: int = 0
    backlog: int = 0
    first_response: Duration = field(default_factory=Duration)
    resolution: Duration = field(default_factory=Duration)
    sla: dict[Target, Compliance] = field(default_factory=_by_target)

    @property
    def compliance(self) -> Compliance:
        """All clocks together."""
        clocks = self.sla.values()
        return Compliance(sum(c.met for c in clocks), sum(c.missed for c in clocks))


@dataclass(slots=True)
class Moment:
    """One step of the period: what happened in it, and how many were open at its end."""

    step: Step
    created: int = 0
    resolved: int = 0
    backlog: int = 0


@dataclass(slots=True)
class Report:
    """Everything about one period and cut."""

    period: Period
    cut: Cut
    total: Line
    states: dict[Status, int]
    solved: int
    reopened: int
    without_sla: dict[Target, int]
    steps: list[Moment]
    breakdowns: dict[str, list[Line]]

    @property
    def reopen_rate(self) -> float | None:
        """Of what was solved, the share that was opened again."""
        return self.reopened / self.solved if self.solved else None


def report(period: Period, cut: Cut, *, now: datetime) -> Report:
    """The report, made anew where anything has happened to a ticket since it was last made.

    One statement where nothing has, else six more, whatever the period. On PostgreSQL a line of
    history may be committed after a later one: so nothing is kept for more than a minute.
    """
    if cut.organization:  # people join and leave organizations without a word in any history
        return _made(period, cut, now=now)
    last = db.session.scalar(_LAST_EVENT)
    minute = now.replace(second=0, microsecond=0)
    key = ("report", period, cut, last, minute)
    return reference_for(key, lambda: _made(period, cut, now=now))


def _made(period: Period, cut: Cut, *, now: datetime) -> Report:
    lines, states = _Lines(), dict.fromkeys(Status, 0)
    _add_worked(period, cut, lines, states)
    _add_answered(period, cut, lines)
    _add_clocks(period, cut, lines)
    total = lines.total
    _add_percentiles(period, cut, total)
    apart = _counted_apart(period, cut)
    return Report(
        period,
        cut,
        total,
        states,
        apart["solved"],
        apart["reopened"],
        {
            Target.FIRST_RESPONSE: apart["answered_without_sla"],
            Target.RESOLUTION: apart["resolved_without_sla"],
        },
        _steps(period, cut, total.opening_backlog, now),
        {name: _in_order(name, found) for name, found in lines.by.items()},
    )


def _marginals(rows: sa.Select[Any], *also: str) -> Any:
    """Sums by each dimension, and over all (``dimension`` empty), of *rows*; one statement.

    They are added up twice, first by everything at once: what is sorted then is short.

    Args:
        rows: with the columns of `DIMENSION_NAMES` and *also*, which are kept apart, and others,
            which are added up.
    """
    each = rows.subquery("each")
    kept = [*DIMENSION_NAMES, *also]
    sums = [column.key for column in each.c if column.key not in kept]
    found = sa.select(
        *(each.c[name] for name in kept),
        *(sa.func.sum(each.c[name]).label(name) for name in sums),
        sa.func.count().label("found"),
    ).group_by(*(each.c[name] for name in kept))
    cells = found.cte("cells")

    def by(dimension: str, key: Any) -> Any:
        keys = [cells.c[name] for name in also]
        return sa.select(
            sa.literal(dimension).label("dimension"),
            key.label("key"),
            *keys,
            # PostgreSQL's sum of sums is a decimal.
            *(
                sa.cast(sa.func.sum(cells.c[name]), sa.BigInteger).label(name)
                for name in (*sums, "found")
            ),
        ).group_by(*([] if dimension == "" else [key]), *keys)

    parts = [by("", sa.null())]
    for dimension, name in zip(DIMENSIONS, DIMENSION_NAMES, strict=True):
        parts.append(by(dimension, sa.cast(cells.c[name], sa.String)))
    return sa.union_all(*parts)


class _Lines:
    """The total and the rows of every break-down, by dimension and column value as text."""

    def __init__(self) -> None:
        self.total = Line()
        self.by: dict[str, dict[str | None, Line]] = {name: {} for name in DIMENSIONS}

    def of(self, row: Any) -> Line:
        """The line that a row of `_marginals` belongs to."""
        if not row.dimension:
            return self.total
        return self.by[row.dimension].setdefault(row.key, Line())


def _add_worked(period: Period, cut: Cut, lines: _Lines, states: dict[Status, int]) -> None:
    worked = Worked(period.start, period.end, cut)
    row = worked.rows.c
    each = sa.select(
        worked.state.label("state"),
        *(row[name] for name in DIMENSION_NAMES),
        _flag(worked.created).label("created"),
        _flag(worked.resolved).label("resolved"),
        _flag(worked.open_at(period.start)).label("opening"),
        sa.case((worked.resolved, row.resolution_seconds)).label("seconds"),
        sa.case((worked.resolved, row.resolution_business_seconds)).label("business"),
    ).where(row.created_at < period.end)
    for found in _rows(_marginals(each, "state")):
        line = lines.of(found)
        line.created += found.created
        line.resolved += found.resolved
        line.opening_backlog += found.opening
        _lengthen(line.resolution, found.resolved, found.seconds, found.business)
        if found.state is not None:
            status = STATES[found.state]
            line.handled += found.found
            line.backlog += found.found if status in ACTIVE_STATUSES else 0
            if line is lines.total:
                states[status] += found.found


def _add_answered(period: Period, cut: Cut, lines: _Lines) -> None:
    row = answered(period.start, period.end, cut).c
    each = sa.select(
        *(row[name] for name in DIMENSION_NAMES),
        row.first_response_seconds.label("seconds"),
        row.first_response_business_seconds.label("business"),
    )
    for found in _rows(_marginals(each)):
        _lengthen(lines.of(found).first_response, found.found, found.seconds, found.business)


def _add_clocks(period: Period, cut: Cut, lines: _Lines) -> None:
    row = decided(period.start, period.end, cut).c
    keys = (row.target, row.is_met, *(row[name] for name in DIMENSION_NAMES))
    for found in _rows(_marginals(sa.select(*keys), "target", "is_met")):
        compliance = lines.of(found).sla[found.target]
        if found.is_met:
            compliance.met += found.found
        else:
            compliance.missed += found.found


def _rows(statement: Any) -> Any:
    """Plain rows: no entities are loaded here, so the session has nothing to add."""
    return db.session.connection().execute(statement)


def _lengthen(
    duration: Duration, count: int | None, seconds: int | None, business: int | None
) -> None:
    duration.count += int(count or 0)
    duration.total += int(seconds or 0)
    duration.total_business += int(business or 0)


def _add_percentiles(period: Period, cut: Cut, total: Line) -> None:
    """Median and 90th percentile of all times; one statement, none where nothing was measured."""
    done = resolved(period.start, period.end, cut).c
    first = answered(period.start, period.end, cut).c
    series = (
        (total.first_response, first.first_response_seconds, "calendar"),
        (total.first_response, first.first_response_business_seconds, "business"),
        (total.resolution, done.resolution_seconds, "calendar"),
        (total.resolution, done.resolution_business_seconds, "business"),
    )
    parts: list[Any] = []
    spreads: list[tuple[Spread, str]] = []
    for duration, column, kind in series:
        if not duration.count:
            continue
        spread: Spread = getattr(duration, kind)
        whole = duration.total if kind == "calendar" else duration.total_business
        spread.mean = whole / duration.count
        for name, share in PERCENTILES.items():
            found = _at_rank(column, duration.count, share)
            parts.append(sa.select(sa.literal(len(spreads)).label("place"), found.c.seconds))
            spreads.append((spread, name))
    if parts:
        for place, seconds in _rows(sa.union_all(*parts)):
            spread, name = spreads[place]
            setattr(spread, name, seconds)


def _at_rank(column: Any, count: int, share: float) -> Any:
    """The value that *share* of *count* values do not exceed; from the nearer end."""
    rank = max(1, -int(-count * share // 1))  # rounded up
    values = sa.select(column.label("seconds")).where(column.is_not(None))
    if rank * 2 > count + 1:
        return values.order_by(column.desc()).offset(count - rank).limit(1).subquery()
    return values.order_by(column).offset(rank - 1).limit(1).subquery()


def _counted_apart(period: Period, cut: Cut) -> dict[str, int]:
    """Numbers that need rows looked at one by one; one statement."""
    parts = []
    for key in COUNTED_APART:
        found = MEASURES[key].find(period.start, period.end, cut).subquery()
        parts.append(
            sa.select(sa.literal(key).label("key"), sa.func.count().label("found")).select_from(
                found
            )
        )
    return {row.key: row.found for row in _rows(sa.union_all(*parts))}


def _steps(period: Period, cut: Cut, opening: int, now: datetime) -> list[Moment]:
    """The backlog goes on from the period's start by what came and what went; one statement."""
    moments = [Moment(step) for step in period.steps(now)]
    change = [0] * len(moments)
    for kind, place, count in _rows(_flow(moments, cut)):
        if kind == "created":
            moments[place].created = count
        elif kind == "resolved":
            moments[place].resolved = count
        change[place] += {"created": count, "done": -count, "reopened": count}.get(kind, 0)
    for moment, by in zip(moments, change, strict=True):
        opening += by
        moment.backlog = opening
    return moments


def _flow(moments: list[Moment], cut: Cut) -> sa.CompoundSelect[Any]:
    """Kind, step, how many: tickets created, resolved, done and opened again."""
    borders = sa.values(
        sa.column("place", sa.Integer),
        sa.column("start", UTCDateTime),
        sa.column("until", UTCDateTime),
        name="step",
    ).data([(n, m.step.start, m.step.end) for n, m in enumerate(moments)])
    step = borders.cte("step")

    def part(kind: str, at: Any, *where: Any, source: Any = Ticket, hint: str = "") -> Any:
        counted = (
            sa.select(sa.literal(kind).label("kind"), step.c.place, sa.func.count())
            .select_from(step.join(source, sa.and_(at >= step.c.start, at < step.c.until)))
            .where(*where, *cut.where())
            .group_by(step.c.place)
        )
        return counted.with_hint(Ticket, hint, "sqlite") if hint else counted

    finished = "INDEXED BY ix_ticket_finished"
    rested = sa.join(Reopening, Ticket, Ticket.id == Reopening.ticket_id)
    done = sa.text(FINISHED)
    return sa.union_all(
        part("created", Ticket.created_at, *COUNTED, hint="INDEXED BY ix_ticket_created_at_id"),
        part(
            "resolved",
            Ticket.finished_at,
            done,
            Ticket.status != Status.CANCELLED,
            hint=finished,
        ),
        part("done", Ticket.finished_at, done, hint=finished),
        part("done", Reopening.finished_at, *COUNTED, source=rested),
        part("reopened", Reopening.reopened_at, *COUNTED, source=rested),
    )


def _in_order(dimension: str, found: dict[str | None, Line]) -> list[Line]:
    """The rows of a break-down that count anything, in the order of their names."""
    names = cuts.names(dimension)
    order = {key: place for place, key in enumerate(names)}
    for value, line in found.items():
        line.key = cuts.key_of(dimension, value)
        line.label = names.get(line.key) or f"Former {dimension}"
    shown = [line for line in found.values() if _counts(line)]
    return sorted(shown, key=lambda line: (order.get(line.key, len(order)), line.key))


def _counts(line: Line) -> bool:
    numbers = (line.handled, line.created, line.resolved, line.first_response.count)
    return any(numbers) or bool(line.compliance.decided)


def _flag(condition: Any) -> Any:
    return sa.case((condition, 1), else_=0)

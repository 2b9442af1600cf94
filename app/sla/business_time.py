"""Working hours, and time counted in them: when a target falls due, how much of it is used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

HORIZON = timedelta(days=3653)  # ten years: whatever lies further is a mistake in the calendar
MINUTES_A_DAY = 24 * 60

Interval = tuple[int, int]
"""Minutes of the day, from and (exclusive) to; 1440 is midnight at the day's end."""


class CalendarError(ValueError):
    """A calendar that cannot be worked with; the text is meant for the admin who made it."""


@dataclass(frozen=True)
class WorkingHours:
    """Opening hours of one week in one time zone, less holidays.

    Intervals are wall-clock times in ``zone``. Where the clock is changed, an opening or closing
    happens at the first moment at which the clock reads that time or later: one that falls into
    skipped time happens when the clock is put forward, one in repeated time the first time round.

    Attributes:
        zone: name of an IANA time zone.
        week: seven days, Monday first, each with its intervals in order and without overlap.
        holidays: dates in ``zone`` on which nothing is open.
    Raises:
        CalendarError: unknown zone; intervals that are out of order, overlapping or no minutes.
    """

    zone: str = "UTC"
    week: tuple[tuple[Interval, ...], ...] = (((0, MINUTES_A_DAY),),) * 7
    holidays: frozenset[date] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError) as error:
            raise CalendarError(f"There is no time zone named {self.zone!r}.") from error
        if len(self.week) != 7:
            raise CalendarError("A week has seven days.")
        for day in self.week:
            reached = 0
            for start, end in day:
                if not reached <= start < end <= MINUTES_A_DAY:
                    raise CalendarError("Opening hours must follow each other within 0:00-24:00.")
                reached = end

    @classmethod
    def from_intervals(
        cls,
        zone: str,
        intervals: Iterable[tuple[int, int, int]],
        holidays: Iterable[date] = (),
    ) -> WorkingHours:
        """Working hours from (weekday, from, to) in any order; what overlaps or touches is joined.

        Args:
            intervals: weekday 0 (Monday) to 6, and the two minutes of an `Interval`.
        Raises:
            CalendarError: as the class, or for a weekday that does not exist.
        """
        week: list[list[Interval]] = [[] for _ in range(7)]
        for weekday, start, end in sorted(intervals):
            if not 0 <= weekday <= 6:
                raise CalendarError("Weekdays are 0 (Monday) to 6 (Sunday).")
            day = week[weekday]
            if day and start <= day[-1][1] and start < end:
                day[-1] = (day[-1][0], max(end, day[-1][1]))
            else:
                day.append((start, end))
        return cls(zone, tuple(map(tuple, week)), frozenset(holidays))

    @cached_property
    def is_always_open(self) -> bool:
        """True for 24 x 7 without a holiday."""
        return not self.holidays and all(day == ((0, MINUTES_A_DAY),) for day in self.week)

    @property
    def never_opens(self) -> bool:
        """True where no day of the week has an interval."""
        return not any(self.week)

    def openings_on(self, day: date) -> tuple[tuple[datetime, datetime], ...]:
        """What is open on one day of the zone, in UTC; a day is looked up once."""
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = tuple(self._find_openings(day))
        return found

    @cached_property
    def _days(self) -> dict[date, tuple[tuple[datetime, datetime], ...]]:
        return {}  # at most as many as `HORIZON` has, twice

    def _find_openings(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        if day in self.holidays:
            return
        zone, midnight = ZoneInfo(self.zone), datetime.combine(day, time())
        for first_minute, end_minute in self.week[day.weekday()]:
            opening = _moment(midnight + timedelta(minutes=first_minute), zone)
            closing = _moment(midnight + timedelta(minutes=end_minute), zone)
            if opening < closing:
                yield opening, closing


ALWAYS_OPEN = WorkingHours()


def add_business_time(
    start: datetime, amount: timedelta, calendar: WorkingHours, *, horizon: timedelta = HORIZON
) -> datetime:
    """The earliest moment with *amount* of open time between *start* and it.

    An amount that ends with the day's closing is due at the closing, not at the next opening.
    Costs a few microseconds for each day passed; constant where the calendar is always open.

    Args:
        start: aware; the result is UTC.
        amount: not negative, counted as really elapsed time.
        horizon: how far from *start* to look.
    Raises:
        CalendarError: the calendar never opens, or not long enough within the horizon.
        ValueError: *start* is naive or *amount* negative.
    """
    start = _as_utc(start)
    if amount < timedelta(0):
        raise ValueError("amount must not be negative")
    if calendar.never_opens:
        raise CalendarError("This calendar has no opening hours at all.")
    if not amount:
        return start
    if calendar.is_always_open and amount <= horizon:
        return start + amount
    left = amount
    for opening, closing in _openings(start, start + horizon, calendar):
        if closing - opening >= left:
            return opening + left
        left -= closing - opening
    raise CalendarError("This calendar has too few opening hours: it would take over ten years.")


def business_time_between(start: datetime, end: datetime, calendar: WorkingHours) -> timedelta:
    """Open time from *start* to *end*, both aware; zero where *end* is not later.

    Raises:
        ValueError: one of them is naive.
    """
    start, end = _as_utc(start), _as_utc(end)
    if end <= start:
        return timedelta(0)
    if calendar.is_always_open:
        return end - start
    spans = _openings(start, end, calendar)
    return sum((closing - opening for opening, closing in spans), timedelta(0))


def _openings(
    start: datetime, end: datetime, calendar: WorkingHours
) -> Iterator[tuple[datetime, datetime]]:
    """What is open within *start* to *end* (UTC), in order, as spans longer than nothing."""
    day = start.astimezone(ZoneInfo(calendar.zone)).date()
    last = end.astimezone(ZoneInfo(calendar.zone)).date()
    last += timedelta(days=1)  # a clock put back over midnight
    while day <= last:
        for opening, closing in calendar.openings_on(day):
            if opening < end and start < closing:
                yield max(start, opening), min(end, closing)
        day += timedelta(days=1)


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """The first moment, in UTC, at which the clock of *zone* reads *wall* (naive) or later."""
    moment = wall.replace(tzinfo=zone).astimezone(UTC)  # fold 0: the first time round
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    # Skipped time: the change lies between the readings by the new and by the old offset (PEP 495).
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    after = moment
    while after - before > timedelta(seconds=1):  # clocks are changed at whole seconds
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        if middle.astimezone(zone).replace(tzinfo=None) >= wall:
            after = middle
        else:
            before = middle
    return after


def _as_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a time without a zone was given")
    return moment.astimezone(UTC)

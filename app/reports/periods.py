"""The days that a report is about, in the zone of whoever reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from app.core.errors import Invalid

MOST_DAYS = 3_660  # ten years
DAILY, WEEKLY = 62, 400  # so many days are told day by day, week by week; longer periods by month
DEFAULT = "last_30_days"


@dataclass(frozen=True, slots=True)
class Step:
    """One column of a chart over time: some days of a period, both named ones included."""

    first: date
    last: date
    start: datetime
    end: datetime

    @property
    def label(self) -> str:
        """For tables: "3 Oct" or "28 Sep to 4 Oct"."""
        if self.first == self.last:
            return _day(self.first)
        return f"{_day(self.first)} to {_day(self.last)}"


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days, *first* and *last* included, in a zone."""

    first: date
    last: date
    zone: ZoneInfo

    @property
    def start(self) -> datetime:
        """Its first moment, UTC."""
        return _midnight(self.first, self.zone)

    @property
    def end(self) -> datetime:
        """The first moment after it, UTC."""
        return _midnight(self.last + timedelta(days=1), self.zone)

    @property
    def days(self) -> int:
        """How many days it has."""
        return (self.last - self.first).days + 1

    @property
    def text(self) -> str:
        """In words: "1 to 31 October 2026"."""
        first, last = self.first, self.last
        if first == last:
            return f"{first.day} {first:%B %Y}"
        if (first.year, first.month) == (last.year, last.month):
            return f"{first.day} to {last.day} {last:%B %Y}"
        year = "" if first.year == last.year else f" {first.year}"
        return f"{first.day} {first:%B}{year} to {last.day} {last:%B %Y}"

    @property
    def unit(self) -> str:
        """What a step is: "day", "week" or "month"."""
        return "day" if self.days <= DAILY else "week" if self.days <= WEEKLY else "month"

    def steps(self, now: datetime) -> list[Step]:
        """The period in steps that have begun by *now*; the first and last may be cut."""
        found: list[Step] = []
        first = self.first
        for following in self._borders():
            start, end = _midnight(first, self.zone), _midnight(following, self.zone)
            if start > now and found:
                break
            found.append(Step(first, following - timedelta(days=1), start, end))
            first = following
        return found

    def _borders(self) -> Iterator[date]:
        """The day after each step."""
        day, end = self.first, self.last + timedelta(days=1)
        while day < end:
            if self.unit == "day":
                day += timedelta(days=1)
            elif self.unit == "week":
                day += timedelta(days=7 - day.weekday())
            else:
                day = _next_month(day)
            yield min(day, end)


def _month(today: date) -> tuple[date, date]:
    return today.replace(day=1), today


def _last_month(today: date) -> tuple[date, date]:
    last = today.replace(day=1) - timedelta(days=1)
    return last.replace(day=1), last


def _quarter(today: date) -> tuple[date, date]:
    return today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1), today


def _last_year(today: date) -> tuple[date, date]:
    return date(today.year - 1, 1, 1), date(today.year - 1, 12, 31)


def _back(days: int) -> Callable[[date], tuple[date, date]]:
    return lambda today: (today - timedelta(days=days - 1), today)


def _yesterday(today: date) -> tuple[date, date]:
    return today - timedelta(days=1), today - timedelta(days=1)


PRESETS: dict[str, tuple[str, Callable[[date], tuple[date, date]]]] = {
    "today": ("Today", _back(1)),
    "yesterday": ("Yesterday", _yesterday),
    "last_7_days": ("Last 7 days", _back(7)),
    "last_30_days": ("Last 30 days", _back(30)),
    "this_month": ("This month", _month),
    "last_month": ("Last month", _last_month),
    "this_quarter": ("This quarter", _quarter),
    "last_90_days": ("Last 90 days", _back(90)),
    "this_year": ("This year", lambda today: (today.replace(month=1, day=1), today)),
    "last_year": ("Last year", _last_year),
}


def preset(name: str, *, now: datetime, zone: ZoneInfo) -> Period:
    """A period by its name in `PRESETS`, as of *now*."""
    first, last = PRESETS[name][1](now.astimezone(zone).date())
    return Period(first, last, zone)


def between(start: str, end: str, *, zone: ZoneInfo) -> Period:
    """From day to day, both included, written as 2026-10-01.

    Raises:
        Invalid: no days, in the wrong order, or more than ten years.
    """
    errors: dict[str, str] = {}
    days = []
    for name, text in (("start", start), ("end", end)):
        try:
            day = date.fromisoformat(text.strip())
            if not 1970 <= day.year < 2200:
                raise ValueError("no year of ours")
            days.append(day)
        except ValueError:
            errors[name] = "a day such as 2026-10-01" if text.strip() else "which day?"
    if not errors and days[1] < days[0]:
        errors["end"] = "not before the first day"
    if not errors and (days[1] - days[0]).days >= MOST_DAYS:
        errors["end"] = "at most ten years"
    if errors:
        told = "; ".join(f"{name}: {message}" for name, message in errors.items())
        raise Invalid(f"There is no such period. {told}", errors)
    return Period(days[0], days[1], zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def _day(day: date) -> str:
    return f"{day.day} {day:%b}"

"""Times, durations and sizes in words, in the viewer's zone; cheap enough for each row."""

from __future__ import annotations

from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

MONTHS = (
    "January February March April May June July August September October November December"
).split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


@lru_cache(maxsize=128)
def zone(name: str) -> ZoneInfo:
    """The zone of a name; an unknown one is UTC, so that no page breaks on it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


@lru_cache(maxsize=4096)
def exact(then: datetime, tz: tzinfo) -> str:
    """ "18 November 2025, 06:22"."""
    t = then.astimezone(tz)
    return f"{t.day} {MONTHS[t.month - 1]} {t.year}, {t.hour:02}:{t.minute:02}"


def day(then: datetime, tz: ZoneInfo) -> str:
    """ "18 November 2025"."""
    t = then.astimezone(tz)
    return f"{t.day} {MONTHS[t.month - 1]} {t.year}"


def moment(then: datetime, now: datetime, tz: ZoneInfo) -> str:
    """ "06:22" today, else "18 Nov, 06:22", else with the year."""
    t, today = then.astimezone(tz), now.astimezone(tz)
    clock = f"{t.hour:02}:{t.minute:02}"
    if t.date() == today.date():
        return clock
    day = f"{t.day} {MONTHS[t.month - 1][:3]}"
    return f"{day}, {clock}" if t.year == today.year else f"{day} {t.year}, {clock}"


@lru_cache(maxsize=4096)
def iso(then: datetime) -> str:
    """For ``<time datetime>``: whole seconds, UTC."""
    return then.isoformat(timespec="seconds")


def ago(then: datetime, now: datetime) -> str:
    """An age: "now", "35 m", "2 h", "3 d", "5 w", "4 mo", "2 y"."""
    age = now - then
    seconds = age.days * 86_400 + age.seconds
    if seconds < 60:
        return "now"
    for limit, size, unit in _AGES:
        if seconds < limit:
            return f"{seconds // size} {unit}"
    return f"{seconds // 31_557_600} y"


_AGES = (
    (3_600, 60, "m"),
    (86_400, 3_600, "h"),
    (1_209_600, 86_400, "d"),
    (5_184_000, 604_800, "w"),
    (31_557_600, 2_629_800, "mo"),
)


def duration(span: timedelta, *, minute: str = "min") -> str:
    """ "35 min", "2 h 10 min", "17 h", "1 d 21 h", "12 d"; under a minute is "1 min"."""
    minutes = max(1, int(span.total_seconds()) // 60)
    if minutes < 60:
        return f"{minutes} {minute}"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} {minute}" if minutes and hours < 10 else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 10 else f"{days} d"


def due_chip(
    due_at: datetime | None, warn_at: datetime | None, *, now: datetime, paused: bool, active: bool
) -> tuple[str, str]:
    """Text and tone of the next due time: "" in time, pending from its warning point, critical."""
    if not active:
        return "", "none"
    if due_at is None:
        return ("Paused", "paused") if paused else ("", "none")
    if due_at <= now:
        return f"{duration(now - due_at, minute='m')} overdue", "critical"
    tone = "pending" if warn_at is not None and warn_at <= now else ""
    return duration(due_at - now, minute="m"), tone


def by_when(then: datetime, now: datetime, tz: ZoneInfo) -> str:
    """ "today by 16:40", "tomorrow by 09:00", "by Monday 23 November, 16:40"."""
    t, today = then.astimezone(tz), now.astimezone(tz).date()
    clock = f"{t.hour:02}:{t.minute:02}"
    if t.date() == today:
        return f"today by {clock}"
    if t.date() == today + timedelta(days=1):
        return f"tomorrow by {clock}"
    return f"by {DAYS[t.weekday()]} {t.day} {MONTHS[t.month - 1]}, {clock}"


def filesize(size: int) -> str:
    """ "48 kB", "1.2 MB" (decimal, as file managers show it)."""
    if size < 1_000:
        return f"{size} B"
    if size < 1_000_000:
        return f"{round(size / 1_000)} kB"
    return f"{size / 1_000_000:.1f} MB"


def capped(count: int, cap: int) -> str:
    """ "48", or "1,000+" past the cap; counting stops there."""
    return f"{cap:,}+" if count > cap else f"{count:,}"

"""Periods: presets, days with a clock change, steps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import Invalid
from app.reports.periods import PRESETS, Period, between, preset

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 22, 23, 30, tzinfo=UTC)  # the 23rd in Berlin already


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("today", "2026-11-23", "2026-11-23"),
        ("yesterday", "2026-11-22", "2026-11-22"),
        ("last_7_days", "2026-11-17", "2026-11-23"),
        ("last_30_days", "2026-10-25", "2026-11-23"),
        ("this_month", "2026-11-01", "2026-11-23"),
        ("last_month", "2026-10-01", "2026-10-31"),
        ("this_quarter", "2026-10-01", "2026-11-23"),
        ("last_90_days", "2026-08-26", "2026-11-23"),
        ("this_year", "2026-01-01", "2026-11-23"),
        ("last_year", "2025-01-01", "2025-12-31"),
    ],
)
def test_a_preset_is_counted_in_the_viewers_days(name: str, first: str, last: str) -> None:
    period = preset(name, now=NOW, zone=BERLIN)
    assert (period.first.isoformat(), period.last.isoformat()) == (first, last)
    assert set(PRESETS) >= {name}


def test_a_day_with_a_clock_change_has_25_hours() -> None:
    period = Period(date(2026, 10, 25), date(2026, 10, 25), BERLIN)
    assert period.end - period.start == timedelta(hours=25)
    assert period.start == datetime(2026, 10, 24, 22, tzinfo=UTC)


@given(
    st.dates(date(2024, 1, 1), date(2027, 1, 1)),
    st.integers(1, 1_000),
    st.sampled_from(["UTC", "Asia/Kathmandu", "America/Santiago", "Africa/Cairo"]),
)
def test_steps_cover_a_period_without_gap_or_overlap(first: date, days: int, zone: str) -> None:
    period = Period(first, first + timedelta(days=days - 1), ZoneInfo(zone))
    steps = period.steps(period.end)
    assert steps[0].start == period.start
    assert steps[-1].end == period.end
    assert all(one.end == following.start for one, following in pairwise(steps))
    assert len(steps) <= 62
    whole = Period(steps[0].first, steps[-1].last, period.zone)
    assert whole == period


def test_days_to_come_are_no_steps() -> None:
    period = Period(date(2026, 11, 20), date(2026, 11, 30), BERLIN)
    assert [step.label for step in period.steps(NOW)] == ["20 Nov", "21 Nov", "22 Nov", "23 Nov"]


def test_a_long_period_is_told_by_week_or_month() -> None:
    quarter = Period(date(2026, 7, 1), date(2026, 9, 30), BERLIN)
    assert quarter.steps(NOW)[0].label == "1 Jul to 5 Jul"  # to the first Sunday
    years = Period(date(2025, 2, 10), date(2026, 10, 31), BERLIN)
    assert (years.unit, years.steps(NOW)[1].label) == ("month", "1 Mar to 31 Mar")


def test_the_end_comes_not_before_the_start() -> None:
    with pytest.raises(Invalid) as refused:
        between("2026-10-02", "2026-10-01", zone=BERLIN)
    assert refused.value.errors == {"end": "not before the first day"}

"""Tables of cases and properties for working hours, above all where clocks are changed."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.sla.business_time import (
    ALWAYS_OPEN,
    HORIZON,
    CalendarError,
    WorkingHours,
    add_business_time,
    business_time_between,
)

HOUR = timedelta(hours=1)
OFFICE = [(weekday, 9 * 60, 17 * 60) for weekday in range(5)]
LUNCH = [
    (weekday, start * 60, end * 60) for weekday in range(5) for start, end in ((9, 12), (13, 17))
]
NIGHT_SHIFT = [
    (weekday, start * 60, end * 60) for weekday in range(7) for start, end in ((0, 6), (22, 24))
]
ALL_DAY = [(weekday, 0, 24 * 60) for weekday in range(7)]
SMALL_HOURS = [(weekday, 0, 8 * 60) for weekday in range(7)]
FROM_HALF_TWO = [(weekday, 150, 5 * 60) for weekday in range(7)]
TEN_PAST_TWO = [(weekday, 130, 140) for weekday in range(7)]


def at(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


@pytest.mark.requirement("X31")
@pytest.mark.parametrize(
    ("zone", "intervals", "holidays", "start", "hours", "due"),
    [
        # 2026-03-02 is a Monday
        ("UTC", OFFICE, [], "2026-03-02 10:00", 2, "2026-03-02 12:00"),
        ("UTC", OFFICE, [], "2026-03-02 06:30", 2, "2026-03-02 11:00"),
        ("UTC", OFFICE, [], "2026-03-02 16:30", 1, "2026-03-03 09:30"),
        ("UTC", OFFICE, [], "2026-03-02 09:00", 8, "2026-03-02 17:00"),  # closing, not Tuesday
        ("UTC", OFFICE, [], "2026-03-06 16:00", 2, "2026-03-09 10:00"),  # over a weekend
        ("UTC", OFFICE, [], "2026-03-07 12:00", 0.5, "2026-03-09 09:30"),
        ("UTC", OFFICE, [], "2026-03-07 12:00", 0, "2026-03-07 12:00"),
        ("UTC", LUNCH, [], "2026-03-02 11:30", 1, "2026-03-02 13:30"),
        ("UTC", LUNCH, [], "2026-03-02 12:20", 1, "2026-03-02 14:00"),
        ("UTC", LUNCH, [], "2026-03-02 16:00", 4.5, "2026-03-03 13:30"),
        ("UTC", OFFICE, [date(2026, 3, 3)], "2026-03-02 16:00", 2, "2026-03-04 10:00"),
        ("UTC", OFFICE, [date(2026, 3, 2)], "2026-03-02 12:00", 1, "2026-03-03 10:00"),
        ("UTC", OFFICE, [date(2026, 3, 3)], "2026-03-02 16:00", 1, "2026-03-02 17:00"),
        ("UTC", NIGHT_SHIFT, [], "2026-03-02 21:00", 3, "2026-03-03 01:00"),
        ("UTC", NIGHT_SHIFT, [], "2026-03-02 05:00", 2, "2026-03-02 23:00"),
        ("UTC", NIGHT_SHIFT, [date(2026, 3, 3)], "2026-03-02 23:00", 3, "2026-03-04 02:00"),
        # a holiday is a day of the calendar's zone
        ("Asia/Tokyo", ALL_DAY, [date(2026, 3, 3)], "2026-03-02 23:00", 2, "2026-03-04 01:00"),
        # Berlin: 2026-03-29 02:00 becomes 03:00, 2026-10-25 03:00 becomes 02:00
        ("Europe/Berlin", OFFICE, [], "2026-03-27 16:00", 2, "2026-03-30 10:00"),
        ("Europe/Berlin", ALL_DAY, [], "2026-03-28 12:00", 24, "2026-03-29 13:00"),
        ("Europe/Berlin", ALL_DAY, [], "2026-10-24 12:00", 24, "2026-10-25 11:00"),
        ("Europe/Berlin", SMALL_HOURS, [], "2026-03-29 00:00", 7, "2026-03-29 08:00"),
        ("Europe/Berlin", SMALL_HOURS, [], "2026-03-29 00:00", 8, "2026-03-30 01:00"),
        ("Europe/Berlin", SMALL_HOURS, [], "2026-10-25 00:00", 9, "2026-10-25 08:00"),
        ("Europe/Berlin", FROM_HALF_TWO, [], "2026-03-29 01:00", 2, "2026-03-29 05:00"),
        ("Europe/Berlin", FROM_HALF_TWO, [], "2026-10-25 01:00", 3.5, "2026-10-25 05:00"),
        ("Europe/Berlin", TEN_PAST_TWO, [], "2026-03-29 00:00", 0.125, "2026-03-30 02:17:30"),
        ("Europe/Berlin", TEN_PAST_TWO, [], "2026-10-25 03:00", 0.125, "2026-10-26 02:17:30"),
        # New York: 2026-03-08 and 2026-11-01 at 02:00
        ("America/New_York", SMALL_HOURS, [], "2026-03-08 00:00", 7, "2026-03-08 08:00"),
        ("America/New_York", SMALL_HOURS, [], "2026-11-01 00:00", 9, "2026-11-01 08:00"),
        ("America/New_York", NIGHT_SHIFT, [], "2026-03-07 22:00", 7, "2026-03-08 06:00"),
        ("America/New_York", NIGHT_SHIFT, [], "2026-10-31 22:00", 9, "2026-11-01 06:00"),
        # Lord Howe: half an hour, 2026-10-04 02:00 becomes 02:30, 2026-04-05 02:00 becomes 01:30
        ("Australia/Lord_Howe", SMALL_HOURS, [], "2026-10-04 00:00", 7.5, "2026-10-04 08:00"),
        ("Australia/Lord_Howe", SMALL_HOURS, [], "2026-04-05 00:00", 8.5, "2026-04-05 08:00"),
        ("Australia/Lord_Howe", TEN_PAST_TWO, [], "2026-10-04 00:00", 0.125, "2026-10-05 02:17:30"),
        # Apia: 2011-12-30, a Friday, did not exist
        ("Pacific/Apia", ALL_DAY, [], "2011-12-29 12:00", 24, "2011-12-31 12:00"),
        ("Pacific/Apia", OFFICE, [], "2011-12-29 16:00", 2, "2012-01-02 10:00"),
        ("Pacific/Apia", NIGHT_SHIFT, [], "2011-12-29 22:00", 4, "2011-12-31 02:00"),
        # Sao Paulo skipped midnight on 2018-11-04 and passed 23:00 twice on 2018-02-17
        ("America/Sao_Paulo", ALL_DAY, [], "2018-11-03 23:00", 2, "2018-11-04 02:00"),
        ("America/Sao_Paulo", NIGHT_SHIFT, [], "2018-02-17 22:00", 4, "2018-02-18 01:00"),
        # St John's put the clock back over midnight: 2010-11-07 00:01 became 2010-11-06 23:01
        ("America/St_Johns", SMALL_HOURS, [], "2010-11-06 12:00", 9, "2010-11-07 08:00"),
    ],
)
def test_time_is_added_within_opening_hours(zone, intervals, holidays, start, hours, due):
    calendar = WorkingHours.from_intervals(zone, intervals, holidays)
    start, due, amount = at(start, zone), at(due, zone), hours * HOUR

    assert add_business_time(start, amount, calendar) == due
    assert add_business_time(start, amount, calendar).tzinfo is UTC
    assert business_time_between(start, due, calendar) == amount


@pytest.mark.requirement("X31")
@pytest.mark.parametrize(
    ("zone", "intervals", "start", "end", "hours"),
    [
        ("UTC", OFFICE, "2026-03-07 08:00", "2026-03-09 08:00", 0),
        ("UTC", OFFICE, "2026-03-02 16:00", "2026-03-03 20:00", 9),
        ("UTC", OFFICE, "2026-03-02 16:00", "2026-03-02 15:00", 0),
        ("UTC", OFFICE, "2026-01-01 00:00", "2027-01-01 00:00", 261 * 8),
        ("Europe/Berlin", ALL_DAY, "2026-01-01 00:00", "2027-01-01 00:00", 365 * 24),
        ("Europe/Berlin", FROM_HALF_TWO, "2026-03-29 00:00", "2026-03-30 00:00", 2),
        ("Europe/Berlin", TEN_PAST_TWO, "2026-03-29 00:00", "2026-03-30 00:00", 0),
    ],
)
def test_time_between_counts_what_was_open(zone, intervals, start, end, hours):
    calendar = WorkingHours.from_intervals(zone, intervals)

    assert business_time_between(at(start, zone), at(end, zone), calendar) == hours * HOUR


def test_repeated_hour_is_open_the_first_time_round():
    calendar = WorkingHours.from_intervals("Europe/Berlin", TEN_PAST_TWO)
    second_time = at("2026-10-25 02:05", "Europe/Berlin", fold=1).astimezone(UTC)

    assert business_time_between(second_time, second_time + HOUR, calendar) == timedelta(0)


def test_hours_past_midnight_do_not_close_when_the_clock_is_put_back_over_it():
    calendar = WorkingHours.from_intervals("America/St_Johns", SMALL_HOURS)
    second_time = at("2010-11-06 23:30", "America/St_Johns", fold=1).astimezone(UTC)

    assert add_business_time(second_time, HOUR / 4, calendar) == second_time + HOUR / 4
    assert business_time_between(second_time, second_time + HOUR / 4, calendar) == HOUR / 4


def test_always_open_is_plain_addition():
    start = at("2026-03-29 00:30", "Europe/Berlin")

    assert ALWAYS_OPEN.is_always_open
    assert WorkingHours.from_intervals("Europe/Berlin", ALL_DAY).is_always_open
    assert not WorkingHours(holidays=frozenset([date(2026, 1, 1)])).is_always_open
    assert add_business_time(start, 72 * HOUR, ALWAYS_OPEN) - start == 72 * HOUR


def test_intervals_that_overlap_or_touch_are_joined():
    calendar = WorkingHours.from_intervals("UTC", [(0, 720, 1020), (0, 540, 720), (0, 600, 660)])

    assert calendar.week[0] == ((540, 1020),)


@pytest.mark.parametrize(
    ("intervals", "holidays"),
    [
        ([], []),
        (OFFICE, [date(2026, 1, 1) + timedelta(days=day) for day in range(3700)]),
        ([(0, 0, 1)], []),  # a minute a week
    ],
)
def test_calendar_that_does_not_open_enough_is_refused(intervals, holidays):
    calendar = WorkingHours.from_intervals("UTC", intervals, holidays)

    with pytest.raises(CalendarError):
        add_business_time(at("2026-01-01 00:00", "UTC"), 24 * HOUR, calendar)


def test_more_than_ten_years_are_refused():
    with pytest.raises(CalendarError):
        add_business_time(at("2026-01-01 00:00", "UTC"), HORIZON + HOUR, ALWAYS_OPEN)


@pytest.mark.parametrize(
    ("zone", "intervals"),
    [
        ("Mars/Olympus", OFFICE),
        ("../../etc/passwd", OFFICE),
        ("", OFFICE),
        ("Europe", OFFICE),
        ("UTC", [(0, 600, 600)]),
        ("UTC", [(0, 700, 600)]),
        ("UTC", [(0, -1, 600)]),
        ("UTC", [(0, 0, 1441)]),
        ("UTC", [(7, 0, 600)]),
    ],
)
def test_nonsense_is_no_calendar(zone, intervals):
    with pytest.raises(CalendarError):
        WorkingHours.from_intervals(zone, intervals)


def test_naive_times_and_negative_amounts_are_mistakes():
    naive = datetime(2026, 3, 2)  # noqa: DTZ001 - the point of the test
    aware = naive.replace(tzinfo=UTC)

    with pytest.raises(ValueError, match="zone"):
        add_business_time(naive, HOUR, ALWAYS_OPEN)
    with pytest.raises(ValueError, match="zone"):
        business_time_between(aware, naive, ALWAYS_OPEN)
    with pytest.raises(ValueError, match="negative"):
        add_business_time(aware, -HOUR, ALWAYS_OPEN)


ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Asia/Kathmandu",
)
MINUTES = st.integers(0, 24 * 60)


@st.composite
def calendars(draw) -> WorkingHours:
    intervals = st.tuples(st.integers(0, 6), MINUTES, MINUTES).filter(lambda row: row[1] < row[2])
    holidays = st.sets(st.dates(date(2009, 12, 1), date(2031, 1, 31)), max_size=20)
    week = draw(st.lists(intervals, min_size=1, max_size=14))
    return WorkingHours.from_intervals(draw(st.sampled_from(ZONES)), week, draw(holidays))


MOMENTS = st.datetimes(
    datetime(2010, 1, 1),  # noqa: DTZ001 - hypothesis wants naive bounds
    datetime(2030, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
# The days on which one of the zones changed its clock, so that they are not left to chance.
CHANGES = st.builds(
    lambda start, minutes: start + timedelta(minutes=minutes),
    st.sampled_from(
        [
            datetime(2011, 12, 29, tzinfo=UTC),
            datetime(2010, 11, 6, tzinfo=UTC),
            datetime(2018, 2, 17, tzinfo=UTC),
            datetime(2018, 11, 3, tzinfo=UTC),
            datetime(2026, 3, 28, tzinfo=UTC),
            datetime(2026, 10, 24, tzinfo=UTC),
            datetime(2026, 4, 4, tzinfo=UTC),
        ]
    ),
    st.integers(0, 3 * 24 * 60),
)
STARTS = MOMENTS | CHANGES
AMOUNTS = st.timedeltas(timedelta(0), timedelta(hours=40))


def in_reach(start: datetime, amount: timedelta, calendar: WorkingHours) -> bool:
    try:
        add_business_time(start, amount, calendar)
    except CalendarError:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(STARTS, AMOUNTS, calendars())
def test_between_gives_back_what_was_added(start, amount, calendar):
    if in_reach(start, amount, calendar):
        due = add_business_time(start, amount, calendar)

        assert due >= start + amount
        assert business_time_between(start, due, calendar) == amount


@settings(max_examples=200, deadline=None)
@given(STARTS, AMOUNTS, AMOUNTS, calendars())
def test_adding_twice_is_adding_the_sum(start, first, second, calendar):
    if in_reach(start, first + second, calendar):
        halfway = add_business_time(start, first, calendar)

        assert add_business_time(halfway, second, calendar) == add_business_time(
            start, first + second, calendar
        )


@settings(max_examples=200, deadline=None)
@given(STARTS, STARTS, AMOUNTS, AMOUNTS, calendars())
def test_later_starts_and_larger_amounts_are_never_due_earlier(one, other, less, more, calendar):
    (one, other), (less, more) = sorted([one, other]), sorted([less, more])
    if in_reach(other, more, calendar):
        due = add_business_time(one, less, calendar)

        assert due <= add_business_time(one, more, calendar)
        assert due <= add_business_time(other, less, calendar)


@settings(max_examples=200, deadline=None)
@given(STARTS, st.timedeltas(timedelta(0), timedelta(days=30)), st.floats(0, 1), calendars())
def test_parts_of_a_span_add_up_and_never_exceed_it(start, length, share, calendar):
    middle, end = start + length * share, start + length
    whole = business_time_between(start, end, calendar)

    assert timedelta(0) <= whole <= length
    assert whole == business_time_between(start, middle, calendar) + business_time_between(
        middle, end, calendar
    )

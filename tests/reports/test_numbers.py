"""Every number of a report is the length of the list behind it, and counts what it says."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from app.core.db import db
from app.reports import cuts, figures, pages, tickets
from app.reports.cuts import Cut
from app.reports.figures import Report
from app.reports.measures import MEASURES
from app.reports.pages import Number, Page
from app.reports.periods import Period
from app.reports.routes import _asked
from app.tickets.models import Ticket
from app.tickets.words import Status
from tests.reports.random_desk import BEGIN, RandomDesk

# Midnight is at 18:15 UTC there.
ZONE = ZoneInfo("Asia/Kathmandu")
PERIOD = Period(date(2026, 3, 4), date(2026, 3, 8), ZONE)


@pytest.fixture
def desk(app: Flask) -> RandomDesk:
    return RandomDesk(11)


def listed(measure: str, period: Period, cut: Cut) -> list[int]:
    rows = db.session.execute(tickets.ids(MEASURES[measure], period, cut)).all()
    return sorted(row.id for row in rows)


@pytest.mark.requirement("R 10-1", "R 10-2", "X21", "X54", "X55", "X56", "X57")
@pytest.mark.parametrize("seed", [3, 29])
def test_each_measure_counts_what_its_definition_says(app: Flask, seed: int) -> None:
    desk = RandomDesk(seed)
    whole = Period(BEGIN.date() - timedelta(days=1), desk.end.date(), ZONE)
    one_day = replace(PERIOD, last=PERIOD.first)
    seen = set()
    for period in (PERIOD, whole, one_day):
        for measure in MEASURES:
            expected = desk.expected(measure, period.start, period.end)
            assert listed(measure, period, Cut()) == expected, (measure, period)
            seen |= {measure} if expected else set()
    # The desk is eventful enough for this to mean something.
    assert len(seen) >= len(MEASURES) - 3


def numbers_of(page: Page) -> Iterator[tuple[Number, str]]:
    """Every number with a list, and what kind it is."""
    for card in page.cards:
        for number in (card.number, *(more for _, more in card.more)):
            yield number, "card"
    for _, number, _ in page.states:
        yield number, "count"
    yield page.handled, "count"
    for _, _, count, times in page.times:
        yield count, "count"
        yield from ((time, "time") for time in times)
    for _, _, rate, *counts in page.targets:
        yield rate, "rate"
        yield from ((count, "count") for count in counts if count)
    for _, *counts in page.steps:
        yield from ((count, "count") for count in counts)
    for _, _, lines in page.breakdowns:
        for _, cells in lines:
            yield from ((cell, "cell") for cell in cells)


@pytest.mark.requirement("R 10-2", "R 10-3", "R 1-1", "X57")
def test_every_number_on_the_page_is_as_long_as_its_list(app: Flask, desk: RandomDesk) -> None:
    report = figures.report(PERIOD, Cut(), now=desk.end)
    checked = 0
    for number, _ in numbers_of(Page(report)):
        if not number.path:
            assert number.text in ("0", "–")
            continue
        with app.test_request_context(number.path):
            measure, period, cut = _asked(desk.end, ZONE)
        found = listed(measure.key, period, cut)
        assert found == sorted(
            i
            for i in desk.expected(measure.key, period.start, period.end)
            if fits(measure.key, i, cut)
        )
        if number.text.replace(",", "").isdigit():
            assert int(number.text.replace(",", "")) == len(found), number
            checked += 1
        else:  # a rate or a time: over something
            assert found, number
    assert checked > 60


def fits(measure: str, key: int, cut: Cut) -> bool:
    ticket = ticket_of(measure, key)
    values = {
        "priority": ticket.priority.value,
        "category": ticket.category.key,
        "agent": str(ticket.assignee_id or "none"),
        "group": str(ticket.group_id or "none"),
        "source": ticket.source.value,
        "organization": str(ticket.requester.organization_id or "none"),
    }
    return all(values[name] == value for name, value in cut.pairs())


def ticket_of(measure: str, key: int) -> Ticket:
    from app.tickets.models import SlaClock

    if MEASURES[measure].counts_clocks:
        return db.session.get_one(SlaClock, key).ticket
    return db.session.get_one(Ticket, key)


def assert_lines_add_up(report: Report) -> None:
    total = report.total
    for lines in report.breakdowns.values():
        for name in ("handled", "created", "resolved", "opening_backlog", "backlog"):
            assert sum(getattr(line, name) for line in lines) == getattr(total, name)
        assert sum(line.compliance.met for line in lines) == total.compliance.met
        assert sum(line.compliance.missed for line in lines) == total.compliance.missed


@pytest.mark.requirement("R 10-3", "X54", "X57")
def test_rows_of_a_break_down_add_up_to_the_whole(desk: RandomDesk) -> None:
    """Tickets that nobody holds have a row too; overview and break-down use one formula."""
    report = figures.report(PERIOD, Cut(), now=desk.end)
    assert_lines_add_up(report)
    assert sum(report.states.values()) == report.total.handled
    assert sum(m.created for m in report.steps) == report.total.created
    assert sum(m.resolved for m in report.steps) == report.total.resolved
    assert report.steps[-1].backlog == report.total.backlog
    unassigned = [line for line in report.breakdowns["agent"] if line.key == "none"]
    assert unassigned[0].label == "Unassigned"
    # One agent's report is their row.
    for line in report.breakdowns["agent"]:
        alone = figures.report(PERIOD, Cut(agent=line.key), now=desk.end)
        assert alone.total.created == line.created
        assert alone.total.compliance.rate == line.compliance.rate
        assert alone.total.resolution.mean == line.resolution.mean
        assert_lines_add_up(alone)


@pytest.mark.requirement("R 10-1")
def test_cuts_narrow_every_measure_alike(desk: RandomDesk) -> None:
    values = {
        "agent": str(desk.agents[0].id),
        "group": str(desk.groups[0].id),
        "category": "billing",
        "organization": str(desk.organization.id),
        "priority": "high",
        "source": "phone",
    }
    assert set(values) == {f.name for f in fields(Cut)}
    for name, value in values.items():
        cut = Cut(**{name: value})
        for measure in MEASURES:
            expected = [
                key
                for key in desk.expected(measure, PERIOD.start, PERIOD.end)
                if fits(measure, key, cut)
            ]
            assert listed(measure, PERIOD, cut) == expected, (name, measure)
        report = figures.report(PERIOD, cut, now=desk.end)
        assert report.total.created == len(listed("created", PERIOD, cut))
        assert report.total.backlog == len(listed("backlog", PERIOD, cut))
        assert cuts.name_of(name, value)


def nearest_rank(values: list[int], share: float) -> int:
    return sorted(values)[math.ceil(share * len(values)) - 1]


@pytest.mark.requirement("R 10-2", "X55", "X56")
def test_times_are_those_of_the_tickets_listed(desk: RandomDesk) -> None:
    """Closed tickets count as much as resolved ones; pauses and rests do not count."""
    report = figures.report(PERIOD, Cut(), now=desk.end)
    resolved = [desk.stories[i] for i in listed("resolved", PERIOD, Cut())]
    answered = [desk.stories[i] for i in listed("answered", PERIOD, Cut())]
    assert any(story.ticket.status is Status.CLOSED for story in resolved)
    took = [desk.worked_seconds(story) for story in resolved]
    waited = [
        round((s.answered_at - s.created_at).total_seconds()) for s in answered if s.answered_at
    ]
    for spread, values in (
        (report.total.resolution.calendar, took),
        (report.total.first_response.calendar, waited),
    ):
        assert spread.mean == pytest.approx(statistics.fmean(values), abs=1)
        assert spread.median == pytest.approx(nearest_rank(values, 0.5), abs=1)
        assert spread.percentile_90 == pytest.approx(nearest_rank(values, 0.9), abs=1)
    business = [story.ticket.resolution_business_seconds for story in resolved]
    assert report.total.resolution.business.mean == pytest.approx(statistics.fmean(business))


def test_a_report_without_tickets_has_no_rates_and_no_times(app: Flask) -> None:
    report = figures.report(PERIOD, Cut(), now=BEGIN)
    assert report.total.compliance.rate is None
    assert report.reopen_rate is None
    assert report.total.resolution.calendar == figures.Spread()
    assert "No SLA target was met or missed." in Page(report).summary


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1, "100 %"), (0.9996, "99.9 %"), (0.0001, "0.1 %"), (0.5, "50.0 %")],
)
def test_a_rate_reads_as_all_only_where_it_is(share: float, text: str) -> None:
    assert pages.percent(share) == text

"""Which policy a ticket gets, and when its targets fall due."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from app.sla.business_time import WorkingHours
from app.sla.targets import Escalation, Facts, Miss, Policy, Target, Terms, choose, due_times

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
OFFICE = WorkingHours.from_intervals("UTC", [(day, 540, 1020) for day in range(5)])
CLOSED = WorkingHours(week=((),) * 7)
MINUTES = {Target.FIRST_RESPONSE: 60, Target.RESOLUTION: 600}


def policy(name: str, hours: WorkingHours = OFFICE, **conditions: Any) -> Policy:
    terms = Terms(1, name, "Office", MINUTES, hours)
    return Policy(terms, **{key: frozenset(value) for key, value in conditions.items()})


def facts(**changes: Any) -> Facts:
    values: dict[str, Any] = {
        "priority": "high",
        "category_id": 3,
        "tier": "premium",
        "group_id": 5,
        "source": "email",
        "category_name": "Billing",
        "group_name": "Accounts",
    }
    return Facts(**(values | changes))


ALL = policy("all")


@pytest.mark.requirement("R 2-6", "R 6-1")
@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({}, None),
        ({"priorities": ["high", "critical"]}, None),
        ({"priorities": ["low"]}, "not for priority high"),
        ({"categories": [3]}, None),
        ({"categories": [4]}, "not for category Billing"),
        ({"tiers": ["premium"]}, None),
        ({"tiers": ["free", "standard"]}, "not for tier premium"),
        ({"groups": [5, 6]}, None),
        ({"groups": [6]}, "not for group Accounts"),
        ({"sources": ["email"]}, None),
        ({"sources": ["phone", "web"]}, "not for source email"),
        ({"priorities": ["high"], "tiers": ["free"]}, "not for tier premium"),
        ({"priorities": ["high"], "tiers": ["premium"], "sources": ["email"]}, None),
    ],
)
def test_policy_is_taken_where_every_condition_matches(conditions, reason):
    choice = choose([policy("asked", **conditions), ALL], facts(), start=MONDAY, warning_percent=80)

    if reason is None:
        assert choice.terms is not None
        assert choice.terms.policy == "asked"
        assert choice.missed == ()
    else:
        assert choice.terms is ALL.terms
        assert choice.missed == (Miss("asked", reason),)


@pytest.mark.parametrize(
    ("changes", "conditions", "reason"),
    [
        ({"group_id": None, "group_name": ""}, {"groups": [5]}, "not for group none"),
        ({"category_id": None, "category_name": ""}, {"categories": [3]}, "not for category none"),
    ],
)
def test_ticket_without_a_group_fits_no_policy_for_groups(changes, conditions, reason):
    choice = choose(
        [policy("asked", **conditions)], facts(**changes), start=MONDAY, warning_percent=80
    )

    assert choice.terms is None
    assert choice.due == {}
    assert choice.missed == (Miss("asked", reason),)


@pytest.mark.requirement("R 6-1", "X30")
def test_first_policy_that_fits_wins():
    choice = choose([ALL, policy("later")], facts(), start=MONDAY, warning_percent=80)

    assert choice.terms is ALL.terms


def test_policy_that_never_falls_due_is_passed_over():
    choice = choose([policy("broken", CLOSED), ALL], facts(), start=MONDAY, warning_percent=80)

    assert choice.terms is ALL.terms
    assert choice.missed == (Miss("broken", "This calendar has no opening hours at all."),)


@pytest.mark.requirement("R 1-1", "R 6-2")
def test_choice_tells_when_each_target_is_due():
    choice = choose([ALL], facts(), start=MONDAY, warning_percent=80)

    assert choice.due[Target.FIRST_RESPONSE].due_at == MONDAY + HOUR
    assert choice.due[Target.FIRST_RESPONSE].warn_at == MONDAY + 0.8 * HOUR
    assert choice.due[Target.RESOLUTION].due_at == MONDAY + timedelta(days=1, hours=2)
    assert choice.due[Target.RESOLUTION].warn_at == MONDAY + 8 * HOUR


@pytest.mark.requirement("X31")
@pytest.mark.parametrize(
    ("pauses", "warn", "due"),
    [
        ([], 8, 26),
        ([(1, 2)], 25, 27),
        ([(1, 2), (3, 5)], 27, 29),
        ([(7, 25)], 26, 28),  # over night: 1 h of Monday, 1 h of Tuesday
        ([(8, 24)], 8, 26),  # while closed
        ([(8, 23)], 8, 26),
    ],
)
def test_pauses_move_due_times_by_the_open_time_in_them(pauses, warn, due):
    spans = [(MONDAY + since * HOUR, MONDAY + until * HOUR) for since, until in pauses]

    found = due_times(MONDAY, 600, OFFICE, pauses=spans, warning_percent=80)

    assert (found.warn_at, found.due_at) == (MONDAY + warn * HOUR, MONDAY + due * HOUR)


def test_ticket_that_rested_for_many_years_can_still_fall_due():
    until = MONDAY + timedelta(days=15 * 365)

    found = due_times(MONDAY, 60, OFFICE, pauses=[(MONDAY, until)], now=until, warning_percent=80)

    assert until < found.due_at < until + timedelta(days=4)


@pytest.mark.parametrize(
    "terms",
    [
        Terms(1, "Plain", "24 x 7", MINUTES),
        Terms(
            7,
            "Büro",
            "Office",
            MINUTES | {Target.NEXT_RESPONSE: 5},
            WorkingHours(
                "Europe/Berlin", OFFICE.week, frozenset([date(2026, 12, 25), date(2026, 1, 1)])
            ),
            (Escalation("add_tag", "late"), Escalation("raise_priority", "", "resolution")),
        ),
    ],
)
def test_terms_survive_being_stored(terms):
    assert Terms.from_json(terms.to_json()) == terms

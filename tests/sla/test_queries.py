"""Policies and terms from the database, through the process cache."""

from __future__ import annotations

from datetime import date

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import cache
from app.core.db import db
from app.sla import queries
from app.sla.models import (
    Calendar,
    CalendarInterval,
    EscalationKind,
    Holiday,
    SlaEscalation,
    SlaPolicy,
    SlaTerms,
)
from app.sla.targets import Escalation, Target


@pytest.fixture
def office(app: Flask) -> Calendar:
    calendar = Calendar(name="Office", time_zone="Europe/Berlin")
    calendar.intervals = [
        CalendarInterval(weekday=0, start_minute=780, end_minute=1020),
        CalendarInterval(weekday=0, start_minute=540, end_minute=720),
    ]
    calendar.holidays = [Holiday(day=date(2026, 12, 25), name="Christmas")]
    db.session.add(calendar)
    db.session.flush()
    return calendar


def add_policy(calendar: Calendar, name: str, **columns) -> SlaPolicy:
    values = {"first_response_minutes": 60, "resolution_minutes": 600}
    policy = SlaPolicy(name=name, calendar_id=calendar.id, **(values | columns))
    db.session.add(policy)
    db.session.flush()
    return policy


@pytest.mark.requirement("R 0-12", "R 13-6")
def test_shipped_policies_are_by_priority_and_always_open(app: Flask) -> None:
    found = queries.active_policies()

    assert [
        (
            sorted(policy.priorities),
            policy.terms.minutes[Target.FIRST_RESPONSE],
            policy.terms.minutes[Target.RESOLUTION],
        )
        for policy in found
    ] == [
        (["critical"], 60, 240),
        (["high"], 240, 480),
        (["normal"], 480, 1440),
        (["low"], 1440, 4320),
    ]
    assert all(policy.terms.hours.is_always_open for policy in found)


def test_policy_is_read_with_its_calendar_and_escalations(office: Calendar) -> None:
    row = add_policy(
        office, "Office", position=-1, next_response_minutes=30, tiers=["free"], categories=[1, 2]
    )
    row.escalations = [
        SlaEscalation(kind=EscalationKind.ADD_TAG, value="late", position=2),
        SlaEscalation(kind=EscalationKind.RAISE_PRIORITY, target="resolution", position=1),
    ]
    db.session.commit()

    policy = queries.active_policies()[0]

    assert policy.tiers == {"free"}
    assert policy.categories == {1, 2}
    assert policy.groups == frozenset()
    terms = policy.terms
    assert (terms.policy_id, terms.policy, terms.calendar) == (row.id, "Office", "Office")
    assert terms.minutes == {
        Target.FIRST_RESPONSE: 60,
        Target.NEXT_RESPONSE: 30,
        Target.RESOLUTION: 600,
    }
    assert terms.hours.zone == "Europe/Berlin"
    assert terms.hours.week[0] == ((540, 720), (780, 1020))
    assert terms.hours.holidays == {date(2026, 12, 25)}
    assert terms.escalations == (
        Escalation("raise_priority", "", "resolution"),
        Escalation("add_tag", "late", None),
    )


@pytest.mark.requirement("R 6-1", "X30")
def test_policies_come_by_position_and_only_active_ones(office: Calendar) -> None:
    add_policy(office, "second", position=-1)
    add_policy(office, "first", position=-2)
    add_policy(office, "off", position=-3, is_active=False)
    db.session.commit()

    names = [policy.terms.policy for policy in queries.active_policies()]

    assert names[:2] == ["first", "second"]
    assert "off" not in names


def test_calendar_without_sense_never_opens(app: Flask) -> None:
    nowhere = Calendar(name="Nowhere", time_zone="Atlantis/City")
    db.session.add(nowhere)
    db.session.flush()
    add_policy(nowhere, "lost", position=-1)
    db.session.commit()

    assert queries.active_policies()[0].terms.hours.never_opens


def test_equal_terms_are_kept_once_and_read_back(app: Flask) -> None:
    wanted = queries.active_policies()[0].terms

    first = queries.terms_id(wanted)
    db.session.commit()
    second = queries.terms_id(wanted)

    assert first == second
    assert queries.terms(first) == wanted
    assert db.session.scalar(sa.select(sa.func.count()).select_from(SlaTerms)) == 1


def test_edited_policy_gets_terms_of_its_own(office: Calendar) -> None:
    row = add_policy(office, "Office", position=-1)
    db.session.commit()
    before = queries.terms_id(queries.active_policies()[0].terms)
    row.resolution_minutes = 60
    db.session.commit()
    after = queries.terms_id(queries.active_policies()[0].terms)
    db.session.commit()

    assert queries.terms(before).minutes[Target.RESOLUTION] == 600
    assert queries.terms(after).minutes[Target.RESOLUTION] == 60


def test_known_terms_cost_no_statement_of_their_own(app: Flask, statements: list[str]) -> None:
    queries.terms_id(queries.active_policies()[0].terms)
    db.session.commit()
    queries.terms(queries.terms_id(queries.active_policies()[0].terms))
    cache.forget_stamp()
    statements.clear()

    queries.terms(queries.terms_id(queries.active_policies()[0].terms))

    assert len(statements) == 1  # the stamp

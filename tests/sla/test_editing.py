"""Policies and calendars, as a supervisor changes them: what cannot work is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from flask import Flask

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.sla import editing
from app.sla.editing import PolicyDraft, Step
from app.sla.models import Calendar, EscalationKind, SlaPolicy
from app.sla.queries import active_policies, load_calendars
from tests.factories import make_agent

NOW = utcnow()
GROUPS = {1: "Support", 2: "Second level", 3: "Makers"}
DRAFT = PolicyDraft(
    name="Ovens",
    description="",
    is_active=True,
    calendar_id=1,
    priorities=[],
    categories=[],
    tiers=[],
    groups=[],
    sources=[],
    first_response_minutes=60,
    next_response_minutes=None,
    resolution_minutes=240,
)


@pytest.fixture
def ada(app: Flask) -> Person:
    return make_agent(name="Ada", role=Role.SUPERVISOR)


def save(by: Person, policy: SlaPolicy | None = None, **values: Any) -> SlaPolicy:
    draft = replace(DRAFT, **values)
    saved = editing.save_policy(policy, draft, groups=GROUPS, categories={}, by=by, now=NOW)
    db.session.commit()
    return saved


def save_calendar(by: Person, calendar: Calendar | None = None, **values: Any) -> Calendar:
    known: dict[str, Any] = {
        "name": "Office",
        "time_zone": "Europe/Berlin",
        "is_always": False,
        "intervals": [(day, *span) for day in range(5) for span in ((540, 720), (780, 1020))],
        "holidays": {date(2026, 12, 25): "Christmas"},
    }
    saved = editing.save_calendar(calendar, **(known | values), by=by, now=NOW)
    db.session.commit()
    return saved


def move(group: int) -> Step:
    return Step(EscalationKind.REASSIGN_GROUP, str(group))


def test_a_new_policy_is_asked_last(ada: Person) -> None:
    save(ada, steps=(Step(EscalationKind.RAISE_PRIORITY), Step(EscalationKind.ADD_TAG, "late")))
    assert active_policies()[-1].terms.policy == "Ovens"
    assert [step.kind for step in active_policies()[-1].terms.escalations] == [
        "raise_priority",
        "add_tag",
    ]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"calendar_id": None}, "calendar"),
        ({"calendar_id": 99}, "calendar"),
        ({"name": "High priority"}, "name"),
        ({"resolution_minutes": 0}, "resolution"),
        ({"steps": (move(9),)}, "steps"),
        ({"steps": (Step(EscalationKind.REASSIGN_GROUP, ""),)}, "steps"),
        ({"steps": (Step(EscalationKind.ADD_TAG, ""),)}, "steps"),
        ({"groups": [1], "steps": (move(1),)}, "steps"),
    ],
)
def test_what_cannot_work_is_refused(ada: Person, values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        save(ada, **values)
    assert list(refused.value.errors) == [field]


def test_escalations_that_run_in_a_circle_are_refused_whoever_closes_it(ada: Person) -> None:
    save(ada, name="One", groups=[1], steps=(move(2),))
    second = save(ada, name="Two", groups=[2], steps=(move(3),))
    with pytest.raises(Invalid, match="Makers → Support → Second level → Makers"):
        save(ada, name="Three", groups=[3], steps=(move(1),))
    save(ada, second, name="Two", groups=[2])
    save(ada, name="Three", groups=[3], steps=(move(1),))


def test_a_policy_is_refused_that_would_take_ten_years(ada: Person) -> None:
    minute = save_calendar(ada, intervals=[(0, 0, 1)])
    with pytest.raises(Invalid, match="over ten years"):
        save(ada, calendar_id=minute.id, resolution_minutes=10_000)


def test_a_calendar_has_several_intervals_a_day_and_holidays(ada: Person) -> None:
    office = save_calendar(ada)
    hours = load_calendars()[office.id][1]
    assert hours.week[0] == ((540, 720), (780, 1020))
    assert hours.week[6] == ()
    assert hours.holidays == {date(2026, 12, 25)}
    save_calendar(ada, office, holidays={date(2026, 12, 25): "Xmas", date(2027, 1, 1): "New Year"})
    assert [row.name for row in office.holidays] == ["Xmas", "New Year"]


def test_a_calendar_that_never_opens_is_refused(ada: Person) -> None:
    with pytest.raises(Invalid, match="never opens"):
        save_calendar(ada, intervals=[])
    with pytest.raises(Invalid, match="time zone"):
        save_calendar(ada, time_zone="Mars/Olympus")
    office = save_calendar(ada)
    save(ada, calendar_id=office.id, resolution_minutes=100_000)
    with pytest.raises(Invalid, match="Ovens would take over ten years"):
        save_calendar(ada, office, intervals=[(0, 0, 1)])


def test_the_last_calendar_stays(ada: Person) -> None:
    only = db.session.get_one(Calendar, 1)
    with pytest.raises(Conflict, match="only calendar"):
        editing.refuse_last_calendar(only)
    save_calendar(ada)
    editing.refuse_last_calendar(only)


def test_week_in_words(ada: Person) -> None:
    office = save_calendar(ada, intervals=[*((d, 540, 1020) for d in range(5)), (6, 0, 1440)])
    words = editing.week_words(office.intervals)
    assert words == "Monday to Friday 09:00-17:00; Sunday 00:00-24:00"

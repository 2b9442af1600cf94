"""Rules, policies, calendars, answers, macros and tags in the browser, without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Distribution, Person, Role
from app.admin.calendars import FIELDS, intervals_of
from app.admin.service_levels import minutes_of
from app.channels.models import AutoResponseTemplate
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.routing.models import AssignmentRule, RuleKind
from app.routing.rules import active_rules
from app.sla.models import Calendar, EscalationKind, SlaPolicy
from app.tickets.catalog_models import Macro, Tag
from tests.accounts.pages import mails
from tests.admin.pages import errors, fields, log, post
from tests.factories import category, make_agent, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def ada(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent("ada@desk.example", name="Ada", role=Role.SUPERVISOR)
    sign_in(client, found)
    return found


def test_a_rule_is_made_and_says_that_a_group_hands_out_nothing(
    app: Flask, client: FlaskClient, ada: Person
) -> None:
    group = make_group("Ovens", distribution=Distribution.NONE)
    db.session.commit()
    about = f"{category('technical').id}-"
    data = {"name": "Technical", "about": about, "kind": "group", "agent": "", "is_active": "y"}
    answer = post(client, "/admin/rules/new", data | {"group": ""})
    assert errors(answer) == ["Choose the group: without one the rule gives tickets to nobody."]
    assert post(client, "/admin/rules/new", data | {"group": str(group.id)}).status_code == 303
    page = client.get("/admin/rules").text
    assert "Ovens takes its tickets by hand" in page
    assert "Technical</a>" in page
    assert app.extensions["bells"].queue.jobs[0].func_name == "worker.jobs.hand_out"


@pytest.mark.requirement("R 2-10", "R 4-1")
def test_rules_are_ordered_by_button_and_as_a_whole(client: FlaskClient, ada: Person) -> None:
    for position, name in enumerate(("third", "second", "first"), start=1):
        kind = RuleKind.ROUND_ROBIN
        db.session.add(AssignmentRule(name=name, category_id=1, kind=kind, position=position))
    db.session.commit()
    by_name = {rule.name: str(rule.id) for rule in active_rules()}

    def order(**sent: Any) -> list[str]:
        answer = post(client, "/admin/rules/order", sent, "/admin/rules")
        assert answer.status_code == 303, answer.text
        cache.forget_stamp()
        return [rule.name for rule in active_rules()]

    assert order(down=by_name["first"]) == ["second", "first", "third"]
    assert order(up=by_name["third"]) == ["second", "third", "first"]
    assert order(up=by_name["second"]) == ["second", "third", "first"]
    dragged = [by_name[name] for name in ("first", "second", "third")]
    assert order(order=dragged) == ["first", "second", "third"]
    assert log()[-1][3:] == ("second, third, first", "first, second, third")
    for wrong, status in (
        ({}, 422),
        ({"up": "x"}, 422),
        ({"up": "999"}, 404),
    ):
        assert post(client, "/admin/rules/order", wrong, "/admin/rules").status_code == status
    for stale in (dragged[:2], [*dragged, dragged[0]]):  # the list itself is the answer
        assert order(order=stale) == ["first", "second", "third"]
        assert "The list has changed meanwhile." in client.get("/admin/rules").text


POLICY = {
    "name": "Ovens",
    "is_active": "y",
    "calendar": "1",
    "first_response": "1 h 30 min",
    "next_response": "",
    "resolution": "2 d",
    "priorities": ["critical", "high"],
}


def test_a_policy_with_escalations(client: FlaskClient, ada: Person) -> None:
    group = make_group("Second level")
    db.session.commit()
    steps = {
        "step_1-target": "resolution",
        "step_1-what": f"reassign_group:{group.id}",
        "step_2-target": "",
        "step_2-what": "add_tag:",
        "step_2-tag": "Late",
        "step_3-what": "raise_priority:high",
    }
    answer = post(client, "/admin/policies/new", POLICY | steps)
    assert answer.status_code == 303, errors(answer)
    policy = db.session.scalars(sa.select(SlaPolicy).where(SlaPolicy.name == "Ovens")).one()
    assert (policy.first_response_minutes, policy.resolution_minutes) == (90, 2 * 24 * 60)
    assert policy.next_response_minutes is None
    assert [(s.kind, s.value, s.target) for s in policy.escalations] == [
        (EscalationKind.REASSIGN_GROUP, str(group.id), "resolution"),
        (EscalationKind.ADD_TAG, "late", None),
        (EscalationKind.RAISE_PRIORITY, "high", None),
    ]
    page = client.get(f"/admin/policies/{policy.id}").text
    assert 'value="1 h 30 min"' in page
    assert f'selected value="reassign_group:{group.id}"' in page
    assert 'value="late"' in page


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"calendar": ""}, "Choose a calendar: without one no target ever falls due."),
        ({"first_response": "soon"}, "Write it like 4 h, 30 min or 1 h 30 min."),
        ({"resolution": "0 min"}, "Between one minute and ten years."),
        ({"name": "High priority"}, "Another policy has this name."),
        ({"step_1-what": "add_tag:"}, "Write the tag that is added."),
    ],
)
def test_a_policy_that_cannot_work_is_refused(
    client: FlaskClient, ada: Person, wrong: dict[str, str], words: str
) -> None:
    answer = post(client, "/admin/policies/new", POLICY | wrong)
    assert (answer.status_code, errors(answer)) == (422, [words])
    assert 'value="2 d"' in answer.text or "resolution" in wrong


def test_escalations_in_a_circle_are_refused_in_words(client: FlaskClient, ada: Person) -> None:
    one, two = make_group("One"), make_group("Two")
    db.session.commit()
    first = POLICY | {"groups": str(one.id), "step_1-what": f"reassign_group:{two.id}"}
    assert post(client, "/admin/policies/new", first).status_code == 303
    back = {"name": "Back", "groups": str(two.id), "step_1-what": f"reassign_group:{one.id}"}
    answer = post(client, "/admin/policies/new", POLICY | back)
    assert errors(answer) == ["These steps would send tickets in a circle: Two → One → Two."]


@pytest.mark.parametrize(
    ("words", "minutes"), [("4 h", 240), ("90min", 90), ("1 d 2 h 3 m", 1563), ("2 days", 2880)]
)
def test_spans_are_read_as_people_write_them(words: str, minutes: int) -> None:
    assert minutes_of(words) == minutes


def test_hours_are_read_as_people_write_them() -> None:
    assert intervals_of("9-12, 13:30 – 17.45") == [(540, 720), (810, 1065)]
    assert intervals_of("") == []
    for wrong in ("9", "12-9", "9:70-10", "9-25", "nine to five"):
        with pytest.raises(ValueError, match=r"."):
            intervals_of(wrong)


@pytest.mark.requirement("X31")
def test_a_calendar_takes_public_holidays_and_those_by_hand(
    client: FlaskClient, ada: Person
) -> None:
    data = dict.fromkeys(FIELDS, "") | {
        "name": "Munich",
        "time_zone": "Europe/Berlin",
        "monday": "9-12, 13-17",
        "holidays": "2026-05-04 Moving house",
        "country": "DE",
        "region": "by",
    }
    answer = post(client, "/admin/calendars/new", data | {"press": "holidays"})
    assert answer.status_code == 200
    filled = re.search(r'name="holidays"[^>]*>\r?\n?(.*?)</textarea>', answer.text, re.S)
    assert filled
    lines = unescape(filled[1]).splitlines()
    assert "2026-05-04 Moving house" in lines
    assert any(line.startswith(f"{utcnow().year}-01-06") for line in lines), "Epiphany"
    assert db.session.query(Calendar).count() == 1
    assert post(client, "/admin/calendars/new", data | {"holidays": filled[1]}).status_code == 303
    munich = db.session.scalars(sa.select(Calendar).where(Calendar.name == "Munich")).one()
    assert len(munich.holidays) == len(lines)
    assert [(p.weekday, p.start_minute) for p in munich.intervals] == [(0, 540), (0, 780)]
    for wrong, words in (
        ({"press": "holidays", "country": ""}, "Choose a country."),
        ({"press": "holidays", "region": "XX"}, "Germany has no region XX."),
        ({"holidays": "Christmas"}, "“Christmas” is no day."),
        ({"monday": ""}, "This calendar never opens."),
    ):
        refused = post(client, "/admin/calendars/new", data | {"name": "Other"} | wrong)
        assert refused.status_code == 422
        assert errors(refused)[0].startswith(words)


def test_an_answer_that_is_saved_as_it_ships_stays_as_it_is(
    client: FlaskClient, ada: Person
) -> None:
    path = "/admin/templates/1"
    assert client.post(path, data=fields(client.get(path).text)).status_code == 303
    assert log() == []


@pytest.mark.requirement("R 2-10", "R 8-1", "X51")
def test_an_answer_is_shown_for_a_real_ticket_and_mailed_to_oneself(
    client: FlaskClient, ada: Person
) -> None:
    ticket = make_ticket(make_person(name="Johanna <b>"), subject="Oven & door")
    db.session.commit()
    data = {
        "category": "1",
        "language": "de",
        "subject": "Über {{ ticket.subject }}",
        "body": "Hallo {{ requester.name }}, {{ ticket.number }} bis {{ due }}",
        "is_active": "y",
    }
    shown = unescape(post(client, "/admin/templates/new", data | {"press": "preview"}).text)
    assert "Über Oven & door" in shown
    assert f"Hallo Johanna <b>, {ticket.number} bis" in shown
    assert mails("template_test") == []
    assert post(client, "/admin/templates/new", data | {"press": "test"}).status_code == 200
    [mail] = mails("template_test")
    assert (mail.recipient, mail.context["subject"]) == ("ada@desk.example", "Über Oven & door")
    german = sa.select(AutoResponseTemplate).where(AutoResponseTemplate.language == "de")
    assert db.session.scalars(german).all() == []
    assert post(client, "/admin/templates/new", data).status_code == 303
    assert db.session.scalars(german).one().body == data["body"]
    for wrong, words in (
        ({"body": "{{ tiket.number }}"}, "There is a placeholder that is not known."),
        ({}, "This category has an answer in this language."),
        ({"press": "preview", "number": "TKT-NOPE"}, "There is no such ticket."),
    ):
        refused = post(client, "/admin/templates/new", data | wrong)
        if "press" in wrong:
            assert "Hallo" not in refused.text.partition('id="preview"')[2].partition("<form")[0]
        else:
            assert errors(refused)[0].startswith(words)


def test_a_macro_does_several_things(client: FlaskClient, ada: Person) -> None:
    data = {"name": "Close it", "is_active": "y", "reply": "", "status": "", "tags": ""}
    assert errors(post(client, "/admin/macros/new", data)) == [
        "Write a reply or choose a change: so far it does nothing."
    ]
    data |= {"reply": "Bye", "status": "resolved", "assignee": "me", "tags": "Done, sent parts"}
    assert post(client, "/admin/macros/new", data).status_code == 303
    macro = db.session.scalars(sa.select(Macro)).one()
    assert macro.changes == {
        "status": "resolved",
        "assignee": "me",
        "tags": ["done", "sent parts"],
    }
    assert "Resolved, to me, tags done, sent parts, a reply" in client.get("/admin/macros").text


def test_tags_are_renamed_and_merged(app: Flask, client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    late, slow = Tag(name="late"), Tag(name="slow")
    macro = Macro(name="m", changes={"tags": ["late"]})
    ticket = make_ticket(tags=[late])
    db.session.add_all([slow, macro])
    db.session.commit()
    assert post(client, f"/admin/tags/{late.id}", {"name": "Too  Late"}).status_code == 303
    assert (late.name, macro.changes) == ("too late", {"tags": ["too late"]})
    refused = post(client, f"/admin/tags/{late.id}", {"name": "slow"})
    assert errors(refused)[0].startswith("There is a tag slow already. To merge them")
    path = f"/admin/tags/{late.id}/deletion"
    assert post(client, path, {"instead": str(slow.id)}).status_code == 303
    assert ([tag.name for tag in ticket.tags], macro.changes) == (["slow"], {"tags": ["slow"]})
    for wrong in ("", ",", "x" * 61):
        assert post(client, "/admin/tags/new", {"name": wrong}).status_code == 422, wrong

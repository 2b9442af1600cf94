"""Groups and skills in the browser, without JavaScript."""

from __future__ import annotations

import re

from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Distribution, Group, Person, Skill
from app.core.db import db
from tests.admin.pages import errors, log, post
from tests.factories import category, make_agent, make_group, make_skill, make_ticket


def test_a_group_is_made_found_and_changed(app: Flask, client: FlaskClient, ada: Person) -> None:
    bob = make_agent(name="Bob")
    db.session.commit()
    data = {"name": "Ovens", "distribution": "none", "members": [str(bob.id)]}
    answer = post(client, "/admin/groups/new", data)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/groups")
    page = client.get("/admin/groups?q=OVEN").text
    assert "nothing is handed out" in page
    group = db.session.query(Group).one()
    assert f'href="/admin/groups/{group.id}"' in page
    assert "Ovens</a>" not in client.get("/admin/groups?q=door").text
    queue = app.extensions["bells"].queue
    assert [job.func_name for job in queue.jobs] == ["worker.jobs.hand_out"]
    data = {"name": "Ovens", "distribution": "least_busy", "is_private": "y"}
    assert post(client, f"/admin/groups/{group.id}", data).status_code == 303
    assert (group.distribution, group.is_private) == (Distribution.LEAST_BUSY, True)
    assert group.members == []
    assert log()[1:] == [
        ("Ovens", "changed", "Hands out", "By hand", "Least busy"),
        ("Ovens", "changed", "Private", "no", "yes"),
        ("Ovens", "changed", "Members", "Bob", ""),
    ]


def test_what_is_wrong_stands_beside_its_field_and_keeps_what_was_typed(
    client: FlaskClient, ada: Person
) -> None:
    make_group("Ovens")
    db.session.commit()
    data = {"name": "Ovens", "distribution": "round_robin", "members": [str(ada.id)]}
    answer = post(client, "/admin/groups/new", data)
    assert answer.status_code == 422
    assert errors(answer) == ["Another group has this name."]
    chosen = re.findall(r"<input[^>]*checked[^>]*>", answer.text)
    assert [re.findall(r'value="(\w+)"', tag)[0] for tag in chosen] == [
        "round_robin",
        str(ada.id),
    ]
    for wrong in (
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"distribution": "lottery"},
        {"members": ["999"]},
        {"members": ["x"]},
    ):
        assert post(client, "/admin/groups/new", data | wrong).status_code == 422, wrong
    assert log() == []


def test_deleting_a_group_says_by_what_it_is_used_and_takes_another(
    client: FlaskClient, ada: Person
) -> None:
    old, new = make_group("Old"), make_group("New")
    tickets = [make_ticket(group=old) for _ in range(3)]
    db.session.commit()
    path = f"/admin/groups/{old.id}/deletion"
    assert "<b>3 tickets</b>" in client.get(path).text
    answer = post(client, path, {"instead": ""})
    assert answer.status_code == 422
    assert errors(answer) == ["It is in use: choose what takes its place."]
    assert post(client, path, {"instead": str(old.id)}).status_code == 422
    assert post(client, path, {"instead": str(new.id)}).status_code == 303
    assert {ticket.group_id for ticket in tickets} == {new.id}
    name, action, _, before, after = log()[-1]
    assert (name, action, after) == ("Old", "deleted", None)
    assert before is not None
    assert "Replaced by: New" in before
    assert client.get(path).status_code == 404


def test_a_skill_that_nothing_uses_goes_at_once(client: FlaskClient, ada: Person) -> None:
    skill, needed = make_skill("Steam"), make_skill("Water")
    technical = category("technical")
    technical.skills.append(needed)
    db.session.commit()
    assert "Nothing uses it." in client.get(f"/admin/skills/{skill.id}/deletion").text
    assert post(client, f"/admin/skills/{skill.id}/deletion", {"instead": ""}).status_code == 303
    page = client.get(f"/admin/skills/{needed.id}/deletion").text
    assert f"<b>1 category ({technical.name})</b>" in page
    assert post(client, f"/admin/skills/{needed.id}/deletion", {"instead": ""}).status_code == 303
    assert db.session.query(Skill).count() == 0
    assert technical.skills == []


def test_long_lists_are_paged(client: FlaskClient, ada: Person) -> None:
    for n in range(60):
        make_group(f"Group {n:02}")
    db.session.commit()
    seen: list[str] = []
    for page in (1, 2, 3):
        text = client.get(f"/admin/groups?page={page}&q=group").text
        seen += [name for n in range(60) if (name := f"Group {n:02}") + "</a></b>" in text]
        assert (f"page={page + 1}" in text) is (page < 3)
    assert seen == [f"Group {n:02}" for n in range(60)]

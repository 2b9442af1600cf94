"""The team in the browser: in, changed, and out with their tickets passed on."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import tokens
from app.accounts.models import ApiToken, Person, PersonEmail, Role
from app.core.clock import utcnow
from app.core.db import db
from app.routing.models import AssignmentRule, RuleKind
from app.tickets.words import Status
from tests.accounts.pages import mails
from tests.admin.pages import errors, log, post
from tests.factories import make_agent, make_group, make_person, make_skill, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGE = "/admin/people"


def test_somebody_is_invited_with_groups_and_skills(client: FlaskClient, ada: Person) -> None:
    make_person("customer@example.com", name="A Customer")
    make_agent("works@desk.example")
    group, skill = make_group("Ovens"), make_skill("Steam")
    db.session.commit()
    data = {
        "name": "Priya",
        "email": "Priya@desk.example",
        "role": "supervisor",
        "max_tickets": "7",
        "groups": [str(group.id)],
        "skills": [str(skill.id)],
    }
    for wrong in (
        {"email": "works@desk.example"},
        {"email": "nope"},
        {"role": "customer"},
        {"role": "king"},
        {"name": "a\0b"},
        {"max_tickets": "-1"},
        {"groups": ["999"]},
    ):
        assert post(client, f"{PAGE}/new", data | wrong).status_code == 422, wrong
    assert mails("invitation") == []
    assert log() == []
    assert post(client, f"{PAGE}/new", data).status_code == 303
    [mail] = mails("invitation")
    assert (mail.recipient, mail.context["inviter"]) == ("priya@desk.example", "Ada")
    priya = db.session.get_one(PersonEmail, "priya@desk.example").person
    assert (priya.role, priya.max_tickets) == (Role.SUPERVISOR, 7)
    assert (priya.groups, priya.skills) == ([group], [skill])
    page = client.get(PAGE).text
    assert "Invited" in page
    assert "A Customer" not in page
    assert [(name, action) for name, action, *_ in log()] == [("Priya", "created")]
    assert (
        post(client, f"{PAGE}/{priya.id}/invitation", {}, f"{PAGE}/{priya.id}").status_code == 303
    )
    assert len(mails("invitation")) == 2


def test_role_and_groups_are_changed_but_not_ones_own_role(
    client: FlaskClient, ada: Person
) -> None:
    bob, group = make_agent(name="Bob"), make_group("Ovens")
    db.session.commit()
    data = {"name": "Bob", "role": "admin", "max_tickets": "9", "groups": [str(group.id)]}
    assert post(client, f"{PAGE}/{bob.id}", data).status_code == 303
    assert (bob.role, bob.max_tickets, bob.groups) == (Role.ADMIN, 9, [group])
    assert [line[1:] for line in log()] == [
        ("changed", "Role", "agent", "admin"),
        ("changed", "Groups", "", "Ovens"),
        ("changed", "Tickets at once", "5", "9"),
    ]
    answer = post(client, f"{PAGE}/{ada.id}", data | {"name": "Ada", "role": "agent"})
    assert errors(answer) == ["Another admin has to change your role."]
    assert ada.role is Role.ADMIN


def test_customers_are_not_of_the_team(client: FlaskClient, ada: Person) -> None:
    customer = make_person()
    db.session.commit()
    for path in ("", "/deactivation"):
        assert client.get(f"{PAGE}/{customer.id}{path}").status_code == 404


@pytest.mark.requirement("R 2-1")
def test_who_leaves_is_out_at_once_and_their_tickets_go_on(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    secret = make_group(is_private=True)
    bob, heir = make_agent(name="Bob", groups=(secret,)), make_agent(name="Heir")
    his = sign_in(app.test_client(), bob)
    token = tokens.make_token(bob, "script", now=utcnow())
    rule = AssignmentRule(category_id=1, kind=RuleKind.SPECIFIC_AGENT, agent_id=bob.id)
    db.session.add(rule)
    active = make_ticket(assignee=bob, status=Status.PENDING)
    hidden = make_ticket(assignee=bob, status=Status.OPEN, group=secret)
    over, others = make_ticket(assignee=bob, status=Status.CLOSED), make_ticket(assignee=ada)
    db.session.commit()
    path = f"{PAGE}/{bob.id}/deactivation"
    page = " ".join(client.get(path).text.split())
    assert "<b>2 tickets</b>" in page
    assert "one assignment rule names them" in page
    assert post(client, path, {"instead": str(bob.id)}).status_code == 422
    assert post(client, path, {"instead": str(heir.id)}).status_code == 303
    assert (active.assignee_id, hidden.assignee_id, rule.agent_id) == (heir.id, None, heir.id)
    assert (over.assignee_id, others.assignee_id) == (bob.id, ada.id)
    assert his.get("/desk/").status_code == 302
    headers = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/api/v1/tickets", headers=headers).status_code == 401
    assert db.session.scalars(sa.select(ApiToken.revoked_at)).one() is not None
    assert log()[-1] == ("Bob", "changed", "Works here", "yes", "no")
    assert post(client, f"{PAGE}/{bob.id}/activation", {}, f"{PAGE}/{bob.id}").status_code == 303
    assert bob.is_active


def test_the_last_admin_and_oneself_stay(client: FlaskClient, ada: Person) -> None:
    answer = post(client, f"{PAGE}/{ada.id}/deactivation", {"instead": ""})
    assert answer.status_code == 422
    assert "You cannot deactivate yourself." in answer.text
    assert ada.is_active

"""From a rule made in the browser to the agent, and from words to points, as a ticket tells it."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, Role, Tier
from app.core.db import db
from app.mail.models import OutboundEmail
from app.tickets.catalog_models import Subcategory
from tests.admin.pages import errors, post
from tests.factories import category, make_agent, make_person
from tests.requirements.conftest import Program

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def why(desk: FlaskClient, number: str) -> str:
    """What the Why tab of a ticket says."""
    html = desk.get(f"/desk/tickets/{number}?tab=why").text
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


@pytest.mark.requirement(
    "R 3-5", "R 3-7", "R 3-8", "R 4-1", "R 4-2", "R 4-6", "R 13-8", "R 13-9", "X6", "X8", "X14"
)
def test_a_rule_made_in_the_browser_gives_tickets_to_whom_it_names(
    api: Program, client: FlaskClient, sign_in: SignIn
) -> None:
    technical = category("technical")
    db.session.add(Subcategory(category_id=technical.id, key="ovens", name="Ovens"))
    ann = make_agent("ann@desk.example", name="Ann")
    boss = make_agent(name="Boss", role=Role.SUPERVISOR, max_tickets=0)
    desk = sign_in(client, boss)
    rule = {"name": "Ovens to Ann", "about": f"{technical.id}-", "is_active": "y"}
    rule |= {"kind": "specific_agent", "agent": str(ann.id), "group": ""}
    answer = post(desk, "/admin/rules/new", rule)
    assert answer.status_code == 303, errors(answer)
    shown = api.open_ticket(category="technical", subcategory="ovens")
    assert (shown["assignee"]["name"], shown["status"]) == ("Ann", "open")
    lines = api.get(f"/tickets/{shown['number']}/history")["history"]
    assert [line["kind"] for line in lines] == ["created", "assigned", "status"]
    assert [line["actor"]["name"] for line in lines] == ["Priya Raman", "Routing", "Routing"]
    assert [(line["from"], line["to"]) for line in lines[1:]] == [(None, "Ann"), ("New", "Open")]
    assert "Ann is named by the rule (rule “Ovens to Ann”)." in why(desk, shown["number"])
    told = sa.select(OutboundEmail.recipient).where(OutboundEmail.kind == "assigned")
    assert db.session.scalars(told).all() == [ann.email]


@pytest.mark.requirement(
    "R 5-1", "R 5-2", "R 5-3", "R 5-5", "R 5-6", "R 3-3", "X24", "X25", "X26", "X29"
)
def test_points_are_told_on_the_ticket_and_an_agents_choice_stays(
    api: Program, client: FlaskClient, sign_in: SignIn
) -> None:
    make_person("johanna@backhaus.example", tier=Tier.PREMIUM)
    subject = "Urgent: we cannot access the panel since the breakdown"
    shown = api.open_ticket(subject=subject, category="technical")
    # Premium 20, technical 40, urgent and cannot access 30; a breakdown is not "down".
    assert shown["priority"] == "critical"
    told = why(sign_in(client, make_agent()), shown["number"])
    for part in ("Premium", "20", "Technical", "40", "urgent", "cannot access", "90"):
        assert part in told, part
    api.call("PATCH", f"/tickets/{shown['number']}", {"priority": "low"})
    asker = db.session.get_one(Person, shown["requester"]["id"])
    again = {"body": "It is urgent, critical, an emergency!"}
    own = Program(api.client, asker)
    own.call("POST", f"/tickets/{shown['number']}/comments", again, expect=201)
    api.call("PATCH", f"/tickets/{shown['number']}", {"category": "billing"})
    assert api.get(f"/tickets/{shown['number']}")["priority"] == "low"


@pytest.mark.requirement("R 0-18", "R 0-20", "R 2-8", "X15", "X16")
def test_whoever_starts_a_ticket_holds_it_and_assigning_says_from_whom(
    api: Program, agent: Person
) -> None:
    agent.max_tickets = 0
    ann = make_agent("ann@desk.example", name="Ann", max_tickets=0)
    number = api.open_ticket()["number"]
    assert api.get(f"/tickets/{number}")["assignee"] is None
    started = api.call("PATCH", f"/tickets/{number}", {"status": "in_progress"})
    assert started["assignee"]["name"] == "Priya Raman"
    api.call("POST", f"/tickets/{number}/assign", {"agent": ann.email})
    lines = api.get(f"/tickets/{number}/history")["history"]
    changes = [(x["actor"]["name"], x["from"], x["to"]) for x in lines if x["field"] == "assignee"]
    assert changes == [("Priya Raman", None, "Priya Raman"), ("Priya Raman", "Priya Raman", "Ann")]

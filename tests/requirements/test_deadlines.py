"""Deadlines from outside, as time goes by: met or missed, by how much, told once, paused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.automation import escalation
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import OutboundEmail
from app.sla.models import Calendar, SlaPolicy
from app.tickets.words import Priority, Source
from tests.admin.pages import errors, post
from tests.factories import make_agent, make_organization, make_person
from tests.requirements.conftest import Program

HOUR = 3600


def ticket_of(hours: float, *, priority: Priority = Priority.CRITICAL) -> str:
    """The number of a ticket that came *hours* ago: critical is due after 1 and 4 hours."""
    new = NewTicket(
        subject="All ovens are off",
        description="Since six.",
        requester=RequesterInput("johanna@backhaus.example", "Johanna Leitner"),
        source=Source.WEB,
        priority=priority,
    )
    opened = take_in(new, now=utcnow() - timedelta(hours=hours))
    db.session.commit()
    return opened.number


def targets(api: Program, number: str) -> dict[str, Any]:
    """The clocks of a ticket by target."""
    return {clock["target"]: clock for clock in api.get(f"/tickets/{number}")["sla"]}


@pytest.mark.requirement("R 6-3", "R 6-4", "R 6-5", "R 1-8", "R 13-11", "X33", "X34")
def test_met_and_missed_targets_are_told_with_the_delay_at_the_answer(api: Program) -> None:
    number = ticket_of(2)
    waiting = targets(api, number)["first_response"]
    assert (waiting["state"], waiting["stopped_at"]) == ("breached", None)
    assert waiting["overdue_seconds"] == pytest.approx(HOUR, abs=60)
    api.call("POST", f"/tickets/{number}/comments", {"body": "Hello"}, expect=201)
    api.call("POST", f"/tickets/{number}/resolve")
    found = targets(api, number)
    first, resolution = found["first_response"], found["resolution"]
    assert first["policy"] == resolution["policy"] == {"id": 1, "name": "Critical priority"}
    assert (first["state"], resolution["state"]) == ("breached", "met")
    assert resolution["overdue_seconds"] == 0
    due, began = (datetime.fromisoformat(resolution[key]) for key in ("due_at", "started_at"))
    assert due - began == pytest.approx(timedelta(hours=4), abs=timedelta(seconds=2))
    stopped, due = (datetime.fromisoformat(first[key]) for key in ("stopped_at", "due_at"))
    assert first["overdue_seconds"] == round((stopped - due).total_seconds())
    assert first["overdue_seconds"] == pytest.approx(HOUR, abs=60)
    api.call("POST", f"/tickets/{number}/reopen")
    api.call("POST", f"/tickets/{number}/comments", {"body": "Again"}, expect=201)
    assert targets(api, number)["first_response"] == first, "once and for all"


@pytest.mark.requirement("R 6-4", "X22", "X50", "X56")
def test_only_a_persons_public_answer_is_the_first_response(api: Program) -> None:
    number = ticket_of(0.5)
    path = f"/tickets/{number}"
    shown = api.get(path)
    assert [c["author_type"] for c in shown["comments"]] == ["system"], "the automatic answer"
    assert shown["first_response_at"] is None
    note = {"body": "A fuse?", "visibility": "internal"}
    api.call("POST", f"{path}/comments", note, expect=201)
    assert api.get(path)["first_response_at"] is None
    api.call("POST", f"{path}/comments", {"body": "We are on it"}, expect=201)
    api.call("POST", f"{path}/comments", {"body": "Nearly there"}, expect=201)
    shown = api.get(path)
    assert shown["first_response_at"] == shown["comments"][-2]["created_at"]
    assert targets(api, number)["first_response"]["state"] == "met"


@pytest.mark.requirement("R 6-6", "X37")
def test_a_breach_is_told_by_the_sweep_once(api: Program, agent: Person) -> None:
    number = ticket_of(2)
    sent = sa.select(OutboundEmail.recipient).where(OutboundEmail.kind == "sla_breach")
    assert db.session.scalars(sent).all() == []
    for _ in range(3):
        escalation.sweep(utcnow())
    assert db.session.scalars(sent).all() == [agent.email]
    lines = api.get(f"/tickets/{number}/history")["history"]
    assert [line["text"] for line in lines if line["kind"] == "sla_breached"] == [
        "First response is overdue"
    ]


@pytest.mark.requirement("R 13-19", "X31", "X32", "X36", "X39")
def test_due_times_follow_priority_and_wait_while_the_customer_is_asked(api: Program) -> None:
    number = ticket_of(0.5, priority=Priority.LOW)
    path = f"/tickets/{number}"
    created = datetime.fromisoformat(api.get(path)["created_at"])

    def due() -> float | None:
        at = api.get(path)["due_at"]
        return (datetime.fromisoformat(at) - created) / timedelta(hours=1) if at else None

    assert due() == 72
    api.call("PATCH", path, {"priority": "high"})
    assert due() == 8
    api.call("PATCH", path, {"status": "pending"})
    assert due() is None
    assert targets(api, number)["resolution"]["state"] == "paused"
    api.call("PATCH", path, {"status": "open"})
    assert due() == pytest.approx(8, abs=0.1)
    assert due() != 8, "moved by the pause"
    api.call("POST", f"{path}/resolve")
    api.call("POST", f"{path}/reopen")
    assert targets(api, number)["resolution"]["state"] == "running"


@pytest.mark.requirement("R 6-1", "X29", "X30", "X32")
def test_the_tier_of_the_requester_or_their_company_chooses_the_policy(
    api: Program, client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    bakery = make_organization("Backhaus Leitner")
    johanna = make_person("johanna@backhaus.example", organization=bakery)
    always = db.session.scalars(sa.select(Calendar)).first()
    for position, minutes in ((-1, 30), (-2, 60), (99, 1)):  # the first that fits is taken
        policy = SlaPolicy(
            name=f"Our best, {position}",
            position=position,
            calendar=always,
            tiers=["enterprise"],
            first_response_minutes=minutes,
            resolution_minutes=2 * minutes,
        )
        db.session.add(policy)
    db.session.commit()

    def minutes(number: str) -> float:
        shown = api.get(f"/tickets/{number}")
        ends = (datetime.fromisoformat(shown[key]) for key in ("due_at", "created_at"))
        return (next(ends) - next(ends)) / timedelta(minutes=1)

    number = api.open_ticket(priority="high")["number"]
    over = api.open_ticket(priority="high")["number"]
    other = api.open_ticket(priority="high", requester={"email": "thabo@example.com"})["number"]
    api.call("POST", f"/tickets/{over}/close")
    assert minutes(number) == 8 * 60
    sign_in(client, make_agent(role=Role.ADMIN))
    path = f"/admin/organizations/{bakery.id}"
    data = {"name": bakery.name, "domains": "", "tier": "enterprise", "access": "own"}
    answer = post(client, path, {**data, "external_id": "", "notes": ""})
    assert answer.status_code == 303, errors(answer)
    assert [minutes(n) for n in (number, over, other)] == [120, 8 * 60, 8 * 60]
    assert minutes(api.open_ticket(priority="high")["number"]) == 120
    api.call("PATCH", f"/requesters/{johanna.id}", {"tier": "standard"})
    assert minutes(number) == 8 * 60

"""Reports for other programs: over the API, and from the command line."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import db
from app.reports import export
from app.reports.commands import report as command
from app.reports.cuts import Cut
from app.reports.measures import MEASURES
from app.tickets.words import Priority
from tests.factories import make_agent
from tests.reports.random_desk import RandomDesk
from tests.reports.test_numbers import PERIOD

DAYS = {"start": "2026-03-04", "end": "2026-03-08"}


def bearer(person: Person) -> dict[str, str]:
    token = make_token(person, "test", now=utcnow())
    db.session.commit()
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.requirement("R 11-9", "R 10-1", "R 10-2", "R 10-3")
def test_the_api_and_the_command_tell_the_same_report(app: Flask, client: FlaskClient) -> None:
    desk = RandomDesk(5)
    desk.boss.time_zone = "UTC"
    auth = bearer(desk.boss)
    agent = desk.agents[0]
    for cut in ({}, {"agent": agent.email}, {"agent": "none", "priority": "high"}):
        answer = client.get("/api/v1/reports", query_string=DAYS | cut, headers=auth)
        assert answer.status_code == 200
        told = answer.get_json()
        options = [f"--{name}={value}" for name, value in (DAYS | cut).items()]
        printed = app.test_cli_runner().invoke(command, options)
        assert json.loads(printed.output) == told
    whole = client.get("/api/v1/reports", query_string=DAYS, headers=auth).get_json()
    metrics = whole["metrics"]
    in_utc = replace(PERIOD, zone=ZoneInfo("UTC"))
    expected = {m: len(desk.expected(m, in_utc.start, in_utc.end)) for m in MEASURES}
    assert metrics["total"] == expected["handled"]
    assert metrics["new"] == expected["state_new"]
    assert metrics["open"] == expected["state_open"] + expected["state_in_progress"]
    assert metrics["resolved"] == expected["state_resolved"]
    assert metrics["closed"] == expected["state_closed"]
    met, missed = expected["sla_met"], expected["sla_missed"]
    assert metrics["sla_compliance_rate"] == pytest.approx(met / (met + missed))
    by_priority = {line["key"]: line["total"] for line in whole["by_priority"]}
    assert set(by_priority) <= {priority.value for priority in Priority}
    assert sum(by_priority.values()) == metrics["total"]


def test_the_api_refuses_agents_customers_and_wrong_days(app: Flask, client: FlaskClient) -> None:
    assert client.get("/api/v1/reports", query_string=DAYS).status_code == 401
    for role in (Role.CUSTOMER, Role.AGENT):
        auth = bearer(make_agent(role=role))
        assert client.get("/api/v1/reports", query_string=DAYS, headers=auth).status_code == 403
    auth = bearer(make_agent(role=Role.ADMIN))
    wrong = client.get("/api/v1/reports", query_string={"start": "2026-03-04"}, headers=auth)
    assert wrong.status_code == 400
    assert [error["field"] for error in wrong.get_json()["errors"]] == ["end"]


def test_the_command_prints_one_row_a_ticket_made_in_batches(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row a ticket, however many clocks it has, and whatever the size of a batch."""
    desk = RandomDesk(5)
    options = [f"--{name}={value}" for name, value in DAYS.items()]
    printed = app.test_cli_runner().invoke(command, [*options, "--format=csv"])
    rows = list(csv.DictReader(io.StringIO(printed.output.removeprefix("\ufeff"))))
    in_utc = replace(PERIOD, zone=ZoneInfo("UTC"))
    handled = desk.expected("handled", in_utc.start, in_utc.end)
    assert [row["Number"] for row in rows] == [desk.stories[i].ticket.number for i in handled[::-1]]
    whole = list(export.lines(MEASURES["sla"], PERIOD, Cut()))
    monkeypatch.setattr(export, "BATCH", 3)
    assert list(export.lines(MEASURES["sla"], PERIOD, Cut())) == whole
    numbers = [line.split(",")[0] for line in whole[1:]]
    assert len(numbers) == len(set(numbers)) > 3

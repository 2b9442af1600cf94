"""Numbers for Prometheus: whose they are, what they count, and the form they have."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.clock import utcnow
from app.core.db import db
from app.core.jobs import Bells, Job, bells
from app.mail import outbox, receiving
from app.mail.models import OutboundEmail, OutboundState
from app.tickets.words import Status
from tests.channels.mails import raw
from tests.factories import make_agent, make_ticket

SAMPLE = r'(deskhand_[a-z_]+)(\{([a-z]+="[^"\\]*",?)+\})? ([0-9.e+]+)'
TOKEN = {"Authorization": "Bearer a token of metrics"}


@pytest.fixture(autouse=True)
def settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    told = dataclasses.replace(app.extensions["settings"], metrics_token="a token of metrics")
    monkeypatch.setitem(app.extensions, "settings", told)


def numbers(client: FlaskClient) -> dict[str, float]:
    """Every number by name and labels; each line has the form of the format."""
    answer = client.get("/metrics", headers=TOKEN)
    assert answer.status_code == 200
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    found, kinds = {}, {}
    for line in answer.text.splitlines():
        if kind := re.fullmatch(r"# TYPE (deskhand_[a-z_]+) (gauge|counter)", line):
            kinds[kind[1]] = kind[2]
        elif not line.startswith("# HELP deskhand_"):
            sample = re.fullmatch(
                r'(deskhand_[a-z_]+)(\{([a-z]+="[^"\\]*",?)+\})? ([0-9.e+]+)', line
            )
            assert sample, line
            assert sample[1] in kinds, line
            assert line.partition(" ")[0] not in found
            found[line.rpartition(" ")[0]] = float(sample[4])
    assert answer.text.endswith("\n")
    return found


def test_only_whoever_has_the_token_gets_them(client: FlaskClient) -> None:
    wrong = (
        {},
        {"Authorization": "Bearer other"},
        {"Authorization": "a token of metrics"},
        {"Authorization": "Bearer \xfc"},
    )
    for headers in wrong:
        refused = client.get("/metrics", headers=headers)
        assert refused.status_code == 401
        assert "deskhand_" not in refused.text
    assert client.get("/metrics?token=a token of metrics").status_code == 401


def test_without_a_token_there_is_no_such_page(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = dataclasses.replace(app.extensions["settings"], metrics_token=None)
    monkeypatch.setitem(app.extensions, "settings", without)
    assert client.get("/metrics", headers={"Authorization": "Bearer None"}).status_code == 404


@pytest.mark.requirement("R 13-15")
def test_they_count_what_the_database_holds(client: FlaskClient, statements: list[str]) -> None:
    before = numbers(client)
    ada = make_agent("ada@desk.example")
    for status in (Status.NEW, Status.NEW, Status.PENDING, Status.CLOSED):
        make_ticket(status=status)
    make_ticket(status=Status.NEW, deleted_at=utcnow())
    receiving.store(raw("Hello"), None, now=utcnow())
    long_ago = utcnow() - timedelta(days=1)
    context = {"number": "TKT-7K2M9QXA", "subject": "x", "priority": "High"}
    outbox.queue([outbox.row("assigned", "a@x.example", context=context, now=long_ago)])
    db.session.flush()
    db.session.query(OutboundEmail).update({"state": OutboundState.FAILED})
    db.session.commit()
    statements.clear()
    after = numbers(client)
    assert len(statements) <= 12
    more = {name: after[name] - before[name] for name in after if after[name] != before[name]}
    moving = [name for name in more if "rows_made" in name or "bytes" in name or "jobs" in name]
    for name in moving:
        del more[name]
    assert more == {
        'deskhand_tickets{status="new"}': 2,
        'deskhand_tickets{status="pending"}': 1,
        'deskhand_inbound_mails{state="waiting"}': 1,
        'deskhand_outbound_mails{state="failed"}': 1,
        f'deskhand_agents{{presence="{ada.presence}"}}': 1,
    }


def test_they_tell_when_jobs_ran_and_that_redis_is_away(
    app: Flask, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    bells().answered(Job.SWEEP_SLA)
    there = numbers(client)
    assert there["deskhand_redis_up"] == 1
    started = there['deskhand_job_started_timestamp_seconds{job="sweep_sla"}']
    assert abs(started - utcnow().timestamp()) < 60
    monkeypatch.setitem(app.extensions, "bells", Bells("redis://127.0.0.1:9/0"))
    away = numbers(client)
    assert away["deskhand_redis_up"] == 0
    assert "deskhand_workers" not in away

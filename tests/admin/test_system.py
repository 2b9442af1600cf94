"""The page that tells how the installation is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.jobs import Bells, Job, bells, last_runs
from tests.factories import make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def test_only_admins_get_in(app: Flask, sign_in: SignIn) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR):
        client = sign_in(app.test_client(), make_person(role=role))
        assert client.get("/admin/system").status_code == 403


def test_it_tells_when_each_job_last_ran(
    client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    assert "not within a week" in client.get("/admin/system").text
    for job in Job:
        bells().answered(job)
    runs = last_runs()
    assert runs is not None
    assert set(runs) == set(Job)
    statements.clear()
    page = client.get("/admin/system").text
    assert len(statements) <= 12
    assert "not within a week" not in page
    assert "Watch SLA clocks" in page
    assert "% used" in page


def test_without_redis_it_says_so(
    app: Flask, client: FlaskClient, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "bells", Bells("redis://127.0.0.1:9/0"))
    answer = client.get("/admin/system")
    assert answer.status_code == 200
    assert "cannot be reached" in answer.text
    assert "deskhand doctor says what to do" in answer.text
    assert "Nothing stands still" not in answer.text

"""The audit log's page and its export."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def changed(name: str, *, by: Person, at: datetime, old: str = "a", new: str = "b") -> None:
    audit.write("changed", "group", 1, name, field="Name", old=old, new=new, by=by, now=at)
    db.session.commit()


def test_it_is_for_admins_alone(app: Flask, sign_in: SignIn) -> None:
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR):
        client = sign_in(app.test_client(), make_person(role=role))
        assert client.get("/admin/audit").status_code == 403
        assert client.get("/admin/audit.csv").status_code == 403


@pytest.mark.requirement("R 13-5")
def test_it_is_searched_by_words_person_and_day(client: FlaskClient, ada: Person) -> None:
    bob = make_agent(name="Bob")
    then = datetime(2026, 3, 1, 12, tzinfo=UTC)
    changed("Ovens", by=ada, at=then)
    changed("Doors", by=bob, at=then + timedelta(days=1), new="100%_sure")
    for query, names in (
        ("", {"Ovens", "Doors"}),
        ("q=oVEn", {"Ovens"}),
        ("q=%25_s", {"Doors"}),
        (f"who={bob.id}", {"Doors"}),
        ("since=2026-03-02", {"Doors"}),
        ("until=2026-03-01", {"Ovens"}),
        ("q=nothing-such", set()),
    ):
        text = client.get(f"/admin/audit?{query}").text
        assert {name for name in ("Ovens", "Doors") if name in text} == names, query
    for wrong in ("since=x", "who=999999", "before=x", f"q={'x' * 101}", "until=9999-12-31"):
        assert client.get(f"/admin/audit?{wrong}").status_code == 422, wrong


def test_it_is_paged_at_one_cost(client: FlaskClient, ada: Person, statements: list[str]) -> None:
    now = utcnow()
    for n in range(120):
        audit.write("changed", "group", n, f"Group {n:03}", by=ada, now=now)
    db.session.commit()
    seen, path = [], "/admin/audit?q=group"
    client.get(path)
    while path:
        statements.clear()
        text = client.get(path).text
        assert len(statements) <= 12
        seen += [n for n in range(120) if f"Group {n:03}" in text]
        link = re.search(r'href="([^"]+)" rel="next"', text)
        path = link[1].replace("&amp;", "&") if link else ""
    assert sorted(seen) == list(range(120))


def test_the_export_holds_what_was_searched_and_no_formula(
    client: FlaskClient, ada: Person
) -> None:
    changed("=cmd()", by=ada, at=datetime(2026, 3, 1, 12, tzinfo=UTC), old="x\ny", new="-1")
    changed("Other", by=ada, at=utcnow())
    answer = client.get("/admin/audit.csv?until=2026-03-02", buffered=True)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-log.csv"'
    head, row = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:3] == ["When (UTC)", "Who", "Action"]
    assert row[:9] == [
        *("2026-03-01T12:00:00+00:00", "Ada", "changed", "group", "1", "'=cmd()"),
        *("Name", "x\ny", "'-1"),
    ]

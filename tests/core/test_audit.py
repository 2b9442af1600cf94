"""The audit log: one row for each change, and no way back."""

from __future__ import annotations

import csv
import io

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core import audit, csv_export
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from tests.factories import make_agent


def entries() -> list[AuditEntry]:
    return list(db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id)))


def test_only_fields_that_differ_are_written(app: Flask) -> None:
    ada = make_agent(name="Ada")
    before = {"Name": "Ovens", "Distribution": "By hand"}
    with app.test_request_context(
        environ_base={"REMOTE_ADDR": "203.0.113.9", "HTTP_USER_AGENT": "Firefox\0"}
    ):
        after = before | {"Name": "All ovens", "Private": "Yes"}
        assert audit.note("group", 7, "Ovens", before=before, after=after, by=ada, now=utcnow())
        assert not audit.note("group", 7, "x", before=before, after=before, by=ada, now=utcnow())
        db.session.flush()
    found = [(e.action, e.field, e.from_value, e.to_value) for e in entries()]
    assert found == [("changed", "Name", "Ovens", "All ovens"), ("changed", "Private", None, "Yes")]
    first = entries()[0]
    assert (first.actor_id, first.actor_name, first.thing_name) == (ada.id, "Ada", "Ovens")
    assert (first.ip_address, first.user_agent) == ("203.0.113.9", "Firefox")


def test_a_new_thing_and_one_that_is_gone_are_one_row_each(app: Flask) -> None:
    facts = {"Name": "Ovens", "Private": ""}
    audit.note("group", 7, "Ovens", before={}, after=facts, by=None, now=utcnow())
    audit.note("group", 7, "Ovens", before=facts, after={}, by=None, now=utcnow())
    db.session.flush()
    assert [(e.action, e.from_value, e.to_value) for e in entries()] == [
        ("created", None, "Name: Ovens"),
        ("deleted", "Name: Ovens", None),
    ]
    assert entries()[0].actor_name == "Command line"


@pytest.mark.requirement("R 13-5")
@pytest.mark.parametrize(
    "change", [sa.update(AuditEntry).values(actor_name="Nobody"), sa.delete(AuditEntry)]
)
def test_the_database_refuses_to_change_the_log(app: Flask, change: sa.Executable) -> None:
    audit.write("created", "group", 1, "Ovens", by=None, now=utcnow())
    db.session.flush()
    with (
        pytest.raises(sa.exc.DBAPIError, match="append-only"),
        db.session.begin_nested(),
    ):
        db.session.execute(change)
    assert [e.actor_name for e in entries()] == ["Command line"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_no_cell_is_a_formula(text: str) -> None:
    made = "".join(csv_export.lines(["head"], [[text], [-5], [None], ["a,b"]]))
    rows = list(csv.reader(io.StringIO(made.removeprefix("\ufeff"))))
    assert rows == [["head"], [f"'{text}"], ["-5"], [""], ["a,b"]]

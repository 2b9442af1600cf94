"""Tickets over the API: what goes in, what comes out, who sees what."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.api import housekeeping
from app.api.models import IdempotencyKey
from app.core.clock import utcnow
from app.core.db import db
from app.tickets.models import Comment, Ticket
from app.tickets.words import Priority, Source, Status, Visibility
from tests.factories import bearer, make_agent, make_comment, make_group, make_person, make_ticket

Headers = dict[str, str]
V1 = "/api/v1"


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent("agent@desk.example", name="Priya Raman")


@pytest.fixture
def auth(agent: Person) -> Headers:
    return bearer(agent)


def new(**fields: Any) -> dict[str, Any]:
    return {
        "subject": "The panel shows E-41",
        "description": "All four ovens are offline.",
        "requester": {"email": "Johanna@Backhaus.example", "name": "Johanna Leitner"},
    } | fields


def fresh(ticket: Ticket) -> Ticket:
    db.session.expire_all()
    return db.session.get_one(Ticket, ticket.id)


@pytest.mark.requirement("R 0-5", "R 0-22", "R 1-3")
def test_a_ticket_is_opened_and_shown(client: FlaskClient, auth: Headers) -> None:
    made = client.post(
        f"{V1}/tickets",
        json=new(category="technical", priority="urgent", tags=["Outage"], external_id="crm-1"),
        headers=auth,
    )
    assert made.status_code == 201
    body = made.get_json()
    assert (body["priority"], body["category"], body["tags"]) == (
        "critical",
        "technical",
        ["outage"],
    )
    assert body["requester"]["email"] == "johanna@backhaus.example"
    assert [clock["target"] for clock in body["sla"]] == ["first_response", "resolution"]
    shown = client.get(made.headers["Location"], headers=auth).get_json()
    assert shown["number"] == body["number"]
    assert shown["source"] == "api"


@pytest.mark.requirement("R 0-22", "R 11-1", "X13", "X39")
@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 501}, "subject"),
        ({"subject": "a\x00b"}, "subject"),
        ({"subject": "\ud800"}, "subject"),
        ({"description": ""}, "description"),
        ({"description": 5}, "description"),
        ({"category": "nonsense"}, "category"),
        ({"priority": "very"}, "priority"),
        ({"requester": {"email": "no address"}}, "requester.email"),
        ({"requester": {}}, "requester.email"),
        ({"requester": "me"}, "requester"),
        ({"tags": "one"}, "tags"),
        ({"custom_fields": {"unknown": 1}}, "custom_fields.unknown"),
        ({"id": 7}, "id"),
    ],
)
def test_wrong_input_is_told_by_field(
    client: FlaskClient, auth: Headers, change: dict[str, Any], field: str
) -> None:
    answer = client.post(f"{V1}/tickets", json=new(**change), headers=auth)
    assert answer.status_code == 400
    assert answer.content_type == "application/problem+json"
    assert field in {error["field"] for error in answer.get_json()["errors"]}
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 0


@pytest.mark.requirement("X13")
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"text"', b"null"])
def test_a_body_that_is_no_object_is_refused(
    client: FlaskClient, auth: Headers, body: bytes
) -> None:
    answer = client.post(
        f"{V1}/tickets", data=body, headers={**auth, "Content-Type": "application/json"}
    )
    assert answer.status_code == 400


@pytest.mark.requirement("R 0-22", "R 0-23", "X18")
@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer nonsense", "Basic YTpi", "Bearer \x7f", "dsk_x"]
)
def test_without_a_token_that_works_nothing_is_told(
    client: FlaskClient, header: str | None
) -> None:
    headers = {"Authorization": header} if header else {}
    for path in ("/tickets", "/tickets/TKT-AAAAAAAA", "/statistics"):
        answer = client.get(V1 + path, headers=headers)
        assert answer.status_code == 401
        assert "WWW-Authenticate" in answer.headers


def test_a_session_needs_its_csrf_token(
    app: Flask,
    client: FlaskClient,
    agent: Person,
    sign_in: Callable[[FlaskClient, Person], FlaskClient],
) -> None:
    sign_in(client, agent)
    assert client.get(f"{V1}/tickets").status_code == 200
    refused = client.post(f"{V1}/tickets", json=new())
    assert (refused.status_code, "X-CSRFToken" in refused.get_json()["detail"]) == (400, True)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 0


@pytest.mark.requirement("R 0-23", "X18")
def test_a_customer_sees_only_their_own(client: FlaskClient, agent: Person) -> None:
    me, other = make_person("me@x.example"), make_person()
    mine, theirs = make_ticket(me), make_ticket(other)
    make_comment(mine, agent, "for all")
    make_comment(mine, agent, "the secret", visibility=Visibility.INTERNAL)
    headers = bearer(me)
    listed = client.get(f"{V1}/tickets", headers=headers).get_json()
    assert [row["number"] for row in listed["tickets"]] == [mine.number]
    shown = client.get(f"{V1}/tickets/{mine.number}", headers=headers)
    assert b"the secret" not in shown.data
    assert {"tags", "sla", "group", "channel"}.isdisjoint(shown.get_json())
    for path in (theirs.number, "TKT-ZZZZZZZZ", "nonsense"):
        assert client.get(f"{V1}/tickets/{path}", headers=headers).status_code == 404
    for verb in ("resolve", "close", "reopen", "assign"):
        answer = client.post(f"{V1}/tickets/{mine.number}/{verb}", json={}, headers=headers)
        assert answer.status_code == 403
    assert client.get(f"{V1}/tickets/{mine.number}/history", headers=headers).status_code == 403
    patched = client.patch(
        f"{V1}/tickets/{mine.number}", json={"status": "closed"}, headers=headers
    )
    assert patched.status_code == 403


@pytest.mark.requirement("R 0-22", "X17")
def test_a_customer_s_ticket_is_their_own_whatever_they_claim(client: FlaskClient) -> None:
    me = make_person("me@x.example")
    answer = client.post(f"{V1}/tickets", json=new(source="phone"), headers=bearer(me))
    assert answer.status_code == 201
    assert answer.get_json()["requester"]["id"] == me.id
    assert answer.get_json()["source"] == Source.API.value


def test_a_private_group_s_tickets_are_hidden(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket(group=make_group(is_private=True))
    db.session.commit()
    assert client.get(f"{V1}/tickets/{ticket.number}", headers=auth).status_code == 404
    assert client.get(f"{V1}/tickets", headers=auth).get_json()["total"] == 0


@pytest.mark.requirement("R 11-4", "X16")
def test_a_patch_changes_fields_with_history(
    client: FlaskClient, auth: Headers, agent: Person
) -> None:
    ticket = make_ticket()
    db.session.commit()
    answer = client.patch(
        f"{V1}/tickets/{ticket.number}",
        json={"priority": "high", "subject": "New", "tags": ["a"], "assignee": agent.email},
        headers=auth,
    )
    assert answer.status_code == 200, answer.get_json()
    changed = fresh(ticket)
    assert (changed.priority, changed.subject, changed.assignee_id) == (
        Priority.HIGH,
        "New",
        agent.id,
    )
    lines = client.get(f"{V1}/tickets/{ticket.number}/history", headers=auth).get_json()["history"]
    assert {"priority", "subject", "tags", "assignee"} <= {line["field"] for line in lines}
    assert {"from": "Normal", "to": "High"}.items() <= next(
        line for line in lines if line["field"] == "priority"
    ).items()


@pytest.mark.requirement("X17")
@pytest.mark.parametrize("field", ["id", "number", "requester", "created_at", "version_", "score"])
def test_a_patch_takes_no_other_fields(client: FlaskClient, auth: Headers, field: str) -> None:
    ticket = make_ticket()
    db.session.commit()
    answer = client.patch(f"{V1}/tickets/{ticket.number}", json={field: 1}, headers=auth)
    assert answer.status_code == 400


def test_a_stale_patch_is_refused_for_its_field_and_merged_for_others(
    client: FlaskClient, auth: Headers
) -> None:
    ticket = make_ticket()
    db.session.commit()
    path, version = f"{V1}/tickets/{ticket.number}", ticket.version
    client.patch(path, json={"priority": "high", "version": version}, headers=auth)
    stale = client.patch(path, json={"priority": "low", "version": version}, headers=auth)
    assert stale.status_code == 409
    assert "High" in stale.get_json()["detail"]
    merged = client.patch(path, json={"subject": "Other", "version": version}, headers=auth)
    assert merged.status_code == 200
    assert (fresh(ticket).priority, fresh(ticket).subject) == (Priority.HIGH, "Other")


def test_a_patch_of_a_version_that_is_not_reached_is_refused(
    client: FlaskClient, auth: Headers
) -> None:
    ticket = make_ticket()
    db.session.commit()
    sent = {"priority": "high", "version": ticket.version + 1}
    answer = client.patch(f"{V1}/tickets/{ticket.number}", json=sent, headers=auth)
    assert answer.status_code == 409
    assert "no such version" in answer.get_json()["detail"]
    assert fresh(ticket).priority is Priority.NORMAL


def test_a_due_time_by_hand_is_kept_and_told_in_utc(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket()
    db.session.commit()
    path = f"{V1}/tickets/{ticket.number}"
    due_at = "2026-12-24T12:00:00+01:00"
    answer = client.patch(path, json={"due_at": due_at}, headers=auth)
    assert answer.get_json()["due_at"] == "2026-12-24T11:00:00+00:00"
    again = client.patch(path, json={"due_at": due_at}, headers=auth)
    assert again.get_json()["version"] == answer.get_json()["version"]
    line = client.get(f"{path}/history", headers=auth).get_json()["history"][-1]
    assert line["to"] == "2026-12-24T11:00:00+00:00"
    assert line["text"].endswith("changed the due time from none to 24 December 2026, 11:00")


@pytest.mark.requirement("R 13-2")
def test_a_refused_patch_changes_nothing(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket(status=Status.CLOSED)
    db.session.commit()
    answer = client.patch(
        f"{V1}/tickets/{ticket.number}",
        json={"subject": "Changed", "status": "pending"},
        headers=auth,
    )
    assert answer.status_code == 409
    assert "open" in answer.get_json()["detail"]
    assert fresh(ticket).subject != "Changed"


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("resolve", Status.OPEN, Status.RESOLVED),
        ("close", Status.RESOLVED, Status.CLOSED),
        ("reopen", Status.CLOSED, Status.OPEN),
    ],
)
def test_moves(
    client: FlaskClient, auth: Headers, verb: str, before: Status, after: Status
) -> None:
    ticket = make_ticket(status=before)
    db.session.commit()
    path = f"{V1}/tickets/{ticket.number}/{verb}"
    assert client.post(path, headers=auth).get_json()["status"] == after.value
    assert client.post(path, headers=auth).status_code == 409


@pytest.mark.requirement("R 11-6")
def test_assigning_by_id_and_by_address(client: FlaskClient, auth: Headers, agent: Person) -> None:
    ticket, group = make_ticket(), make_group("Billing")
    db.session.commit()
    path = f"{V1}/tickets/{ticket.number}/assign"
    by_address = client.post(path, json={"agent": agent.email}, headers=auth).get_json()
    assert by_address["assignee"]["id"] == agent.id
    assert by_address["status"] == "open"
    nobody = client.post(path, json={"agent": None}, headers=auth).get_json()
    assert nobody["assignee"] is None
    assert client.post(path, json={"group": group.id}, headers=auth).get_json()["group"] == {
        "id": group.id,
        "name": "Billing",
    }
    for wrong in ({}, {"agent": 10**12}, {"agent": "x"}, {"group": True}, {"agent": []}):
        assert client.post(path, json=wrong, headers=auth).status_code == 400


@pytest.mark.requirement("R 0-13", "R 2-4", "R 11-5")
def test_comments_public_and_internal(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket()
    db.session.commit()
    path = f"{V1}/tickets/{ticket.number}/comments"
    file = {"filename": "log.txt", "data": base64.b64encode(b"E-41").decode()}
    made = client.post(path, json={"body": "Try again", "attachments": [file]}, headers=auth)
    assert made.status_code == 201
    assert made.get_json()["attachments"][0]["filename"] == "log.txt"
    note = client.post(path, json={"body": "For us", "visibility": "internal"}, headers=auth)
    assert note.get_json()["visibility"] == "internal"
    listed = client.get(path, headers=auth).get_json()["comments"]
    assert [comment["body"] for comment in listed] == ["Try again", "For us"]


def test_a_large_file_comes_with_a_comment_and_a_larger_one_does_not(
    client: FlaskClient, auth: Headers
) -> None:
    ticket = make_ticket()
    db.session.commit()
    path = f"{V1}/tickets/{ticket.number}/comments"

    def post(size: int) -> int:
        data = base64.b64encode(b"x" * size).decode()
        body = {"body": "See the file", "attachments": [{"filename": "a.bin", "data": data}]}
        return client.post(path, json=body, headers=auth).status_code

    assert post(25 * 1024 * 1024) == 201
    assert post(25 * 1024 * 1024 + 1) == 400


def test_the_same_key_answers_the_same_and_does_nothing_twice(
    client: FlaskClient, auth: Headers
) -> None:
    ticket = make_ticket()
    db.session.commit()
    path, headers = f"{V1}/tickets/{ticket.number}/comments", {**auth, "Idempotency-Key": "k1"}
    first = client.post(path, json={"body": "Once"}, headers=headers)
    again = client.post(path, json={"body": "Once"}, headers=headers)
    assert first.get_json() == again.get_json()
    assert again.headers["Idempotency-Replayed"] == "true"
    count = sa.select(sa.func.count()).where(Comment.ticket_id == ticket.id)
    assert db.session.scalar(count) == 1
    other = client.post(path, json={"body": "Other"}, headers=headers)
    assert other.status_code == 409


@pytest.mark.parametrize("is_swept", [False, True])
@pytest.mark.parametrize("resource", ["comments", "tickets"])
def test_a_key_counts_for_a_day_and_goes_then(
    client: FlaskClient, auth: Headers, resource: str, is_swept: bool
) -> None:
    ticket = make_ticket()
    db.session.commit()
    path, body = f"{V1}/tickets/{ticket.number}/comments", {"body": "Again"}
    if resource == "tickets":
        path, body = f"{V1}/tickets", {"subject": "Again", "description": "x"}
    headers = {**auth, "Idempotency-Key": "k1"}
    first = client.post(path, json=body, headers=headers).get_json()
    kept = db.session.scalars(sa.select(IdempotencyKey)).one()
    day = kept.created_at + timedelta(days=1)
    assert housekeeping.forget_old(day - timedelta(seconds=1)) == 0
    kept.created_at -= timedelta(days=1)
    db.session.commit()
    if is_swept:
        assert housekeeping.forget_old(day) == 1
    db.session.expire_all()
    second = client.post(path, json=body, headers=headers)
    assert second.status_code == 201
    assert "Idempotency-Replayed" not in second.headers
    assert second.get_json() != first
    again = client.post(path, json=body, headers=headers)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json() == second.get_json()


@pytest.mark.requirement("X52")
@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=0",
        "page=x",
        "page=501",
        "page=99999999999999999999",
        "limit=0",
        "limit=101",
        "sort=number",
        "order=up",
        "status=nonsense",
        "created_after=yesterday",
        "cursor=forged",
        "assignee=%00",
        "requester=99999999999999999999999",
    ],
)
def test_wrong_filters_are_told(client: FlaskClient, auth: Headers, query: str) -> None:
    answer = client.get(f"{V1}/tickets?{query}", headers=auth)
    assert answer.status_code == 400
    assert answer.get_json()["detail"]


@pytest.mark.requirement("R 0-16")
def test_pages_and_cursors_walk_every_ticket_once(client: FlaskClient, auth: Headers) -> None:
    wanted = {make_ticket().number for _ in range(7)}
    db.session.commit()
    seen: list[str] = []
    path: str | None = f"{V1}/tickets?limit=3"
    while path:
        body = client.get(path, headers=auth).get_json()
        seen += [row["number"] for row in body["tickets"]]
        cursor = body["next_cursor"]
        path = f"{V1}/tickets?limit=3&cursor={cursor}" if cursor else None
    assert (body["total"], body["total_pages"]) == (7, 3)
    assert len(seen) == 7
    assert set(seen) == wanted


def test_the_list_costs_the_same_for_one_and_for_many(
    client: FlaskClient, auth: Headers, statements: list[str]
) -> None:
    make_ticket()
    db.session.commit()
    client.get(f"{V1}/tickets", headers=auth)
    statements.clear()
    client.get(f"{V1}/tickets", headers=auth)
    few = len(statements)
    for _ in range(15):
        make_ticket()
    db.session.commit()
    statements.clear()
    assert len(client.get(f"{V1}/tickets", headers=auth).get_json()["tickets"]) == 16
    assert len(statements) == few <= 6


@pytest.mark.requirement("R 9-5", "X21")
def test_statistics_count_what_the_list_lists(client: FlaskClient, auth: Headers) -> None:
    make_ticket(priority=Priority.HIGH)
    make_ticket(status=Status.OPEN)
    make_ticket(deleted_at=utcnow())
    db.session.commit()
    found = client.get(f"{V1}/statistics", headers=auth).get_json()
    assert found["total"] == 2
    assert found["by_priority"] == {"high": 1, "normal": 1}
    assert found["by_status"] == {"new": 1, "open": 1}
    one = client.get(f"{V1}/statistics?priority=high", headers=auth).get_json()
    assert one["total"] == 1


@pytest.mark.requirement("R 13-3")
def test_deleting_is_a_supervisor_s(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket()
    boss = bearer(make_agent(role=Role.SUPERVISOR))
    path = f"{V1}/tickets/{ticket.number}"
    assert client.delete(path, headers=auth).status_code == 403
    assert client.delete(path, headers=boss).status_code == 204
    assert client.get(path, headers=boss).status_code == 404


def test_the_description_is_openapi_3_1(client: FlaskClient) -> None:
    spec = client.get(f"{V1}/openapi.json").get_json()
    assert spec["openapi"] == "3.1.0"

"""ETags, imports by external id, and merging over the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Role
from app.core.db import db
from app.tickets.models import Ticket
from app.tickets.words import Status
from tests.api.bodies import V1, Headers, new
from tests.factories import bearer, make_agent, make_comment, make_group, make_person, make_ticket


def test_what_has_not_changed_is_not_sent_again(client: FlaskClient, auth: Headers) -> None:
    ticket = make_ticket()
    path = f"{V1}/tickets/{ticket.number}"
    db.session.commit()
    first = client.get(path, headers=auth)
    seen = {**auth, "If-None-Match": first.headers["ETag"]}
    again = client.get(path, headers=seen)
    assert (again.status_code, again.data) == (304, b"")
    assert "no-store" not in first.headers["Cache-Control"]
    client.post(f"{path}/comments", json={"body": "More"}, headers=auth)
    fresh = client.get(path, headers=seen)
    assert fresh.status_code == 200
    assert fresh.headers["ETag"] != first.headers["ETag"]


@pytest.mark.parametrize("weak", ["", "W/"])
def test_a_change_to_what_has_changed_since_is_refused(
    client: FlaskClient, auth: Headers, weak: str
) -> None:
    ticket = make_ticket()
    path = f"{V1}/tickets/{ticket.number}"
    db.session.commit()
    read = client.get(path, headers=auth).headers["ETag"]
    tag = {**auth, "If-Match": weak + read}
    changed = client.patch(path, json={"priority": "high"}, headers=tag)
    assert changed.status_code == 200
    assert changed.headers["ETag"] != read
    for verb, body in (("assign", {"agent": None}), ("resolve", {}), ("close", {})):
        assert client.post(f"{path}/{verb}", json=body, headers=tag).status_code == 412
    assert client.delete(path, headers=tag).status_code == 412
    stale = client.patch(path, json={"subject": "Mine"}, headers=tag)
    assert stale.status_code == 412
    assert "Read it again" in stale.get_json()["detail"]
    assert db.session.get_one(Ticket, ticket.id).subject != "Mine"
    for header in (changed.headers["ETag"], f'"other", {changed.headers["ETag"]}', "*"):
        fine = client.patch(path, json={}, headers={**auth, "If-Match": header})
        assert fine.status_code == 200, header


@pytest.mark.requirement("X23")
def test_an_import_that_runs_twice_opens_one_ticket(client: FlaskClient, auth: Headers) -> None:
    path = f"{V1}/tickets/external/helpdesk/42"
    first = client.put(path, json=new(status="pending", tags=["old"]), headers=auth)
    assert first.status_code == 201, first.text
    body = first.get_json()
    assert (body["external_id"], body["status"]) == ("helpdesk/42", "pending")
    assert first.headers["Location"] == f"{V1}/tickets/{body['number']}"
    again = client.put(path, json=new(status="pending", tags=["old"]), headers=auth)
    assert again.status_code == 200
    assert again.get_json() == body
    later = client.put(path, json={"priority": "urgent", "status": "resolved"}, headers=auth)
    assert (later.get_json()["priority"], later.get_json()["status"]) == ("critical", "resolved")
    assert client.get(path, headers=auth).get_json() == later.get_json()
    count = sa.select(sa.func.count()).where(Ticket.external_id == "helpdesk/42")
    assert db.session.scalar(count) == 1
    assert client.put(f"{V1}/tickets/external/x", json={}, headers=auth).status_code == 400
    stale = {**auth, "If-Match": first.headers["ETag"]}
    assert client.put(path, json={"priority": "low"}, headers=stale).status_code == 412


@pytest.mark.requirement("X18")
def test_external_ids_tell_nothing_of_what_is_hidden(client: FlaskClient, auth: Headers) -> None:
    group = make_group(is_private=True)
    make_ticket(group=group, external_id="secret-1")
    mine = make_person("me@x.example")
    db.session.commit()
    path = f"{V1}/tickets/external/secret-1"
    assert client.get(path, headers=auth).status_code == 404
    # The id is taken, which only a whole request learns: with one that is free it opens a ticket.
    taken = client.put(path, json=new(), headers=auth)
    posted = client.post(f"{V1}/tickets", json=new(external_id="secret-1"), headers=auth)
    assert (taken.status_code, posted.status_code) == (409, 409)
    assert taken.get_json()["detail"] == posted.get_json()["detail"]
    free = f"{V1}/tickets/external/free"
    for body in ({}, {"status": "open"}, new(category="none such")):
        for headers in (auth, {**auth, "If-Match": '"1"'}):
            told, other = (client.put(p, json=body, headers=headers) for p in (path, free))
            assert (told.status_code, other.status_code) == (400, 400), body
            assert told.get_json()["errors"] == other.get_json()["errors"]
    customer = bearer(mine)
    assert client.get(path, headers=customer).status_code == 403
    assert client.put(path, json=new(), headers=customer).status_code == 403
    member = bearer(make_agent(groups=(group,)))
    assert client.get(path, headers=member).status_code == 200


def test_a_ticket_is_merged_once_its_readers_are_agreed_upon(
    client: FlaskClient, auth: Headers
) -> None:
    ann, bob = make_person("ann@x.example", name="Ann"), make_person("bob@x.example", name="Bob")
    survivor, merged = make_ticket(ann), make_ticket(bob)
    make_comment(merged, bob, "Me too")
    db.session.commit()
    path = f"{V1}/tickets/{merged.number}/merge"
    asked = client.post(path, json={"into": survivor.number}, headers=auth)
    assert asked.status_code == 400
    assert f"Bob ({bob.id})" in asked.get_json()["errors"][0]["message"]
    body = {"into": survivor.number, "agreed": [ann.id, bob.id]}
    done = client.post(path, json=body, headers=auth)
    assert done.status_code == 200, done.text
    assert done.get_json()["number"] == survivor.number
    assert "Me too" in [comment["body"] for comment in done.get_json()["comments"]]
    assert db.session.get_one(Ticket, merged.id).status is Status.CLOSED
    assert client.post(path, json=body, headers=auth).status_code == 409


@pytest.mark.requirement("X18")
def test_nobody_merges_what_they_cannot_see(client: FlaskClient, auth: Headers) -> None:
    ticket, hidden = make_ticket(), make_ticket(group=make_group(is_private=True))
    db.session.commit()
    for number, into in ((ticket, hidden), (hidden, ticket)):
        path = f"{V1}/tickets/{number.number}/merge"
        answer = client.post(path, json={"into": into.number}, headers=auth)
        assert answer.status_code == 404
    own = f"{V1}/tickets/{ticket.number}/merge"
    assert client.post(own, json={"into": ticket.number}, headers=auth).status_code == 409
    assert client.post(own, json={"into": "TKT-"}, headers=auth).status_code == 404
    customer = bearer(ticket.requester)
    assert client.post(own, json={"into": ticket.number}, headers=customer).status_code == 403


@pytest.mark.parametrize("kind", ["tickets", "requesters", "organizations"])
def test_an_external_id_that_no_database_holds_is_refused(
    client: FlaskClient, app: Flask, kind: str
) -> None:
    admin = bearer(make_agent(role=Role.ADMIN))
    for value in ("a%00b", "x" * 256, "%20"):
        answer = client.put(f"{V1}/{kind}/external/{value}", json={}, headers=admin)
        assert answer.status_code == 400, value
        assert answer.get_json()["errors"][0]["field"] == "external_id"
        assert client.get(f"{V1}/{kind}/external/{value}", headers=admin).status_code == 404

"""Files of tickets, read with a token: for whom they are, and never run by a browser."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import db
from app.core.storage import Folder, storage
from app.tickets import merging
from app.tickets.models import Ticket
from app.tickets.words import Visibility
from tests.factories import make_agent, make_group, make_person, make_ticket

V1 = "/api/v1"
Headers = dict[str, str]
PAGE = b"<script>alert(1)</script>"
CALLERS = ("requester", "agent", "stranger", "outside", "nobody")


def bearer(person: Person | None) -> Headers:
    if person is None:
        return {}
    token = make_token(person, "test", now=utcnow())
    db.session.commit()
    return {"Authorization": f"Bearer {token}"}


def attach(client: FlaskClient, ticket: Ticket, by: Headers, **more: Any) -> dict[str, Any]:
    """The file of a new comment, as the API shows it."""
    data = base64.b64encode(PAGE).decode()
    file = {"filename": "page.html", "content_type": "text/html", "data": data}
    body = {"body": "See the file", "attachments": [file], **more}
    made = client.post(f"{V1}/tickets/{ticket.number}/comments", json=body, headers=by)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.get_json()["attachments"][0]
    return found


def path_of(file: dict[str, Any]) -> str:
    assert file["url"].startswith("http://localhost/api/v1/")
    return str(file["url"].removeprefix("http://localhost"))


@pytest.mark.parametrize(
    ("visibility", "who"),
    [(Visibility.PUBLIC, {"requester", "agent"}), (Visibility.INTERNAL, {"agent"})],
)
def test_a_file_is_read_by_whoever_sees_its_comment(
    client: FlaskClient, visibility: Visibility, who: set[str]
) -> None:
    group, other = make_group("Ovens", is_private=True), make_group("Else")
    agent, outside = make_agent(), make_agent()
    group.members.append(agent)
    other.members.append(outside)
    customer = make_person()
    ticket = make_ticket(customer, group=group)
    make_ticket(make_person())
    people = {"requester": customer, "agent": agent, "stranger": make_person()}
    people |= {"outside": outside}
    by = bearer(agent)
    path = path_of(attach(client, ticket, by, visibility=visibility.value))
    came = {
        name: client.get(path, headers=bearer(people.get(name)), buffered=True) for name in CALLERS
    }
    assert {name for name, answer in came.items() if answer.status_code == 200} == who
    assert came["nobody"].status_code == 401
    refused = {name for name in CALLERS if name not in who} - {"nobody"}
    assert {came[name].status_code for name in refused} == {404}
    assert all(answer.data == PAGE for n, answer in came.items() if n in who)


def test_a_file_is_saved_and_runs_in_nobodys_browser(client: FlaskClient) -> None:
    by = bearer(make_agent())
    file = attach(client, make_ticket(), by)
    answer = client.get(path_of(file), headers=by, buffered=True)
    assert answer.headers["Content-Disposition"] == "attachment; filename=page.html"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"].startswith("private")
    assert (answer.content_length, answer.mimetype) == (file["size"], file["content_type"])
    again = {**by, "If-None-Match": answer.headers["ETag"]}
    assert client.get(path_of(file), headers=again, buffered=True).status_code == 304
    framed = {**by, "Sec-Fetch-Dest": "script"}
    assert client.get(path_of(file), headers=framed, buffered=True).status_code == 404


def test_only_a_file_of_this_ticket_is_found(client: FlaskClient) -> None:
    by = bearer(make_agent())
    ticket, other = make_ticket(), make_ticket()
    path = path_of(attach(client, ticket, by))
    for wrong in (
        path.replace(ticket.number, other.number),
        path.replace(ticket.number, "TKT-AAAAAAAA"),
        f"{V1}/tickets/{ticket.number}/attachments/999999",
        f"{V1}/tickets/{ticket.number}/attachments/{10**30}",
    ):
        answer = client.get(wrong, headers=by, buffered=True)
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), wrong


def test_files_of_a_merged_ticket_are_found_by_both_numbers(client: FlaskClient) -> None:
    agent, customer = make_agent(), make_person()
    by = bearer(agent)
    merged, survivor = make_ticket(customer), make_ticket(customer)
    path = path_of(attach(client, merged, by))
    merging.merge(merged, survivor, agreed=(), by=agent, now=utcnow())
    db.session.commit()
    shown = client.get(f"{V1}/tickets/{survivor.number}", headers=by, buffered=True).get_json()
    [moved] = [file for comment in shown["comments"] for file in comment["attachments"]]
    assert path_of(moved) == path.replace(merged.number, survivor.number)
    for headers in (by, bearer(customer)):
        assert client.get(path, headers=headers, buffered=True).status_code == 200
        assert client.get(path_of(moved), headers=headers, buffered=True).status_code == 200


def test_bytes_that_are_gone_are_said_to_be(client: FlaskClient) -> None:
    by = bearer(make_agent())
    path = path_of(attach(client, make_ticket(), by))
    folder = storage()
    assert isinstance(folder, Folder)
    for file in folder.root.glob("??/*"):
        file.unlink()
    answer = client.get(path, headers=by, buffered=True)
    assert answer.status_code == 404
    assert "no longer there" in answer.get_json()["detail"]


def test_a_token_that_reads_alone_reads_files(client: FlaskClient) -> None:
    agent = make_agent()
    path = path_of(attach(client, make_ticket(), bearer(agent)))
    token = make_token(agent, "reads", now=utcnow(), may_write=False)
    db.session.commit()
    assert (
        client.get(path, headers={"Authorization": f"Bearer {token}"}, buffered=True).status_code
        == 200
    )

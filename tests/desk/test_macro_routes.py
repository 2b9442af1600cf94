"""Macros on the ticket's page: changes at once, the reply in the composer, nothing sent."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.tickets.catalog_models import Macro, Tag
from app.tickets.models import Comment, Ticket
from app.tickets.words import Priority, Status
from tests.admin.pages import token
from tests.factories import make_agent, make_group, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent(name="Priya Raman")
    sign_in(client, found)
    return found


def use(client: FlaskClient, ticket: Ticket, macro: Macro | int, **data: object) -> tuple[int, str]:
    path = f"/desk/tickets/{ticket.number}"
    sent = {"csrf_token": token(client, path), "visibility": "public"} | data
    sent["macro"] = str(macro.id if isinstance(macro, Macro) else macro)
    answer = client.post(f"{path}/macros", data=sent)
    return answer.status_code, answer.text


def make_macro(reply: str = "", is_active: bool = True, **changes: object) -> Macro:
    name = f"Macro {db.session.scalar(sa.select(sa.func.count()).select_from(Macro))}"
    macro = Macro(name=name, reply=reply, changes=changes, is_active=is_active)
    db.session.add(macro)
    db.session.commit()
    return macro


def test_one_click_makes_all_changes_and_fills_the_reply(
    client: FlaskClient, agent: Person
) -> None:
    group = make_group("Ovens")
    ticket = make_ticket(make_person(name="Johanna"), tags=[Tag(name="old")])
    macro = make_macro(
        "Hello {{ requester.name }}, {{ ticket.number }} is in good hands. {{ agent.name }}",
        status="pending",
        priority="high",
        group=group.id,
        assignee="me",
        tags=["sent-parts"],
    )
    status, text = use(client, ticket, macro, body="I typed this.")
    assert status == 200
    assert (ticket.status, ticket.priority) == (Status.PENDING, Priority.HIGH)
    assert (ticket.group_id, ticket.assignee_id) == (group.id, agent.id)
    assert [tag.name for tag in ticket.tags] == ["old", "sent-parts"]
    filled = f"Hello Johanna, {ticket.number} is in good hands. Priya Raman"
    assert f"I typed this.\n\n{filled}</textarea>" in text
    assert db.session.scalars(sa.select(Comment)).all() == []


def test_a_note_stays_a_note_and_files_stay(client: FlaskClient, agent: Person) -> None:
    ticket, macro = make_ticket(), make_macro("Seen.")
    upload = (io.BytesIO(b"hello"), "log.txt")
    _, text = use(client, ticket, macro, body="secret", visibility="internal", attachments=upload)
    assert 'value="internal" checked' in text
    assert "secret\n\nSeen.</textarea>" in text
    assert "log.txt" in text
    assert 'name="kept"' in text


def test_a_change_that_is_not_allowed_undoes_the_others(client: FlaskClient, agent: Person) -> None:
    ticket = make_ticket(status=Status.CLOSED)
    macro = make_macro(status="pending", priority="critical")
    status, text = use(client, ticket, macro, body="I typed this.")
    assert status == 409
    assert (ticket.status, ticket.priority) == (Status.CLOSED, Priority.NORMAL)
    assert 'id="reply-error"' in text
    assert "I typed this.</textarea>" in text


def test_what_is_no_macro_or_hidden_is_refused(client: FlaskClient, agent: Person) -> None:
    ticket, gone = make_ticket(), make_macro("x", is_active=False)
    make_macro("y")
    for wrong in (gone.id, 999_999):
        status, text = use(client, ticket, wrong)
        assert (status, "This macro is gone" in text) == (404, True)
    path = f"/desk/tickets/{ticket.number}"
    for wrong_text in ("", "x", "9" * 40, "１"):
        data = {"csrf_token": token(client, path), "macro": wrong_text}
        answer = client.post(f"{path}/macros", data=data)
        assert (answer.status_code, "Choose a macro of the list." in answer.text) == (422, True)
    hidden = make_ticket(group=make_group(is_private=True))
    db.session.commit()
    data = {"csrf_token": token(client, path), "macro": "1"}
    assert client.post(f"/desk/tickets/{hidden.number}/macros", data=data).status_code == 404


def test_htmx_gets_the_parts_that_changed(
    app: Flask, client: FlaskClient, htmx: FlaskClient, sign_in: SignIn
) -> None:
    agent = make_agent()
    sign_in(client, agent)
    sign_in(htmx, agent)
    ticket, macro = make_ticket(), make_macro("Hello", priority="high")
    path = f"/desk/tickets/{ticket.number}"
    csrf = token(htmx, path)
    data = {"csrf_token": csrf, "macro": str(macro.id), "visibility": "public", "body": ""}
    text = htmx.post(f"{path}/macros", data=data).text
    assert text.startswith(f'<div id="ticket-{ticket.number}-conversation"') or (
        f'id="ticket-{ticket.number}-conversation"' in text[:200]
    )
    for part in ("composer", "properties", "head"):
        assert f'id="ticket-{ticket.number}-{part}" hx-swap-oob="true"' in text.replace(
            ' aria-label="Properties"', ""
        )

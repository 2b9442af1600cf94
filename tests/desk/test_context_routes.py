"""Customer data beside a ticket: loaded after the page, by a worker, and never trusted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.core.sealing import seal
from app.core.settings_store import change_setting
from app.integrations import context, signing
from app.tickets.models import Ticket
from tests.admin.pages import post
from tests.factories import make_agent, make_group, make_organization, make_person, make_ticket
from tests.receiver import receiver, says

SignIn = Callable[[FlaskClient, Person], FlaskClient]
TOKEN = re.compile(r'(?<=name="csrf_token" value=")[^"]+')
EVIL = '"><script>alert(1)</script>'
TOLD = {
    "fields": [{"label": "Plan", "value": "Gold"}, {"label": EVIL, "value": EVIL}],
    "links": [{"label": EVIL, "url": "https://crm.example.com/?a=1&b=<x>"}],
    "badges": [{"label": "VIP", "tone": "good"}],
}


@pytest.fixture
def agent(client: FlaskClient, htmx: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent()
    sign_in(client, found)
    sign_in(htmx, found)
    return found


def _ticket() -> Ticket:
    anna = make_person(
        "anna@example.com",
        name="Anna",
        external_id="crm-7",
        organization=make_organization("Bakery", external_id="org-1"),
    )
    ticket = make_ticket(anna, external_id="shop-9")
    db.session.commit()
    return ticket


def _use(url: str) -> None:
    change_setting("context_url", url)
    change_setting("context_secret", seal(signing.make_secret()))
    db.session.commit()


@pytest.mark.requirement("R 13-16", "R 13-21")
def test_the_panel_is_fetched_by_a_worker_and_shown_when_it_is_there(
    client: FlaskClient, htmx: FlaskClient, agent: Person, run_jobs: Callable[[], int]
) -> None:
    ticket = _ticket()
    path = f"/desk/tickets/{ticket.number}"
    with receiver(says(200, json.dumps(TOLD).encode())) as server:
        _use(server.url)
        page = client.get(path).text
        assert f'hx-get="{path}/context" hx-trigger="load"' in page
        assert f'href="{path}/context"' in page  # without script
        assert server.got == []
        waiting = htmx.get(f"{path}/context").text
        assert "is being fetched" in waiting
        assert f'hx-get="{path}/context?look=1"' in waiting
        assert server.got == []  # no request of a page asks for it
        run_jobs()
        for asked in ("ticket=" + ticket.number, "email=anna%40example.com", "external_id=crm-7"):
            assert asked in server.got[0].path
        assert "organization_external_id=org-1" in server.got[0].path
        assert "ticket_external_id=shop-9" in server.got[0].path
        shown = htmx.get(f"{path}/context?look=1").text
        assert "Gold" in shown
        assert "hx-trigger" not in shown  # it looks no more
        assert "<script>" not in shown
        assert 'rel="noopener noreferrer nofollow"' in shown
        plain = client.get(f"{path}/context").text
        assert "Gold" in plain
        assert TOKEN.sub("", shown).strip() in TOKEN.sub("", plain)  # the same fragment
        assert len(server.got) == 1


def test_without_an_address_there_is_no_panel(client: FlaskClient, agent: Person) -> None:
    ticket = _ticket()
    assert "/context" not in client.get(f"/desk/tickets/{ticket.number}").text
    assert client.get(f"/desk/tickets/{ticket.number}/context").status_code == 404


@pytest.mark.parametrize("url", ["", "https://example.com/"])
def test_the_ticket_page_takes_no_statement_more(
    client: FlaskClient, agent: Person, statements: list[str], url: str
) -> None:
    ticket = _ticket()
    if url:
        _use(url)
    client.get(f"/desk/tickets/{ticket.number}")
    statements.clear()
    client.get(f"/desk/tickets/{ticket.number}")
    assert not [one for one in statements if "context" in one or "setting" in one]


def test_a_failure_is_said_and_can_be_tried_again(
    client: FlaskClient, htmx: FlaskClient, agent: Person, run_jobs: Callable[[], int]
) -> None:
    ticket = _ticket()
    path = f"/desk/tickets/{ticket.number}/context"
    with receiver(says(500)) as server:
        _use(server.url)
        htmx.get(path)
        run_jobs()
        assert "HTTP status 500" in htmx.get(path).text
        server.behave = says(200, json.dumps(TOLD).encode())
        assert post(client, path, {}).status_code == 303
        run_jobs()
        assert "Gold" in htmx.get(path).text


def test_looking_ends_where_nothing_comes(htmx: FlaskClient, agent: Person) -> None:
    """Redis may be down, or no worker runs: a page does not ask for ever."""
    ticket = _ticket()
    _use("https://example.com/")
    path = f"/desk/tickets/{ticket.number}/context"
    assert "look=1" in htmx.get(path).text
    last = htmx.get(f"{path}?look=10").text
    assert "hx-trigger" not in last
    assert "no answer yet" in last


def test_a_private_groups_tickets_tell_strangers_nothing(
    client: FlaskClient, agent: Person
) -> None:
    ticket = make_ticket(make_person(), group=make_group(is_private=True))
    _use("https://example.com/")
    path = f"/desk/tickets/{ticket.number}/context"
    assert client.get(path).status_code == 404
    assert context.find(ticket.id) is None


def test_customers_and_guests_see_no_customer_data(client: FlaskClient, sign_in: SignIn) -> None:
    ticket = _ticket()
    _use("https://example.com/")
    path = f"/desk/tickets/{ticket.number}/context"
    assert client.get(path).status_code == 302
    sign_in(client, ticket.requester)
    assert client.get(path).status_code == 403

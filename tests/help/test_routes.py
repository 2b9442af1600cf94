"""The handbook's pages."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.help.contents import handbook
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PATHS = ("/help/", "/help/workflow", "/help/search?q=mail", "/help/nothing")


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> FlaskClient:
    return sign_in(client, make_agent())


@pytest.mark.parametrize("path", PATHS)
def test_only_agents_read_it(client: FlaskClient, sign_in: SignIn, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/login")
    sign_in(client, make_person())
    assert client.get(path).status_code == 403


@pytest.mark.requirement("R 13-17")
def test_every_chapter_is_shown_and_leads_on(agent: FlaskClient) -> None:
    contents = agent.get("/help/").text
    chapters = handbook().chapters
    for chapter, following in pairwise(chapters):
        assert f'href="{chapter.path}"' in contents
        page = agent.get(chapter.path)
        assert page.status_code == 200
        assert f"<h1>{chapter.title}</h1>" in page.text
        assert f'href="{following.path}" rel="next"' in page.text


@pytest.mark.requirement("R 13-17")
def test_the_process_is_written_down(agent: FlaskClient) -> None:
    page = agent.get("/help/workflow").text
    for status in ("New", "Open", "In progress", "Pending", "Resolved", "Closed", "Cancelled"):
        assert f"<td>{status}</td>" in page
    assert '<h2 id="who-does-what">' in page


def test_search_leads_to_the_section(agent: FlaskClient) -> None:
    page = agent.get("/help/search?q=quarantine+ledger").text
    assert 'href="/help/administration#mail"' in page
    assert "<mark>" in page
    assert "Nothing found" in agent.get("/help/search?q=xyzzy").text
    assert agent.get("/help/search").status_code == 200


def test_what_is_searched_is_escaped(agent: FlaskClient) -> None:
    assert "<b>x" not in agent.get("/help/search?q=<b>x").text


def test_an_unknown_chapter_is_not_found(agent: FlaskClient) -> None:
    assert agent.get("/help/nothing").status_code == 404


def test_the_desk_leads_to_it(agent: FlaskClient) -> None:
    assert 'href="/help/"' in agent.get("/desk/").text


def test_administration_leads_to_what_fits(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent(role=Role.SUPERVISOR))
    assert 'href="/help/sla#policies"' in client.get("/admin/policies").text
    assert 'href="/help/administration"' in client.get("/admin/").text


def test_a_chapter_costs_no_statement_of_its_own(agent: FlaskClient, statements: list[str]) -> None:
    agent.get("/help/mail")
    statements.clear()
    agent.get("/help/mail")
    assert len(statements) == 1, statements  # who asks

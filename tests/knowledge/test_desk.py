"""Articles on the desk: listing, writing with a preview, pictures, making one of a ticket."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.storage import Folder, storage
from app.knowledge import writing
from app.knowledge.models import Article, Audience, State
from app.knowledge.voting import visitor, vote
from app.tickets import attachments
from app.tickets.words import AuthorKind, Status, Visibility
from tests.admin.pages import errors, post, token
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_organization,
    make_participant,
    make_person,
    make_ticket,
)
from tests.knowledge.articles import make_article, make_category
from tests.knowledge.test_secrecy import picture

SignIn = Callable[[FlaskClient, Person], FlaskClient]
NEW = "/desk/articles/new"


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent(name="Priya Raman")
    sign_in(client, found)
    return found


@pytest.fixture
def supervisor(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent(name="Henrik Dahl", role=Role.SUPERVISOR)
    sign_in(client, found)
    return found


def form(**changes: Any) -> dict[str, Any]:
    category = make_category()
    db.session.commit()
    sent = {
        "title": "How do I pay?",
        "category": str(category.id),
        "audience": "public",
        "summary": "By card.",
        "body": "## Cards\n\nWe take **all**.",
        "version": "0",
        "press": "save",
    }
    return sent | changes


def only() -> Article:
    return db.session.scalars(sa.select(Article)).one()


def titles(page: str) -> list[str]:
    found = re.findall(r'<b><a href="/desk/articles/\d+" dir="auto">([^<]*)', page)
    return [unescape(title) for title in found]


def test_an_agent_saves_a_draft_and_a_supervisor_publishes_it(
    client: FlaskClient, agent: Person, sign_in: SignIn
) -> None:
    sent = form()
    saved = post(client, NEW, sent)
    assert saved.status_code == 303
    article = only()
    assert (article.state, article.author_id) == (State.DRAFT, agent.id)
    page = client.get(saved.location).text
    assert "We take <strong>all</strong>." in page
    assert "A supervisor publishes" in page
    path = f"/desk/articles/{article.id}"
    assert post(client, f"{path}/publication", {}, NEW).status_code == 403
    boss = sign_in(client.application.test_client(), make_agent(role=Role.SUPERVISOR))
    assert post(boss, f"{path}/publication", {}, path).status_code == 303
    assert only().is_public
    assert "/text" not in client.get(path).text  # the agent reads it, and changes it no more
    assert client.get(f"{path}/text").status_code == 403
    assert post(client, f"{path}/text", form(), NEW).status_code == 403


def test_a_supervisor_publishes_at_once(client: FlaskClient, supervisor: Person) -> None:
    assert post(client, NEW, form(press="publish")).status_code == 303
    assert only().is_public


def test_customers_get_no_page_of_it(client: FlaskClient, sign_in: SignIn) -> None:
    article = make_article()
    sign_in(client, make_person())
    for path in ("", "/new", f"/{article.id}", f"/{article.id}/text"):
        assert client.get(f"/desk/articles{path}").status_code == 403


def test_what_is_wrong_stands_beside_its_field(client: FlaskClient, agent: Person) -> None:
    refused = post(client, NEW, form(title="", body="x" * 50_001, category="0"))
    assert refused.status_code == 422
    assert errors(refused) == ["Give it a title.", "At most 50,000 characters."]
    refused = post(client, NEW, form(category="999999"))
    assert (refused.status_code, errors(refused)) == (
        422,
        ["This category is gone. Choose another one."],
    )
    assert "We take **all**." in refused.text
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Article)) == 0


def test_a_preview_saves_nothing(client: FlaskClient, htmx: FlaskClient, agent: Person) -> None:
    sent = form(press="preview")
    page = post(client, NEW, sent)
    assert page.status_code == 200
    assert "We take <strong>all</strong>." in page.text
    assert "We take **all**." in page.text
    client.environ_base["HTTP_HX_REQUEST"] = "true"
    part = client.post(NEW, data=sent | {"csrf_token": token(client, "/account/")})
    assert part.text.strip() in page.text
    assert part.text.strip().startswith("<section")
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Article)) == 0


def test_a_stale_text_comes_back_with_what_was_typed(
    client: FlaskClient, supervisor: Person
) -> None:
    article = make_article("Old")
    path = f"/desk/articles/{article.id}/text"
    mine = form(title="Mine", version="1")
    assert post(client, path, form(title="Theirs", version="1")).status_code == 303
    refused = post(client, path, mine)
    assert refused.status_code == 409
    assert 'value="Mine"' in refused.text
    assert only().title == "Theirs"
    version = re.search(r'name="version"[^>]*value="(\d+)"', refused.text)
    assert version
    assert post(client, path, mine | {"version": version[1]}).status_code == 303
    assert only().title == "Mine"


def test_an_earlier_version_is_read_and_taken_up_again(
    client: FlaskClient, supervisor: Person
) -> None:
    article = make_article("One", "First text.")
    path = f"/desk/articles/{article.id}"
    post(client, f"{path}/text", form(version="1", body="Second text."))
    assert f"{path}?version=1" in client.get(path).text
    assert "First text." in client.get(f"{path}?version=1").text
    assert "First text." in client.get(f"{path}/text?version=1").text
    for version in ("9", "x", "9" * 30):
        assert client.get(f"{path}?version={version}").status_code in (404, 422)


def test_pictures_are_added_shown_and_removed(client: FlaskClient, supervisor: Person) -> None:
    with storage().open(picture().sha256) as file:
        data = file.read()
    sent = form(body="![The plan](my-plan.png)", press="publish")
    sent["pictures"] = (io.BytesIO(data), "My Plan.png")
    assert post(client, NEW, sent).status_code == 303
    article = only()
    path = re.search(r'<img src="([^"]+)" alt="The plan">', article.body_html)
    assert path
    guest = client.application.test_client()
    answer = guest.get(path[1], buffered=True)
    assert (answer.status_code, answer.data) == (200, data)
    edit = f"/desk/articles/{article.id}/text"
    assert "![What it shows](my-plan.png)" in client.get(edit).text
    gone = re.search(r'name="without" value="(\d+)"', client.get(edit).text)
    assert gone
    post(client, edit, form(version="1", body=article.body, without=gone[1]))
    assert "<img" not in only().body_html
    assert guest.get(path[1]).status_code == 404
    refused = post(client, edit, form(version="2", pictures=(io.BytesIO(b"%PDF-1.4"), "a.png")))
    assert refused.status_code == 422
    assert "is no picture" in errors(refused)[0]


def test_the_sweep_leaves_pictures_of_articles(
    client: FlaskClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Folder(tmp_path)
    monkeypatch.setattr(attachments, "storage", lambda: store)
    file = picture()
    forgotten = attachments.store_bytes(b"of nobody", "a.txt", "text/plain")
    make_article(pictures=[file])
    assert attachments.sweep(now=utcnow() + timedelta(days=30)) == 1
    assert not store.path(forgotten.sha256).exists()
    assert store.path(file.sha256).exists()


def test_the_list_shows_all_states_and_pages_through_them(
    client: FlaskClient, agent: Person
) -> None:
    shelf, now = make_category("Water"), utcnow()
    for n in range(60):
        article = make_article(f"Article {n:02}", category=shelf, is_draft=n % 2 == 1)
        article.updated_at = now - timedelta(minutes=n // 3)
    gone = make_article("Gone", is_draft=True)
    writing.delete(gone, by=agent, now=now)
    db.session.commit()
    path: str | None = "/desk/articles"
    seen: list[str] = []
    while path:
        page = client.get(path).text
        seen += titles(page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = unescape(following[1]) if following else None
    assert sorted(seen) == [f"Article {n:02}" for n in range(60)]
    assert len(titles(client.get("/desk/articles?part=drafts").text)) == 25
    assert titles(client.get("/desk/articles?part=deleted").text) == ["Gone"]
    assert titles(client.get("/desk/articles?q=article+07").text) == ["Article 07"]
    assert client.get("/desk/articles?cursor=x").status_code == 422


def test_pages_need_few_statements(
    client: FlaskClient, agent: Person, statements: list[str]
) -> None:
    shelf, now = make_category(), utcnow()
    for n in range(12):
        article = make_article(f"Pump {n}", category=shelf)
        vote(article.id, visitor("guest", n), is_helpful=n % 2 == 0, now=now)
    db.session.commit()
    paths = ("", "?q=pump", f"/{article.id}", f"/{article.id}?version=1", "/new")
    for path in paths:
        client.get(f"/desk/articles{path}")
        statements.clear()
        assert client.get(f"/desk/articles{path}").status_code == 200
        assert len(statements) <= 8, (path, statements)


@pytest.mark.requirement("R 13-21")
def test_an_article_is_made_of_a_solved_ticket_without_its_people(
    client: FlaskClient, agent: Person
) -> None:
    company = make_organization("Quayside Library")
    requester = make_person(name="Niklas Fröhlich", phone="+49 30 1234567", organization=company)
    ticket = make_ticket(
        requester,
        subject="Re: [urgent] Pump of Niklas hums",
        description=(
            "Dear team,\n\nhere at Quayside Library the pump hums. My serial number is SN-77-1.\n"
            "Call me: +49 30 1234567, or nik@mail.example.\n\nKind regards\nNiklas Fröhlich"
        ),
        custom_fields={"serial_number": "SN-77-1"},
    )
    colleague = make_person(name="Abena Osei")
    make_participant(ticket, colleague)
    make_comment(ticket, colleague, "It hums for Abena too.")
    make_comment(ticket, agent, "Hello Niklas,\n\nput it into citric acid.\n\nPriya Raman")
    make_comment(ticket, agent, "He always calls.", visibility=Visibility.INTERNAL)
    make_comment(ticket, agent, "We have it.", author_kind=AuthorKind.SYSTEM, is_automatic=True)
    db.session.commit()
    assert client.get(f"{NEW}?ticket={ticket.number}").status_code == 409  # not solved yet
    ticket.status = Status.RESOLVED
    make_category()
    db.session.commit()
    assert f"{NEW}?ticket={ticket.number}" in client.get(f"/desk/tickets/{ticket.number}").text
    page = unescape(client.get(f"{NEW}?ticket={ticket.number}").text)
    assert 'value="Pump of [name] hums"' in page
    body = re.search(r'<textarea[^>]*name="body"[^>]*>\s*(.*?)</textarea>', page, re.DOTALL)
    assert body
    assert body[1].strip() == (
        "## What happens\n\nhere at [name] the pump hums. My serial number is [number].\n"
        "Call me: [number], or [mail address].\n\n## What helps\n\nput it into citric acid."
    ).replace("\n", body[1][16:18] if "\r\n" in body[1] else "\n")
    assert "Read it over" in page
    saved = client.post(
        f"{NEW}?ticket={ticket.number}",
        data=form() | {"csrf_token": token(client, NEW)},
    )
    assert saved.status_code == 303
    assert only().ticket_id == ticket.id
    assert ticket.number in client.get(saved.location).text


def test_no_article_is_made_of_a_ticket_that_one_may_not_see(
    client: FlaskClient, agent: Person
) -> None:
    ticket = make_ticket(group=make_group(is_private=True), status=Status.RESOLVED)
    db.session.commit()
    for number in (ticket.number, "TKT-AAAAAAAA", "x"):
        assert client.get(f"{NEW}?ticket={number}").status_code == 404


def test_what_is_for_agents_an_agent_publishes(client: FlaskClient, agent: Person) -> None:
    post(client, NEW, form(audience="agents"))
    path = f"/desk/articles/{only().id}"
    assert post(client, f"{path}/publication", {}, path).status_code == 303
    assert (only().state, only().audience) == (State.PUBLISHED, Audience.AGENTS)

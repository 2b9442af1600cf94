"""Drafts, articles for agents and deleted ones never reach a customer, whatever the way."""

from __future__ import annotations

import ast
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from markupsafe import escape

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import Base, db
from app.core.errors import Invalid
from app.knowledge import public, writing
from app.knowledge.models import Article, ArticlePicture, Audience
from app.tickets.attachments import DIGESTS, StoredFile, store_bytes
from app.tickets.words import Status
from tests.admin.pages import token
from tests.factories import make_agent, make_group, make_person, make_ticket
from tests.knowledge.articles import make_article, make_category, make_supervisor, text_of

pytestmark = pytest.mark.usefixtures("app")
SignIn = Callable[[FlaskClient, Person], FlaskClient]
ROOT = Path(__file__).resolve().parent.parent.parent
SECRET = "quagga"
WORDS = ("pump", SECRET, f"pump {SECRET}", f'"{SECRET}"', "qua", "draft")


def picture() -> StoredFile:
    def chunk(kind: bytes, data: bytes) -> bytes:
        crc = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + crc

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0\0\0\0")), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)
    return store_bytes(data, "Plan A.PNG", "image/png")


@pytest.fixture
def hidden() -> list[Article]:
    """Three articles that no customer may read, and one beside them that everybody may."""
    shelf = make_category()
    common = {"category": shelf, "summary": SECRET, "pictures": [picture()]}
    found = [
        make_article(f"Pump {SECRET} draft", SECRET, is_draft=True, **common),
        make_article(f"Pump {SECRET} agents", SECRET, audience=Audience.AGENTS, **common),
        make_article(f"Pump {SECRET} deleted", SECRET, **common),
    ]
    writing.delete(found[-1], by=make_supervisor(), now=utcnow())
    make_article("Pump for everybody", "Known.", category=shelf)
    db.session.commit()
    return found


def pages(hidden: list[Article]) -> list[str]:
    shelf = hidden[0].category_id
    return [
        *("/", "/kb/", f"/kb/categories/{shelf}-x", f"/kb/categories/{shelf}-x?after=1"),
        *(f"/kb/categories/{shelf}-x?after={one.id}" for one in hidden),
        *(f"/kb/search?q={text}" for text in WORDS),
        *(f"/kb/suggestions?subject={text}" for text in WORDS),
        *(f"/tickets/new?subject={text}" for text in WORDS),
        *(f"/kb/articles/{one.id}-{one.slug}" for one in hidden),
        *(p.path for p in public.page(shelf)[0]),
    ]


@pytest.mark.requirement("R 13-21")
@pytest.mark.parametrize("who", ["guest", "customer", "htmx", "agent"])
def test_no_page_of_the_help_centre_shows_them(
    client: FlaskClient, sign_in: SignIn, hidden: list[Article], who: str
) -> None:
    if who == "htmx":
        client.environ_base["HTTP_HX_REQUEST"] = "true"
    elif who != "guest":
        sign_in(client, make_agent() if who == "agent" else make_person())
    for path in pages(hidden):
        text = client.get(path, follow_redirects=True).text
        # What was typed comes back in its field, and in the link that goes on with it.
        for typed in ('value="{}"', "subject={}", "Search: {} ·"):
            for words in sorted(WORDS, key=len, reverse=True):
                for form in (words, quote(words)):
                    text = text.replace(typed.format(escape(form)), "")
        assert SECRET not in text, path


def test_no_list_begins_behind_one_of_them(hidden: list[Article]) -> None:
    """Else a guest reads off where its title stands among the others."""
    for article in hidden:
        assert public.page(article.category_id, after=article.id) == ([], False)


def test_they_are_not_found_and_not_voted_on(client: FlaskClient, hidden: list[Article]) -> None:
    sent = {"csrf_token": token(client, "/tickets/new"), "helpful": "yes"}
    for article in hidden:
        assert client.get(f"/kb/articles/{article.id}-{article.slug}").status_code == 404
        assert client.post(f"/kb/articles/{article.id}/votes", data=sent).status_code == 404


def test_their_pictures_are_for_agents_alone(
    client: FlaskClient, sign_in: SignIn, hidden: list[Article]
) -> None:
    agent = sign_in(client.application.test_client(), make_agent())
    for row in db.session.scalars(sa.select(ArticlePicture)):
        path = writing.picture_path(row)
        assert path.endswith("/plan-a.png")
        assert client.get(path).status_code == 404
        answer = agent.get(path, buffered=True)
        assert (answer.status_code, answer.mimetype) == (200, "image/png")
        assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_customers_pages_read_articles_through_one_module_alone() -> None:
    """No page of theirs knows the table: a condition cannot be forgotten there."""
    known = set()
    for path in (ROOT / "app/knowledge/portal_routes.py", *(ROOT / "app/portal").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.knowledge"):
                known |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert known == {f"app.knowledge.{name}" for name in ("public", "rendering", "voting")}


def test_every_statement_for_customers_has_the_condition() -> None:
    """In `public`, articles are only ever selected by way of IS_PUBLIC."""
    tree = ast.parse((ROOT / "app/knowledge/public.py").read_text())
    for function in [node for node in tree.body if isinstance(node, ast.FunctionDef)]:
        source = ast.unparse(function)
        if "sa.select(Article" in source.replace("sa.select(ArticleCategory", ""):
            assert "IS_PUBLIC" in source, function.name
        if "Article." in source:
            assert "READABLE" in source or "IS_PUBLIC" in source, function.name


def test_every_file_of_an_article_is_kept_and_backed_up(app: Flask) -> None:
    """A column that names bytes in the storage and is in no list would lose them to the sweep."""
    named = {(column.table.name, column.name) for column in DIGESTS}  # type: ignore[attr-defined]
    columns = {
        (table.name, column.name)
        for table in Base.metadata.sorted_tables
        for column in table.columns
        if column.name == "sha256"
    }
    assert named == columns


def test_only_pictures_are_taken() -> None:
    with pytest.raises(Invalid):
        make_article(pictures=[store_bytes(b"<svg onload=alert(1)>", "a.svg", "image/svg+xml")])


def test_what_a_private_groups_ticket_became_is_for_those_who_may_see_it(
    app: Flask, sign_in: SignIn
) -> None:
    """Until it is published; the ticket's number and the earlier versions even then."""
    group = make_group(is_private=True)
    ticket = make_ticket(group=group, status=Status.RESOLVED)
    article = make_article(
        f"Pump {SECRET}",
        SECRET,
        audience=Audience.AGENTS,
        is_draft=True,
        ticket_id=ticket.id,
        pictures=[picture()],
    )
    make_article("Pump of nobody", is_draft=True)
    db.session.commit()
    path = f"/desk/articles/{article.id}"
    [shown] = writing.pictures_of(article.id)
    outside = sign_in(app.test_client(), make_agent())
    member = sign_in(app.test_client(), make_agent(groups=(group,)))
    supervisor = sign_in(app.test_client(), make_supervisor())
    lists = ("/desk/articles", "/desk/articles?part=drafts", "/desk/articles?q=pump")
    pages = (path, f"{path}/text", f"{path}?version=1", writing.picture_path(shown))
    for client in (member, supervisor):
        assert all(SECRET in client.get(one).text for one in lists)
        assert {client.get(one, buffered=True).status_code for one in pages} == {200}
        assert ticket.number in client.get(path).text
    for one in lists:
        text = outside.get(one).text.replace('value="pump"', "")
        assert SECRET not in text
        assert "Pump of nobody" in text
    assert {outside.get(one, buffered=True).status_code for one in pages} == {404}
    sent = {"csrf_token": token(outside, "/desk/articles"), "title": "x"}
    for act in ("text", "publication", "deletion"):
        assert outside.post(f"{path}/{act}", data=sent).status_code == 404

    writing.save(
        *(article, text_of(article, title="Pump", body="Clean")),
        version=1,
        by=make_supervisor(),
        now=utcnow(),
    )
    writing.publish(article, by=make_supervisor(), now=utcnow())
    db.session.commit()
    page = outside.get(path)
    assert "Clean" in page.text
    assert ticket.number not in page.text
    assert "version=1" not in page.text
    assert outside.get(f"{path}?version=1").status_code == 404
    assert outside.get(f"{path}/text?version=1").status_code == 404
    assert member.get(f"{path}?version=1").status_code == 200

"""Articles in the composer: found by the ticket's subject or by words, inserted, not sent."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from html import unescape

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.knowledge.models import Audience
from app.tickets.models import Comment, Ticket
from tests.admin.pages import token
from tests.factories import make_agent, make_group, make_ticket
from tests.knowledge.articles import make_article

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent()
    sign_in(client, found)
    return found


@pytest.fixture
def ticket(agent: Person) -> Ticket:
    make_article("The pump hums", "Take the **lime** off.")
    make_article("Where is my invoice?")
    found = make_ticket(subject="My pump does not work")
    db.session.commit()
    return found


def offered(page: str) -> list[str]:
    found = re.findall(r'name="article_link" value="\d+"[^>]*>(?:<span[^>]*>)?([^<]*)', page)
    return [unescape(title) for title in found]


def body(page: str) -> str:
    found = re.search(r'<textarea name="body"[^>]*>(.*?)</textarea>', page, re.DOTALL)
    assert found
    return unescape(found[1])


def compose(client: FlaskClient, ticket: Ticket, **data: object) -> tuple[int, str]:
    path = f"/desk/tickets/{ticket.number}"
    sent = {"csrf_token": token(client, path), "visibility": "public"} | data
    answer = client.post(f"{path}/articles", data=sent)
    return answer.status_code, answer.text


@pytest.mark.requirement("R 13-21")
def test_articles_that_fit_the_ticket_are_offered(
    client: FlaskClient, htmx: FlaskClient, ticket: Ticket
) -> None:
    client.environ_base["HTTP_HX_REQUEST"] = "true"
    path = f"/desk/tickets/{ticket.number}/articles"
    part = client.get(path).text
    assert "<html" not in part
    assert offered(part) == ["The pump hums"]
    found = client.get(f"{path}?part=results&q=invoice").text
    assert offered(found) == ["Where is my invoice?"]
    assert found.strip() in client.get(f"{path}?q=invoice").text
    assert "No published article" in client.get(f"{path}?q=nothing").text


def test_a_link_goes_into_the_reply_and_nothing_is_sent(
    client: FlaskClient, ticket: Ticket
) -> None:
    article = make_article("How do I clean it?")
    db.session.commit()
    status, page = compose(client, ticket, body="I typed this.", article_link=article.id)
    assert status == 200
    link = f"http://localhost/kb/articles/{article.id}-how-do-i-clean-it"
    assert body(page) == f"I typed this.\n\nHow do I clean it?:\n{link}"
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Comment)) == 0


def test_its_text_goes_in_as_words(client: FlaskClient, ticket: Ticket) -> None:
    article = make_article("Clean it", "## Now\n\n- *one*\n- [two](https://two.example)")
    db.session.commit()
    _, page = compose(client, ticket, article_text=article.id)
    assert body(page) == "Now\n\n- one\n- two <https://two.example>"


def test_without_a_script_a_page_carries_everything_along(
    client: FlaskClient, ticket: Ticket
) -> None:
    path = f"/desk/tickets/{ticket.number}"
    sent = {"csrf_token": token(client, path), "body": "I typed <this>.", "visibility": "internal"}
    files = {"attachments": (io.BytesIO(b"a file"), "a.txt")}
    page = client.post(f"{path}/articles", data=sent | files)
    assert page.status_code == 200
    assert offered(page.text) == ["Link"]
    kept = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', page.text)
    carried = {name: unescape(value) for name, value in kept}
    assert (carried["body"], carried["visibility"]) == ("I typed <this>.", "internal")
    again = client.post(f"{path}/articles", data=carried | {"q": "invoice"})
    found = re.search(r'name="article_link" value="(\d+)"', again.text)
    assert found
    done = client.post(f"{path}/articles", data=carried | {"article_link": found[1]}).text
    assert body(done).startswith("I typed <this>.\n\nWhere is my invoice?:\nhttp")
    assert "a.txt" in done
    assert re.search(r'value="internal" checked', done)


@pytest.mark.parametrize("how", ["draft", "agents", "0", "x", "9" * 30])
def test_what_customers_cannot_read_is_not_inserted(
    client: FlaskClient, ticket: Ticket, how: str
) -> None:
    if how in ("draft", "agents"):
        audience = Audience.AGENTS if how == "agents" else Audience.PUBLIC
        article = make_article("quagga", "quagga", is_draft=how == "draft", audience=audience)
        db.session.commit()
        how = str(article.id)
    for pick in ("article_link", "article_text"):
        _, page = compose(client, ticket, body="I typed this.", **{pick: how})
        assert body(page) == "I typed this."
        assert "reply-error" in page
        assert "quagga" not in page


def test_articles_for_agents_are_only_shown(client: FlaskClient, ticket: Ticket) -> None:
    make_article("Pump: replace at once", audience=Audience.AGENTS)
    make_article("Pump draft", is_draft=True)
    db.session.commit()
    page = client.get(f"/desk/tickets/{ticket.number}/articles?q=pump").text
    assert "Pump: replace at once" in page
    assert "Pump draft" not in page
    assert offered(page) == ["Link"]


def test_a_private_groups_ticket_stays_unknown(client: FlaskClient, agent: Person) -> None:
    article = make_article()
    ticket = make_ticket(group=make_group(is_private=True))
    other = make_ticket()
    db.session.commit()
    path = f"/desk/tickets/{ticket.number}/articles"
    assert client.get(path).status_code == 404
    sent = {
        "csrf_token": token(client, f"/desk/tickets/{other.number}"),
        "article_link": article.id,
    }
    assert client.post(path, data=sent).status_code == 404

"""The help centre: reading, searching and voting, for guests too."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.knowledge import public, writing
from app.knowledge.models import ArticleVote
from app.tickets.models import Ticket
from tests.admin.pages import token
from tests.factories import make_person
from tests.knowledge.articles import make_article, make_category, make_supervisor, text_of

pytestmark = pytest.mark.usefixtures("app")
SignIn = Callable[[FlaskClient, Person], FlaskClient]


def path_of(title: str) -> str:
    article = public.find(title)[0][0]
    assert article.title == title
    return article.path


def titles(page: str) -> list[str]:
    return re.findall(r'<a href="/kb/articles/[^"]*"[^>]*>([^<]*)', page)


@pytest.mark.requirement("R 13-21")
def test_a_guest_finds_an_article_and_reads_it(client: FlaskClient) -> None:
    shelf = make_category("Water")
    make_article("The pump hums", "## First\n\nPull the **plug**.", category=shelf)
    db.session.commit()
    assert 'href="/kb/"' in client.get("/").text
    home = client.get("/kb/").text
    assert "Water" in home
    assert titles(home) == ["The pump hums"]
    found = client.get("/kb/search?q=plug").text
    assert titles(found) == ["The pump hums"]
    page = client.get(path_of("The pump hums"))
    assert "Pull the <strong>plug</strong>." in page.text
    assert "Open a ticket" in page.text


def test_an_empty_help_centre_is_not_offered(client: FlaskClient) -> None:
    make_article(is_draft=True)
    db.session.commit()
    assert 'href="/kb/"' not in client.get("/").text
    assert "No articles yet" in client.get("/kb/").text


def test_an_article_is_found_under_an_old_address(client: FlaskClient) -> None:
    article = make_article("Größe & Gewicht")
    db.session.commit()
    moved = client.get(f"/kb/articles/{article.id}-any-other")
    assert moved.status_code == 302
    assert client.get(moved.location).status_code == 200


def test_a_long_category_is_read_page_by_page(client: FlaskClient) -> None:
    shelf = make_category()
    wanted = [f"Same {n // 3:02}" for n in range(60)]
    for title in reversed(wanted):
        make_article(title, category=shelf)
    make_article("Elsewhere")
    db.session.commit()
    seen: list[str] = []
    path: str | None = f"/kb/categories/{shelf.id}-{shelf.slug}"
    pages = 0
    while path:
        page = client.get(path).text
        seen += titles(page)
        following = re.search(r'href="([^"]+)" rel="next"', page)
        path = following[1] if following else None
        pages += 1
    assert (seen, pages) == (wanted, 3)


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "9" * 30, f"{'0' * 11}{'9' * 20}"])
def test_there_is_no_such_page(client: FlaskClient, after: str) -> None:
    article = make_article()
    db.session.commit()
    path = f"/kb/categories/{article.category_id}-x"
    assert client.get(path, query_string={"after": after}).status_code in (404, 422)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("pump", ["The pump", "Of water"]),  # in the title before the text
        ("pum", ["The pump", "Of water"]),
        ("PÜMP", ["The pump", "Of water"]),
        ("zurich", ["Of water"]),
        ('"pump and"', ["Of water"]),
        ("and", ["Of water"]),
        ("lamp", []),
        ("'", []),
        ('" OR title:', []),
        ("the pump*", ["The pump", "Of water"]),
    ],
)
def test_search_finds_all_words_best_first(
    client: FlaskClient, words: str, found: list[str]
) -> None:
    make_article("Of water", "The pump and Zürich.")
    make_article("The pump", "Moves it.")
    make_article("Other", "Nothing of it.")
    db.session.commit()
    page = client.get("/kb/search", query_string={"q": words})
    assert page.status_code == 200
    assert titles(page.text) == found


def test_where_no_article_has_all_words_those_with_some_are_shown(client: FlaskClient) -> None:
    make_article("The pump hums")
    make_article("How do I pay?")
    db.session.commit()
    page = client.get("/kb/search", query_string={"q": "how do I stop my humming pump"}).text
    assert titles(page) == ["The pump hums"]
    assert "have some of them" in page


def test_the_index_follows_every_change() -> None:
    article, now = make_article("Lamp", "Bulb."), utcnow()
    by = make_supervisor()
    writing.save(article, text_of(article, title="Light", body="Diode."), version=1, by=by, now=now)
    db.session.flush()
    for words, count in (("lamp", 0), ("bulb", 0), ("light", 1), ("diode", 1)):
        assert len(public.find(words)[0]) == count, words
    db.session.delete(article)
    db.session.flush()
    assert public.find("light") == ([], False)


def vote(client: FlaskClient, path: str, said: str) -> str:
    sent = {"csrf_token": token(client, path), "helpful": said}
    number = re.search(r"/articles/(\d+)-", path)
    assert number
    answer = client.post(f"/kb/articles/{number[1]}/votes", data=sent)
    assert answer.status_code == 303
    assert answer.location.startswith(path)
    return client.get(path).text


def votes() -> list[bool]:
    return list(db.session.scalars(sa.select(ArticleVote.is_helpful)))


def test_a_guest_has_one_vote_and_may_change_it(client: FlaskClient) -> None:
    make_article("The pump hums")
    db.session.commit()
    path = path_of("The pump hums")
    assert client.get_cookie("visitor", path="/kb") is None  # nobody is followed who only reads
    assert "Thank you" in vote(client, path, "yes")
    assert votes() == [True]
    page = vote(client, path, "no")
    assert votes() == [False]
    assert "/tickets/new?subject=The%20pump%20hums" in page


def test_visitors_vote_apart(app: object, client: FlaskClient, sign_in: SignIn) -> None:
    make_article("The pump hums")
    db.session.commit()
    path = path_of("The pump hums")
    vote(client, path, "yes")
    other = client.application.test_client()
    sign_in(other, make_person())
    vote(other, path, "no")
    vote(other, path, "no")
    assert sorted(votes()) == [False, True]


def test_a_vote_by_htmx_answers_with_the_same_part(client: FlaskClient, htmx: FlaskClient) -> None:
    make_article("The pump hums")
    db.session.commit()
    path = path_of("The pump hums")
    article_id = path.split("/")[-1].split("-")[0]
    sent = {"csrf_token": token(htmx, path), "helpful": "yes"}
    part = htmx.post(f"/kb/articles/{article_id}/votes", data=sent)
    assert part.status_code == 200
    assert part.text.strip() in htmx.get(path, headers={"HX-Boosted": "true"}).text
    assert (
        htmx.post(f"/kb/articles/{article_id}/votes", data=sent | {"helpful": "x"}).status_code
        == 422
    )


def test_browsers_ask_whether_a_page_is_still_good(client: FlaskClient) -> None:
    article = make_article("The pump hums")
    db.session.commit()
    path = path_of("The pump hums")
    client.get(path)  # from here on there is a session
    first = client.get(path)
    assert first.headers["Cache-Control"] == "private, no-cache"
    asked = {"If-None-Match": first.headers["ETag"]}
    again = client.get(path, headers=asked)
    assert (again.status_code, again.data) == (304, b"")
    writing.withdraw(article, by=make_supervisor(), now=utcnow())
    db.session.commit()
    assert client.get(path, headers=asked).status_code == 404


def test_pages_need_few_statements(client: FlaskClient, statements: list[str]) -> None:
    shelf = make_category()
    for n in range(12):
        make_article(f"Pump {n}", category=shelf)
    db.session.commit()
    for path, most in (
        ("/", 4),
        ("/kb/", 4),
        (f"/kb/categories/{shelf.id}-{shelf.slug}", 4),
        ("/kb/search?q=pump", 4),
        (path_of("Pump 3"), 4),
        ("/tickets/new", 4),
    ):
        client.get(path)
        statements.clear()
        assert client.get(path).status_code == 200
        assert len(statements) <= most, (path, statements)
    cache.clear()


def test_articles_are_suggested_while_a_subject_is_typed(htmx: FlaskClient) -> None:
    make_article("The pump hums")
    make_article("Where is my invoice?")
    db.session.commit()
    part = htmx.get("/kb/suggestions", query_string={"subject": "My pump does not work"})
    assert titles(part.text) == ["The pump hums"]
    assert "<html" not in part.text
    for subject in ("", "how do I", "x" * 5000, "\0'\""):
        nothing = htmx.get("/kb/suggestions", query_string={"subject": subject})
        assert (nothing.status_code, nothing.text.strip()) == (200, "")


def test_without_a_script_articles_are_shown_before_sending(client: FlaskClient) -> None:
    make_article("The pump hums")
    db.session.commit()
    form = client.get("/tickets/new").text
    assert re.search(r"<noscript>.*name=\"look\".*</noscript>", form)
    sent = {
        "csrf_token": token(client, "/tickets/new"),
        "name": "Thabo",
        "email": "thabo@shop.example",
        "subject": "Our pump",
        "category": "general",
        "description": "It hums.",
    }
    before = client.post("/tickets/new", data=sent | {"look": "1"})
    assert before.status_code == 200
    assert titles(before.text) == ["The pump hums"]
    assert 'value="Our pump"' in before.text
    assert "It hums." in before.text
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 0
    assert client.post("/tickets/new", data=sent).status_code == 303


def test_a_search_without_luck_goes_on_as_a_ticket(client: FlaskClient) -> None:
    make_article("The pump hums")
    db.session.commit()
    page = client.get("/kb/search", query_string={"q": "broken pump & hose"}).text
    path = re.search(r'href="(/tickets/new\?subject=[^"]+)"', page)
    assert path
    form = client.get(path[1].replace("&amp;", "&")).text
    assert 'value="broken pump &amp; hose"' in form
    assert titles(form) == ["The pump hums"]

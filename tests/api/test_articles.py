"""The knowledge base over the API: read as the help centre shows it, written as on the pages."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Role
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.knowledge import writing
from app.knowledge.models import Article, ArticleRevision, Audience, State
from tests.factories import bearer, make_agent, make_group, make_person, make_ticket
from tests.knowledge.articles import make_article, make_category, somebody

V1 = "/api/v1"
Headers = dict[str, str]


@pytest.fixture
def customer(app: Flask) -> Headers:
    return bearer(make_person())


@pytest.fixture
def agent(app: Flask) -> Headers:
    return bearer(make_agent())


@pytest.fixture
def supervisor(app: Flask) -> Headers:
    return bearer(make_agent(role=Role.SUPERVISOR))


def listed(client: FlaskClient, by: Headers, query: str = "") -> set[str]:
    answer = client.get(f"{V1}/articles?limit=100&{query}", headers=by)
    assert answer.status_code == 200, answer.text
    found = answer.get_json()
    assert found["total"] == len(found["articles"])
    return {article["title"] for article in found["articles"]}


def test_customers_read_what_the_help_centre_shows(
    client: FlaskClient, customer: Headers, agent: Headers
) -> None:
    text = "Hold **it**.\n\n[//]: # (ask Priya first)"  # a comment, as Markdown knows none
    shown = make_article("Reset", text, summary="Five seconds")
    hidden = [
        make_article("Draft", is_draft=True),
        make_article("Ours", audience=Audience.AGENTS),
        make_article("Deleted"),
    ]
    writing.delete(hidden[2], by=somebody(), now=utcnow())
    db.session.commit()
    assert listed(client, customer) == {"Reset"}
    assert listed(client, agent) == {"Reset", "Draft", "Ours"}
    for article in hidden:
        assert client.get(f"{V1}/articles/{article.id}", headers=customer).status_code == 404
    assert client.get(f"{V1}/articles/{shown.id}").status_code == 401
    told = client.get(f"{V1}/articles/{shown.id}", headers=customer)
    assert "Priya" not in told.text
    assert told.get_json() == {
        "id": shown.id,
        "title": "Reset",
        "summary": "Five seconds",
        "html": shown.body_html,
        "category": {"id": shown.category_id, "name": shown.category.name},
        "url": f"http://localhost/kb/articles/{shown.id}-reset",
        "updated_at": shown.updated_at.isoformat(),
        "published_at": shown.updated_at.isoformat(),
    }
    full = client.get(f"{V1}/articles/{shown.id}", headers=agent).get_json()
    assert full["body"] == shown.body
    assert (full["state"], full["audience"], full["version"]) == ("published", "public", 1)
    assert full["author"]["id"] == somebody().id
    ours = client.get(f"{V1}/articles/{hidden[1].id}", headers=agent).get_json()
    assert ours["url"] == f"http://localhost/desk/articles/{hidden[1].id}"


def test_a_draft_made_of_a_private_ticket_is_for_those_who_see_that(
    client: FlaskClient, agent: Headers
) -> None:
    group = make_group("Board", is_private=True)
    member = make_agent()
    group.members.append(member)
    make_article("Merger", is_draft=True, ticket_id=make_ticket(group=group).id)
    db.session.commit()
    assert listed(client, agent) == set()
    assert listed(client, bearer(member)) == {"Merger"}


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("q=pump", {"Clean the pump", "Noise"}),
        ("q=clean+pump", {"Clean the pump"}),
        ("q=%21%3F", set()),
        ("state=draft", {"Noise"}),
        ("audience=agents", {"Doors"}),
        ("q=pump&state=published", {"Clean the pump"}),
    ],
)
def test_lists_are_searched_and_cut(
    client: FlaskClient, agent: Headers, query: str, titles: set[str]
) -> None:
    make_article("Clean the pump", "With vinegar.")
    make_article("Noise", "It is the pump.", is_draft=True)
    make_article("Doors", "Oil them.", audience=Audience.AGENTS)
    db.session.commit()
    assert listed(client, agent, query) == titles


def test_a_category_and_pages_cut_the_list(client: FlaskClient, agent: Headers) -> None:
    shelf = make_category("Payments")
    titles = [make_article(f"Bill {n}", category=shelf).title for n in range(3)]
    make_article("Else")
    db.session.commit()
    path = f"{V1}/articles?category={shelf.id}&limit=2&q=bill"
    first = client.get(path, headers=agent).get_json()
    rest = client.get(f"{path}&cursor={first['next_cursor']}", headers=agent).get_json()
    got = [article["title"] for page in (first, rest) for article in page["articles"]]
    assert (got, first["total"], rest["next_cursor"]) == (titles, 3, None)


def new(**more: Any) -> dict[str, Any]:
    return {"title": "Reset", "body": "Hold **it**.", "category": "Panels", **more}


def test_agents_write_drafts_and_supervisors_publish_what_customers_read(
    client: FlaskClient, customer: Headers, agent: Headers, supervisor: Headers
) -> None:
    shelf = make_category("Panels")
    db.session.commit()
    path = f"{V1}/articles"
    assert client.post(path, json=new(), headers=customer).status_code == 403
    assert client.post(path, json=new(state="published"), headers=agent).status_code == 403
    assert db.session.scalars(sa.select(Article)).all() == []  # nothing of it was kept
    made = client.post(path, json=new(category=shelf.id), headers=agent)
    assert made.status_code == 201
    assert made.get_json()["state"] == "draft"
    assert made.get_json()["html"].strip() == "<p>Hold <strong>it</strong>.</p>"
    one = made.headers["Location"]
    assert client.patch(one, json={"state": "published"}, headers=agent).status_code == 403
    published = client.patch(one, json={"state": "published"}, headers=supervisor).get_json()
    assert (published["state"], published["version"]) == ("published", 1)
    assert listed(client, customer) == {"Reset"}
    for change in ({"title": "Mine"}, {"state": "draft"}, {"audience": "agents"}):
        assert client.patch(one, json=change, headers=agent).status_code == 403
    assert client.delete(one, headers=agent).status_code == 403
    ours = client.post(path, json=new(audience="agents", state="published"), headers=agent)
    assert (ours.status_code, ours.get_json()["state"]) == (201, "published")
    into_public = {"audience": "public"}
    own = ours.headers["Location"]
    assert client.patch(own, json=into_public, headers=agent).status_code == 403
    withdrawn = client.patch(own, json={**into_public, "state": "draft"}, headers=agent)
    assert withdrawn.get_json()["state"] == "draft"


def test_a_change_keeps_the_earlier_text_and_what_is_not_named(
    client: FlaskClient, supervisor: Headers
) -> None:
    article = make_article("Reset", "Hold it.", summary="Five seconds")
    db.session.commit()
    path = f"{V1}/articles/{article.id}"
    before = client.get(path, headers=supervisor).get_json()
    after = client.patch(path, json={"body": "Press\r\nit."}, headers=supervisor).get_json()
    changed = {key for key in after if after[key] != before[key]}
    assert changed == {"body", "html", "version", "updated_at"}
    assert (after["body"], after["version"]) == ("Press\nit.", 2)
    kept = sa.select(ArticleRevision.body).order_by(ArticleRevision.version)
    assert db.session.scalars(kept).all() == ["Hold it.", "Press\nit."]
    same = client.patch(path, json={"body": "Press\nit."}, headers=supervisor).get_json()
    assert same == after  # nothing new is no new version
    log = sa.select(AuditEntry.action).where(AuditEntry.thing == "article")
    assert db.session.scalars(log.order_by(AuditEntry.id)).all()[-1] == "changed"


def test_a_stale_change_is_refused_and_changes_nothing(
    client: FlaskClient, supervisor: Headers
) -> None:
    article = make_article("Reset", "Hold it.")
    db.session.commit()
    path = f"{V1}/articles/{article.id}"
    client.patch(path, json={"title": "Theirs", "version": 1}, headers=supervisor)
    for change in ({"title": "Mine"}, {"state": "draft"}):
        stale = client.patch(path, json={**change, "version": 1}, headers=supervisor)
        assert stale.status_code == 409
    told = client.get(path, headers=supervisor).get_json()
    assert (told["title"], told["state"], told["version"]) == ("Theirs", "published", 2)


def test_a_deleted_article_is_hidden_and_can_be_brought_back_on_the_pages(
    client: FlaskClient, supervisor: Headers
) -> None:
    article = make_article()
    db.session.commit()
    path = f"{V1}/articles/{article.id}"
    assert client.delete(path, headers=supervisor).status_code == 204
    assert client.get(path, headers=supervisor).status_code == 404
    assert client.delete(path, headers=supervisor).status_code == 404
    writing.restore(article, by=somebody(), now=utcnow())
    db.session.commit()
    assert client.get(path, headers=supervisor).get_json()["state"] == State.DRAFT.value


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 201}, "title"),
        ({"body": " \n "}, "body"),
        ({"body": "x" * 50_001}, "body"),
        ({"category": "Nowhere"}, "category"),
        ({"category": 10**30}, "category"),
        ({"audience": "all"}, "audience"),
        ({"html": "<p>x</p>"}, "html"),
        ({"version": 7}, "version"),
    ],
)
def test_wrong_input_is_told_by_field(
    client: FlaskClient, agent: Headers, more: dict[str, Any], field: str
) -> None:
    make_category("Panels")
    db.session.commit()
    answer = client.post(f"{V1}/articles", json=new(**more), headers=agent)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.get_json()["errors"]] == [field]


def test_lists_take_the_same_statements_however_long(
    client: FlaskClient, agent: Headers, statements: list[str]
) -> None:
    counts = []
    for _ in range(2):
        for _ in range(3):
            make_article()
        db.session.commit()
        client.get(f"{V1}/articles", headers=agent)
        statements.clear()
        client.get(f"{V1}/articles?q=words", headers=agent)
        counts.append(len(statements))
    assert counts[0] == counts[1] <= 6, statements


def test_categories_are_read_by_all_and_kept_by_supervisors(
    client: FlaskClient, customer: Headers, agent: Headers, supervisor: Headers
) -> None:
    path, body = f"{V1}/article-categories", {"name": "Payments", "description": "Bills."}
    for by in (customer, agent):
        assert client.post(path, json=body, headers=by).status_code == 403
    made = client.post(path, json=body, headers=supervisor)
    assert made.status_code == 201
    one = made.headers["Location"]
    assert client.post(path, json=body, headers=supervisor).status_code == 400
    changed = client.patch(one, json={"description": "Cards."}, headers=supervisor).get_json()
    assert changed == {**made.get_json(), "description": "Cards."}

    def names(by: Headers) -> list[str]:
        found = client.get(path, headers=by).get_json()["article_categories"]
        return [each["name"] for each in found]

    other = make_article("Reset", category=make_category("Alerts"))
    db.session.commit()
    assert names(agent) == ["Payments", "Alerts"]
    assert names(customer) == ["Alerts"]  # as the help centre: what has something to read
    ids = [other.category_id, made.get_json()["id"]]
    assert client.put(f"{path}/order", json={"ids": ids}, headers=supervisor).status_code == 204
    assert names(supervisor) == ["Alerts", "Payments"]
    used = f"{path}/{other.category_id}"
    assert client.delete(used, headers=supervisor).status_code == 400
    instead = f"{used}?instead={made.get_json()['id']}"
    assert client.delete(instead, headers=supervisor).status_code == 204
    moved = client.get(f"{V1}/articles/{other.id}", headers=customer).get_json()
    assert moved["category"]["name"] == "Payments"

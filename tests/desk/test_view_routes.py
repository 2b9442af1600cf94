"""Saved views: made from the queue's filters, shared where the role allows it, kept in order."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Group, Person, Role
from app.core.audit import AuditEntry
from app.core.db import db
from app.tickets import filters, views
from app.tickets.catalog_models import Tag, View
from app.tickets.filters import TicketFilters
from app.tickets.words import Priority, Status
from tests.admin.pages import token
from tests.factories import make_agent, make_group, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
NARROWED = "/desk/?view=unresolved&priority=critical&tag=leak&sort=created_at&order=asc"


@pytest.fixture
def group(app: Flask) -> Group:
    return make_group("Ovens")


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn, group: Group) -> Person:
    found = make_agent(name="Priya Raman", groups=(group,))
    sign_in(client, found)
    return found


@pytest.fixture
def supervisor(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent(name="Sanna", role=Role.SUPERVISOR)
    sign_in(client, found)
    return found


def make_view(name: str, owner: Person | None = None, group: Group | None = None) -> View:
    filters = TicketFilters(status=(Status.NEW,), sort="priority").to_view()
    view = View(
        name=name,
        owner_id=owner.id if owner else None,
        group_id=group.id if group else None,
        filters=filters,
        position=len(db.session.scalars(sa.select(View)).all()) + 1,
    )
    db.session.add(view)
    db.session.commit()
    return view


def link(html: str, words: str) -> str:
    """Where the chip *words* of the toolbar leads, "" where there is none."""
    links = re.findall(r'<a class="chip quiet" href="([^"]+)">(.*?)</a>', html)
    paths = [unescape(path) for path, inside in links if inside.endswith(words)]
    return paths[0] if paths else ""


def sent(client: FlaskClient, path: str, **changes: object) -> dict[str, object]:
    """What the form at *path* would post, with *changes*."""
    html = client.get(path).text
    form = html[html.index('<form class="card') :]
    names = ("name", "query", "audience", "csrf_token")
    found: dict[str, object] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        at = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        if at.get("name") in names:
            found[at["name"]] = unescape(at.get("value", ""))
    found["filters"] = [
        re.search(r'value="([^"]*)"', tag)[1]  # type: ignore[index]
        for tag in re.findall(r'<input[^>]*name="filters"[^>]*>', form)
        if "checked" in tag
    ]
    for name in ("audience", "sort"):
        if select := re.search(rf'<select[^>]*name="{name}".*?</select>', form, re.DOTALL):
            chosen = re.search(r'<option selected value="([^"]*)"', select[0])
            found[name] = chosen[1] if chosen else re.findall(r'value="([^"]*)"', select[0])[0]
    return found | changes


def rail(client: FlaskClient) -> list[str]:
    """The saved views in the rail."""
    html = client.get("/desk/").text
    if "saved views</span>" not in html:
        return []
    part = html[html.index("saved views</span>") : html.index('<ul class="end">')]
    return re.findall(r'<span dir="auto">(.*?)</span>', part)


def test_the_filters_of_the_queue_become_a_view_in_the_rail(
    client: FlaskClient, agent: Person
) -> None:
    leak = make_ticket(priority=Priority.CRITICAL, tags=[Tag(name="leak")])
    make_ticket(priority=Priority.CRITICAL)
    db.session.commit()
    path = link(client.get(NARROWED).text, "Save as view")
    answer = client.post("/desk/views/new", data=sent(client, path, name=" Bad leaks "))
    assert answer.status_code == 303
    view = db.session.scalars(sa.select(View)).one()
    assert (view.name, view.owner_id, view.group_id) == ("Bad leaks", agent.id, None)
    assert answer.location == f"/desk/?view=saved-{view.id}"
    html = client.get(answer.location).text
    assert re.findall(r'class="queue-row" id="ticket-(TKT-\w+)"', html) == [leak.number]
    assert "Oldest" in html
    assert rail(client) == ["Bad leaks"]


def test_the_queue_offers_it_only_where_there_is_something_to_save(
    client: FlaskClient, agent: Person
) -> None:
    html = client.get("/desk/").text
    assert not link(html, "Save as view")
    assert not link(html, "Edit view")
    assert link(client.get("/desk/?sort=created_at").text, "Save as view")
    assert not link(client.get(NARROWED).text, "Change view")  # one that is shipped


def test_a_filter_that_is_unticked_is_not_saved(client: FlaskClient, agent: Person) -> None:
    form = sent(client, f"/desk/views/new?{NARROWED.partition('?')[2]}", name="v")
    assert form["filters"] == ["status", "priority", "tag"]
    form["filters"] = ["priority"]
    client.post("/desk/views/new", data=form)
    view = db.session.scalars(sa.select(View)).one()
    assert view.filters == {"priority": ["critical"], "order": "asc"}


def test_flags_and_days_of_a_view_are_kept(client: FlaskClient, agent: Person) -> None:
    path = "/desk/views/new?view=overdue&created_after=2025-11-18&created_before=2025-11-20"
    client.post("/desk/views/new", data=sent(client, path, name="v"))
    kept = db.session.scalars(sa.select(View)).one().filters
    assert kept["overdue"] == "1"
    assert {"created_after", "created_before"} <= set(kept)


def test_a_view_is_renamed_and_its_filters_changed_from_the_queue(
    client: FlaskClient, agent: Person
) -> None:
    view = make_view("Mine", agent)
    html = client.get(f"/desk/?view=saved-{view.id}").text
    assert link(html, "Edit view") == f"/desk/views/{view.id}"
    path = link(client.get(f"/desk/?view=saved-{view.id}&priority=high").text, "Change view")
    answer = client.post(path, data=sent(client, path, name="High ones"))
    assert answer.status_code == 303
    db.session.refresh(view)
    assert (view.name, view.owner_id) == ("High ones", agent.id)
    assert view.filters["priority"] == ["high"]
    assert view.filters["status"] == ["new"]
    assert rail(client) == ["High ones"]


def test_supervisors_share_with_everybody_or_a_group_and_the_audit_log_says_so(
    client: FlaskClient, supervisor: Person, group: Group, sign_in: SignIn, app: Flask
) -> None:
    member, other = make_agent(groups=(group,)), make_agent()
    db.session.commit()
    path = link(client.get(NARROWED).text, "Save as view")
    for name, audience in (("All", views.EVERYBODY), ("Ours", str(group.id)), ("Own", views.MINE)):
        form = sent(client, path, name=name, audience=audience)
        assert client.post("/desk/views/new", data=form).status_code == 303
    assert rail(client) == ["Own", "All"]
    assert "Ours" in client.get("/desk/views").text  # to be changed, though not in the rail
    for person, names in ((member, ["All", "Ours"]), (other, ["All"])):
        assert rail(sign_in(app.test_client(), person)) == names
    logged = db.session.scalars(sa.select(AuditEntry).where(AuditEntry.thing == "view")).all()
    assert [(row.action, row.thing_name) for row in logged] == [
        ("created", "All"),
        ("created", "Ours"),
    ]


def test_an_agent_saves_for_nobody_else(client: FlaskClient, agent: Person, group: Group) -> None:
    path = f"/desk/views/new?{NARROWED.partition('?')[2]}"
    assert "Everybody" not in client.get(path).text
    for audience in (views.EVERYBODY, str(group.id), "99999", "x"):
        form = sent(client, path, name="v", audience=audience)
        assert client.post("/desk/views/new", data=form).status_code == 422
    assert db.session.scalars(sa.select(View)).all() == []


def test_only_owners_and_supervisors_change_and_delete(
    client: FlaskClient, agent: Person, group: Group, sign_in: SignIn, app: Flask
) -> None:
    team, shared = make_view("Team", group=group), make_view("Shared")
    foreign = make_view("Foreign", make_agent())
    own = make_view("Own", agent)
    db.session.commit()
    form = sent(client, f"/desk/views/{own.id}", name="Stolen")
    for view in (team, shared, foreign):
        path = f"/desk/views/{view.id}"
        assert client.get(path).status_code == 404
        assert client.post(path, data=form).status_code == 404
        assert client.get(f"{path}/deletion").status_code == 404
        assert client.post(f"{path}/deletion", data=form).status_code == 404
    boss = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    assert boss.get(f"/desk/views/{team.id}").status_code == 200
    assert boss.get(f"/desk/views/{foreign.id}").status_code == 404
    html = client.get("/desk/views").text
    assert "Foreign" not in html
    assert re.findall(r'href="/desk/views/(\d+)"', html) == [str(own.id)]
    names = db.session.scalars(sa.select(View.name).order_by(View.id)).all()
    assert names == ["Team", "Shared", "Foreign", "Own"]


def test_deleting_asks_first_and_leaves_the_tickets(client: FlaskClient, agent: Person) -> None:
    view = make_view("Mine", agent)
    ticket = make_ticket()
    db.session.commit()
    key, path = f"saved-{view.id}", f"/desk/views/{view.id}/deletion"
    assert "Delete Mine?" in client.get(path).text
    assert rail(client) == ["Mine"]
    answer = client.post(path, data={"csrf_token": token(client, path)})
    assert answer.location == "/desk/views"
    assert rail(client) == []
    assert client.get(f"/desk/?view={key}").status_code == 302
    assert ticket.number in client.get("/desk/").text


@pytest.mark.parametrize("audience", [views.MINE, views.EVERYBODY, "group"])
def test_a_name_that_is_taken_is_told_beside_the_field(
    client: FlaskClient, supervisor: Person, group: Group, audience: str
) -> None:
    audience = str(group.id) if audience == "group" else audience
    path = link(client.get(NARROWED).text, "Save as view")
    form = sent(client, path, name="Leaks", audience=audience)
    assert client.post("/desk/views/new", data=form).status_code == 303
    answer = client.post("/desk/views/new", data=form)
    assert answer.status_code == 422
    whose = "You have" if audience == views.MINE else "The team has"
    assert f"{whose} a view of this name. Choose another one." in answer.text
    assert 'value="Leaks"' in answer.text  # what was typed stays
    others = {views.MINE, views.EVERYBODY} - {audience}
    for other in others:  # free among those who do not see it
        again = client.post("/desk/views/new", data=form | {"audience": other})
        assert again.status_code == 303
    assert len(db.session.scalars(sa.select(View)).all()) == 1 + len(others)


def test_there_are_ten_at_most_and_one_can_then_still_be_changed(
    client: FlaskClient, agent: Person
) -> None:
    made = [make_view(f"View {n}", agent) for n in range(views.MOST)]
    make_view("Shared")
    answer = client.post("/desk/views/new", data=sent(client, "/desk/views/new", name="More"))
    assert answer.status_code == 422
    assert "You have 10 views, which is the most there can be." in answer.text
    path = f"/desk/views/{made[0].id}"
    assert client.post(path, data=sent(client, path, name="Else")).status_code == 303


def test_a_filter_that_goes_while_a_view_is_named_loses_nothing_typed(
    client: FlaskClient, agent: Person, group: Group
) -> None:
    path = f"/desk/views/new?view=all&group={group.id}&priority=high"
    data = sent(client, path, name="Hot ovens")
    db.session.delete(group)
    db.session.commit()
    answer = client.post("/desk/views/new", data=data)
    assert answer.status_code == 422
    assert "Choose one of the list. What was chosen is not in it any more." in answer.text
    assert 'value="Hot ovens"' in answer.text
    assert "Priority: High" in answer.text
    assert db.session.scalar(sa.select(View)) is None
    assert client.post("/desk/views/new", data=data | {"filters": ["priority"]}).status_code == 303
    filters = db.session.scalars(sa.select(View)).one().filters
    assert ("group" in filters, filters["priority"]) == (False, ["high"])


def test_a_view_that_goes_while_it_is_changed_loses_nothing_typed(
    client: FlaskClient, agent: Person
) -> None:
    gone, theirs = make_view("Old", agent), make_view("Theirs", make_agent())
    form = sent(client, f"/desk/views/{gone.id}", name="Ours", sort="created_at asc")
    db.session.delete(gone)
    db.session.commit()
    for view_id in (gone.id, theirs.id):  # which of the two nobody is told
        answer = client.post(f"/desk/views/{view_id}", data=form)
        assert answer.status_code == 404
        assert "This view is gone, or it is not yours to change." in answer.text
        assert 'value="Ours"' in answer.text
        assert "Status: New" in answer.text
        assert '<form class="card stack" method="post" action="/desk/views/new">' in answer.text
    assert client.post("/desk/views/new", data=form).status_code == 303
    made = db.session.scalars(sa.select(View).where(View.owner_id == agent.id)).one()
    assert (made.name, made.filters["order"]) == ("Ours", "asc")


def test_a_filter_that_no_list_offers_is_not_called_any(
    client: FlaskClient, agent: Person, app: Flask
) -> None:
    private = make_group("Works council", is_private=True)
    gone = make_agent(name="Former")
    gone.is_active = False
    view = make_view("Theirs", agent)
    view.filters = {"group": [str(private.id)], "assignee": [str(gone.id), str(agent.id)]}
    db.session.commit()
    html = client.get("/desk/views").text
    assert "Group: 1 not listed" in html
    assert "Assignee: Priya Raman, 1 not listed" in html
    assert "any" not in re.findall(r'<p class="muted" dir="auto">(.*?)</p>', html)[0]
    assert "Works council" not in html


def test_views_are_put_in_order_by_whoever_keeps_them(
    client: FlaskClient, agent: Person, sign_in: SignIn, app: Flask
) -> None:
    one, two, three = (make_view(name, agent) for name in ("One", "Two", "Three"))
    first, second = make_view("First"), make_view("Second")
    data = {"csrf_token": token(client, "/desk/views")}
    order = "/desk/views/order"
    assert client.post(f"{order}/own", data=data | {"up": str(three.id)}).status_code == 303
    assert rail(client) == ["One", "Three", "Two", "First", "Second"]
    dragged = {"order": [str(view.id) for view in (two, one, three)]}
    client.post(f"{order}/own", data=data | dragged)
    assert rail(client) == ["Two", "One", "Three", "First", "Second"]
    assert client.post(f"{order}/own", data=data | {"up": str(second.id)}).status_code == 404
    answer = client.post(
        f"{order}/own", data=data | {"order": [str(one.id)] * 3}, follow_redirects=True
    )
    assert "The list has changed meanwhile. Here is how it stands now." in answer.text
    assert answer.text.index("Move Two up") < answer.text.index("Move One up")
    assert client.post(f"{order}/team", data=data | {"up": str(second.id)}).status_code == 403
    boss = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    data = {"csrf_token": token(boss, "/desk/views"), "down": str(first.id)}
    assert boss.post(f"{order}/team", data=data).status_code == 303
    assert rail(client) == ["Two", "One", "Three", "Second", "First"]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "   "},
        {"name": "n" * 61},
        {"name": "a\nb"},
        {"name": "a\x00"},
        {"sort": "sideways asc"},
        {"filters": ["everything"]},
        {"query": "status=asleep"},
        {"query": "assignee=%00"},
        {"audience": ""},
    ],
)
def test_bad_input_is_told_and_saves_nothing(
    client: FlaskClient, agent: Person, changes: dict[str, object]
) -> None:
    path = f"/desk/views/new?{NARROWED.partition('?')[2]}"
    answer = client.post("/desk/views/new", data=sent(client, path, name="v") | changes)
    assert answer.status_code == 422
    assert db.session.scalars(sa.select(View)).all() == []


def test_names_that_are_no_filters_are_not_read(
    client: FlaskClient, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form may hold two hundred thousand, and nobody else writes while it is read."""
    read: list[object] = []
    real = filters.from_query

    def from_query(args: Any, **options: Any) -> TicketFilters:
        read.append(args)
        return real(args, **options)

    monkeypatch.setattr(filters, "from_query", from_query)
    path = f"/desk/views/new?{NARROWED.partition('?')[2]}"
    form = sent(client, path, name="v")
    query = "&".join([str(form["query"]), *(f"x{n}=1" for n in range(1_000))])
    assert client.post("/desk/views/new", data=form | {"query": query}).status_code == 303
    assert db.session.scalars(sa.select(View)).one().filters["tag"] == ["leak"]
    assert len(read) < 100


def test_saved_views_cost_the_queue_no_statement_more(
    client: FlaskClient, agent: Person, statements: list[str]
) -> None:
    def cost() -> int:
        client.get("/desk/")
        statements.clear()
        client.get("/desk/")
        return len(statements)

    before = cost()
    for n in range(3):
        make_view(f"View {n}", agent)
    assert cost() == before
    assert rail(client) == ["View 0", "View 1", "View 2"]


@pytest.mark.parametrize("count", [2, 8])
def test_the_list_of_views_costs_as_much_for_many(
    client: FlaskClient, supervisor: Person, statements: list[str], count: int
) -> None:
    for n in range(count):
        make_view(f"View {n}", supervisor)
        make_view(f"Shared {n}")
    client.get("/desk/views")
    statements.clear()
    html = client.get("/desk/views").text
    assert f"Shared {count - 1}" in html
    assert len(statements) <= 3, statements  # who asks, views

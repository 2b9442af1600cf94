"""How SQLite reads the lists: by the index that is meant, and in its order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.accounts.models import Person
from app.core.db import db
from app.search import conditions, counts
from app.search.conditions import select_for
from app.search.counts import BUILT_IN
from app.search.lists import count_capped, list_tickets
from app.tickets.catalog_models import Tag
from app.tickets.filters import SORTS, TicketFilters, from_query
from tests.factories import make_agent, make_group, make_person, make_ticket

NOW = datetime(2025, 11, 18, 12, tzinfo=UTC)
Plan = Callable[[TicketFilters], str]


@pytest.fixture
def agent(app: Flask) -> Person:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL keeps statistics and plans by them")
    agent = make_agent(groups=(make_group(),))
    anna = make_person("anna@example.com")
    for n in range(3):
        make_ticket(anna, assignee=agent, tags=[Tag(name=f"tag{n}")])
    return agent


@pytest.fixture
def plan(agent: Person, statements: list[str]) -> Plan:
    """What "explain query plan" says of the statement that reads a page's rows."""

    def explain(filters: TicketFilters) -> str:
        seen: list[tuple[str, tuple[object, ...]]] = []

        def note(*args: object) -> None:
            seen.append((args[2], args[3]))  # type: ignore[arg-type]

        engine = db.engine.engine if isinstance(db.engine, sa.Connection) else db.engine
        sa.event.listen(engine, "before_cursor_execute", note)
        list_tickets(filters, viewer=agent, now=NOW)
        sa.event.remove(engine, "before_cursor_execute", note)
        rows = next(pair for pair in seen if "ticket.preview" in pair[0])
        lines = db.session.connection().exec_driver_sql("explain query plan " + rows[0], rows[1])
        return "\n".join(line[3] for line in lines)

    return explain


@pytest.fixture
def nothing_is_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "FEW", -1)


@pytest.mark.requirement("R 2-9")
@pytest.mark.parametrize(
    ("key", "index"),
    [
        ("mine", "ix_ticket_active_assignee (assignee_id=?)"),
        ("unassigned", "ix_ticket_active_assignee (assignee_id=?)"),
        ("unresolved", "ix_ticket_active"),
        ("overdue", "ix_ticket_active_next_due (next_due_at<?)"),
        ("waiting", "ix_ticket_active_status (status=?)"),
    ],
)
def test_the_views_walk_their_index_in_its_order(key: str, index: str, plan: Plan) -> None:
    view = next(view for view in BUILT_IN if view.key == key)
    shown = plan(view.filters)
    assert f"USING INDEX {index}\n" in shown
    assert "TEMP B-TREE" not in shown


def test_a_groups_queue_walks_its_index(plan: Plan, agent: Person) -> None:
    view = counts.view_of(f"group-{agent.groups[0].id}", agent)
    assert view is not None
    shown = plan(view.filters)
    assert "USING INDEX ix_ticket_active_group (group_id=?)\n" in shown
    assert "TEMP B-TREE" not in shown


def test_the_second_page_seeks_to_where_the_first_ended(plan: Plan, agent: Person) -> None:
    first = from_query(MultiDict({"limit": "2"}), base=BUILT_IN[0].filters)
    page = list_tickets(first, viewer=agent, now=NOW).page
    assert page.next is not None
    cursor = page.next.partition("cursor=")[2].partition("&")[0]
    shown = plan(from_query(MultiDict({"limit": "2", "cursor": cursor}), base=BUILT_IN[0].filters))
    assert "ix_ticket_active_assignee (assignee_id=? AND priority>?)" in shown
    assert "TEMP B-TREE" not in shown


@pytest.mark.usefixtures("nothing_is_rare")
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", [sort for sort in SORTS if sort != "next_due_at"])
def test_all_tickets_are_walked_in_the_order_asked_for(sort: str, order: str, plan: Plan) -> None:
    for narrowed in ({}, {"status": "closed"}, {"assignee": "me"}, {"q": "oven"}):
        shown = plan(from_query(MultiDict({"sort": sort, "order": order, **narrowed})))
        assert f"SCAN ticket USING INDEX ix_ticket_{sort}_id\n" in shown
        assert "TEMP B-TREE" not in shown


@pytest.mark.requirement("R 2-9")
@pytest.mark.parametrize(
    ("narrowed", "index"),
    [
        ({"requester": "anna@example.com"}, "INDEX ix_ticket_requester_id_id (requester_id=?)"),
        ({"assignee": "me"}, "INDEX ix_ticket_assignee_id_id (assignee_id=?)"),
        ({"group": "none"}, "INDEX ix_ticket_group_id_id (group_id=?)"),
        ({"category": "bug"}, "INDEX ix_ticket_category_id_id (category_id=?)"),
        ({"status": "cancelled"}, "INDEX ix_ticket_status_id (status=?)"),
        (
            {"created_after": "2025-01-01"},
            "COVERING INDEX ix_ticket_created_at_id (created_at>?)",
        ),
        ({"due_before": "2025-01-01"}, "INDEX ix_ticket_due_at_id (due_at<?)"),
        ({"tag": "tag1"}, "INTEGER PRIMARY KEY (rowid=?)"),
        ({"held": "1"}, "INTEGER PRIMARY KEY (rowid=?)"),
        ({"q": "oven"}, "INTEGER PRIMARY KEY (rowid=?)"),
    ],
)
def test_few_tickets_are_read_by_what_they_have_in_common(
    narrowed: dict[str, str], index: str, plan: Plan
) -> None:
    assert f"SEARCH ticket USING {index}" in plan(from_query(MultiDict(narrowed)))


def test_counts_of_the_rail_need_indexes_alone(agent: Person) -> None:
    rail = counts._rail(agent)
    compiled = rail.statement.compile(db.engine, compile_kwargs={"render_postcompile": True})
    values = [
        value.isoformat() if isinstance(value, datetime) else str(value)
        for value in (compiled.params | rail.values).values()
    ]
    holes = str(compiled).count("?")
    explain = f"explain query plan {compiled}"
    lines = db.session.connection().exec_driver_sql(explain, tuple((values * holes)[:holes]))
    reads = [line[3] for line in lines if " ticket " in line[3]]
    assert len(reads) == len(rail.views) + len(rail.groups)
    assert [line for line in reads if "COVERING INDEX ix_ticket_active" not in line] == [
        "SEARCH ticket USING INTEGER PRIMARY KEY (rowid=?)"  # of held mail: those few tickets
    ]


@pytest.mark.parametrize("few", [1_000, -1])
def test_every_filter_can_be_read_in_every_order(
    few: int, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A named index that cannot be used would be an error."""
    monkeypatch.setattr(conditions, "FEW", few)
    if few < 0:
        monkeypatch.setattr(conditions, "MANY", few)
    queries = [
        {},
        {"assignee": "me"},
        {"assignee": "none,me"},
        {"assignee": "me,1"},
        {"group": "none", "assignee": "none"},
        {"requester": "anna@example.com", "tag": "tag1", "q": "oven"},
        {"category": "bug", "priority": "high"},
        {"created_after": "2025-01-01", "created_before": "2025-02-01"},
        {"due_after": "2025-01-01", "source": "web,email"},
        {"overdue": "1"},
        {"overdue": "1", "assignee": "me"},
        {"held": "1"},
    ]
    statuses = ("", "new", "new,open", "closed,resolved")
    for base, status, sort in product(queries, statuses, SORTS):
        filters = from_query(MultiDict({**base, "status": status, "sort": sort}))
        page = list_tickets(filters, viewer=agent, now=NOW)
        assert count_capped(select_for(filters, viewer=agent, now=NOW)) == len(page.rows)

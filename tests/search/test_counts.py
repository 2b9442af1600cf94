"""The rail of the desk: which views, how many tickets, and at what cost."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.accounts.models import Person, Role
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.search import counts
from app.search.counts import rail_counts, view_of
from app.search.lists import list_tickets
from app.tickets.catalog_models import View
from app.tickets.filters import TicketFilters
from app.tickets.words import Priority, Status
from tests.factories import make_agent, make_group, make_ticket


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent()


def shown(viewer: Person) -> dict[str, str]:
    """Counts by key, fresh."""
    cache.clear()
    rail = rail_counts(viewer)
    return {view.key: view.count for view in (*rail.views, *rail.groups)}


def test_each_view_counts_what_it_lists(agent: Person) -> None:
    group = make_group()
    private = make_group(is_private=True)
    late = utcnow() - timedelta(hours=1)
    make_ticket(assignee=agent, group=group)
    make_ticket(assignee=agent, status=Status.PENDING)
    make_ticket(assignee=agent, status=Status.CLOSED, group=group)
    make_ticket(status=Status.OPEN, next_due_at=late)
    make_ticket(status=Status.RESOLVED, next_due_at=late)
    make_ticket(deleted_at=late)
    make_ticket(group=private, next_due_at=late)
    assert shown(agent) == {
        "mine": "2",
        "unassigned": "1",
        "unresolved": "3",
        "overdue": "1",
        "waiting": "1",
        "held": "0",
        f"group-{group.id}": "1",
    }
    for key, count in shown(agent).items():
        view = view_of(key, agent)
        assert view is not None
        page = list_tickets(view.filters, viewer=agent, now=utcnow())
        assert page.total_text == count


def test_groups_are_ones_own_and_all_for_supervisors(app: Flask) -> None:
    one, two = make_group("One"), make_group("Two", is_private=True)
    member, other = make_agent(groups=(two,)), make_agent()
    supervisor = make_agent(role=Role.SUPERVISOR)
    assert [view.label for view in rail_counts(member).groups] == ["Two"]
    assert [view.icon for view in rail_counts(member).groups] == ["lock"]
    assert [view.label for view in rail_counts(other).groups] == ["One"]
    assert [view.label for view in rail_counts(supervisor).groups] == ["One", "Two"]
    assert view_of(f"group-{two.id}", other) is None
    assert view_of(f"group-{one.id}", member) is None


def test_saved_views_are_for_their_owner_group_or_everybody(agent: Person) -> None:
    group = make_group()
    colleague = make_agent(groups=(group,))
    urgent = TicketFilters(priority=(Priority.CRITICAL,), sort="due_at", order="asc").to_view()
    own = View(name="Own", owner_id=agent.id, filters=urgent, position=1)
    teams = View(name="Team's", group_id=group.id, filters=urgent, position=2)
    shared = View(name="Shared", filters={**urgent, "group": ["99999"]}, position=3)
    db.session.add_all((own, teams, shared))
    make_ticket(priority=Priority.CRITICAL)
    make_ticket(priority=Priority.LOW)
    db.session.commit()
    labels = [view.label for view in rail_counts(agent).views]
    assert labels[-2:] == ["Own", "Shared"]
    assert [view.label for view in rail_counts(colleague).views][-2:] == ["Team's", "Shared"]
    assert shown(agent)[f"saved-{own.id}"] == "1"
    assert view_of(f"saved-{own.id}", colleague) is None
    view = view_of(f"saved-{shared.id}", agent)
    assert view is not None
    assert (view.filters.sort, view.filters.limit) == ("due_at", counts.ROWS)


def test_unknown_views_are_none(agent: Person) -> None:
    for key in ("", "nothing", "group-0", "saved-1", "group-\x00"):
        assert view_of(key, agent) is None
    assert view_of("all", agent) is counts.ALL


def test_counts_stop_at_a_thousand(agent: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "CAP", 2)
    for _ in range(3):
        make_ticket()
    assert shown(agent)["unresolved"] == "2+"


def test_all_counts_take_one_statement_every_few_seconds(
    agent: Person, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    group = make_group()
    db.session.add(View(name="Shared", filters={"status": ["new"]}))
    db.session.commit()
    rail_counts(agent)  # reference data is read and kept
    cache.forget_stamp()
    cache._brief.clear()
    statements.clear()
    rail_counts(agent)
    assert len(statements) == 2  # stamp, counts
    make_ticket(assignee=agent, group=group)
    statements.clear()
    assert rail_counts(agent).text_of("mine") == "0"
    assert statements == []
    later = cache.time.monotonic() + counts.KEPT_SECONDS + 1
    monkeypatch.setattr(cache.time, "monotonic", lambda: later)
    assert rail_counts(agent).text_of("mine") == "1"

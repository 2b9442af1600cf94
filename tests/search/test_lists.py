"""Lists of tickets: who sees what, filters, order, pages, rows, counts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.datastructures import MultiDict

from app.accounts.models import OrganizationAccess, Person, Role
from app.core import cache
from app.core.db import db
from app.core.errors import Invalid
from app.search import conditions, lists
from app.search.conditions import select_for
from app.search.lists import ROW, count_capped, fetch, list_tickets, row_of, statistics
from app.tickets.catalog_models import Tag
from app.tickets.filters import TicketFilters, from_query
from app.tickets.mail_models import HeldEmail
from app.tickets.models import Ticket
from app.tickets.words import ACTIVE_STATUSES, Priority, Source, Status
from tests.factories import (
    category,
    make_agent,
    make_group,
    make_held_mail,
    make_organization,
    make_person,
    make_ticket,
)

NOW = datetime(2025, 11, 18, 12, tzinfo=UTC)
Found = Callable[..., list[int]]


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent(name="Priya Raman")


@pytest.fixture
def found(agent: Person) -> Found:
    """Ids of the tickets that a query finds, in its order."""

    def find(viewer: Person | None = None, **query: str) -> list[int]:
        filters = from_query(MultiDict(query))
        return [row.id for row in list_tickets(filters, viewer=viewer or agent, now=NOW).rows]

    return find


# Who sees what


def test_a_private_groups_tickets_are_for_its_members_and_supervisors(found: Found) -> None:
    private, other = make_group(is_private=True), make_group()
    member, supervisor = make_agent(groups=(private,)), make_agent(role=Role.SUPERVISOR)
    secret, plain, loose = make_ticket(group=private), make_ticket(group=other), make_ticket()
    assert found() == [loose.id, plain.id]
    assert found(member) == found(supervisor) == [loose.id, plain.id, secret.id]
    assert found(group=str(private.id)) == []


def test_customers_see_their_own_tickets_alone(found: Found) -> None:
    requester, stranger = make_person(), make_person()
    own = make_ticket(requester)
    make_ticket(stranger)
    assert found(requester) == [own.id]
    assert found(requester, requester=str(stranger.id)) == []


def test_colleagues_see_each_other_only_where_their_organization_allows_it(found: Found) -> None:
    open_house = make_organization(access=OrganizationAccess.ALL)
    closed = make_organization()
    one, two = make_person(organization=open_house), make_person(organization=open_house)
    three, four = make_person(organization=closed), make_person(organization=closed)
    tickets = [make_ticket(person) for person in (one, two, three, four)]
    assert found(one) == [tickets[1].id, tickets[0].id]
    assert found(three) == [tickets[2].id]
    claims = make_person(organization=open_house)  # by a mere address, as in the portal
    claims.emails[0].proven_at = None
    db.session.flush()
    assert found(claims) == []


@pytest.mark.requirement("X21")
def test_deleted_tickets_are_nowhere(found: Found, agent: Person) -> None:
    make_ticket(deleted_at=NOW)
    make_ticket(deleted_at=NOW, status=Status.CLOSED)
    kept = make_ticket()
    assert found() == [kept.id]
    assert found(status="new,closed") == [kept.id]
    assert statistics(TicketFilters(), viewer=agent, now=NOW).total == 1


# Filters


@pytest.fixture
def tickets(agent: Person) -> dict[str, Ticket]:
    """Two tickets that differ in everything, and one that is like neither."""
    oven = Tag(name="oven")
    db.session.add(oven)
    return {
        "a": make_ticket(
            make_person("anna@example.com"),
            status=Status.PENDING,
            priority=Priority.CRITICAL,
            category=category("billing"),
            assignee=agent,
            group=make_group("Night shift"),
            source=Source.PHONE,
            tags=[oven],
            created_at=NOW - timedelta(days=3),
            due_at=NOW - timedelta(days=1),
            next_due_at=NOW - timedelta(days=1),
        ),
        "b": make_ticket(
            make_person("ben@example.com"),
            status=Status.CLOSED,
            priority=Priority.LOW,
            category=category("bug"),
            source=Source.EMAIL,
            created_at=NOW - timedelta(days=10),
            due_at=NOW + timedelta(days=1),
        ),
        "c": make_ticket(
            assignee=make_agent(), group=make_group(), created_at=NOW - timedelta(days=1)
        ),
    }


@pytest.mark.requirement("R 9-1")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, "cab"),
        ({"status": "waiting"}, "a"),
        ({"status": "pending,closed"}, "ab"),
        ({"status": "new,pending"}, "ca"),
        ({"priority": "urgent"}, "a"),
        ({"priority": "critical,low"}, "ab"),
        ({"category": "billing"}, "a"),
        ({"category": "billing,bug"}, "ab"),
        ({"assignee": "me"}, "a"),
        ({"assignee": "none"}, "b"),
        ({"assignee": "me,none"}, "ab"),
        ({"assignee": "stranger@example.com"}, ""),
        ({"assignee": "2147483647"}, ""),
        ({"group": "Night shift"}, "a"),
        ({"group": "none"}, "b"),
        ({"group": "none,night shift"}, "ab"),
        ({"requester": "ANNA@example.com"}, "a"),
        ({"requester": "anna@example.com,ben@example.com"}, "ab"),
        ({"requester": "nobody@example.com"}, ""),
        ({"requester": "nobody@example.com,ben@example.com"}, "b"),
        ({"tag": "Oven"}, "a"),
        ({"tag": "oven,fridge"}, "a"),
        ({"tag": "fridge"}, ""),
        ({"source": "phone"}, "a"),
        ({"source": "phone,email"}, "ab"),
        ({"created_after": "2025-11-12"}, "ca"),
        ({"created_before": "2025-11-12"}, "b"),
        ({"created_after": "2025-11-12", "created_before": "2025-11-16"}, "a"),
        ({"due_after": "2025-11-18"}, "b"),
        ({"due_before": "2025-11-18"}, "a"),
        ({"overdue": "1"}, "a"),
        ({"overdue": "0"}, "cab"),
        ({"held": "1"}, ""),
        (
            {"assignee": "me", "status": "pending", "tag": "oven", "requester": "anna@example.com"},
            "a",
        ),
        ({"assignee": "me", "status": "new"}, ""),
        ({"tag": "oven", "category": "bug"}, ""),
    ],
)
@pytest.mark.parametrize("few", [1_000, 0])
def test_filters_name_their_tickets(
    query: dict[str, str],
    expected: str,
    few: int,
    tickets: dict[str, Ticket],
    found: Found,
    agent: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The same, whether few tickets are read and sorted or an index is walked."""
    monkeypatch.setattr(conditions, "FEW", few)
    conditions.count_few.cache_clear()
    names = {ticket.id: name for name, ticket in tickets.items()}
    assert "".join(names[n] for n in found(**query)) == expected
    filters = from_query(MultiDict(query))
    assert count_capped(select_for(filters, viewer=agent, now=NOW)) == len(expected)
    conditions.count_few.cache_clear()


# Order and pages


@pytest.fixture
def many(agent: Person) -> list[Ticket]:
    """Tickets of all priorities, ages and due times, some without one."""
    requester = make_person()
    return [
        make_ticket(
            requester,
            priority=list(Priority)[n % 4],
            status=(*ACTIVE_STATUSES, Status.CLOSED)[n % 5],
            created_at=NOW - timedelta(hours=(n * 7) % 11),
            updated_at=NOW - timedelta(hours=(n * 5) % 7),
            due_at=None if n % 3 == 0 else NOW + timedelta(hours=(n * 3) % 5),
            next_due_at=None if n % 4 == 0 else NOW + timedelta(hours=(n * 2) % 5),
        )
        for n in range(23)
    ]


def value(ticket: Ticket, sort: str) -> Any:
    return ticket.priority.rank if sort == "priority" else getattr(ticket, sort)


@pytest.mark.requirement("R 9-3", "X27")
@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["created_at", "updated_at", "priority", "due_at", "next_due_at"])
def test_pages_by_cursor_and_number_are_the_sorted_list(
    sort: str, order: str, active: bool, many: list[Ticket], agent: Person
) -> None:
    shown = [t for t in many if not active or t.status in ACTIVE_STATUSES]
    key = sort if active or sort != "next_due_at" else "due_at"
    down = (order == "desc") is not (sort == "priority")
    with_key = [t for t in shown if value(t, key) is not None]
    without = [t for t in shown if value(t, key) is None]
    with_key.sort(key=lambda t: (value(t, key), t.id), reverse=down)
    without.sort(key=lambda t: t.id, reverse=down)
    expected = [t.id for t in with_key + without]
    status = ACTIVE_STATUSES if active else ()
    filters = TicketFilters(status=status, sort=sort, order=order, limit=4)

    def page(**changes: Any) -> lists.Fetched:
        changed = from_query(MultiDict(changes), base=filters)
        return fetch(ROW, changed, conditions.select_for(changed, viewer=agent, now=NOW))

    seen, pages, cursor = [], [], ""
    while True:
        found = page(cursor=cursor)
        assert found.position == len(seen)
        seen += [row.id for row in found.rows]
        pages.append([row.id for row in found.rows])
        if not found.next:
            break
        cursor = found.next
    assert seen == expected
    back = [pages[-1]]
    while found.previous:
        found = page(cursor=found.previous)
        back.insert(0, [row.id for row in found.rows])
    assert back == pages
    assert found.position == 0
    numbered = [row.id for n in range(1, len(pages) + 1) for row in page(page=str(n)).rows]
    assert numbered == expected


def test_a_cursor_of_another_list_or_a_made_up_one_is_refused(
    many: list[Ticket], agent: Person
) -> None:
    filters = TicketFilters(limit=4)
    selection = conditions.select_for(filters, viewer=agent, now=NOW)
    cursor = fetch(ROW, filters, selection).next
    forged = ["x", "é", "AAAA", cursor[:-3], cursor + "AA", "W10", "bnVsbA", "e30", "\ud800"]
    for text in forged:
        with pytest.raises(Invalid) as caught:
            fetch(ROW, TicketFilters(limit=4, cursor=text), selection)
        assert "cursor" in caught.value.errors
    with pytest.raises(Invalid):
        fetch(ROW, TicketFilters(limit=4, sort="updated_at", cursor=cursor), selection)


@pytest.mark.requirement("X58")
def test_an_empty_page_links_nowhere(agent: Person) -> None:
    page = list_tickets(TicketFilters(), viewer=agent, now=NOW)
    assert (page.rows, page.total_text, page.page.text) == ([], "0", "")
    assert page.page.next is page.page.previous is None


def test_links_stay_within_the_view(many: list[Ticket], agent: Person) -> None:
    view = TicketFilters(status=ACTIVE_STATUSES, sort="priority", limit=5)
    first = list_tickets(view, viewer=agent, now=NOW, path="/desk/", base=view)
    assert first.page.text == "1 to 5 of 19"
    assert first.page.previous is None
    assert first.page.next is not None
    assert first.page.next.startswith("/desk/?cursor=")
    cursor = first.page.next.partition("=")[2]
    second = from_query(MultiDict({"cursor": cursor}), base=view, limit=5)
    page = list_tickets(second, viewer=agent, now=NOW, base=view, total="1,000+").page
    assert page.text == "6 to 10 of 1,000+"
    assert page.previous is not None


# Rows


@pytest.mark.requirement("R 0-25")
def test_a_row_says_everything_in_words(agent: Person, statements: list[str]) -> None:
    bakery = make_organization("Backhaus Leitner")
    ticket = make_ticket(
        make_person(name="Johanna Leitner", organization=bakery),
        assignee=agent,
        status=Status.OPEN,
        priority=Priority.HIGH,
        preview="Johanna: The panel shows E-41",
        tags=[Tag(name=name) for name in ("outage", "ovens", "vienna", "zz")],
        next_due_at=NOW + timedelta(minutes=130),
        updated_at=NOW - timedelta(hours=2, minutes=30),
    )
    make_held_mail(ticket)
    agent.time_zone = "Europe/Vienna"
    db.session.flush()
    row = row_of(ticket.id, viewer=agent, now=NOW)
    assert row == list_tickets(TicketFilters(), viewer=agent, now=NOW).rows[0]
    assert (row.number, row.path) == (ticket.number, f"/desk/tickets/{ticket.number}")
    assert (row.status, row.priority) == (Status.OPEN, Priority.HIGH)
    assert row.excerpt == "Johanna: The panel shows E-41"
    assert row.tags == ("outage", "ovens", "vienna")
    assert (row.requester, row.organization) == ("Johanna Leitner", "Backhaus Leitner")
    assert (row.assignee, row.initials, row.hue) == ("Priya Raman", "PR", agent.id % 12 + 1)
    assert (row.due_text, row.due_tone) == ("2 h 10 m", "")
    assert (row.changed_text, row.changed_title) == ("2 h", "18 November 2025, 10:30")
    assert row.changed_iso == "2025-11-18T09:30:00+00:00"
    assert row.held == 1


@pytest.mark.requirement("R 12-3")
def test_a_requester_without_a_name_is_shown_by_address(agent: Person) -> None:
    person = make_person("nameless@example.com")
    person.name = ""
    ticket = make_ticket(person)
    assert row_of(ticket.id, viewer=agent, now=NOW).requester == "nameless@example.com"


@pytest.mark.parametrize(
    ("status", "due", "warn", "expected"),
    [
        (Status.OPEN, 60, 12, ("1 h", "")),
        (Status.OPEN, 12, -1, ("12 m", "pending")),
        (Status.NEW, -35, -60, ("35 m overdue", "critical")),
        (Status.PENDING, None, None, ("Paused", "paused")),
        (Status.PENDING, 60, 12, ("1 h", "")),
        (Status.OPEN, None, None, ("", "none")),
        (Status.RESOLVED, None, None, ("", "none")),
    ],
)
def test_the_next_due_clock_in_words(
    status: Status, due: int | None, warn: int | None, expected: tuple[str, str], agent: Person
) -> None:
    ticket = make_ticket(
        status=status,
        next_due_at=None if due is None else NOW + timedelta(minutes=due),
        next_warn_at=None if warn is None else NOW + timedelta(minutes=warn),
    )
    row = row_of(ticket.id, viewer=agent, now=NOW)
    assert (row.due_text, row.due_tone) == expected


def test_the_view_of_held_mail_shows_what_waits(agent: Person, found: Found) -> None:
    waiting, decided = make_ticket(), make_ticket()
    make_ticket()
    make_held_mail(waiting)
    make_held_mail(decided)
    db.session.execute(
        sa.update(HeldEmail).where(HeldEmail.ticket_id == decided.id).values(state="accepted")
    )
    assert found(held="1") == [waiting.id]
    assert row_of(decided.id, viewer=agent, now=NOW).held == 0


# Counts


def test_counts_stop_at_their_cap(many: list[Ticket], agent: Person) -> None:
    assert count_capped(select_for(TicketFilters(), viewer=agent, now=NOW), cap=10) == 11
    assert count_capped(select_for(TicketFilters(), viewer=agent, now=NOW), cap=23) == 23


@pytest.mark.parametrize("groups", [(), ("open",), ("secret",), ("secret", "other secret")])
def test_the_count_of_everything_is_of_what_the_list_shows(
    groups: tuple[str, ...], agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much of it is deleted, merged, or another group's own."""
    kept = make_ticket()
    for name in groups:
        group = make_group(name, is_private=name != "open")
        for change in (
            {},
            {"deleted_at": NOW},
            {"merged_into_id": kept.id},
            {"deleted_at": NOW, "merged_into_id": kept.id},
        ):
            make_ticket(group_id=group.id, **change)
            make_ticket(**change)
    selection = select_for(TicketFilters(), viewer=agent, now=NOW)
    shown = fetch(ROW, TicketFilters(limit=100), selection).rows
    assert count_capped(selection) == len(shown)
    monkeypatch.setattr(lists, "SHORT", 0)  # as on a very large desk
    assert count_capped(selection) == len(shown)


@pytest.mark.requirement("R 9-5")
def test_statistics_count_under_the_same_filters(agent: Person) -> None:
    make_ticket(priority=Priority.HIGH, category=category("billing"), assignee=agent)
    make_ticket(priority=Priority.HIGH, status=Status.CLOSED)
    make_ticket(make_person(), priority=Priority.LOW)
    found = statistics(TicketFilters(priority=(Priority.HIGH,)), viewer=agent, now=NOW)
    assert found.total == 2
    assert found.by_status == {"new": 1, "closed": 1}
    assert found.by_priority == {"high": 2}
    assert found.by_category == {"billing": 1, "general": 1}
    assert found.by_assignee == {agent.id: 1, None: 1}


def test_a_page_takes_the_same_few_statements_however_many_rows(
    agent: Person, statements: list[str]
) -> None:
    view = TicketFilters(status=ACTIVE_STATUSES, sort="priority", limit=10)
    counts = []
    for _ in range(2):
        for n in range(12):
            make_ticket(
                make_person(organization=make_organization()),
                assignee=make_agent(),
                tags=[Tag(name=f"t{len(counts)}-{n}")],
            )
        db.session.expire_all()
        list_tickets(view, viewer=agent, now=NOW)  # reference data is read and kept
        db.session.commit()
        list_tickets(view, viewer=agent, now=NOW)
        cache.forget_stamp()
        statements.clear()
        page = list_tickets(view, viewer=agent, now=NOW)
        counts.append(len(statements))
    assert page.page.text == "1 to 10 of 24"
    assert counts == [3, 3]  # stamp, rows, how many

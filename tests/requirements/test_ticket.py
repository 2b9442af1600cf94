"""A ticket from outside: its fields, its words, its messages, lists of it."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts.models import Person, Presence, Role
from app.core.db import db
from app.tickets.catalog_models import CustomField, Subcategory
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import Priority, Source, Status
from tests.factories import category, make_agent, make_person, make_ticket
from tests.requirements.conftest import Program

DUE_HOURS = {"critical": (1, 4), "high": (4, 8), "normal": (8, 24), "low": (24, 72)}


@pytest.mark.requirement("R 0-7", "R 0-9", "R 1-2", "R 1-4", "R 2-1", "R 3-1", "R 13-22")
def test_every_field_that_is_sent_is_shown(api: Program, agent: Person) -> None:
    billing = category("billing")
    db.session.add(Subcategory(category_id=billing.id, key="refund", name="Refund"))
    db.session.add(CustomField(key="oven", label="Oven", kind="text", categories=[billing]))
    db.session.commit()
    sent: dict[str, Any] = {
        "subject": "x" * 500,
        "description": "All four ovens are offline.",
        "category": "billing",
        "subcategory": "refund",
        "priority": "high",
        "source": "phone",
        "channel": "hotline",
        "tags": ["outage", "ovens"],
        "custom_fields": {"oven": "D6"},
        "external_id": "crm-41",
    }
    asker = {"email": "johanna@backhaus.example", "name": "Johanna Leitner"}
    phone = {"phone": "+43 1 234", "external_id": "c-7"}
    number = api.open_ticket(**sent, requester=asker | phone)["number"]
    shown = api.get(f"/tickets/{number}")
    assert {key: shown[key] for key in sent} == sent
    assert asker.items() <= shown["requester"].items()
    assert (shown["status"], shown["assignee"]["name"]) == ("open", "Priya Raman")
    assert shown["due_at"] > shown["created_at"] == shown["updated_at"]
    assert (shown["resolved_at"], shown["closed_at"], shown["comments"][1:]) == (None, None, [])
    person = db.session.get_one(Person, shown["requester"]["id"])
    assert (person.phone, person.external_id, person.role) == ("+43 1 234", "c-7", Role.CUSTOMER)


@pytest.mark.requirement("R 0-8", "R 0-13", "R 0-21", "R 2-4", "R 2-5", "R 11-3", "R 11-5")
def test_messages_come_with_authors_and_files_the_oldest_first(api: Program, agent: Person) -> None:
    customer = make_person("johanna@backhaus.example", name="Johanna Leitner")
    ticket = make_ticket(customer)
    path = f"/tickets/{ticket.number}/comments"
    file = {"filename": "log.txt", "data": base64.b64encode(b"E-41").decode()}
    own = Program(api.client, customer)
    own.call("POST", path, {"body": "It is E-41", "attachments": [file]}, expect=201)
    api.call("POST", path, {"body": "A fuse?", "visibility": "internal"}, expect=201)
    api.call("POST", path, {"body": "We look into it"}, expect=201)
    first, note, answer = api.get(f"/tickets/{ticket.number}")["comments"]
    assert [first["body"], note["body"], answer["body"]] == [
        "It is E-41",
        "A fuse?",
        "We look into it",
    ]
    assert [c["author_type"] for c in (first, note, answer)] == ["requester", "agent", "agent"]
    assert (first["author"]["name"], note["author"]["name"]) == ("Johanna Leitner", "Priya Raman")
    assert [c["visibility"] for c in (first, note, answer)] == ["public", "internal", "public"]
    assert first["created_at"] < note["created_at"] < answer["created_at"]
    [kept] = first["attachments"]
    assert (kept["filename"], kept["size"], kept["content_type"]) == ("log.txt", 4, "text/plain")
    assert kept["url"].startswith(f"http://localhost/api/v1/tickets/{ticket.number}/attachments/")
    sent = api.client.get(
        kept["url"].removeprefix("http://localhost"), headers=api.headers, buffered=True
    )
    assert sent.data == b"E-41"
    theirs = own.get(f"/tickets/{ticket.number}")["comments"]
    assert [c["body"] for c in theirs if c["visibility"] == "internal"] == []
    assert "It is E-41" in [c["body"] for c in theirs]


@pytest.mark.requirement("R 0-4", "R 0-5", "R 0-6", "R 1-6", "R 1-7", "R 13-22", "X27")
def test_words_of_other_desks_are_taken(api: Program) -> None:
    number = api.open_ticket()["number"]

    def change(field: str, word: str) -> str:
        return str(api.call("PATCH", f"/tickets/{number}", {field: word})[field])

    words = "in_progress open waiting in-progress pending resolved open cancelled"
    known = "in_progress open pending in_progress pending resolved open cancelled"
    assert [change("status", word) for word in words.split()] == known.split()
    words, known = "low medium high urgent normal critical", "low normal high critical normal"
    assert [change("priority", word) for word in words.split()] == [*known.split(), "critical"]
    shipped = "billing technical general feature_request bug account".split()
    assert [change("category", word) for word in shipped] == shipped
    for field in ("status", "priority", "category"):
        api.call("PATCH", f"/tickets/{number}", {field: "nonsense"}, expect=400)


@pytest.mark.requirement("R 0-14", "R 0-15", "R 0-16", "R 9-3", "R 9-4", "R 11-2")
def test_a_list_has_pages_of_20_the_newest_first(api: Program, agent: Person) -> None:
    asker = make_person("johanna@backhaus.example", name="Johanna Leitner")
    wanted = [
        make_ticket(asker, assignee=agent, status=(Status.OPEN, Status.PENDING)[n % 2])
        for n in range(23)
    ]
    make_ticket(asker, assignee=agent, status=Status.CLOSED)
    make_ticket(asker, status=Status.OPEN)
    make_ticket(assignee=agent, status=Status.OPEN)
    db.session.commit()
    narrowed = {"status": "open,pending", "assignee": agent.id, "requester": asker.id}
    first = api.get("/tickets", **narrowed)
    assert (first["total"], first["page"], first["total_pages"]) == (23, 1, 2)
    newest = [ticket.number for ticket in reversed(wanted)]
    assert [row["number"] for row in first["tickets"]] == newest[:20]
    assert {row["requester"]["email"] for row in first["tickets"]} == {asker.email}
    assert {row["assignee"]["name"] for row in first["tickets"]} == {"Priya Raman"}
    second = api.get("/tickets", page=2, **narrowed)
    assert [row["number"] for row in second["tickets"]] == newest[20:]
    oldest = api.get("/tickets", sort="created_at", order="asc", **narrowed)
    assert oldest["tickets"][0]["number"] == newest[-1]


@pytest.mark.requirement("R 0-3", "R 0-17", "R 0-19", "R 11-4", "R 11-5", "R 11-6", "X22")
def test_every_change_moves_the_time_of_the_last_change(api: Program, agent: Person) -> None:
    number = api.open_ticket()["number"]
    path, times = f"/tickets/{number}", []
    for method, rest, body, status in (
        ("PATCH", "", {"subject": "Other"}, 200),
        ("PATCH", "", {"priority": "high"}, 200),
        ("PATCH", "", {"category": "bug"}, 200),
        ("PATCH", "", {"tags": ["late"]}, 200),
        ("POST", "/assign", {"agent": None}, 200),
        ("POST", "/assign", {"agent": agent.email}, 200),
        ("POST", "/comments", {"body": "Hello"}, 201),
        ("POST", "/comments", {"body": "For us", "visibility": "internal"}, 201),
        ("POST", "/resolve", None, 200),
        ("POST", "/reopen", None, 200),
        ("POST", "/close", None, 200),
    ):
        api.call(method, path + rest, body, expect=status)
        times.append(api.get(path)["updated_at"])
    assert times == sorted(set(times))


@pytest.mark.requirement("R 0-12", "R 0-11", "R 13-6", "R 13-19", "R 3-4", "X39")
@pytest.mark.parametrize("priority", DUE_HOURS)
def test_a_new_ticket_is_due_by_its_priority(api: Program, priority: str) -> None:
    shown = api.open_ticket(priority=priority)
    created = datetime.fromisoformat(shown["created_at"])
    due = [datetime.fromisoformat(clock["due_at"]) - created for clock in shown["sla"]]
    assert tuple(span / timedelta(hours=1) for span in due) == DUE_HOURS[priority]
    assert datetime.fromisoformat(shown["due_at"]) - created == due[1]


@pytest.mark.requirement("R 11-7", "R 11-8", "R 0-17", "R 6-5", "R 1-8", "X20", "X36")
def test_resolving_closing_and_reopening_keep_times_clocks_and_history(api: Program) -> None:
    path = f"/tickets/{api.open_ticket()['number']}"

    def resolution(shown: Any) -> tuple[str, bool]:
        clock = next(c for c in shown["sla"] if c["target"] == "resolution")
        return clock["state"], clock["stopped_at"] is not None

    resolved = api.call("POST", f"{path}/resolve")
    assert (resolved["status"], resolved["closed_at"]) == ("resolved", None)
    assert resolution(resolved) == ("met", True)
    again = api.call("POST", f"{path}/resolve", expect=409)
    assert "closed" in again["detail"]
    assert api.get(path)["resolved_at"] == resolved["resolved_at"]
    reopened = api.call("POST", f"{path}/reopen")
    assert (reopened["resolved_at"], reopened["closed_at"]) == (None, None)
    assert resolution(reopened) == ("running", False)
    closed = api.call("POST", f"{path}/close")
    assert closed["resolved_at"] == closed["closed_at"] is not None
    assert resolution(closed) == ("met", True)
    lines = api.get(f"{path}/history")["history"]
    changes = [(line["from"], line["to"]) for line in lines if line["field"] == "status"]
    assert changes[-3:] == [("Open", "Resolved"), ("Resolved", "Open"), ("Open", "Closed")]
    assert {line["actor"]["name"] for line in lines if line["to"] == "Closed"} == {"Priya Raman"}


@pytest.mark.requirement("R 3-6", "R 4-7", "R 13-20", "X3", "X4", "X10")
def test_load_counts_at_once_and_what_waits_goes_out_when_there_is_room(
    api: Program, agent: Person, run_jobs: Any
) -> None:
    agent.max_tickets = 1
    db.session.commit()
    first, second = api.open_ticket(), api.open_ticket()
    assert (first["assignee"]["id"], second["assignee"]) == (agent.id, None)
    run_jobs()
    assert api.get(f"/tickets/{second['number']}")["assignee"] is None
    api.call("POST", f"/tickets/{first['number']}/resolve")
    run_jobs()
    assert api.get(f"/tickets/{second['number']}")["assignee"]["id"] == agent.id


@pytest.mark.requirement("R 2-1", "R 2-3", "R 1-5")
def test_an_agent_begins_offline_with_a_limit_of_5_and_leaves_tickets_behind(
    api: Program, agent: Person
) -> None:
    fresh = Person(name="New", role=Role.AGENT, created_at=agent.created_at)
    db.session.add(fresh)
    db.session.flush()
    db.session.refresh(fresh)
    assert (fresh.max_tickets, fresh.presence) == (5, Presence.OFFLINE)
    ticket = make_ticket(assignee=fresh)
    db.session.commit()
    db.session.execute(sa.delete(Person).where(Person.id == fresh.id))
    db.session.commit()
    assert api.get(f"/tickets/{ticket.number}")["assignee"] is None


@pytest.mark.requirement("X38", "R 2-7")
def test_a_ticket_has_each_clock_once(api: Program) -> None:
    number = api.open_ticket()["number"]
    ticket_id = db.session.scalar(sa.select(Ticket.id).where(Ticket.number == number))
    found = sa.select(SlaClock).where(SlaClock.ticket_id == ticket_id)
    columns = [column.name for column in SlaClock.__table__.columns if column.name != "id"]
    same = [sa.literal_column(name) for name in columns]
    again = sa.select(*same).select_from(SlaClock).where(SlaClock.ticket_id == ticket_id)
    copy = sa.insert(SlaClock.__table__).from_select(columns, again)
    with pytest.raises(sa.exc.IntegrityError), db.session.begin_nested():
        db.session.execute(copy)
    assert len(db.session.scalars(found).all()) == 2


@pytest.mark.requirement("R 9-1", "R 9-3", "R 9-5", "R 11-2", "X27", "X52")
def test_lists_and_statistics_know_the_same_filters(api: Program, agent: Person) -> None:
    asker = make_person()
    fields = {"assignee": agent, "status": Status.OPEN, "source": Source.PHONE}
    by_name = {
        name: make_ticket(asker, subject=f"Oven {name}", priority=Priority(name), **fields)
        for name in ("low", "critical", "normal", "high")
    }
    make_ticket(subject="Oven of others")
    db.session.commit()
    narrowed = {"q": "oven", "source": "phone", "requester": asker.email, "assignee": "me"}
    names = {ticket.number: name for name, ticket in by_name.items()}
    for order, shown in (
        ("desc", ["critical", "high", "normal", "low"]),
        ("asc", ["low", "normal", "high", "critical"]),
    ):
        rows = api.get("/tickets", sort="priority", order=order, **narrowed)["tickets"]
        assert [names[row["number"]] for row in rows] == shown
    numbers = api.get("/statistics", **narrowed)
    assert (numbers["total"], numbers["by_priority"]) == (4, dict.fromkeys(names.values(), 1))
    assert numbers["by_status"] == {"open": 4}
    assert numbers["by_category"] == {"general": 4}


@pytest.mark.requirement("X18", "R 0-29")
def test_who_is_no_agent_changes_nothing(api: Program) -> None:
    asker, stranger = make_person(), make_person()
    ticket = make_ticket(asker)
    other = make_agent()
    theirs, nobody = Program(api.client, asker), Program(api.client, stranger)
    for verb, body in (
        ("assign", {"agent": other.id}),
        ("resolve", None),
        ("close", None),
        ("reopen", None),
    ):
        theirs.call("POST", f"/tickets/{ticket.number}/{verb}", body, expect=403)
        nobody.call("POST", f"/tickets/{ticket.number}/{verb}", body, expect=403)
    theirs.call("PATCH", f"/tickets/{ticket.number}", {"priority": "urgent"}, expect=403)
    theirs.call("DELETE", f"/tickets/{ticket.number}", expect=403)
    nobody.call("GET", f"/tickets/{ticket.number}", expect=404)
    nobody.call("POST", f"/tickets/{ticket.number}/comments", {"body": "Me too"}, expect=404)
    assert api.get(f"/tickets/{ticket.number}")["status"] == "new"

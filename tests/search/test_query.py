"""Full text: what finds what, kept in step by the database, for whom, in which order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from app.accounts.models import Person, PersonEmail, Role
from app.core import cache
from app.core.db import db
from app.core.errors import Invalid
from app.search import conditions, query
from app.search.lists import list_tickets, search_tickets
from app.tickets.filters import TicketFilters, from_query
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.words import AuthorKind, Status, Visibility
from tests.factories import make_agent, make_comment, make_group, make_person, make_ticket

NOW = datetime(2025, 11, 18, 12, tzinfo=UTC)
Search = Callable[..., list[Ticket]]


@pytest.fixture
def agent(app: Flask) -> Person:
    return make_agent()


@pytest.fixture
def search(agent: Person) -> Search:
    """Tickets that a text finds, by the search page and by the list's ``q`` alike."""

    def find(text: str, viewer: Person | None = None) -> list[int]:
        viewer = viewer or agent
        listed = list_tickets(from_query(MultiDict({"q": text})), viewer=viewer, now=NOW)
        if viewer.is_agent and text:
            for order in ("newest", "best"):
                found = search_tickets(text, viewer=viewer, now=NOW, order=order)
                assert {row.id for row in found.rows} == {row.id for row in listed.rows}
        return [row.id for row in listed.rows]

    return find  # type: ignore[return-value]


# What finds what


@pytest.mark.requirement("R 9-2", "R 13-14", "X53")
@pytest.mark.parametrize(
    "text",
    [
        "oven",
        "OVEN",
        "ove",  # the start of a word
        "ov*",
        "offline oven",  # any order
        '"ovens are offline"',
        "“ovens are offline”",
        '"ovens are offline',  # the closing quote is still to come
        "e-41",
        "elan élan ÉLAN",
        "johanna leitner",
        "leitner@backhaus.example",
        "backhaus.example",
        "kaputt",  # in a comment
        "oven kaputt johanna",  # in three places
        "陈美玲",
        "لا",
    ],
)
def test_words_of_subject_description_comments_and_requester_are_found(
    text: str, search: Search
) -> None:
    person = make_person("leitner@backhaus.example", name="Johanna Leitner 陈美玲")
    ticket = make_ticket(
        person, subject="Ovens are offline", description="The panel shows E-41, with élan. لا"
    )
    make_comment(ticket, person, "Alles kaputt")
    make_ticket(make_person(name="Max Muster"), subject="Invoice", description="Please send it")
    assert search(text) == [ticket.id]


@pytest.mark.parametrize(
    "text",
    ['"are ovens"', '"oven"', "fridge", "oven fridge", "vens", '"ovens offline"', "é", "4*", "ov"],
)
def test_what_is_not_there_is_not_found(text: str, search: Search) -> None:
    person = make_person("anna@else.example", name="Anna Else")  # no digits: they are words too
    ticket = make_ticket(person, subject="Ovens are offline", description="Nothing more")
    ticket.number = "TKT-ABCDEFGH"
    db.session.flush()
    assert search(text) == []


@pytest.mark.requirement("R 9-2")
def test_a_number_is_found_whole_and_without_its_letters(search: Search) -> None:
    ticket = make_ticket()
    make_ticket()
    random = ticket.number.removeprefix("TKT-")
    assert search(ticket.number) == [ticket.id]
    assert search(random.lower()) == [ticket.id]
    assert search(f"#{ticket.number}") == [ticket.id]


@pytest.mark.parametrize(
    "text",
    [
        '"',
        '""',
        "*",
        "* *",
        "^",
        "-oven",
        "NOT oven",
        "oven AND",
        "oven OR",
        "subject:oven",
        "{subject requester}: oven",
        "NEAR(oven fridge, 2)",
        "oven) OR (1=1",
        "'; drop table ticket; --",
        "oven & !fridge | <->",
        "a:*b",
        "\\",
        "\\'",
        "'",
        "''oven''",
        "%",
        "\x00oven\x00",
        "\ud800oven",
        "😀",
        "oven 😀",
        "½ ²",
        "x" * 10_000,
        "word " * 10_000,
        "(" * 10_000,
        '"' * 9_999,
        "\u0301\u0301",
    ],
)
def test_no_input_breaks_a_search(text: str, search: Search) -> None:
    ticket = make_ticket(subject="Oven")
    assert set(search(text)) <= {ticket.id}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.text(max_size=40))
def test_any_text_can_be_searched_for(agent: Person, text: str) -> None:
    search_tickets(text, viewer=agent, now=NOW)


def test_operators_are_words(search: Search) -> None:
    either = make_ticket(subject="Black or white")
    make_ticket(subject="Black and white")
    assert search("black OR white") == [either.id]


def test_nothing_to_look_for_finds_nothing_where_something_was_typed(search: Search) -> None:
    make_ticket()
    assert search("?!") == []


def test_a_word_that_very_many_have_is_looked_for_as_typed(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads prefixes from its index")
    tickets = [make_ticket(subject=word) for word in ("printer", "printer", "printers")]
    assert len(search("printer")) == 3
    monkeypatch.setattr(query, "MANY", 1)
    cache.clear()  # which words are common is kept for a minute
    assert search("printer") == [tickets[1].id, tickets[0].id]
    assert len(search("print")) == 3  # that word itself is rare


# Kept in step by the database


def test_what_the_desk_writes_by_itself_is_not_found(search: Search) -> None:
    """The automatic answer's words are in every ticket."""
    ticket = make_ticket(subject="Oven")
    make_comment(ticket, body="We have received it", author_kind=AuthorKind.SYSTEM)
    answer = make_comment(ticket, body="received with thanks")
    assert search("received") == [ticket.id]
    db.session.delete(answer)
    db.session.flush()
    assert search("received") == []


def test_comments_are_found_as_they_come_change_and_go(search: Search) -> None:
    ticket = make_ticket(subject="Oven")
    for word in ("first", "second", "third"):
        make_comment(ticket, body=f"word {word}")
    comment = make_comment(ticket, body="fourth")
    assert search("oven first third fourth") == [ticket.id]
    comment.body = "changed"
    db.session.flush()
    assert search("fourth") == []
    assert search("oven changed second") == [ticket.id]
    db.session.delete(comment)
    db.session.flush()
    assert search("changed") == []
    assert search("oven second") == [ticket.id]


def test_a_comment_that_moves_is_found_where_it_is(search: Search) -> None:
    one, two = make_ticket(), make_ticket()
    comment = make_comment(one, body="wandering")
    note = make_comment(one, body="secretive", visibility=Visibility.INTERNAL)
    for row in (comment, note):
        row.ticket_id = two.id
    db.session.flush()
    assert search("wandering") == [two.id]
    assert search("secretive") == [two.id]


def make_file(ticket: Ticket, name: str, comment: Comment | None = None, **more: Any) -> Attachment:
    fields = {"sha256": "0" * 64, "content_type": "text/plain", "size": 1, "created_at": NOW}
    file = Attachment(
        ticket_id=ticket.id, comment_id=comment and comment.id, filename=name, **fields | more
    )
    db.session.add(file)
    db.session.flush()
    return file


@pytest.mark.requirement("R 9-2")
def test_files_are_found_by_their_names_as_they_come_move_and_go(search: Search) -> None:
    one, two = make_ticket(subject="Oven"), make_ticket()
    said = make_comment(one, body="See the file")
    make_file(one, "Order-4711_signed.pdf")
    later = make_file(one, "panel.jpeg", said)
    make_file(one, "image001.png", said, is_inline=True)
    assert search("oven 4711 signed file PANEL") == [one.id]
    assert search("image001") == []
    said.ticket_id = later.ticket_id = two.id
    db.session.flush()
    assert search("panel") == [two.id]
    later.filename = "display.jpeg"
    db.session.flush()
    assert search("panel") == []
    assert search("display") == [two.id]
    db.session.delete(said)
    db.session.flush()
    assert search("display") == []
    assert search("order 4711") == [one.id]


def test_a_file_of_a_note_is_found_by_agents_alone(search: Search) -> None:
    customer = make_person()
    ticket = make_ticket(customer)
    note = make_comment(ticket, body="For us", visibility=Visibility.INTERNAL)
    make_file(ticket, "margins.xlsx", note)
    assert search("margins") == [ticket.id]
    assert search("margins", customer) == []
    note.visibility = Visibility.PUBLIC
    db.session.flush()
    assert search("margins", customer) == [ticket.id]


def test_subject_and_description_are_found_as_they_are_now(search: Search) -> None:
    ticket = make_ticket(subject="Oven", description="Old words")
    ticket.subject = "Fridge"
    ticket.description = "New words"
    db.session.flush()
    assert search("oven") == search("old") == []
    assert search("fridge new words") == [ticket.id]


def test_requesters_are_found_by_todays_name_and_every_address(search: Search) -> None:
    person = make_person("first@example.com", name="Anna Alt")
    ticket = make_ticket(person)
    person.name = "Anna Neu"
    person.emails.append(PersonEmail(address="second@example.org"))
    db.session.flush()
    assert search("alt") == []
    assert search("neu second@example.org first@example.com") == [ticket.id]
    db.session.execute(
        sa.update(PersonEmail)
        .where(PersonEmail.address == "second@example.org")
        .values(address="third@example.org")
    )
    assert search("second@example.org") == []
    assert search("third@example.org") == [ticket.id]
    db.session.execute(sa.delete(PersonEmail).where(PersonEmail.address == "third@example.org"))
    assert search("third@example.org") == []
    assert search("first@example.com") == [ticket.id]


def test_another_requester_is_found(search: Search) -> None:
    ticket = make_ticket(make_person(name="Anna Alt"))
    ticket.requester = make_person(name="Bert Neu")
    db.session.flush()
    assert search("alt") == []
    assert search("bert") == [ticket.id]


def test_deleted_tickets_are_not_found_until_restored(search: Search) -> None:
    ticket = make_ticket(subject="Oven")
    make_comment(ticket, body="hush", visibility=Visibility.INTERNAL)
    ticket.deleted_at = NOW
    db.session.flush()
    make_comment(ticket, body="late", visibility=Visibility.INTERNAL)
    make_comment(ticket, body="later")
    assert search("oven") == search("hush") == search("late") == []
    ticket.deleted_at = None
    db.session.flush()
    assert search("oven later") == search("hush late") == [ticket.id]


def test_what_is_gone_for_good_leaves_nothing_behind(search: Search) -> None:
    ticket = make_ticket(subject="Oven")
    make_comment(ticket, body="kaputt")
    make_comment(ticket, body="hush", visibility=Visibility.INTERNAL)
    db.session.execute(sa.delete(Ticket).where(Ticket.id == ticket.id))
    again = make_ticket(id=ticket.id, subject="Fridge")
    assert search("oven") == search("kaputt") == search("hush") == []
    assert search("fridge") == [again.id]


def test_an_insert_that_does_nothing_changes_nothing(app: Flask, search: Search) -> None:
    ticket = make_ticket(subject="Oven")
    comment = make_comment(ticket, body="kaputt")
    again = "insert into comment select * from comment where id = :id on conflict do nothing"
    db.session.execute(sa.text(again), {"id": comment.id})
    assert search("oven kaputt") == [ticket.id]


def test_long_tickets_stay_found_by_their_newest_comments(search: Search) -> None:
    ticket = make_ticket(subject="Oven", description="begin " + "x" * 200_000 + " end")
    rows = [
        {
            "ticket_id": ticket.id,
            "author_kind": "agent",
            "visibility": "public",
            "body": f"number{n} " + "filler " * 100,
            "quoted": "",
            "is_automatic": False,
            "source": "web",
            "created_at": NOW,
        }
        for n in range(120)
    ]
    db.session.execute(sa.insert(Comment), rows)
    assert search("oven begin number119") == [ticket.id]
    assert search("number0") == []


def test_the_index_of_sqlite_stays_sound(search: Search) -> None:
    """FTS5's own check: the index holds exactly what the views say."""
    if db.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's index")
    tickets = [make_ticket(make_person(name=f"Name {n}")) for n in range(5)]
    for n, ticket in enumerate(tickets):
        make_comment(ticket, body=f"public {n}")
        note = make_comment(ticket, body=f"internal {n}", visibility=Visibility.INTERNAL)
        make_file(ticket, f"note{n}.txt", note)
        note.visibility = Visibility.PUBLIC if n % 2 else Visibility.INTERNAL
    files = [make_file(ticket, f"own{n}.txt") for n, ticket in enumerate(tickets)]
    files[3].filename = "renamed.txt"
    files[4].ticket_id = tickets[3].id
    db.session.delete(make_comment(tickets[4], body="gone"))
    db.session.delete(files[0])
    db.session.execute(sa.delete(Comment).where(Comment.ticket_id == tickets[4].id))
    tickets[0].deleted_at = NOW
    tickets[1].requester.name = "Other"
    db.session.flush()
    db.session.execute(sa.delete(Ticket).where(Ticket.id == tickets[2].id))
    # Both raise "malformed" where they differ.
    check = "insert into search_ticket (search_ticket, rank) values ('integrity-check', 1)"
    db.session.execute(sa.text(check))
    check = "insert into search_note (search_note, rank) values ('integrity-check', 1)"
    db.session.execute(sa.text(check))


# For whom


@pytest.mark.requirement("X53")
def test_internal_notes_are_found_by_agents_alone(search: Search) -> None:
    customer = make_person()
    ticket = make_ticket(customer, subject="Oven")
    note = make_comment(ticket, body="difficult", visibility=Visibility.INTERNAL)
    assert search("difficult") == [ticket.id]
    assert search("difficult", customer) == []
    assert search("oven", customer) == [ticket.id]
    note.visibility = Visibility.PUBLIC
    db.session.flush()
    assert search("difficult", customer) == [ticket.id]
    note.visibility = Visibility.INTERNAL
    db.session.flush()
    assert search("difficult", customer) == []


def test_a_search_shows_only_what_the_viewer_may_see(search: Search) -> None:
    private = make_group(is_private=True)
    member, supervisor = make_agent(groups=(private,)), make_agent(role=Role.SUPERVISOR)
    customer, stranger = make_person(), make_person()
    ticket = make_ticket(customer, subject="Oven", group=private)
    make_comment(ticket, body="difficult", visibility=Visibility.INTERNAL)
    for text in ("oven", "difficult"):
        assert search(text) == []
        assert search(text, member) == search(text, supervisor) == [ticket.id]
    assert search("oven", customer) == [ticket.id]
    assert search("oven", stranger) == []
    assert search_tickets("oven", viewer=make_agent(), now=NOW).total_text == "0"


# In which order


def test_best_first_prefers_the_subject(agent: Person) -> None:
    subject = make_ticket(subject="Oven", description="something else entirely")
    elsewhere = make_ticket(subject="Kitchen", description="the oven and many other words")
    newest = [r.id for r in search_tickets("oven", viewer=agent, now=NOW).rows]
    best = [r.id for r in search_tickets("oven", viewer=agent, now=NOW, order="best").rows]
    assert newest == [elsewhere.id, subject.id]
    assert best == [subject.id, elsewhere.id]


@pytest.mark.parametrize("order", ["newest", "best"])
def test_pages_of_a_search_join_without_gap_or_double(order: str, agent: Person) -> None:
    customer = make_person()
    tickets = [make_ticket(customer, subject="Oven") for _ in range(60)]
    for ticket in tickets[::3]:
        make_comment(ticket, body="oven again", visibility=Visibility.INTERNAL)
    seen: list[int] = []
    pages, cursor = [], ""
    while True:
        page = search_tickets("oven", viewer=agent, now=NOW, order=order, cursor=cursor)
        seen += [row.id for row in page.rows]
        pages.append([row.id for row in page.rows])
        assert page.total_text == "60"
        if page.page.next is None:
            break
        cursor = page.page.next.partition("cursor=")[2]
    assert [len(rows) for rows in pages] == [25, 25, 10]
    assert len(set(seen)) == 60
    if order == "newest":
        assert seen == sorted(seen, reverse=True)
    while page.page.previous is not None:
        pages.pop()
        cursor = page.page.previous.partition("cursor=")[2]
        page = search_tickets("oven", viewer=agent, now=NOW, order=order, cursor=cursor)
        assert [row.id for row in page.rows] == pages[-1]
    assert page.page.text == "1 to 25 of 60"
    with pytest.raises(Invalid):
        search_tickets("oven", viewer=agent, now=NOW, order=order, cursor="W10")


@pytest.mark.parametrize("few", [1_000, 0])
def test_words_narrow_a_list_with_other_filters(
    few: int, agent: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conditions, "FEW", few)
    conditions.count_few.cache_clear()
    hit = make_ticket(subject="Oven", status=Status.OPEN)
    make_comment(hit, body="difficult", visibility=Visibility.INTERNAL)
    make_ticket(subject="Oven", status=Status.CLOSED)
    make_ticket(subject="Fridge", status=Status.OPEN)
    for text in ("oven", "difficult"):
        for sort in ("created_at", "priority"):
            filters = TicketFilters(q=text, status=(Status.OPEN,), sort=sort)
            page = list_tickets(filters, viewer=agent, now=NOW)
            assert [row.id for row in page.rows] == [hit.id]
    conditions.count_few.cache_clear()


def test_a_search_takes_few_statements(agent: Person, statements: list[str]) -> None:
    customer = make_person()
    for _ in range(30):
        make_ticket(customer, subject="Oven printer")
    db.session.commit()
    search_tickets("printer oven", viewer=agent, now=NOW)  # reference data is read and kept
    statements.clear()
    page = search_tickets("printer oven", viewer=agent, now=NOW)
    assert len(page.rows) == 25
    assert len(statements) == 2  # ids, rows; common words and how many there are is kept
    statements.clear()
    search_tickets("oven printer", viewer=agent, now=NOW)
    assert len(statements) == 3  # ids, rows, how many

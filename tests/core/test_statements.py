"""Statements that are run past SQLAlchemy's result rows give what they give through them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.core import statements
from app.core.db import db
from app.core.statements import Read, Write
from app.tickets.catalog_models import Tag
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Priority, Status
from tests.factories import make_ticket

SOME = (
    sa.select(Ticket.subject, Ticket.priority, Ticket.created_at, Ticket.custom_fields)
    .where(
        Ticket.priority.in_(sa.bindparam("priorities", expanding=True)),
        Ticket.status.in_((Status.NEW, Status.OPEN)),
        Ticket.created_at >= sa.bindparam("since", type_=Ticket.created_at.type),
    )
    .order_by(Ticket.id)
)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "priorities",
    [(), (Priority.LOW,), [Priority.CRITICAL, Priority.LOW], frozenset(Priority)],
    ids=["none", "one", "two", "a set"],
)
def test_rows_are_those_of_sqlalchemy(app: Any, priorities: Any) -> None:
    for priority in Priority:
        make_ticket(subject=f"It is {priority}", priority=priority, status=Status.OPEN)
    make_ticket(subject="Over", priority=Priority.LOW, status=Status.CLOSED)
    db.session.flush()
    values = {"priorities": list(priorities), "since": LONG_AGO}
    expected = [tuple(row) for row in db.session.execute(SOME, values)]
    assert len(expected) == len(priorities)
    read: Read[Any] = Read(SOME)
    for _ in range(2):  # compiled, and as it was kept
        assert [tuple(row) for row in read.all(priorities=priorities, since=LONG_AGO)] == expected


def test_each_row_is_made_into_what_is_asked_for(app: Any) -> None:
    class Seen(NamedTuple):
        number: str
        opened: datetime

    ticket = make_ticket()
    db.session.flush()
    statement = sa.select(Ticket.number, Ticket.created_at).where(Ticket.id == sa.bindparam("id"))
    read = Read(statement, Seen)
    assert read.one(id=ticket.id) == Seen(ticket.number, ticket.created_at)
    assert read.one(id=0) is None


def test_a_value_can_be_made_at_each_execution(app: Any) -> None:
    values = count()
    made = sa.bindparam("made", callable_=lambda: next(values), type_=sa.Integer)
    read: Read[Any] = Read(sa.select(made.label("value")))
    first, second = read.all()[0].value, read.all()[0].value
    assert second > first


def test_lists_of_ever_new_lengths_fill_no_memory(app: Any) -> None:
    numbers = sa.bindparam("numbers", expanding=True, type_=sa.Integer)
    read: Read[Any] = Read(sa.select(sa.literal(7)).where(sa.literal(7).in_(numbers)))
    for length in range(statements.MOST_FORMS + 20):
        found = read.all(numbers=range(length))
        assert len(found) == (1 if length > 7 else 0)
    assert len(read._forms) <= statements.MOST_FORMS


def test_an_error_is_told_as_sqlalchemy_tells_it(app: Any) -> None:
    read: Read[Any] = Read(sa.select(sa.column("x")).select_from(sa.table("no_such_table")))
    with pytest.raises(sa.exc.DBAPIError) as told, db.session.begin_nested():
        read.all()
    assert "no_such_table" in str(told.value)


def test_rows_are_written_with_the_defaults_of_their_columns(app: Any) -> None:
    """Also those that the model makes, as SQLAlchemy itself would."""
    table: Any = TicketEvent.__table__
    ticket = make_ticket()
    db.session.flush()
    line = {
        "ticket_id": ticket.id,
        "kind": EventKind.NOTE,
        "version": 2,
        "created_at": ticket.created_at,
    }
    write = Write(sa.insert(table))
    write.many([])
    write.many([line, line | {"kind": EventKind.TAGS}])
    db.session.execute(sa.insert(table), [line])
    written = db.session.execute(
        sa.select(*(c for c in table.columns if c.key not in ("id", "kind")))
        .where(table.c.ticket_id == ticket.id)
        .order_by(table.c.id.desc())
        .limit(3)
    ).all()
    assert len(set(map(repr, written))) == 1
    kinds = sa.select(TicketEvent.kind).where(TicketEvent.ticket_id == ticket.id)
    found = db.session.scalars(kinds.order_by(TicketEvent.id.desc()).limit(3)).all()
    assert found == [EventKind.NOTE, EventKind.TAGS, EventKind.NOTE]


def test_what_a_statement_returns_is_told(app: Any) -> None:
    table: Any = Tag.__table__
    insert = {
        "sqlite": sqlite.insert(table).on_conflict_do_nothing().returning(table.c.id),
        "postgresql": postgresql.insert(table).on_conflict_do_nothing().returning(table.c.id),
    }
    write = Write(insert)
    made = write.one(name="oven")
    assert made == db.session.scalar(sa.select(Tag.id).where(Tag.name == "oven"))
    assert write.one(name="oven") is None
    rename = Write(sa.update(table).where(table.c.id == sa.bindparam("its")).values(name="stove"))
    assert rename.one(its=made) is None
    assert db.session.scalar(sa.select(Tag.name).where(Tag.id == made)) == "stove"


def test_a_taken_value_is_an_integrity_error(app: Any) -> None:
    table: Any = Tag.__table__
    write = Write(sa.insert(table))
    write.one(name="oven")
    with pytest.raises(sa.exc.IntegrityError), db.session.begin_nested():
        write.one(name="oven")
    assert db.session.scalar(sa.select(sa.func.count()).where(Tag.name == "oven")) == 1


def test_what_is_written_behind_a_savepoint_goes_with_it(app: Any) -> None:
    table: Any = Tag.__table__
    write = Write(sa.insert(table))
    write.one(name="oven")
    with suppress(ZeroDivisionError), db.session.begin_nested():
        write.one(name="hob")
        raise ZeroDivisionError
    assert list(db.session.scalars(sa.select(Tag.name))) == ["oven"]

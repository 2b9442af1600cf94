"""Statements that are run past SQLAlchemy's result rows give what they give through them."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa

from app.core import reading
from app.core.db import db
from app.core.reading import Read
from app.tickets.models import Ticket
from app.tickets.words import Priority, Status
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
    for length in range(reading.MOST_FORMS + 20):
        found = read.all(numbers=range(length))
        assert len(found) == (1 if length > 7 else 0)
    assert len(read._forms) <= reading.MOST_FORMS


def test_an_error_is_told_as_sqlalchemy_tells_it(app: Any) -> None:
    read: Read[Any] = Read(sa.select(sa.column("x")).select_from(sa.table("no_such_table")))
    with pytest.raises(sa.exc.DBAPIError) as told, db.session.begin_nested():
        read.all()
    assert "no_such_table" in str(told.value)

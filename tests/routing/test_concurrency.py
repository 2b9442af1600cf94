"""Real processes open and hand out tickets at once: equal shares, and never more than the limit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts.models import Person, Role
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.routing import waiting
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind
from tests.factories import make_agent
from tests.forks import SECONDS, processes
from tests.own_desk import own_desk
from tests.routing import process

AGENTS, PROCESSES, TICKETS = 10, 8, 200

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a desk of its own; its application context is on."""
    with own_desk(own_environ):
        yield own_environ


def hire(limit: int) -> None:
    """Ten equal agents who are online."""
    begin_write()
    for _ in range(AGENTS):
        make_agent(role=Role.AGENT, max_tickets=limit)
    db.session.commit()
    close_session()


def run(environ: dict[str, str], *works: tuple[Callable[..., None], tuple[Any, ...]]) -> None:
    """One process for each of *works*; all begin at the same moment and must end well."""
    start = processes.Barrier(len(works), timeout=SECONDS)
    running = [
        processes.Process(target=target, args=(environ, start, *arguments), daemon=True)
        for target, arguments in works
    ]
    for one in running:
        one.start()
    for one in running:
        one.join(SECONDS)
    assert [one.exitcode for one in running] == [0] * len(running)


def open_200(environ: dict[str, str]) -> None:
    """Eight processes open 200 tickets."""
    each = TICKETS // PROCESSES
    run(environ, *((process.open_tickets, (f"p{n}", each)) for n in range(PROCESSES)))


def shares() -> list[int]:
    """How many tickets each agent has."""
    query = sa.select(Ticket.assignee_id, sa.func.count()).where(Ticket.assignee_id.is_not(None))
    found = [row[1] for row in db.session.execute(query.group_by(Ticket.assignee_id))]
    close_session()
    return sorted(found)


def waiting_ids() -> list[int]:
    """Tickets without an assignee in the order in which they should go out."""
    query = sa.select(Ticket.id).where(Ticket.assignee_id.is_(None))
    order = (Ticket.priority, Ticket.created_at, Ticket.id)
    found = list(db.session.scalars(query.order_by(*order)))
    close_session()
    return found


def give_room(limit: int, *, agents: int = AGENTS) -> None:
    """Raise the limit of the first *agents* agents."""
    begin_write()
    chosen = sa.select(Person).where(Person.role == Role.AGENT).order_by(Person.id).limit(agents)
    for agent in db.session.scalars(chosen):
        agent.max_tickets = limit
    db.session.commit()
    close_session()


@pytest.mark.requirement("R 4-3", "R 13-9", "X1")
def test_200_tickets_end_20_each(desk: dict[str, str]) -> None:
    hire(20)
    open_200(desk)
    assert shares() == [TICKETS // AGENTS] * AGENTS


@pytest.mark.requirement("R 4-5", "R 4-7", "X1", "X4")
def test_limits_hold_and_the_rest_waits_until_somebody_has_room(desk: dict[str, str]) -> None:
    hire(15)
    open_200(desk)
    assert shares() == [15] * AGENTS
    queue = waiting_ids()
    assert len(queue) == 50

    give_room(20, agents=1)
    assert waiting.hand_out(utcnow()) == 5
    assert waiting_ids() == queue[5:]
    assert shares() == [15] * (AGENTS - 1) + [20]

    give_room(20)
    run(desk, *[(process.hand_out, ())] * 4)
    assert waiting_ids() == []
    assert shares() == [20] * AGENTS
    each = sa.select(TicketEvent.ticket_id).where(TicketEvent.kind == EventKind.ASSIGNED)
    assert set(Counter(db.session.scalars(each)).values()) == {1}


@pytest.mark.requirement("X1", "X4")
def test_opening_and_handing_out_at_once_keeps_to_the_limits(desk: dict[str, str]) -> None:
    hire(10)
    open_200(desk)
    assert shares() == [10] * AGENTS
    give_room(25)
    openers = [(process.open_tickets, (f"q{n}", 25)) for n in range(4)]
    run(desk, *openers, *[(process.hand_out, ())] * 2)
    waiting.hand_out(utcnow())
    assert shares() == [25] * AGENTS
    assert len(waiting_ids()) == 50

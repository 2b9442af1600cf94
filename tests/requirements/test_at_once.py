"""Programs that post the same at the same moment: real processes, on both databases."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from app.accounts.models import Distribution, Person, PersonEmail, Role
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.routing.models import AssignmentRule, RuleKind
from app.tickets.catalog_models import Tag
from app.tickets.history_models import TicketEvent
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import EventKind
from tests.factories import category, make_agent, make_group
from tests.own_desk import own_desk
from tests.requirements.posting import post_tickets

PROCESSES, EACH = 3, 6
SECONDS = 240  # for all to come up, and to end

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.requirements.posting"])

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


@pytest.fixture
def environ(own_environ: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment of a desk of its own; its application context is on."""
    with own_desk(own_environ):
        yield own_environ


@pytest.mark.requirement("R 0-10", "R 2-2", "R 3-2", "R 13-2", "X11", "X12", "X14", "X19", "X23")
def test_numbers_people_and_external_ids_are_there_once(environ: dict[str, str]) -> None:
    begin_write()
    kind = {"kind": RuleKind.GROUP, "position": 1}
    for key in ("billing", "technical"):  # groups are locked one by one
        group = make_group(distribution=Distribution.ROUND_ROBIN)
        agent = make_agent(role=Role.AGENT, max_tickets=1000, groups=(group,))
        rule = AssignmentRule(category_id=category(key).id, group_id=group.id, **kind)
        db.session.add(rule)
    token = make_token(agent, "test", now=utcnow())
    db.session.commit()
    close_session()
    start = processes.Barrier(PROCESSES, timeout=SECONDS)
    statuses = []
    running = []
    for n in range(PROCESSES):
        hears, tells = processes.Pipe(duplex=False)
        arguments = (start, environ, token, n, EACH, tells)
        process = processes.Process(target=post_tickets, args=arguments, daemon=True)
        process.start()
        running.append((process, hears))
    for process, hears in running:
        assert hears.poll(SECONDS)
        statuses += hears.recv()
        process.join(SECONDS)

    shared = Counter(status for name, status in statuses if name.startswith("crm-"))
    own = {status for name, status in statuses if name.startswith("own-")}
    assert (shared, own) == ({201: EACH, 409: EACH * (PROCESSES - 1)}, {201})
    made = EACH + EACH * PROCESSES
    tickets = db.session.execute(sa.select(Ticket.number, Ticket.external_id)).all()
    assert len({row.number for row in tickets}) == len(tickets) == made
    assert len({row.external_id for row in tickets}) == made
    asked = sa.select(sa.func.count()).where(Person.role == Role.CUSTOMER)
    assert db.session.scalar(asked) == EACH + EACH  # those of refused tickets were not kept
    theirs = sa.select(PersonEmail.address).join(Person).where(Person.role == Role.CUSTOMER)
    addresses = db.session.scalars(theirs).all()
    assert len(addresses) == EACH + EACH
    assert {f"johanna{step}@backhaus.example" for step in range(EACH)} < set(addresses)
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Tag)) == EACH
    clocks = sa.select(sa.func.count(SlaClock.id)).group_by(SlaClock.ticket_id)
    assert db.session.scalars(clocks).all() == [2] * made
    lines: dict[int, list[EventKind]] = {}
    for line in db.session.scalars(sa.select(TicketEvent).order_by(TicketEvent.id)):
        lines.setdefault(line.ticket_id, []).append(line.kind)
    assert set(map(tuple, lines.values())) == {
        (EventKind.CREATED, EventKind.GROUP, EventKind.ASSIGNED, EventKind.STATUS)
    }
    assert len(lines) == made

"""Two agents merge the same pair in opposite directions, at once: one of the two wins."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Barrier, Thread

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.core.errors import Conflict
from app.tickets import merging
from app.tickets.merge_models import TicketMerge
from app.tickets.models import Comment, Ticket
from tests import factories
from tests.own_desk import own_desk

PAIRS = 15

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[Flask]:
    with own_desk(own_environ) as app:
        yield app


def test_one_of_two_opposite_merges_wins(desk: Flask) -> None:
    begin_write()
    agent = factories.make_agent()
    anna = factories.make_person()
    pairs = [
        (factories.make_ticket(anna).number, factories.make_ticket(anna).number)
        for _ in range(PAIRS)
    ]
    agent_id = agent.id
    db.session.commit()
    close_session()
    outcomes: list[str] = []
    together = Barrier(2)

    def merge_all(*, turned: bool) -> None:
        with desk.app_context():
            for pair in pairs:
                merged, survivor = pair[::-1] if turned else pair
                together.wait(120)
                begin_write()
                found = merging.lock_both(pair)
                by = db.session.get_one(Person, agent_id)
                try:
                    merging.merge(found[merged], found[survivor], agreed=(), by=by, now=utcnow())
                    db.session.commit()
                    outcomes.append("merged")
                except Conflict as error:
                    db.session.rollback()
                    outcomes.append("refused" if "was merged into" in error.message else "odd")
                finally:
                    close_session()

    threads = [Thread(target=merge_all, kwargs={"turned": turned}) for turned in (False, True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(240)
    assert sorted(outcomes) == ["merged"] * PAIRS + ["refused"] * PAIRS

    def count(what: sa.Select[int]) -> int:
        return db.session.scalar(what) or 0

    assert count(sa.select(sa.func.count()).select_from(TicketMerge)) == PAIRS
    assert count(sa.select(sa.func.count()).select_from(Comment)) == PAIRS  # the descriptions
    merged = (
        sa.select(sa.func.count()).select_from(Ticket).where(Ticket.merged_into_id.is_not(None))
    )
    assert count(merged) == PAIRS

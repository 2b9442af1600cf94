"""The same import from several programs at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.accounts.models import Person
from app.accounts.tokens import make_token
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.settings import load
from app.tickets.models import Ticket
from tests import servers
from tests.factories import make_agent

CALLERS, TIMES = 4, 5


@pytest.fixture
def shared(tmp_path: Path, is_postgres: bool) -> Iterator[Flask]:
    """A desk of its own, whose changes are committed."""
    environ = {
        "DESKHAND_DATA_DIR": str(tmp_path),
        "DESKHAND_REDIS_URL": servers.redis_url(),
        "DESKHAND_BASE_URL": "http://localhost",
        "DESKHAND_RATE_LIMITS": "off",
        "DESKHAND_LOG_LEVEL": "ERROR",
    }
    if is_postgres:
        environ["DESKHAND_DATABASE_URL"] = servers.postgres_url("imports")
    app = create_app(load(environ))
    app.testing = True
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()
    cache.clear()


@pytest.mark.real_commits
@pytest.mark.requirement("X12", "X23")
def test_one_ticket_and_one_customer_whoever_is_first(shared: Flask) -> None:
    with shared.app_context():
        db.session.info["writes_freely"] = True
        token = make_token(make_agent(), "test", now=utcnow())
        db.session.commit()
        db.session.remove()
    headers, together = {"Authorization": f"Bearer {token}"}, Barrier(CALLERS)
    asker = {"email": "ann@x.example", "name": "Ann"}
    ticket = {"subject": "It hums", "description": "All day.", "requester": asker}

    def send(_: int) -> list[int]:
        client, codes = shared.test_client(), []
        for n in range(TIMES):
            together.wait(120)
            for path, body in (
                (f"tickets/external/t{n}", ticket),
                ("requesters/external/r", asker),
            ):
                answer = client.put(f"/api/v1/{path}", json=body, headers=headers)
                while answer.status_code == 409:  # told to ask again
                    answer = client.put(f"/api/v1/{path}", json=body, headers=headers)
                codes.append(answer.status_code)
        return codes

    with ThreadPoolExecutor(CALLERS) as pool:
        came = Counter(code for codes in pool.map(send, range(CALLERS)) for code in codes)
    assert set(came) <= {200, 201}
    assert TIMES <= came[201] <= TIMES + 1  # the customer may have come with the first ticket
    with shared.app_context():
        tickets = db.session.scalars(sa.select(Ticket.external_id)).all()
        assert sorted(filter(None, tickets)) == [f"t{n}" for n in range(TIMES)]
        known = sa.select(sa.func.count()).where(Person.external_id == "r")
        assert db.session.scalar(known) == 1

"""How much a token may ask, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.accounts.sign_in import start_session
from app.accounts.tokens import make_token
from app.core import cache
from app.core.clock import utcnow
from app.core.db import db
from app.extensions import limiter
from app.settings import load
from app.web import limits
from tests import servers
from tests.accounts.pages import token_of
from tests.factories import make_agent, make_person

PATH = "/api/v1/tags"


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Flask]:
    """A desk of its own whose limits are on."""
    environ = {
        "DESKHAND_DATA_DIR": str(tmp_path),
        "DESKHAND_REDIS_URL": servers.redis_url(),
        "DESKHAND_BASE_URL": "http://localhost",
        "DESKHAND_LOG_LEVEL": "WARNING",
    }
    limiter._storage_dead = False  # of the test before: one limiter serves them all
    app = create_app(load(environ))
    app.testing = True
    with app.app_context():
        app.extensions["bells"].redis.flushdb()
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()
    limiter.enabled = limiter._storage_dead = False
    cache.clear()


@pytest.fixture
def token(limited: Flask) -> str:
    """An agent's."""
    with limited.app_context():
        db.session.info["writes_freely"] = True
        made = make_token(make_agent(), "test", now=utcnow())
        db.session.commit()
        db.session.remove()
    return made


@pytest.mark.real_commits
def test_a_token_that_asks_too_much_is_told_when_to_come_back(limited: Flask, token: str) -> None:
    client = limited.test_client()
    good = {"Authorization": f"Bearer {token}"}
    first = client.get(PATH, headers=good)
    assert first.status_code == 200
    assert first.headers["X-RateLimit-Limit"] == "600"
    assert first.headers["X-RateLimit-Remaining"] == "599"
    redis = limited.extensions["bells"].redis
    counters = [key for key in redis.scan_iter("*") if b"/600/" in key]
    assert len(counters) == 1
    assert token.encode() not in counters[0]
    redis.set(counters[0], 600, keepttl=True)  # the rest of a busy minute
    last = client.get(PATH, headers=good)
    assert last.status_code == 429
    assert last.content_type == "application/problem+json"
    assert last.headers["X-RateLimit-Remaining"] == "0"
    assert 0 < int(last.headers["Retry-After"]) <= 60
    # The same token, however it is written.
    for written in (f"bearer {token}", f"BEARER  {token}", f"Bearer \xa0{token} "):
        assert client.get(PATH, headers={"Authorization": written}).status_code == 429
    # Whoever has no token that works is counted apart.
    assert client.get(PATH, headers={"Authorization": "Bearer guessed"}).status_code == 401


@pytest.mark.real_commits
def test_made_up_tokens_are_counted_by_network_together(limited: Flask, token: str) -> None:
    """And a token that works goes on to work beside them."""
    client = limited.test_client()
    allowed = int(limits.WRONG_TOKENS_BY_IP.split()[0])

    def status(token: str, path: str = PATH, ip: str = "192.0.2.1") -> int:
        auth = {"Authorization": f"Bearer {token}"}
        return client.get(path, headers=auth, environ_base={"REMOTE_ADDR": ip}).status_code

    for n in range(allowed):
        path = PATH if n % 2 else "/api/v1/tickets"
        assert status(f"dsk_guess{n}", path) == 401
    assert status("dsk_another") == 429
    assert status("dsk_another", "/api/v1/groups") == 429
    assert status("dsk_another", ip="192.0.2.2") == 401
    assert status(token) == 200


@pytest.mark.real_commits
def test_the_api_is_no_way_past_the_limit_of_the_form(limited: Flask) -> None:
    with limited.test_request_context():
        db.session.info["writes_freely"] = True
        customer = make_person("ann@customer.example")
        token, key = make_token(customer, "test", now=utcnow()), start_session(customer)
        db.session.commit()
        db.session.remove()
    client = limited.test_client()
    with client.session_transaction() as session:
        session["_user_id"] = key
    browser = {"X-CSRFToken": token_of(client, "/account/")}

    def opens(n: int, headers: dict[str, str]) -> int:
        body = {"subject": f"Ticket {n}", "description": "Again"}
        return client.post("/api/v1/tickets", json=body, headers=headers).status_code

    allowed = int(limits.TICKET_BY_IP.split()[0])
    assert [opens(n, browser) for n in range(allowed + 1)] == [201] * allowed + [429]
    assert opens(99, {"Authorization": f"Bearer {token}"}) == 201

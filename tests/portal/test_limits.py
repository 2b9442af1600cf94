"""Whoever posts too often waits: new tickets, replies, links by mail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.core.db import db
from app.extensions import limiter
from app.settings import load
from app.web import limits
from tests.knowledge.articles import make_article
from tests.portal.conftest import Visitor

pytestmark = pytest.mark.real_commits


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[Flask]:
    """A desk with limits on, counted in memory."""
    environ = {
        "DESKHAND_DATA_DIR": str(tmp_path),
        "DESKHAND_REDIS_URL": f"unix://{tmp_path}/nowhere.sock",
        "DESKHAND_LOG_LEVEL": "ERROR",
    }
    app = create_app(load(environ))
    with app.app_context():
        upgrade()
    app.extensions["bells"]._down_until = float("inf")
    yield app
    with app.app_context():
        db.engine.dispose()
    limiter.enabled = False


@pytest.mark.parametrize(
    ("path", "limit", "status"),
    [
        ("/tickets/new", limits.TICKET_BY_IP, 422),
        ("/tickets/TKT-AAAAAAAA/comments", limits.REPLY_BY_IP, 404),
        ("/tickets/TKT-AAAAAAAA/resolution", limits.REPLY_BY_IP, 404),
        ("/tickets/TKT-AAAAAAAA/reopening", limits.REPLY_BY_IP, 404),
        ("/tickets/TKT-AAAAAAAA/link", limits.LINK_BY_IP, 422),
    ],
)
def test_too_many_posts_have_to_wait(limited: Flask, path: str, limit: str, status: int) -> None:
    visitor = Visitor(limited.test_client())
    most = int(limit.split()[0])
    codes = [visitor.post(path, email=f"p{n}@").status_code for n in range(most + 1)]
    assert codes == [status] * most + [429]


def test_one_address_gets_few_links(limited: Flask) -> None:
    visitor = Visitor(limited.test_client())
    path = "/tickets/TKT-AAAAAAAA/link"
    codes = [visitor.post(path, email="ann@example.com").status_code for _ in range(6)]
    assert codes == [303] * 5 + [429]


def test_guests_of_one_network_vote_a_few_times_on_an_article(limited: Flask) -> None:
    """With a new browser for each vote, or a cookie that is made up."""
    with limited.app_context():
        db.session.info["writes_freely"] = True
        one, other = (make_article() for _ in range(2))
        db.session.commit()
        paths = [f"/kb/articles/{article.id}-{article.slug}" for article in (one, other)]
        votes = [f"/kb/articles/{article.id}/votes" for article in (one, other)]
        db.session.remove()

    def vote(n: int, which: int = 0) -> int:
        visitor = Visitor(limited.test_client())
        visitor.client.set_cookie("visitor", f"made up {n}", path="/kb")
        return visitor.post(votes[which], paths[which], helpful="no").status_code

    most = int(limits.VOTE_BY_GUESTS.split()[0])
    assert [vote(n) for n in range(most + 1)] == [303] * most + [429]
    assert vote(most + 1, 1) == 303

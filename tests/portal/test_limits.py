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

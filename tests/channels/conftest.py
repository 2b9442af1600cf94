"""What tests with mail workers in processes of their own share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.core import cache
from app.core.db import close_session, db
from app.settings import load
from tests import servers
from tests.mail.smtp import Inbox, smtp_server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[dict[str, str], Inbox]]:
    """The environment of a desk of its own, and its mail server; its application context is on."""
    with smtp_server() as inbox:
        environ = {
            "DESKHAND_DATA_DIR": str(tmp_path),
            "DESKHAND_REDIS_URL": servers.redis_url(),
            "DESKHAND_LOG_LEVEL": "WARNING",
            "DESKHAND_MAIL_FROM": "support@desk.example",
            "DESKHAND_SMTP_URL": inbox.url,
        }
        if request.param == "postgres":
            environ["DESKHAND_DATABASE_URL"] = servers.postgres_url("mail_desk")
        app: Flask = create_app(load(environ))
        with app.app_context():
            upgrade()
            cache.clear()
            yield environ, inbox
            close_session()
            db.engine.dispose()
            cache.clear()

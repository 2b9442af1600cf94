"""Waiting for the database to have all migrations, whoever runs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from app.process.supervisor import say

if TYPE_CHECKING:
    from flask import Flask

TELL_AFTER = 5.0  # seconds; migrations of a usual start are over by then


def wait_for_migrations(app: Flask) -> None:
    """Return once the database is at the newest migration; nothing serves or works before.

    Raises:
        sqlalchemy.exc.OperationalError: the database does not answer.
    """
    from app.core.db import db
    from app.core.migrating import is_migrated
    from app.core.places import ROOT

    tell_at = time.monotonic() + TELL_AFTER
    with app.app_context():
        while True:
            with db.engine.connect() as connection:
                if is_migrated(connection, ROOT / "migrations" / "versions"):
                    break
            if time.monotonic() > tell_at:
                say("waiting for the migrations of the database (deskhand db upgrade)")
                tell_at = time.monotonic() + 60
            time.sleep(0.05)
        db.engine.dispose()  # no connection may be shared by the processes forked later

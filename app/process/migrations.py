"""Waiting for the database to have all migrations, whoever runs them.

Without Alembic: it would be another 10 MB in processes that never migrate anything.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from app.process.supervisor import say

if TYPE_CHECKING:
    from flask import Flask
    from sqlalchemy import Connection

TELL_AFTER = 5.0  # seconds; migrations of a usual start are over by then

_revision = re.compile(r'^(down_)?revision\b[^=\n]*= *"(\w+)"', re.MULTILINE)


def wait_for_migrations(app: Flask) -> None:
    """Return once the database is at the newest migration; nothing serves or works before.

    Raises:
        sqlalchemy.exc.OperationalError: the database does not answer.
    """
    from app import ROOT
    from app.core.db import db

    newest = newest_migration(ROOT / "migrations" / "versions")
    tell_at = time.monotonic() + TELL_AFTER
    with app.app_context():
        while True:
            with db.engine.connect() as connection:
                if _migrations_of(connection) == [newest]:
                    break
            if time.monotonic() > tell_at:
                say("waiting for the migrations of the database (deskhand db upgrade)")
                tell_at = time.monotonic() + 60
            time.sleep(0.05)
        db.engine.dispose()  # no connection may be shared by the processes forked later


def newest_migration(folder: Path) -> str:
    """The revision in *folder* that no other builds on."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for path in folder.glob("*.py"):
        for down, revision in _revision.findall(path.read_text("utf-8")):
            found[bool(down)].add(revision)
    (newest,) = found[False] - found[True]
    return newest


def _migrations_of(connection: Connection) -> list[str]:
    import sqlalchemy as sa

    if not sa.inspect(connection).has_table("alembic_version"):
        return []
    return list(connection.scalars(sa.text("SELECT version_num FROM alembic_version")))

"""Putting a backup back: into an empty desk, or in place of what is there."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import flask_migrate
import sqlalchemy as sa
from flask import current_app

from app.backup import archive, rows
from app.backup.archive import BrokenBackup
from app.core.db import begin_read, begin_write, close_session, db
from app.core.storage import storage
from app.search.bulk import index_built_afterwards
from app.settings import Settings


class NotEmpty(Exception):
    """The desk holds people or tickets, and nobody said that they may go."""


def put_back(path: Path, *, overwrite: bool = False) -> dict[str, Any]:
    """Restore *path*; the desk must not run meanwhile. Returns the manifest.

    The whole file is checked before anything is touched.

    Args:
        overwrite: whether what the desk holds may go.
    Raises:
        BrokenBackup, NotEmpty: nothing was changed.
    """
    manifest = archive.check(path)
    begin_write()
    flask_migrate.upgrade()
    if not overwrite and _is_in_use():
        raise NotEmpty
    if manifest["revision"] != _revision():
        raise BrokenBackup(
            f"{path} was made by Deskhand {manifest['version']} with another schema: "
            "restore it with that version, then upgrade"
        )
    if overwrite:
        flask_migrate.downgrade(revision="base")
        flask_migrate.upgrade()
    for name, source in archive.members(path):
        if name.startswith("files/"):
            storage().put(source)
    _load_tables(path)
    return manifest


def _load_tables(path: Path) -> None:
    """All rows, in one transaction."""
    tables = {f"tables/{table.name}.jsonl.gz": table for table in rows.tables()}
    begin_write()
    with db.engine.begin() as connection, index_built_afterwards(connection):
        rows.empty(connection)
        for name, source in archive.members(path):
            if name in tables:
                with gzip.open(source) as lines:
                    rows.load(connection, tables.pop(name), lines)
        if tables:
            raise BrokenBackup(f"{path} has no {', '.join(sorted(tables))}")
    begin_read()


def put_back_secret_key(path: Path) -> bool:
    """Take over the backup's key; sealed secrets and mailed links need it.

    Returns False where another one is set (``DESKHAND_SECRET_KEY``) or the backup has none.
    """
    settings: Settings = current_app.extensions["settings"]
    key = next(
        (source.read() for name, source in archive.members(path) if name == "secret_key"), None
    )
    if key is None or key.decode() == settings.secret_key:
        return key is not None
    place = settings.data_dir / "secret_key"
    if not place.exists() or place.read_text().strip() != settings.secret_key:
        return False  # the environment's, not the folder's
    draft = place.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
        file.write(key)
        os.fsync(file.fileno())
    draft.replace(place)
    return True


def _is_in_use() -> bool:
    from app.accounts.models import Person
    from app.tickets.models import Ticket

    begin_read()
    used = any(
        db.session.scalar(sa.select(sa.exists(sa.select(model.id)))) for model in (Person, Ticket)
    )
    close_session()
    return used


def _revision() -> str | None:
    from alembic.runtime.migration import MigrationContext

    begin_read()
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()

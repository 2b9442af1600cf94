"""Taking a backup while the desk runs: one moment of the database, and the files it names."""

from __future__ import annotations

import gzip
import os
import tarfile
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from flask import current_app

from app.backup import rows
from app.backup.archive import Writer
from app.core.clock import utcnow
from app.core.db import begin_read, db
from app.core.storage import storage
from app.settings import Settings
from app.tickets.attachments import DIGESTS


def take(path: Path, *, with_secret_key: bool = True) -> dict[str, Any]:
    """Write everything to *path*, a new file that only its owner may read.

    Whoever writes meanwhile neither waits nor gets into the backup half. The file appears under
    its name once it is whole and on the disk. Returns what was written: rows by table, files, and
    digests of files that were missing already.

    Raises:
        OSError: the file cannot be written; nothing is left of it.
    """
    draft = path.with_name(f".{path.name}.unfinished")
    draft.unlink(missing_ok=True)  # of one that was killed, or put there to read along
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            with tarfile.open(draft, "w", fileobj=file) as tar:
                told = _write(Writer(tar), with_secret_key=with_secret_key)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # unlike a rename, it never replaces a file
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return told


def _write(writer: Writer, *, with_secret_key: bool) -> dict[str, Any]:
    settings: Settings = current_app.extensions["settings"]
    counts: dict[str, int] = {}
    begin_read()
    with db.engine.connect() as connection:
        # All tables as they are at one moment; on SQLite every read transaction is like that.
        if connection.dialect.name == "postgresql":
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        revision = MigrationContext.configure(connection).get_current_revision()
        for table in rows.tables():
            name = f"tables/{table.name}.jsonl.gz"
            with writer.member(name) as draft, gzip.open(draft, "wb", compresslevel=1) as packed:
                counts[table.name] = -1  # the first line holds the names
                for line in rows.dump(connection, table):
                    packed.write(line)
                    counts[table.name] += 1
        named = sa.union(*(sa.select(column) for column in DIGESTS))
        wanted = connection.execute(named).scalars().all()
    missing = []
    for digest in sorted(wanted):
        with suppress(FileNotFoundError), storage().open(digest) as source:
            writer.add(f"files/{digest}", source)
            continue
        missing.append(digest)
    if with_secret_key:
        with writer.member("secret_key") as draft:
            draft.write(settings.secret_key.encode())
    about = {
        "version": version("deskhand"),
        "made_at": utcnow().isoformat(),
        "revision": revision,
        "rows": counts,
        "missing_files": missing,
    }
    writer.finish(about)
    return {"rows": counts, "files": len(wanted) - len(missing), "missing": missing}

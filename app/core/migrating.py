"""Flask-Migrate, bound to the application when somebody asks for it.

It brings Alembic along, 10 MB that a process does not need which migrates nothing.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from app.core.db import UTCDateTime, db

_revision = re.compile(r'^(down_)?revision\b[^=\n]*= *"(\w+)"', re.MULTILINE)


class Migrations:
    """Stands in the application for Flask-Migrate's configuration until that is used."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self._app, self.directory = app, str(folder)
        app.extensions["migrate"] = self

    def __getattr__(self, name: str) -> Any:
        from flask_migrate import Migrate

        Migrate(
            render_as_batch=True,
            render_item=_render_item,
            compare_type=_compare_type,
            include_object=_include_object,
        ).init_app(self._app, db, directory=self.directory)
        return getattr(self._app.extensions["migrate"], name)  # now the real one


@cache
def newest_migration(folder: Path) -> str:
    """The revision in *folder* that no other builds on."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for path in folder.glob("*.py"):
        for down, revision in _revision.findall(path.read_text("utf-8")):
            found[bool(down)].add(revision)
    (newest,) = found[False] - found[True]
    return newest


def is_migrated(connection: sa.Connection, folder: Path) -> bool:
    """True where the database has the newest migration of *folder*."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return False
    versions = connection.scalars(sa.text("SELECT version_num FROM alembic_version")).all()
    return versions == [newest_migration(folder)]


def _render_item(kind: str, item: Any, context: Any) -> str | bool:
    """Write our column types into migrations as plain ``sa`` types, so that they stay readable."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(getattr(item, "impl", None), sa.SmallInteger):
        return "sa.SmallInteger()"
    if kind == "type" and isinstance(item, sa.Enum):
        return f"sa.String({item.length})"
    return False


def _compare_type(
    context: Any, inspected: Any, metadata: Any, found: Any, wanted: Any
) -> bool | None:
    """An enum is text of the same length for the database: no difference."""
    if isinstance(wanted, sa.Enum) and isinstance(found, sa.String):
        return bool(found.length != wanted.length)
    return None


def _include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """The search index belongs to the migrations alone; no model describes its tables."""
    return not (kind == "table" and reflected and (name or "").startswith("search_"))

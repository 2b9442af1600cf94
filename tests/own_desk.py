"""A desk of its own for tests whose changes are committed, and whose processes are many."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.core import cache
from app.core.db import close_session, db
from app.settings import load


@contextmanager
def own_desk(environ: dict[str, str]) -> Iterator[Flask]:
    """The application of *environ* (see the fixture ``own_environ``), migrated, in its context."""
    app = create_app(load(environ))
    with app.app_context():
        upgrade()
        cache.clear()
        yield app
        close_session()
        db.engine.dispose()
        cache.clear()

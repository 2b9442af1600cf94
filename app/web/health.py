"""Whether the process is up, and whether it is ready to serve."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app.core.db import db
from app.core.jobs import queue_state

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def alive() -> ResponseReturnValue:
    """The process is up; asks nobody else."""
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> ResponseReturnValue:
    """200 with database and migrations in order; Redis down is degraded, since work goes on."""
    try:
        connection = db.session.connection()
        connection.execute(sa.text("select 1"))
        found = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError:
        return jsonify(status="unavailable", database="unreachable"), 503
    if found != current_app.extensions.setdefault("migration_head", _head()):
        return jsonify(status="unavailable", database="migrations are missing"), 503
    queue = queue_state()
    if queue is None:
        return jsonify(status="degraded", database="ok", redis="unreachable")
    return jsonify(status="ok", database="ok", redis="ok", queue=queue)


def _head() -> str | None:
    folder = current_app.extensions["migrate"].directory
    return ScriptDirectory(folder).get_current_head()


alive.access = ready.access = "everyone"  # type: ignore[attr-defined]

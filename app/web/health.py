"""Whether the process is up, and whether it is ready to serve."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, current_app, jsonify
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from app.core.db import db
from app.core.jobs import queue_state
from app.core.migrating import is_migrated

bp = Blueprint("health", __name__)


@bp.get("/healthz")
def alive() -> ResponseReturnValue:
    """The process is up; asks nobody else."""
    return jsonify(status="ok")


@bp.get("/readyz")
def ready() -> ResponseReturnValue:
    """200 with database and migrations in order; Redis down is degraded, since work goes on."""
    folder = current_app.extensions["migrate"].directory
    try:
        connection = db.session.connection()
        connection.execute(sa.text("select 1"))
        migrated = is_migrated(connection, Path(folder) / "versions")
    except SQLAlchemyError:
        return jsonify(status="unavailable", database="unreachable"), 503
    if not migrated:
        return jsonify(status="unavailable", database="migrations are missing"), 503
    queue = queue_state()
    if queue is None:
        return jsonify(status="degraded", database="ok", redis="unreachable")
    return jsonify(status="ok", database="ok", redis="ok", queue=queue)


alive.access = ready.access = "everyone"  # type: ignore[attr-defined]

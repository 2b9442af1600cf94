"""Whether the process is up, and whether it is ready to serve."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa
from flask import Blueprint, Flask, current_app, jsonify
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
    """200 with database and migrations in order.

    Redis down is degraded, since work goes on; so is mail that stands still, or a full disk.
    """
    folder = current_app.extensions["migrate"].directory
    try:
        connection = db.session.connection()
        connection.execute(sa.text("select 1"))
        if not is_migrated(connection, Path(folder) / "versions"):
            return jsonify(status="unavailable", database="migrations are missing"), 503
        told = {name: ask() for name, ask in current_app.extensions["readiness"].items()}
    except SQLAlchemyError:
        return jsonify(status="unavailable", database="unreachable"), 503
    queue = queue_state()
    if queue is None:
        return jsonify(status="degraded", database="ok", redis="unreachable", **told)
    works = all(state == "ok" for parts in told.values() for state in parts.values())
    status = "ok" if works else "degraded"
    return jsonify(status=status, database="ok", redis="ok", queue=queue, **told)


def init_health(app: Flask, **areas: Callable[[], dict[str, str]]) -> None:
    """Serve both; *areas* tell of their parts, "ok" or what is wrong, by names for anybody."""
    app.extensions["readiness"] = areas
    app.register_blueprint(bp)


alive.access = ready.access = "everyone"  # type: ignore[attr-defined]

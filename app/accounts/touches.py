"""Small notes of use ("last seen"), written once the answer is made: a GET stays a read."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa
import structlog
from flask import Flask, Response, g
from sqlalchemy.exc import OperationalError

from app.core.db import begin_write, db
from app.core.jobs import Job, ring

log = structlog.get_logger(__name__)

PATIENCE = 0.1  # seconds: while somebody writes for long, reading goes on without the note
TOUCH_EVERY = timedelta(minutes=1)  # "last seen" is exact to a minute, and costs a write as often


def write_later(statement: sa.Update, *, bell: Job | None = None) -> None:
    """Run *statement* in a transaction of its own once this request is answered."""
    g.setdefault("touches", []).append((statement, bell))


def init_touches(app: Flask) -> None:
    """Write what a request left to be noted."""
    app.after_request(_write)


def _write(response: Response) -> Response:
    touches = g.pop("touches", None)
    if touches:
        db.session.rollback()  # what the view wanted kept is committed by now
        try:
            begin_write(patience=PATIENCE)
            for statement, bell in touches:
                db.session.execute(statement, execution_options={"synchronize_session": False})
                if bell:
                    ring(bell)
            db.session.commit()
        except OperationalError as error:  # the database is busy: the next request notes it
            db.session.rollback()
            log.info("use not noted", error=str(error.orig))
    return response

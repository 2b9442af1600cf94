"""A process whose children do one job each and die at a chosen step of it.

``python -m tests.faults.mortal`` reads orders, one JSON object a line, and answers each with one:
what steps the child took, and how it ended. A step is an SQL statement, a commit,
a command to the mail server, or a file put in place (told before it is done), or that a commit or
a delivery is over. Dying is SIGKILL, right after the step was told.
"""

from __future__ import annotations

import json
import os
import signal
import smtplib
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask

from app import create_app
from app.automation import escalation
from app.channels import inbound_email
from app.core.db import close_session, db
from app.mail import delivery

ACCEPTED, COMMITTED = "the mail server has said 250", "committed"

JOBS: dict[str, Callable[[datetime], object]] = {
    "send_outbox": lambda now: delivery.send_due(lambda: now),
    "process_mail": lambda now: inbound_email.process_due(lambda: now),
    "sweep_sla": escalation.sweep,
}


class Steps:
    """Tells each step on a pipe, and dies at the one with the given number."""

    def __init__(self, pipe: int, die_at: int | None) -> None:
        self.pipe, self.left = pipe, die_at

    def take(self, name: str) -> None:
        os.write(self.pipe, f"{name}\n".encode())
        if self.left is not None:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        """See every statement, commit, mail command and finished file from now on."""
        dialect: Any = db.engine.dialect
        before(dialect, "do_commit", lambda *_: self.take("commit"))
        after(dialect, "do_commit", lambda *_: self.take(COMMITTED))
        before(smtplib.SMTP, "putcmd", lambda _, command, *__: self.take(f"mail server: {command}"))
        after(smtplib.SMTP, "data", lambda *_: self.take(ACCEPTED))
        before(Path, "replace", lambda *_: self.take("put a file in place"))

        @sa.event.listens_for(db.engine, "before_cursor_execute")
        def execute(_: Any, __: Any, statement: str, *more: Any) -> None:
            self.take(" ".join(statement.split())[:60])


def before(owner: Any, name: str, call: Callable[..., object]) -> None:
    real = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        call(*args)
        return real(*args, **options)

    setattr(owner, name, wrapped)


def after(owner: Any, name: str, call: Callable[..., object]) -> None:
    real = getattr(owner, name)

    def wrapped(*args: Any, **options: Any) -> Any:
        answer = real(*args, **options)
        call(*args)
        return answer

    setattr(owner, name, wrapped)


def work(app: Flask, order: dict[str, Any], pipe: int) -> None:
    """What a child does."""
    with app.app_context():
        Steps(pipe, order.get("die_at")).watch()
        JOBS[order["job"]](datetime.fromisoformat(order["now"]))


def obey(app: Flask, order: dict[str, Any]) -> dict[str, Any]:
    """Let a child do the job; what steps it took, and how it ended (negative: the signal)."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            work(app, order, writer)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    with open(reader) as file:
        steps = file.read().splitlines()
    return {"steps": steps, "status": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}


def main() -> None:
    """Make the application once, warm it with the first order, then fork for each order."""
    app = create_app()
    for line in sys.stdin:
        order = json.loads(line)
        if order.get("warm_up"):
            with app.app_context():
                JOBS[order["job"]](datetime.fromisoformat(order["now"]))
                close_session()
                db.engine.dispose()
            answer: dict[str, Any] = {}
        else:
            answer = obey(app, order)
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""A process that reads or sends mail."""

from __future__ import annotations

from datetime import datetime, timedelta
from multiprocessing.synchronize import Barrier

from app import create_app
from app.channels import inbound_email
from app.core.clock import utcnow
from app.mail import delivery
from app.settings import load
from tests.forks import die_by_chance


def work(start: Barrier, environ: dict[str, str], what: str, minutes: int, die_by: int = 0) -> None:
    """Wait at *start* once the application is up, then "read" or "send" as if *minutes* later.

    With *die_by* it kills itself within so many statements.
    """

    def clock() -> datetime:
        return utcnow() + timedelta(minutes=minutes)

    with create_app(load(environ)).app_context():
        start.wait()
        if die_by:
            die_by_chance(die_by)
        if what == "read":
            inbound_email.process_due(clock)
        else:
            delivery.send_due(clock)

"""A process that sweeps until nothing is due."""

from __future__ import annotations

from datetime import datetime
from multiprocessing.synchronize import Barrier

from app import create_app
from app.automation import escalation
from app.settings import load
from tests.forks import die_by_chance, patiently


def work(start: Barrier, environ: dict[str, str], now: datetime, die_by: int = 0) -> None:
    """Wait at *start* once the application is up, then sweep; with *die_by*, until it dies."""
    with create_app(load(environ)).app_context():
        start.wait()
        if die_by:
            die_by_chance(die_by)
        while patiently(lambda: escalation.sweep(now)) != escalation.Swept():
            pass

"""A process that sweeps until nothing is due."""

from __future__ import annotations

from datetime import datetime
from multiprocessing.synchronize import Barrier

from app import create_app
from app.automation import escalation
from app.settings import load
from tests.forks import patiently


def work(start: Barrier, environ: dict[str, str], now: datetime) -> None:
    """Wait at *start* once the application is up, then sweep."""
    with create_app(load(environ)).app_context():
        start.wait()
        while patiently(lambda: escalation.sweep(now)) != escalation.Swept():
            pass

"""A process that sweeps until nothing is due: ``python -m tests.automation.sweeper NOW``."""

from __future__ import annotations

import sys
from datetime import datetime

from app import create_app
from app.automation import escalation


def main(now: datetime) -> None:
    """Say "ready" once the application is up, wait for a line, then sweep."""
    with create_app().app_context():
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        sys.stdin.readline()
        while True:
            swept = escalation.sweep(now)
            if swept == escalation.Swept():
                return


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]))

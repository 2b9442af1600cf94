"""A process that sends to webhooks; started by its name, with "deliver" or "aside"."""

from __future__ import annotations

import sys
import time

from app import create_app
from app.api import payloads
from app.integrations import deliveries
from worker import aside, jobs

SIGN = "go-home"  # a file in the data folder
SECONDS = 240


def main(how: str) -> None:
    """Send what is due; "aside": as a worker does, beside its other jobs, until there is a sign."""
    app = create_app()
    with app.app_context():
        if how == "deliver":
            deliveries.deliver_due(payloads.make)
            return
        sign = app.extensions["settings"].data_dir / SIGN
        aside.allow(app)
        jobs.deliver_webhooks()
        deadline = time.monotonic() + SECONDS
        while not sign.exists() and time.monotonic() < deadline:
            jobs.send_outbox()
            time.sleep(0.05)
        jobs.sweep_sla()


if __name__ == "__main__":
    main(sys.argv[1])

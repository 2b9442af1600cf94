"""A process that reads or sends mail: ``python -m tests.channels.mail_worker read MINUTES``."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta

from app import create_app
from app.channels import inbound_email
from app.core.clock import utcnow
from app.mail import delivery


def main(what: str, minutes: int) -> None:
    """Say "ready" once the application is up, wait for a line, then work as if *minutes* later."""

    def clock() -> datetime:
        return utcnow() + timedelta(minutes=minutes)

    with create_app().app_context():
        print("ready", flush=True)  # noqa: T201 - the parent waits for it
        sys.stdin.readline()
        if what == "read":
            inbound_email.process_due(clock)
        else:
            delivery.send_due(clock)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

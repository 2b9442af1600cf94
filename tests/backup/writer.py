"""Processes that open tickets until all are killed: ``python -m tests.backup.writer``."""

from __future__ import annotations

import itertools
import os

from app import create_app
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.process.supervisor import die_with
from app.tickets import attachments
from app.tickets.words import Source

PROCESSES = 8


def main() -> None:
    """Load the application once, then write in many processes."""
    app, parent = create_app(), os.getpid()
    for _ in range(1, PROCESSES):
        if os.fork() == 0:
            die_with(parent)
            break
    with app.app_context():
        for number in itertools.count():
            text = f"{os.getpid()} writes for the {number}. time"
            file = attachments.store_bytes(text.encode(), "note.txt", "text/plain")
            who = RequesterInput(email=f"p{os.getpid()}-{number}@mail.example", name="Busy")
            begin_write()
            take_in(NewTicket(text, text, who, source=Source.WEB, files=[file]), now=utcnow())
            db.session.commit()
            close_session()


if __name__ == "__main__":
    main()

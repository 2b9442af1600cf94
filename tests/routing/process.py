"""What the processes of the concurrency tests do, once all of them are up."""

from __future__ import annotations

from multiprocessing.synchronize import Barrier

from app import create_app
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.routing import waiting
from app.settings import load
from app.tickets.words import Priority, Source
from tests.forks import patiently


def open_tickets(environ: dict[str, str], start: Barrier, name: str, count: int) -> None:
    """Open tickets of all priorities, each in a transaction of its own."""
    with create_app(load(environ)).app_context():
        start.wait()
        for n in range(count):
            new = NewTicket(
                subject=f"Ticket {n} of {name}",
                description="Something is wrong.",
                requester=RequesterInput(email=f"{name}-{n}@example.com"),
                source=Source.WEB,
                priority=list(Priority)[n % 4],
            )
            patiently(lambda new=new: _open(new))


def _open(new: NewTicket) -> None:
    cache.forget_stamp()
    begin_write()
    take_in(new, now=utcnow())
    db.session.commit()
    close_session()


def hand_out(environ: dict[str, str], start: Barrier) -> None:
    """Hand out what waits."""
    with create_app(load(environ)).app_context():
        start.wait()
        patiently(lambda: waiting.hand_out(utcnow()))

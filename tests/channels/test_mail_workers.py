"""Real processes read and send mail and are killed at random: nothing is lost, nothing is twice."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from aiosmtpd.smtp import Envelope

from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail import delivery, outbox, receiving
from app.mail.models import InboundEmail, InboundState, OutboundEmail, OutboundState
from app.tickets.models import Comment, Ticket
from tests.channels.mail_worker import work
from tests.forks import together
from tests.mail.smtp import Inbox

PROCESSES = 2
ROUNDS_OF_KILLS = 2
MAILS = 150
STATEMENTS = {"read": 800, "send": 60}  # within so many each of them dies
LEASE_MINUTES = 6  # each round plays so much later, when the leases of the dead are over

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


def killed_and_finished(environ: dict[str, str], what: str, done: Callable[[], int]) -> None:
    """Let workers run and be killed in their midst, some rounds; then let them finish."""
    for number in range(ROUNDS_OF_KILLS):  # whatever the moment, the outcome is the same
        later = number * LEASE_MINUTES
        with together(PROCESSES, work, environ, what, later, STATEMENTS[what]) as running:
            assert [process.end() for process in running] == [-signal.SIGKILL] * PROCESSES
    assert done() < MAILS  # they were killed in the midst of it
    with together(PROCESSES, work, environ, what, ROUNDS_OF_KILLS * LEASE_MINUTES) as running:
        assert [process.end() for process in running] == [0] * PROCESSES


def count(statement: sa.Select[Any]) -> int:
    close_session()
    return db.session.scalar(statement) or 0


def test_each_mail_becomes_one_ticket(desk: tuple[dict[str, str], Inbox]) -> None:
    environ, _ = desk
    begin_write()
    for n in range(MAILS):
        raw = f"From: p{n}@x.example\r\nMessage-ID: <{n}@x.example>\r\nSubject: {n}\r\n\r\nHelp"
        receiving.store(raw.encode(), None, now=utcnow())
    db.session.commit()
    made = sa.select(sa.func.count(Ticket.id))
    killed_and_finished(environ, "read", lambda: count(made))
    close_session()
    subjects = db.session.scalars(sa.select(Ticket.subject)).all()
    assert Counter(subjects) == Counter(str(n) for n in range(MAILS))
    states = Counter(db.session.scalars(sa.select(InboundEmail.state)))
    assert states == {InboundState.TICKET: MAILS}
    answers = db.session.scalars(
        sa.select(OutboundEmail.ticket_id).where(OutboundEmail.kind == "auto_response")
    )
    assert sorted(answers) == sorted(db.session.scalars(sa.select(Ticket.id)))
    assert count(sa.select(sa.func.count(Comment.id))) == MAILS


def queue(count: int) -> None:
    begin_write()
    context = {"number": "TKT-7K2M9QXA", "subject": "x", "priority": "High"}
    outbox.queue(
        [
            outbox.row("assigned", f"p{n}@x.example", context=context, now=utcnow())
            for n in range(count)
        ]
    )
    db.session.commit()


def test_each_mail_is_sent_and_a_death_sends_at_most_one_twice(
    desk: tuple[dict[str, str], Inbox],
) -> None:
    environ, inbox = desk
    queue(MAILS)
    sent = sa.select(sa.func.count(OutboundEmail.id)).where(
        OutboundEmail.state == OutboundState.SENT
    )
    killed_and_finished(environ, "send", lambda: count(sent))
    close_session()
    rows = db.session.execute(sa.select(OutboundEmail.message_id, OutboundEmail.state)).all()
    assert {row.state for row in rows} == {OutboundState.SENT}
    arrived = Counter(mail.message_id for mail in inbox.mails)
    assert set(arrived) == {row.message_id for row in rows}
    assert arrived.total() - MAILS <= PROCESSES * ROUNDS_OF_KILLS


def test_a_death_between_the_servers_yes_and_our_commit_sends_one_mail_twice(
    desk: tuple[dict[str, str], Inbox],
) -> None:
    environ, inbox = desk
    queue(1)
    with together(1, work, environ, "send", 0) as [sender]:

        def take_and_kill(envelope: Envelope) -> str:
            sender.kill()
            assert sender.is_over()
            return "250 OK"

        inbox.after_data = take_and_kill
        assert sender.end() == -signal.SIGKILL
    inbox.after_data = lambda envelope: "250 OK"
    for minutes in (1, LEASE_MINUTES, 2 * LEASE_MINUTES):
        with together(1, work, environ, "send", minutes) as [sender]:
            assert sender.end() == 0
    assert len(inbox.mails) == 2
    assert len({mail.message_id for mail in inbox.mails}) == 1


def test_a_slow_servers_mail_stays_its_senders(
    desk: tuple[dict[str, str], Inbox], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease ends long before the server answers, but its sender lives and renews it."""
    environ, inbox = desk
    monkeypatch.setattr(delivery, "LEASE", timedelta(seconds=4))
    monkeypatch.setattr(delivery, "RENEW_SECONDS", 0.5)
    queue(1)
    began = time.monotonic()

    def answer_late(envelope: Envelope) -> str:
        time.sleep(4.1)
        with together(1, work, environ, "send", 0) as [other]:
            assert other.end() == 0
        return "250 OK"

    inbox.after_data = answer_late
    assert delivery.send_due() == delivery.Round(sent=1)
    assert len(inbox.mails) == 1
    assert time.monotonic() - began > 4

"""A worker dies by SIGKILL at each of its steps, one after the other: nothing is lost.

Nothing is done twice either, but one: a mail that the server had taken (its 250 was read) and that
was not yet marked. It goes out again, with the same Message-ID.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.core.db import begin_write, close_session, db
from app.mail import outbox, receiving
from app.mail.models import InboundEmail, InboundState, OutboundEmail, OutboundState
from app.sla.models import EscalationKind, SlaEscalation, SlaPolicy
from app.tickets import clocks
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Attachment, Comment, SlaClock, Ticket
from app.tickets.words import EventKind, Priority
from tests.factories import make_agent, make_ticket
from tests.faults.mortal import ACCEPTED, COMMITTED
from tests.mail.smtp import Inbox, smtp_server
from tests.own_desk import own_desk

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)  # every lease of the dead is over
MOST_STEPS = 300
MAIL = """From: Ada <{name}@customer.example>
To: support@desk.example
Subject: {name}
Message-ID: <{name}@customer.example>
Content-Type: multipart/mixed; boundary=part

--part
Content-Type: text/plain

The printer is on fire.
--part
Content-Type: application/pdf
Content-Disposition: attachment; filename=picture.pdf

%PDF-1.4 {name}
--part--
"""


@dataclass
class Mortals:
    """Processes that die as they are told, on a desk whose application context is on."""

    process: subprocess.Popen[str]
    inbox: Inbox

    def order(self, job: str, now: datetime = NOW, **how: Any) -> dict[str, Any]:
        close_session()
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"job": job, "now": now.isoformat(), **how}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        close_session()
        return answer

    def die(self, job: str, step: int) -> list[str] | None:
        """Do *job* and die at *step*: the steps up to it; None where it has not so many."""
        answer = self.order(job, die_at=step)
        assert answer["status"] in (0, -signal.SIGKILL), answer
        return answer["steps"] if answer["status"] else None

    def finish(self, job: str, now: datetime = LATER) -> None:
        assert self.order(job, now)["status"] == 0


@pytest.fixture
def mortals(own_environ: dict[str, str]) -> Iterator[Mortals]:
    with smtp_server() as inbox:
        mails = {"DESKHAND_MAIL_FROM": "support@desk.example", "DESKHAND_SMTP_URL": inbox.url}
        environ = own_environ | mails
        with (
            own_desk(environ),
            subprocess.Popen(
                [sys.executable, "-m", "tests.faults.mortal"],
                env={**os.environ, **environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            yield Mortals(process, inbox)
            process.kill()


def write(statement: sa.Update) -> None:
    begin_write()
    db.session.execute(statement)
    db.session.commit()


def count(model: Any) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def deaths(mortals: Mortals, job: str, prepare: Callable[[int], object]) -> Iterator[list[str]]:
    """Prepare some work and die at the first step of it, prepare more, die at the second...

    Yields the steps that each of the dying took; the first and the last live on.
    """
    prepare(0)
    mortals.order(job, warm_up=True)
    yield [COMMITTED]
    for step in range(1, MOST_STEPS):
        prepare(step)
        taken = mortals.die(job, step)
        if taken is None:
            yield [COMMITTED]
            return
        yield taken
    raise AssertionError("there is no end to it")


@pytest.mark.requirement("X49")
def test_sending_the_outbox(mortals: Mortals) -> None:
    context = {"number": "TKT-7K2M9QXA", "subject": "Help", "recipient": "Ann", "priority": "High"}
    ids: list[str] = []

    def queue(step: int) -> None:
        # The next to die shall find a mail of its own.
        left = sa.update(OutboundEmail).where(OutboundEmail.state == OutboundState.QUEUED)
        write(left.values(due_at=LATER))
        begin_write()
        row = outbox.row("assigned", f"p{step}@x.example", context=context, now=NOW)
        outbox.queue([row])
        db.session.commit()
        ids.append(row["message_id"])

    wanted: dict[str, int] = {}  # how often each mail should arrive
    for taken in deaths(mortals, "send_outbox", queue):
        _, accepted, after = "|".join(taken).partition(ACCEPTED)
        wanted[ids[-1]] = 2 if accepted and COMMITTED not in after else 1
    assert len(wanted) > 15
    assert 2 in wanted.values()
    mortals.finish("send_outbox")
    assert set(db.session.scalars(sa.select(OutboundEmail.state))) == {OutboundState.SENT}
    assert Counter(mail.message_id for mail in mortals.inbox.mails) == wanted


@pytest.mark.requirement("R 13-2", "X11")
def test_reading_mail(mortals: Mortals) -> None:
    def store(step: int) -> None:
        left = sa.update(InboundEmail).where(InboundEmail.state == InboundState.WAITING)
        write(left.values(due_at=LATER))
        begin_write()
        receiving.store(MAIL.format(name=f"mail{step}").encode(), None, now=NOW)
        db.session.commit()

    died = sum(1 for _ in deaths(mortals, "process_mail", store))
    assert died > 30
    mortals.finish("process_mail")
    assert set(db.session.scalars(sa.select(InboundEmail.state))) == {InboundState.TICKET}
    subjects = db.session.scalars(sa.select(Ticket.subject)).all()
    assert sorted(subjects) == sorted(f"mail{step}" for step in range(died))
    # Whatever one ticket has, each has, once.
    for model in (Comment, Attachment, SlaClock, TicketEvent, DecisionRecord, TicketMessageId):
        by_ticket = sa.select(sa.func.count()).select_from(model).group_by(model.ticket_id)
        counts = db.session.scalars(by_ticket).all()
        assert (len(counts), len(set(counts))) == (died, 1), model
    answers = sa.select(OutboundEmail.ticket_id).where(OutboundEmail.kind == "auto_response")
    assert Counter(db.session.scalars(answers)) == Counter(db.session.scalars(sa.select(Ticket.id)))


@pytest.mark.requirement("X37")
def test_sweeping_clocks(mortals: Mortals) -> None:
    begin_write()
    ada = make_agent("ada@desk.example")
    for policy in db.session.scalars(sa.select(SlaPolicy)):
        policy.resolution_minutes = 100_000
        policy.escalations = [SlaEscalation(kind=EscalationKind.RAISE_PRIORITY, position=1)]
    db.session.commit()

    def breach(step: int) -> None:
        due = sa.update(SlaClock).where(SlaClock.breached_at.is_(None))
        write(due.values(retry_at=LATER))
        begin_write()
        then = NOW - timedelta(days=1)
        ticket = make_ticket(ada, assignee=ada, priority=Priority.HIGH, created_at=then)
        new = clocks.for_new_ticket(clocks.facts_of(ticket), start=then)
        db.session.add_all(SlaClock(ticket_id=ticket.id, **row) for row in new.rows)
        db.session.commit()

    died = sum(1 for _ in deaths(mortals, "sweep_sla", breach))
    assert died > 10
    mortals.finish("sweep_sla")
    kinds = Counter(db.session.scalars(sa.select(TicketEvent.kind)))
    told = (EventKind.SLA_BREACHED, EventKind.PRIORITY, EventKind.ESCALATED)
    assert {kind: kinds[kind] for kind in told} == dict.fromkeys(told, died)
    assert set(db.session.scalars(sa.select(Ticket.priority))) == {Priority.CRITICAL}
    notices = sa.select(OutboundEmail.ticket_id).where(OutboundEmail.kind == "sla_breach")
    assert Counter(db.session.scalars(notices)) == Counter(db.session.scalars(sa.select(Ticket.id)))

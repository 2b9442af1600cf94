"""What time alone brings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import LoginSession, OneTimeLink, Presence
from app.automation import housekeeping
from app.core.clock import utcnow
from app.core.db import db
from app.core.settings_store import change_setting
from app.tickets import lifecycle
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Status
from tests.factories import make_agent, make_person, make_ticket
from worker import jobs

NOW = datetime(2026, 3, 30, 9, tzinfo=UTC)
DAY = timedelta(days=1)


def resolved(days_ago: float, **columns: Any) -> Ticket:
    values = {"status": Status.RESOLVED, "resolved_at": NOW - days_ago * DAY}
    return make_ticket(**(values | columns))


@pytest.mark.parametrize(
    ("days_ago", "columns", "closed"),
    [
        (6.99, {}, False),
        (7, {}, True),
        (100, {}, True),
        (8, {"deleted_at": NOW - DAY}, False),
        (8, {"status": Status.OPEN}, False),
        (8, {"status": Status.CANCELLED}, False),
    ],
)
def test_resolved_ticket_closes_after_seven_days(app: Flask, days_ago, columns, closed) -> None:
    ticket = resolved(days_ago, **columns)
    was = ticket.status

    assert housekeeping.close_resolved(NOW) == closed

    assert ticket.status is (Status.CLOSED if closed else was)
    assert ticket.closed_at == (NOW if closed else None)


def test_closing_is_told_in_the_history(app: Flask) -> None:
    ticket = resolved(8)

    housekeeping.close_resolved(NOW)

    event = db.session.scalars(
        sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    ).one()
    assert (event.kind, event.actor_name, event.from_value, event.to_value) == (
        EventKind.STATUS,
        "Deskhand",
        "Resolved",
        "Closed",
    )


def test_days_until_closing_are_a_setting(app: Flask) -> None:
    ticket = resolved(3)
    change_setting("days_to_close", 2)
    db.session.commit()

    housekeeping.close_resolved(NOW)

    assert ticket.status is Status.CLOSED


def test_ticket_that_cannot_be_closed_holds_up_nobody(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, sound = resolved(9), resolved(8)
    change = lifecycle.change_status

    def fail(ticket: Ticket, *args: Any, **named: Any) -> None:
        if ticket.id == broken.id:
            raise RuntimeError("no")
        change(ticket, *args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "change_status", fail)
        assert housekeeping.close_resolved(NOW) == 1

    assert sound.status is Status.CLOSED
    assert housekeeping.close_resolved(NOW) == 1


def test_search_for_ripe_tickets_walks_its_index(app: Flask, statements: list[str]) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("reads the plan of SQLite")
    housekeeping.close_resolved(NOW)
    search = next(text for text in statements if "FROM ticket" in text)

    marks = ("2026-01-01", 10, 0)[: search.count("?")]
    plan = db.session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {search}", marks)

    assert "ix_ticket_resolved" in " ".join(row[3] for row in plan)


def test_old_records_go_and_young_ones_stay(app: Flask) -> None:
    ticket, person = make_ticket(), make_person()
    for days in (-1, 1):
        then = NOW + days * DAY
        row = {"person_id": person.id, "key_hash": f"{days}", "created_at": then}
        db.session.add(LoginSession(**row, last_seen_at=then, expires_at=then))
        db.session.add(OneTimeLink(**row, purpose="sign_in", expires_at=then))
        db.session.add(
            DecisionRecord(
                ticket_id=ticket.id,
                kind="sla",
                summary=f"{days}",
                created_at=NOW - 90 * DAY + days * DAY,
            )
        )
    db.session.commit()

    housekeeping.forget_old(NOW)

    assert db.session.scalars(sa.select(DecisionRecord.summary)).all() == ["1"]
    assert db.session.scalars(sa.select(LoginSession.key_hash)).all() == ["1"]
    assert db.session.scalars(sa.select(OneTimeLink.key_hash)).all() == ["1"]


def test_job_does_a_round(app: Flask) -> None:
    ticket = make_ticket(status=Status.RESOLVED, resolved_at=utcnow() - 8 * DAY)
    db.session.commit()

    jobs.housekeeping()

    assert ticket.status is Status.CLOSED


def test_one_round_does_it_all(app: Flask) -> None:
    agent = make_agent(last_active_at=NOW - timedelta(minutes=11))
    ticket = resolved(8)
    db.session.add(
        DecisionRecord(ticket_id=ticket.id, kind="sla", summary="", created_at=NOW - 91 * DAY)
    )
    db.session.commit()

    housekeeping.tidy(NOW)

    db.session.refresh(agent)
    assert agent.presence is Presence.AWAY
    assert ticket.status is Status.CLOSED
    assert db.session.scalars(sa.select(DecisionRecord)).all() == []

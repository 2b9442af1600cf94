"""What a report makes of tickets without deadlines, of those made before, and of those deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts.models import Role
from app.automation import escalation
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.clock import utcnow
from app.core.db import db
from app.sla.models import SlaPolicy
from app.tickets.words import Priority, Source
from tests.factories import make_agent
from tests.requirements.conftest import Program


@pytest.mark.requirement("R 10-2", "R 13-11", "X21", "X35", "X54", "X57")
def test_compliance_counts_what_has_a_deadline_whenever_it_was_made(api: Program) -> None:
    low = sa.update(SlaPolicy).where(SlaPolicy.name.startswith("Low"))
    db.session.execute(low.values(is_active=False))
    db.session.commit()
    boss = Program(api.client, make_agent(role=Role.SUPERVISOR))
    now = utcnow()

    def metrics() -> Any:
        days = {"start": str(now.date() - timedelta(days=1)), "end": str(now.date())}
        return boss.get("/reports", **days)["metrics"]

    def resolved(priority: Priority, **age: float) -> str:
        new = NewTicket(
            subject="All ovens are off",
            description="Since six.",
            requester=RequesterInput("johanna@backhaus.example", "Johanna Leitner"),
            source=Source.PHONE,  # so that its first response is met
            priority=priority,
        )
        number = take_in(new, now=now - timedelta(**age)).number
        db.session.commit()
        api.call("POST", f"/tickets/{number}/resolve")
        return number

    resolved(Priority.LOW, hours=0)
    assert metrics()["sla_compliance_rate"] is None, "no deadline is not a deadline that was met"
    resolved(Priority.CRITICAL, hours=1)
    assert metrics()["sla_compliance_rate"] == 1
    late = resolved(Priority.CRITICAL, days=30)  # made long before the period
    escalation.sweep(utcnow())
    found = metrics()
    assert 0 < found["sla_compliance_rate"] < 1
    assert found["resolved"] == 3
    boss.call("DELETE", f"/tickets/{late}", expect=204)
    assert (metrics()["resolved"], metrics()["sla_compliance_rate"]) == (2, 1)

"""Bells: rung after commit alone, once, and never in the way when Redis is down."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.db import begin_write, db
from app.core.jobs import Bells, Job, bells, ring
from app.core.settings_store import Setting


def test_a_bell_rings_after_the_commit_and_once(app: Flask) -> None:
    ring(Job.SEND_OUTBOX)
    assert len(bells().queue) == 0
    db.session.commit()
    ring(Job.SEND_OUTBOX)
    db.session.commit()
    assert len(bells().queue) == 1


def test_a_bell_can_ring_again_once_it_was_answered(app: Flask) -> None:
    for _ in range(2):
        ring(Job.SEND_OUTBOX)
        db.session.commit()
        bells().answered(Job.SEND_OUTBOX)
    assert len(bells().queue) == 2


def test_a_rolled_back_change_rings_nobody(app: Flask) -> None:
    db.session.add(Setting(key="x", value=1))
    ring(Job.SEND_OUTBOX)
    db.session.rollback()
    begin_write()
    db.session.commit()
    assert len(bells().queue) == 0


def test_without_redis_work_goes_on(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.extensions, "bells", Bells("redis://127.0.0.1:9/0"))
    db.session.add(Setting(key="site_name", value="Kept"))
    ring(Job.SEND_OUTBOX)
    db.session.commit()
    assert db.session.get_one(Setting, "site_name").value == "Kept"
    ready = app.test_client().get("/readyz")
    assert (ready.status_code, ready.get_json()["status"]) == (200, "degraded")

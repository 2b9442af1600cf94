"""The full-text index is merged apart from what writes to it, and finds the same as before."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask

from app.core.db import db
from app.search import upkeep
from tests.factories import make_ticket


def _segments() -> int:
    """Segments of the tickets' index: its structure record counts them (FTS5's file format)."""
    found = db.session.execute(
        sa.text("select count(distinct segid) from search_ticket_idx")
    ).scalar()
    return int(found or 0)


def _found(word: str) -> list[int]:
    match = sa.text("select rowid from search_ticket where search_ticket match :q order by rowid")
    return list(db.session.scalars(match, {"q": word}))


def test_segments_are_merged_apart_from_what_adds_them(app: Flask) -> None:
    if db.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL tends its index itself")
    ids = []
    for n in range(40):  # one transaction and so one segment each
        ids.append(make_ticket(subject=f"The impeller of pump {n} rattles").id)
        db.session.commit()
    before = _segments()
    assert before >= 40
    assert set(ids) <= set(_found("impeller"))
    upkeep.merge()
    assert _segments() < before / 4
    assert set(ids) <= set(_found("impeller"))
    check = "insert into search_ticket (search_ticket, rank) values ('integrity-check', 1)"
    db.session.execute(sa.text(check))
    db.session.rollback()


def test_there_is_an_end_to_merging(app: Flask) -> None:
    upkeep.merge()
    if db.engine.dialect.name == "sqlite":
        assert not upkeep.merge_step(db.session.connection(), "search_ticket")
    db.session.rollback()

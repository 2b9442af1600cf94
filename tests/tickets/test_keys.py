"""Links to one ticket for one person: signed, for a time, and taken back when need be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.core.clock import utcnow
from app.core.db import db
from app.tickets import keys
from app.tickets.mail_models import TicketAccess
from tests.factories import make_person, make_ticket


@pytest.fixture
def access_id(app: Flask) -> int:
    ticket = make_ticket()
    return keys.access_rows(ticket.id, [ticket.requester_id], now=utcnow())[ticket.requester_id]


def test_a_key_opens_its_own_access(access_id: int) -> None:
    access = keys.open_key(keys.link_key(access_id))
    assert access is not None
    assert access.id == access_id


def test_one_row_for_a_person_and_ticket(app: Flask) -> None:
    ticket, second = make_ticket(), make_person()
    now = utcnow()
    first = keys.access_rows(ticket.id, [ticket.requester_id, second.id], now=now)
    assert list(first) == [ticket.requester_id, second.id]
    later = keys.access_rows(ticket.id, [second.id, second.id], now=now + timedelta(days=1))
    assert later == {second.id: first[second.id]}
    rows = {row.person_id: row.expires_at for row in db.session.query(TicketAccess)}
    assert rows[ticket.requester_id] == now + timedelta(days=90)
    assert rows[second.id] == now + timedelta(days=91)
    assert keys.access_rows(ticket.id, [], now=now) == {}


def test_a_key_ends_90_days_after_the_last_mail(access_id: int) -> None:
    key, now = keys.link_key(access_id), utcnow()
    assert keys.open_key(key, now=now + timedelta(days=89))
    assert keys.open_key(key, now=now + timedelta(days=91)) is None
    access = db.session.get_one(TicketAccess, access_id)
    keys.access_rows(access.ticket_id, [access.person_id], now=now + timedelta(days=80))
    db.session.expire_all()
    assert keys.open_key(key, now=now + timedelta(days=91))


def test_a_revoked_key_stays_dead_and_the_next_one_works(access_id: int) -> None:
    now = utcnow()
    old = keys.link_key(access_id, now=now)
    access = db.session.get_one(TicketAccess, access_id)
    cookie = keys.cookie_value(access, now=now)
    keys.revoke(access.ticket_id, access.person_id, now=now + timedelta(minutes=1))
    later = now + timedelta(minutes=2)
    keys.access_rows(access.ticket_id, [access.person_id], now=later)
    db.session.expire_all()
    assert keys.open_key(old, now=later) is None
    assert keys.open_cookie(cookie, now=later) is None
    assert keys.open_key(keys.link_key(access_id, now=later), now=later)


def test_keys_and_cookies_are_not_interchangeable(access_id: int) -> None:
    access = db.session.get_one(TicketAccess, access_id)
    assert keys.open_cookie(keys.link_key(access_id), now=utcnow()) is None
    assert keys.open_key(keys.cookie_value(access, now=utcnow())) is None


def test_every_changed_character_breaks_a_key(access_id: int) -> None:
    key = keys.link_key(access_id)
    for place in range(len(key) - 1):  # the last one ends in bits that base64 does not use
        forged = key[:place] + ("A" if key[place] != "A" else "B") + key[place + 1 :]
        assert keys.open_key(forged) is None, place


@pytest.mark.parametrize("key", ["", ".", "ä", "x" * 10_000, "\ud800", "a.b.c", "W10.x", "\0"])
def test_nonsense_is_no_key(app: Flask, key: str) -> None:
    assert keys.open_key(key) is None


def test_another_installation_signs_other_keys(
    app: Flask, access_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = keys.link_key(access_id)
    monkeypatch.setitem(app.config, "SECRET_KEY", "another secret of an installation")
    assert keys.open_key(key) is None

"""Customer data from another program: asked by a worker, checked, bounded, kept for a while."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from app.core.clock import utcnow
from app.core.db import db
from app.core.outgoing import Answer
from app.core.sealing import seal
from app.core.settings_store import change_setting
from app.integrations import context, health, signing
from app.integrations.models import ContextAnswer
from tests.receiver import receiver, says

pytestmark = pytest.mark.usefixtures("app")
ASKED = {"ticket": "TKT-7K2M9QXA", "email": "anna@example.com", "name": "Anna & Co"}
SECRET = signing.make_secret()
TOLD = {
    "fields": [{"label": "Plan", "value": "Gold"}, {"label": "Orders", "value": 3}],
    "links": [{"label": "Shop", "url": "https://shop.example.com/42"}],
    "badges": [{"label": "VIP", "tone": "good"}, {"label": "New"}],
}
JSON = json.dumps(TOLD).encode()


def _use(url: str) -> None:
    change_setting("context_url", url)
    change_setting("context_secret", seal(SECRET))
    db.session.commit()


def _fetch(ticket_id: int = 1) -> ContextAnswer:
    context.want(ticket_id, ASKED, now=utcnow())
    db.session.commit()
    context.fetch_due()
    row = context.find(ticket_id)
    assert row
    return row


@pytest.mark.requirement("R 13-16", "R 13-21")
def test_it_is_asked_for_the_requester_signed_and_kept() -> None:
    with receiver(says(200, JSON)) as server:
        _use(server.url + "?desk=1")
        row = _fetch()
        [got] = server.got
        asked = {name: values[0] for name, values in parse_qs(urlsplit(got.path).query).items()}
        assert (got.method, asked) == ("GET", {"desk": "1", **ASKED})
        stamp = got.headers["webhook-timestamp"]
        signed = f"{got.headers['webhook-id']}.{stamp}.{got.path}".encode()
        assert got.headers["webhook-signature"] == signing._signature(SECRET, signed)
        assert row.answer["fields"][1] == {"label": "Orders", "value": "3"}
        assert row.answer["links"][0]["host"] == "shop.example.com"
        assert row.answer["badges"][1] == {"label": "New", "tone": "neutral"}
        assert (row.error, row.due_at) == ("", None)


def test_it_is_asked_again_when_it_is_old_or_of_another_requester() -> None:
    with receiver(says(200, JSON)) as server:
        _use(server.url)
        row, now = _fetch(), utcnow()
        assert not context.is_wanted(row, ASKED, now=now)
        assert context.is_wanted(row, ASKED, now=now + timedelta(minutes=11))
        other = {**ASKED, "email": "bob@example.com"}
        assert context.is_wanted(row, other, now=now)
        assert context.want(1, other, now=now).answer == {}  # Anna's data is not shown as Bob's


def _answer(body: bytes, status: int = 200, *, is_whole: bool = True) -> Answer:
    return Answer(status, {}, body, is_whole, 0.1)


LONG = "x" * 81
WRONG: list[Any] = [
    [],
    None,
    "text",
    {"unknown": []},
    {"fields": {}},
    {"fields": [{"label": "A", "value": {}}]},
    {"fields": [{"label": "A", "value": ["x"]}]},
    {"fields": [{"label": "A"}]},
    {"fields": [{"label": "A", "value": "b", "more": 1}]},
    {"fields": [{"label": LONG, "value": "b"}]},
    {"fields": [{"label": "A", "value": "x" * 501}]},
    {"fields": [{"label": "A", "value": "b"}] * 31},
    {"links": [{"label": "A", "url": "javascript:alert(1)"}]},
    {"links": [{"label": "A", "url": "data:text/html,x"}]},
    {"links": [{"label": "A", "url": "//evil.example"}]},
    {"links": [{"label": "A", "url": "https://user:pass@evil.example"}]},
    {"links": [{"label": "A", "url": "https://a.example/" + "x" * 2_000}]},
    {"links": [{"label": "A", "url": "https://a.example"}] * 21},
    {"badges": [{"label": "A", "tone": "purple"}]},
    {"badges": [{"label": 7}]},
    {"badges": [{"label": "A"}] * 11},
]


@pytest.mark.parametrize("told", WRONG)
def test_an_answer_that_is_not_as_agreed_is_not_shown(told: Any) -> None:
    with pytest.raises(context.Unfit):
        context._checked(_answer(json.dumps(told).encode()))


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"\xff\xfe", b"[" * 60_000, b'{"fields": ', b"1" * 10_000]
)
def test_what_is_no_json_is_not_shown(body: bytes) -> None:
    with pytest.raises(context.Unfit):
        context._checked(_answer(body))


def test_characters_that_no_database_holds_are_left_out() -> None:
    body = b'{"fields": [{"label": "A\\u0000B\\u202e", "value": "\\ud800 x\\n y"}]}'
    [field] = context._checked(_answer(body))["fields"]
    assert field == {"label": "AB", "value": "? x y"}


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://evil.example\\@shop.example/", "evil.example"),
        ("https://evil.example\\.shop.example/", "evil.example"),
        ("https://shop.example:8443/?a=@evil.example", "shop.example"),
        ("https://[2001:db8::1]/orders", "2001:db8::1"),
    ],
)
def test_the_host_beside_a_link_is_where_browsers_go(url: str, host: str) -> None:
    body = json.dumps({"links": [{"label": "Order", "url": url}]}).encode()
    [link] = context._checked(_answer(body))["links"]
    assert link["host"] == host


def test_nobody_known_is_an_answer_too() -> None:
    with receiver(says(404)) as server:
        _use(server.url)
        row = _fetch()
        assert (row.error, row.answer) == ("", {"fields": [], "links": [], "badges": []})


@pytest.mark.parametrize(
    ("manners", "error"),
    [
        (says(500), "It answered with HTTP status 500."),
        (says(302, Location="http://127.0.0.1:1/"), "It answered with HTTP status 302."),
        (says(200, b"hello"), "It did not answer with JSON."),
        ("gigabyte", "It answered more than 64 KB."),
        ("hang", "It did not answer within 1.5 seconds."),
        ("trickle_body", "Its answer broke off."),
    ],
)
def test_a_program_that_misbehaves_is_cut_off_and_told_of(
    manners: Any, error: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(manners, str) and manners != "gigabyte":
        monkeypatch.setattr(context, "ANSWER_SECONDS", 1.5)
    with receiver() as server:
        server.behave = getattr(server, manners) if isinstance(manners, str) else manners
        _use(server.url)
        began = time.monotonic()
        row = _fetch()
        assert time.monotonic() - began < 25
        assert (row.error, row.answer, row.due_at) == (error, {}, None)
        state = health.find(health.CONTEXT)
        assert state is not None
        assert (state.failures, state.error) == (1, error)


def test_an_address_inside_is_refused_when_it_is_asked() -> None:
    _use("https://127.0.0.2/")
    assert "private network" in _fetch().error


def test_an_older_answer_outlives_a_failure() -> None:
    with receiver(says(200, JSON)) as server:
        _use(server.url)
        _fetch()
        server.behave = says(500)
        row = _fetch()
        assert row.error
        assert row.answer["badges"][0]["label"] == "VIP"
        now = utcnow()
        assert not context.is_wanted(row, ASKED, now=now)  # not at once again
        assert context.is_wanted(row, ASKED, now=now + timedelta(minutes=1))


def test_a_program_that_keeps_failing_is_left_alone() -> None:
    with receiver(says(500)) as server:
        _use(server.url)
        for ticket_id in range(1, 8):
            _fetch(ticket_id)
        assert len(server.got) == 3
        row = context.find(7)
        assert row is not None
        assert "left alone for a while" in row.error
        server.behave = says(200, JSON)
        later = utcnow() + timedelta(minutes=1)
        context.want(7, ASKED, now=utcnow())
        db.session.commit()
        assert context.fetch_due(lambda: later) == 1


def test_one_that_hangs_holds_up_no_more_than_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty tickets are not twenty waits one after the other."""
    monkeypatch.setattr(context, "ANSWER_SECONDS", 0.5)
    with receiver() as server:
        server.behave = server.hang
        _use(server.url)
        for ticket_id in range(1, 21):
            context.want(ticket_id, ASKED, now=utcnow())
        db.session.commit()
        context.fetch_due()
        assert len(server.got) <= context.AT_ONCE + 2
        kept = [context.find(ticket_id) for ticket_id in range(1, 21)]
        assert all(row and row.error and row.due_at is None for row in kept)


def test_another_address_forgets_everything_and_time_does_too() -> None:
    with receiver(says(200, JSON)) as server:
        _use(server.url)
        _fetch()
        context.forget_old(utcnow() + timedelta(hours=23))
        assert context.find(1)
        context.forget_old(utcnow() + timedelta(hours=25))
        assert context.find(1) is None
        _fetch()
        context.forget_all()
        assert context.find(1) is None
        assert health.find(health.CONTEXT) is None

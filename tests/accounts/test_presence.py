"""Online, away, busy, offline."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import presence
from app.accounts.models import Person, Presence
from app.core.clock import utcnow
from app.core.db import db
from app.core.settings_store import change_setting
from tests.accounts.pages import token_of
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
MINUTES_11 = timedelta(minutes=11)


def bells(app: Flask) -> list[str]:
    """What rang, and not again."""
    queue = app.extensions["bells"].queue
    names = [job.func_name.rpartition(".")[2] for job in queue.jobs]
    app.extensions["bells"].redis.flushdb()
    return names


def test_ten_minutes_without_a_request_make_online_away(app: Flask) -> None:
    now = utcnow()
    idle = make_agent(last_active_at=now - MINUTES_11)
    awake = make_agent(last_active_at=now - timedelta(minutes=9))
    never = make_agent(last_active_at=None)
    busy = make_agent(
        last_active_at=now - MINUTES_11, presence=Presence.BUSY, presence_is_chosen=True
    )
    gone = make_agent(last_active_at=now - MINUTES_11, presence=Presence.OFFLINE)
    assert presence.sweep(now) == 2
    db.session.expire_all()
    assert [agent.presence for agent in (idle, awake, never, busy, gone)] == [
        Presence.AWAY,
        Presence.ONLINE,
        Presence.AWAY,
        Presence.BUSY,
        Presence.OFFLINE,
    ]


def test_the_minutes_are_a_setting(app: Flask) -> None:
    change_setting("minutes_to_away", 30)
    make_agent(last_active_at=utcnow() - MINUTES_11)
    db.session.flush()
    assert presence.sweep(utcnow()) == 0


@pytest.mark.requirement("X10")
def test_the_next_request_brings_an_agent_back_and_hands_tickets_out(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    agent, other = make_agent(), make_agent()
    sign_in(client, agent)
    for row in (agent, other):
        row.presence, row.last_active_at = Presence.AWAY, utcnow() - MINUTES_11
    db.session.commit()
    bells(app)
    page = client.get("/account/")
    assert "Online" in page.text
    assert (agent.presence, other.presence) == (Presence.ONLINE, Presence.AWAY)
    assert agent.last_active_at is not None
    assert utcnow() - agent.last_active_at < timedelta(minutes=1)
    assert bells(app) == ["hand_out"]
    client.get("/account/")
    assert bells(app) == []


@pytest.mark.parametrize("chosen", [Presence.BUSY, Presence.AWAY])
def test_what_was_chosen_by_hand_stays(
    client: FlaskClient, sign_in: SignIn, chosen: Presence
) -> None:
    agent = sign_in(client, make_agent()) and db.session.query(Person).one()
    data = {"presence": chosen.value, "csrf_token": token_of(client, "/account/")}
    answer = client.post("/presence", data=data | {"next": "/account/?x=1"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/account/?x=1")
    agent.last_active_at = utcnow() - MINUTES_11
    db.session.commit()
    client.get("/account/")
    db.session.expire_all()
    assert (agent.presence, agent.presence_is_chosen) == (chosen, True)
    assert client.post("/presence", data=data | {"presence": "online"}).status_code == 303
    assert (agent.presence, agent.presence_is_chosen) == (Presence.ONLINE, False)


def test_signing_out_elsewhere_leaves_who_still_works_online(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    agent = make_agent()
    sign_in(client, agent)
    elsewhere = sign_in(app.test_client(), agent)
    elsewhere.post("/logout", data={"csrf_token": token_of(elsewhere, "/account/")})
    assert agent.presence is Presence.OFFLINE
    client.get("/account/")
    assert agent.presence is Presence.ONLINE


def test_only_agents_have_presence_and_only_real_ones_are_taken(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    customer = make_person()
    sign_in(client, customer)
    token = token_of(client, "/account/")
    data = {"presence": "busy", "csrf_token": token}
    assert client.post("/presence", data=data).status_code == 403
    assert (customer.presence, customer.last_active_at) == (Presence.OFFLINE, None)
    agent = sign_in(app.test_client(), make_agent())
    token = token_of(agent, "/account/")
    for wrong in ("offline", "", "\0", "x" * 5_000, "ONLINE"):
        answer = agent.post("/presence", data={"presence": wrong, "csrf_token": token})
        assert answer.status_code == 422, wrong
    answer = agent.post(
        "/presence", data={"presence": "busy", "csrf_token": token, "next": "//evil.example"}
    )
    assert answer.headers["Location"] == "/desk/"


def test_a_request_is_noted_at_most_once_a_minute(
    client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    sign_in(client, make_agent())
    client.get("/account/")
    statements.clear()
    client.get("/account/")
    assert not [text for text in statements if text.startswith("UPDATE")]

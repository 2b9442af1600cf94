"""Two at once: real connections, real commits, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import Context
from threading import Barrier
from time import monotonic
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_migrate import upgrade

from app import create_app
from app.accounts import links, people
from app.accounts.models import LinkPurpose, Person, PersonEmail, Presence
from app.accounts.sign_in import start_session
from app.core import db as database
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.settings import load
from tests.factories import make_agent

pytestmark = pytest.mark.real_commits
AT_ONCE = 6


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[Flask]:
    """A desk on an empty database of its own."""
    app = create_app(load(own_environ))
    with app.app_context():
        upgrade()
    yield app
    with app.app_context():
        db.engine.dispose()


def at_once(desk: Flask, act: Callable[[int], Any]) -> list[Any]:
    """Call *act* in several threads, each with its own connection and transaction."""
    barrier = Barrier(AT_ONCE)

    def work(n: int) -> Any:
        with desk.app_context():
            barrier.wait()
            try:
                begin_write()
                result = act(n)
                db.session.commit()
            except Exception as error:
                result = error
            finally:
                close_session()
            return result

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda n: Context().run(work, n), range(AT_ONCE)))


@pytest.mark.requirement("R 2-2", "X12")
def test_one_address_makes_one_person(desk: Flask) -> None:
    for round_ in range(8):
        address = f"new{round_}@example.com"
        found = at_once(
            desk, lambda n, a=address: people.find_or_make(a, name=f"N{n}", now=utcnow())
        )
        assert len({person.id for person in found}) == 1
        assert sorted(person.is_new for person in found) == [False] * (AT_ONCE - 1) + [True]
    with desk.app_context():
        assert db.session.scalar(sa.select(sa.func.count(Person.id))) == 8
        assert db.session.scalar(sa.select(sa.func.count(PersonEmail.address))) == 8


def test_one_external_id_makes_one_owner(desk: Flask) -> None:
    found = at_once(
        desk,
        lambda n: people.find_or_make(f"p{n}@example.com", external_id="crm-1", now=utcnow()),
    )
    assert all(isinstance(person, people.Requester) for person in found), found
    with desk.app_context():
        owners = db.session.scalars(sa.select(Person.external_id).where(Person.external_id != ""))
        assert owners.all() == ["crm-1"]
        assert db.session.scalar(sa.select(sa.func.count(PersonEmail.address))) == AT_ONCE


def test_blanks_are_filled_once(desk: Flask) -> None:
    with desk.app_context():
        begin_write()
        person_id = people.find_or_make("ana@example.com", now=utcnow()).id
        db.session.commit()
    at_once(
        desk,
        lambda n: people.find_or_make(
            "ana@example.com", name=f"N{n}", phone=f"{n}", external_id=f"e{n}", now=utcnow()
        ),
    )
    with desk.app_context():
        ana = db.session.get_one(Person, person_id)
        assert ana.name[1:] == ana.phone == (ana.external_id or "")[1:]


def test_a_link_pressed_at_once_works_once(desk: Flask) -> None:
    with desk.app_context():
        begin_write()
        person = people.find_or_make("ana@example.com", now=utcnow())
        path = links.make(
            LinkPurpose.SIGN_IN, person_id=person.id, address=person.email, now=utcnow()
        )
        db.session.commit()
    key = path.partition("?key=")[2]

    def press(n: int) -> str:
        links.use(links.find(key, LinkPurpose.SIGN_IN, now=utcnow()), now=utcnow())
        return "used"

    results = at_once(desk, press)
    assert [r for r in results if r == "used"] == ["used"]
    assert sum(isinstance(r, links.DeadLink) for r in results) == AT_ONCE - 1, results


@pytest.mark.parametrize("own_environ", ["sqlite"], indirect=True)  # PostgreSQL has many writers
def test_reading_goes_on_while_somebody_writes_for_long(desk: Flask) -> None:
    """The note of an agent's use is left out rather than waited for."""
    with desk.test_request_context():
        begin_write()
        agent = make_agent(presence=Presence.AWAY, last_active_at=None)
        key = start_session(agent)
        agent.presence = Presence.AWAY
        db.session.commit()
    client = desk.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = key
    with desk.app_context():
        begin_write()
        db.session.execute(sa.text("select 1"))  # the only writer, from here on
        started = monotonic()
        assert Context().run(client.get, "/account/").status_code == 200
        assert monotonic() - started < database.BUSY_SECONDS
        db.session.rollback()
        assert db.session.get_one(Person, agent.id).presence is Presence.AWAY
        close_session()
    assert client.get("/account/").status_code == 200
    with desk.app_context():
        assert db.session.get_one(Person, agent.id).presence is Presence.ONLINE

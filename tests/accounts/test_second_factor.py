"""Two-step sign-in: a code of one's phone beside the password, or a code that was kept."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import invitations, links, passwords, second_factor
from app.accounts.models import LinkPurpose, Person, RecoveryCode, Role
from app.core import clock
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from tests.accounts.pages import token_of
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PASSWORD = "a long pass phrase"
PAGE = "/account/two-factor"


@pytest.fixture
def ada(app: Flask) -> Person:
    found = make_agent(
        "ada@desk.example", name="Ada", password_hash=passwords.hash_password(PASSWORD)
    )
    db.session.commit()
    return found


def turn_on(client: FlaskClient) -> tuple[str, list[str]]:
    """As the page does; the secret, and the recovery codes."""
    page = client.get(PAGE).text
    secret = re.search(r'id="key" value="([A-Z2-7 ]+)"', page)
    sealed = re.search(r'name="secret"[^>]*value="([^"]+)"', page)
    assert secret
    assert sealed
    plain = secret[1].replace(" ", "")
    data = {"csrf_token": token_of(client, PAGE), "secret": sealed[1]}
    wrong = client.post(PAGE, data=data | {"code": "000000"})
    assert wrong.status_code == 422
    assert secret[1] in wrong.text, "whoever mistypes has scanned the picture already"
    answer = client.post(PAGE, data=data | {"code": pyotp.TOTP(plain).at(utcnow())})
    assert answer.status_code == 200, answer.text
    codes = re.findall(r"<code>([a-z0-9-]+)</code>", answer.text)
    assert len(set(codes)) == 10
    return plain, codes


def first_step(client: FlaskClient) -> None:
    data = {"csrf_token": token_of(client, "/login"), "email": "ada@desk.example"}
    answer = client.post("/login?next=/desk/", data=data | {"password": PASSWORD})
    assert answer.headers["Location"] == "/login/code"
    assert client.get("/desk/").status_code == 302


def second_step(client: FlaskClient, code: str) -> int:
    data = {"csrf_token": token_of(client, "/login/code"), "code": code}
    return client.post("/login/code", data=data).status_code


def test_sign_in_asks_for_a_code_that_works_once(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    sign_in(client, ada)
    secret, _ = turn_on(client)
    assert secret not in (ada.totp_secret or "")
    used, following = (pyotp.TOTP(secret).at(utcnow() + timedelta(seconds=s)) for s in (0, 30))
    browser = app.test_client()
    first_step(browser)
    assert second_step(browser, "000000") == 422
    assert second_step(browser, used) == 422, "it was used to turn it on"
    assert second_step(browser, following) == 303
    assert browser.get("/desk/").status_code == 200
    another = app.test_client()
    first_step(another)
    assert second_step(another, following) == 422


def test_a_recovery_code_works_once_and_however_it_is_typed(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    sign_in(client, ada)
    _, codes = turn_on(client)
    assert codes[0].replace("-", "") not in str(db.session.scalars(sa.select(RecoveryCode)).all())
    browser = app.test_client()
    first_step(browser)
    assert second_step(browser, codes[0].upper().replace("-", " ")) == 303
    assert second_factor.codes_left(ada) == 9
    another = app.test_client()
    first_step(another)
    assert second_step(another, codes[0]) == 422
    assert second_step(another, codes[1]) == 303


def test_a_mailed_link_asks_for_the_code_too(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    sign_in(client, ada)
    _, codes = turn_on(client)
    path = links.make(
        LinkPurpose.SIGN_IN, person_id=ada.id, address="ada@desk.example", now=utcnow()
    )
    db.session.commit()
    browser = app.test_client()
    data = {"csrf_token": token_of(browser, path), "key": path.partition("key=")[2]}
    answer = browser.post("/login/confirmation", data=data)
    assert answer.headers["Location"] == "/login/code"
    assert browser.get("/desk/").status_code == 302
    assert second_step(browser, codes[0]) == 303
    assert browser.get("/desk/").status_code == 200


def test_an_invitation_asks_for_the_code_too(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    """A customer who has turned it on may be invited to work here."""
    ada = make_person("ada@customer.example")
    sign_in(client, ada)
    _, codes = turn_on(client)
    invitations.invite(
        "ada@customer.example", name="Ada", role=Role.AGENT, by=make_agent(), now=utcnow()
    )
    path = links.make(
        LinkPurpose.INVITATION, person_id=ada.id, address="ada@customer.example", now=utcnow()
    )
    db.session.commit()
    browser = app.test_client()
    data = {"csrf_token": token_of(browser, path), "key": path.partition("key=")[2]}
    answer = browser.post("/invitation", data=data | {"name": "Ada", "password": PASSWORD})
    assert answer.headers["Location"] == "/login/code"
    assert browser.get("/desk/").status_code == 302
    assert second_step(browser, codes[0]) == 303
    assert browser.get("/desk/").status_code == 200


def test_the_first_step_is_forgotten_after_ten_minutes(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in(client, ada)
    _, codes = turn_on(client)
    browser = app.test_client()
    first_step(browser)
    data = {"csrf_token": token_of(browser, "/login/code"), "code": codes[0]}
    with browser.session_transaction() as session:
        person_id, since, then = session["second_factor"].split(" ")
        session["second_factor"] = f"{person_id} {int(since) - 601} {then}"
    assert browser.post("/login/code", data=data).headers["Location"] == "/login"
    assert second_factor.codes_left(ada) == 10
    assert app.test_client().get("/login/code").headers["Location"] == "/login"


def test_it_is_turned_off_by_a_code_alone_and_both_are_written_down(
    client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    sign_in(client, ada)
    _, codes = turn_on(client)
    data = {"csrf_token": token_of(client, PAGE)}
    assert client.post(f"{PAGE}/removal", data=data | {"code": "x"}).status_code == 422
    assert ada.totp_secret is not None
    renewed = client.post(f"{PAGE}/recovery-codes", data=data | {"code": codes[0]})
    fresh = re.findall(r"<code>([a-z0-9-]+)</code>", renewed.text)
    assert client.post(f"{PAGE}/removal", data=data | {"code": codes[1]}).status_code == 422
    assert client.post(f"{PAGE}/removal", data=data | {"code": fresh[0]}).status_code == 303
    assert ada.totp_secret is None
    found = db.session.scalars(sa.select(AuditEntry.action).order_by(AuditEntry.id)).all()
    assert found == ["turned on", "turned off"]


def test_turning_it_on_ends_all_other_sessions(
    app: Flask, client: FlaskClient, ada: Person, sign_in: SignIn
) -> None:
    other = sign_in(app.test_client(), ada)
    sign_in(client, ada)
    turn_on(client)
    assert other.get("/desk/").status_code == 302
    assert client.get("/desk/").status_code == 200


@pytest.mark.parametrize("seconds", [-90, -60, 60, 90])
def test_a_clock_may_be_off_by_half_a_minute_and_no_more(ada: Person, seconds: int) -> None:
    secret, now = second_factor.new_secret(), clock.utcnow()
    code = pyotp.TOTP(secret).at(now + timedelta(seconds=seconds))
    with pytest.raises(Invalid):
        second_factor.turn_on(ada, secret, code, by=ada, now=now)
    near = pyotp.TOTP(secret).at(now + timedelta(seconds=30 if seconds > 0 else -30))
    second_factor.turn_on(ada, secret, near, by=ada, now=now)

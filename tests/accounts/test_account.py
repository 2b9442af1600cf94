"""One's own page, and API tokens."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import passwords, tokens
from app.accounts.account_routes import browser_name
from app.accounts.models import ApiToken, Person
from app.core.clock import utcnow
from app.core.db import db
from tests.accounts.pages import token_of
from tests.factories import make_agent, make_person

SignIn = Callable[[FlaskClient, Person], FlaskClient]
OLD, NEW = "the old password", "the new password"


def person_of(app: Flask, header: str) -> int | None:
    """Who asks with this header, as a request finds out."""
    with app.test_request_context():
        person = tokens.person_of_token(header, writes=False)
        return person.id if person else None


def test_one_changes_ones_own_profile(client: FlaskClient, sign_in: SignIn) -> None:
    ana, other = make_person(name="Ana"), make_person(name="Other")
    sign_in(client, ana)
    data = {"csrf_token": token_of(client, "/account/")}
    profile = {"name": " Ana Silva ", "language": "pt", "time_zone": "Europe/Lisbon"}
    assert client.post("/account/profile", data=data | profile).status_code == 303
    assert (ana.name, ana.language, ana.time_zone) == ("Ana Silva", "pt", "Europe/Lisbon")
    assert other.name == "Other"
    assert "Saved." in client.get("/account/").text
    for wrong in (
        {"name": ""},
        {"name": "a\0b"},
        {"name": "x" * 201},
        {"language": "tlh"},
        {"time_zone": "Mars/Base"},
        {"time_zone": "../etc/passwd"},
    ):
        answer = client.post("/account/profile", data=data | profile | wrong)
        assert answer.status_code == 422, wrong
        assert 'aria-invalid="true"' in answer.text
    assert ana.name == "Ana Silva"


def test_a_new_password_needs_the_old_one_and_ends_other_sessions(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    ana = make_person(password_hash=passwords.hash_password(OLD))
    sign_in(client, ana)
    elsewhere = sign_in(app.test_client(), ana)
    data = {"csrf_token": token_of(client, "/account/"), "password": NEW}
    for wrong in ({"current": NEW}, {"current": ""}, {"current": OLD, "password": "short"}):
        assert client.post("/account/password", data=data | wrong).status_code == 422
    assert passwords.matches(ana.password_hash, OLD)
    assert client.post("/account/password", data=data | {"current": OLD}).status_code == 303
    assert passwords.matches(ana.password_hash, NEW)
    assert client.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


def test_who_signed_in_by_mail_may_set_a_password(client: FlaskClient, sign_in: SignIn) -> None:
    ana = make_person()
    sign_in(client, ana)
    data = {"csrf_token": token_of(client, "/account/"), "password": NEW}
    assert client.post("/account/password", data=data).status_code == 303
    assert passwords.matches(ana.password_hash, NEW)


def test_a_token_is_shown_once_and_works_until_revoked(
    app: Flask, client: FlaskClient, sign_in: SignIn
) -> None:
    agent, other = make_agent(), make_agent()
    sign_in(client, agent)
    data = {"csrf_token": token_of(client, "/account/")}
    page = client.post("/account/tokens", data=data | {"label": "Nightly report"}).text
    [token] = re.findall(r"dsk_[\w-]{43}", page)
    assert token not in client.get("/account/").text
    row = db.session.scalars(sa.select(ApiToken)).one()
    assert (row.name, row.person_id) == ("Nightly report", agent.id)
    assert token not in row.key_hash

    assert person_of(app, f"Bearer {token}") == agent.id
    assert person_of(app, f"bearer  {token} ") == agent.id
    for wrong in ("", token, f"Basic {token}", f"Bearer {token}x", "Bearer", "Bearer \ud800"):
        assert person_of(app, wrong) is None

    stranger = sign_in(app.test_client(), other)
    theirs = {"csrf_token": token_of(stranger, "/account/")}
    path = f"/account/tokens/{row.id}/revocation"
    assert stranger.post(path, data=theirs).status_code == 404
    assert person_of(app, f"Bearer {token}") == agent.id
    assert client.post(path, data=data).status_code == 303
    assert person_of(app, f"Bearer {token}") is None
    assert client.post(path, data=data).status_code == 404


def test_an_expired_token_and_a_former_agents_are_useless(app: Flask) -> None:
    agent, former = make_agent(), make_agent()
    now = utcnow()
    expired = tokens.make_token(agent, "a", now=now, expires_at=now - timedelta(seconds=1))
    lasting = tokens.make_token(agent, "b", now=now, expires_at=now + timedelta(hours=1))
    orphaned = tokens.make_token(former, "c", now=now)
    former.is_active = False
    db.session.commit()
    found = [person_of(app, f"Bearer {token}") for token in (expired, lasting, orphaned)]
    assert found == [None, agent.id, None]


def test_customers_make_no_tokens(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_person())
    page = client.get("/account/").text
    assert "API tokens" not in page
    data = {"csrf_token": token_of(client, "/account/"), "label": "x"}
    assert client.post("/account/tokens", data=data).status_code == 403
    assert db.session.scalars(sa.select(ApiToken)).all() == []


def test_the_page_takes_few_statements_however_many_sessions(
    app: Flask, client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    ana = make_person()
    sign_in(client, ana)
    client.get("/account/")
    statements.clear()
    client.get("/account/")
    few = len(statements)
    for _ in range(60):
        sign_in(app.test_client(), ana)
    statements.clear()
    page = client.get("/account/").text
    assert len(statements) == few <= 4
    assert page.count("/revocation") == 50  # 49 others are listed, and one button for all


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0",
            "Firefox on Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 "
            "Safari/537.36 Edg/142.0",
            "Edge on Windows",
        ),
        ("Mozilla/5.0 (Linux; Android 15) Chrome/142.0 Mobile Safari/537.36", "Chrome on Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Safari/604.1", "Safari on iPhone"),
        ("curl/8.0", "A browser"),
        ("", "A browser"),
    ],
)
def test_browsers_are_named(user_agent: str, name: str) -> None:
    assert browser_name(user_agent) == name

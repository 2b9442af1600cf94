"""Signing in and out, and who is signed in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import passwords, sign_in
from app.accounts.models import LoginSession, Person, Presence
from app.core.clock import utcnow
from app.core.db import db
from tests.accounts.pages import token_of
from tests.factories import make_agent, make_person

PASSWORD = "correct horse battery"
SignIn = Callable[[FlaskClient, Person], FlaskClient]


def make_known(email: str = "ana@example.com", **columns: object) -> Person:
    """A customer with a password."""
    person = make_person(email, password_hash=passwords.hash_password(PASSWORD), **columns)
    db.session.commit()
    return person


def try_password(
    client: FlaskClient, email: str, password: str = PASSWORD, *, then: str = ""
) -> tuple[int, str]:
    """Post the sign-in form; status and where it sends us, or the page."""
    data = {"email": email, "password": password, "csrf_token": token_of(client, "/login")}
    answer = client.post("/login", data=data | ({"next": then} if then else {}))
    return answer.status_code, answer.headers.get("Location") or answer.text


def sessions() -> list[LoginSession]:
    """All rows, fresh."""
    db.session.expire_all()
    return list(db.session.scalars(sa.select(LoginSession).order_by(LoginSession.id)))


def test_a_right_password_signs_in(client: FlaskClient) -> None:
    person = make_known()
    assert person.password_hash is not None
    assert person.password_hash.startswith("$argon2id$")
    assert try_password(client, "ANA@Example.com ") == (303, "/tickets")
    assert client.get("/account/").status_code == 200
    with client.session_transaction() as cookie:
        key = cookie["_user_id"]
    [row] = sessions()
    assert row.person_id == person.id
    assert row.key_hash == sign_in.key_hash(key) != key


@pytest.mark.requirement("R 1-5")
def test_an_agent_is_online_by_signing_in_and_offline_by_signing_out(client: FlaskClient) -> None:
    agent = make_agent(
        "priya@desk.example",
        presence=Presence.OFFLINE,
        password_hash=passwords.hash_password(PASSWORD),
    )
    db.session.commit()
    assert try_password(client, "priya@desk.example") == (303, "/desk/")
    db.session.refresh(agent)
    assert agent.presence is Presence.ONLINE
    token = token_of(client, "/account/")
    assert client.post("/logout", data={"csrf_token": token}).headers["Location"] == "/login"
    db.session.refresh(agent)
    assert agent.presence is Presence.OFFLINE
    assert sessions() == []
    assert client.get("/account/").headers["Location"] == "/login?next=%2Faccount%2F"


def test_unknown_people_and_wrong_passwords_look_the_same(client: FlaskClient) -> None:
    make_known()
    make_known("gone@example.com", is_active=False)
    make_person("link-only@example.com")
    db.session.commit()
    answers = {
        try_password(client, email, password)[0]
        for email, password in (
            ("ana@example.com", "wrong"),
            ("stranger@example.com", PASSWORD),
            ("gone@example.com", PASSWORD),
            ("link-only@example.com", PASSWORD),
        )
    }
    assert answers == {422}
    assert "do not go together" in try_password(client, "stranger@example.com")[1]
    assert sessions() == []


def test_an_old_hash_is_made_anew(client: FlaskClient) -> None:
    from argon2 import PasswordHasher

    person = make_known()
    person.password_hash = PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)
    db.session.commit()
    assert try_password(client, "ana@example.com")[0] == 303
    db.session.refresh(person)
    assert person.password_hash is not None
    assert not passwords.needs_rehash(person.password_hash)
    assert passwords.matches(person.password_hash, PASSWORD)


@pytest.mark.parametrize(
    "path",
    [
        *("//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example"),
        *("tickets", "javascript:alert(1)", "/\n//evil.example", "\\/evil.example"),
        "/" + "x" * 3_000,
    ],
)
def test_signing_in_never_sends_people_away(client: FlaskClient, path: str) -> None:
    make_known()
    assert try_password(client, "ana@example.com", then=path) == (303, "/tickets")


def test_signing_in_goes_back_to_where_one_was(client: FlaskClient) -> None:
    make_known()
    assert client.get("/account/?a=1&b=2").headers["Location"] == (
        "/login?next=%2Faccount%2F%3Fa%3D1%26b%3D2"
    )
    page = client.get("/login?next=/account/%3Fa%3D1").text
    assert 'name="next" type="hidden" value="/account/?a=1"' in page
    assert try_password(client, "ana@example.com", then="/account/?a=1") == (303, "/account/?a=1")


def test_htmx_is_told_to_go_to_the_sign_in_page(htmx: FlaskClient) -> None:
    answer = htmx.get("/account/", headers={"HX-Current-URL": "http://localhost/desk/?view=mine"})
    assert answer.status_code == 401
    assert answer.headers["HX-Redirect"] == "/login?next=%2Fdesk%2F%3Fview%3Dmine"
    evil = htmx.get("/account/", headers={"HX-Current-URL": "http://localhost//evil.example"})
    assert evil.headers["HX-Redirect"] == "/login"


def test_a_session_ended_elsewhere_ends_at_once(app: Flask, sign_in: SignIn) -> None:
    person = make_known()
    first, second = (sign_in(app.test_client(), person) for _ in range(2))
    other = sign_in(app.test_client(), make_known("other@example.com"))
    mine = sessions()[0].id
    token = token_of(second, "/account/")
    assert (
        other.post(
            f"/account/sessions/{mine}/revocation",
            data={"csrf_token": token_of(other, "/account/")},
        ).status_code
        == 404
    )
    assert first.get("/account/").status_code == 200
    answer = second.post(f"/account/sessions/{mine}/revocation", data={"csrf_token": token})
    assert answer.status_code == 303
    assert first.get("/account/").status_code == 302
    assert second.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 200


def test_all_other_sessions_end_with_one_button(app: Flask, sign_in: SignIn) -> None:
    person = make_known()
    others = [sign_in(app.test_client(), person) for _ in range(2)]
    stranger = sign_in(app.test_client(), make_known("other@example.com"))
    mine = sign_in(app.test_client(), person)
    token = token_of(mine, "/account/")
    mine.post("/account/sessions/revocation", data={"csrf_token": token})
    assert [c.get("/account/").status_code for c in (*others, mine, stranger)] == [
        302,
        302,
        200,
        200,
    ]


def test_a_session_ends_after_thirty_days_without_a_request(
    client: FlaskClient, sign_in: SignIn
) -> None:
    sign_in(client, make_known())
    assert client.get("/account/").status_code == 200
    [row] = sessions()
    row.expires_at = utcnow() - timedelta(seconds=1)
    db.session.commit()
    assert client.get("/account/").status_code == 302


def test_a_request_moves_the_end_of_its_session_once_a_minute(
    client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    sign_in(client, make_known())
    [row] = sessions()
    row.last_seen_at = utcnow() - timedelta(days=29)
    row.expires_at = utcnow() + timedelta(days=1)
    db.session.commit()
    client.get("/account/")
    [row] = sessions()
    assert row.expires_at > utcnow() + timedelta(days=29)
    statements.clear()
    client.get("/account/")
    assert not [s for s in statements if s.startswith("UPDATE")]


def test_who_stopped_working_here_is_out_at_once(client: FlaskClient, sign_in: SignIn) -> None:
    person = make_known()
    sign_in(client, person)
    person.is_active = False
    db.session.commit()
    assert client.get("/account/").status_code == 302


def test_signing_in_and_reading_do_not_rewrite_the_cookie(client: FlaskClient) -> None:
    make_known()
    try_password(client, "ana@example.com")
    token_of(client, "/account/")
    answer = client.get("/account/", headers={"User-Agent": "Another/1.0"})
    assert "Set-Cookie" not in answer.headers


def test_knowing_the_viewer_takes_one_statement(
    app: Flask, client: FlaskClient, sign_in: SignIn, statements: list[str]
) -> None:
    sign_in(client, make_known())
    client.get("/account/")
    statements.clear()
    client.get("/login")  # sends on whoever is signed in
    assert len(statements) == 1


def test_forged_keys_sign_nobody_in(client: FlaskClient) -> None:
    make_known()
    for key in ("", "x", "1", 1, None, "\ud800", "x" * 4_000):
        with client.session_transaction() as cookie:
            cookie["_user_id"] = key
        assert client.get("/account/").status_code == 302

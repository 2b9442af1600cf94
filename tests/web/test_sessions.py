"""Kept cookies: as good as checking each time, and nobody shares a session."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

from app.web import sessions
from app.web.sessions import Sessions
from tests.accounts.pages import token_of


@pytest.fixture
def cookies(app: Flask) -> Any:
    """Sign a session; then open it from the cookie that it became."""
    kept = Sessions()

    class Cookies:
        def sign(self, **values: Any) -> str:
            serializer = kept.get_signing_serializer(app)
            assert serializer is not None
            return str(serializer.dumps(values))

        def open(self, value: str) -> dict[str, Any]:
            builder = EnvironBuilder(headers={"Cookie": f"deskhand={value}"})
            opened = kept.open_session(app, app.request_class(builder.get_environ()))
            assert opened is not None
            return opened

    return Cookies()


def test_a_cookie_opens_again_and_again(cookies: Any) -> None:
    value = cookies.sign(_user_id="key", _fresh=True)
    assert cookies.open(value) == cookies.open(value) == {"_user_id": "key", "_fresh": True}


def test_a_request_changes_its_own_session_only(cookies: Any) -> None:
    value = cookies.sign(_user_id="key")
    first = cookies.open(value)
    first["_user_id"] = "other"
    assert cookies.open(value) == {"_user_id": "key"}
    nested = cookies.sign(_flashes=[["success", "Saved"]])
    cookies.open(nested)["_flashes"].clear()
    assert cookies.open(nested) == {"_flashes": [["success", "Saved"]]}


def test_a_forged_cookie_opens_nothing(cookies: Any) -> None:
    value = cookies.sign(_user_id="key")
    cookies.open(value)
    start, sign, signature = value.rpartition(".")
    forged = start + sign + signature[::-1]  # its last letter alone has bits that mean nothing
    assert cookies.open(forged) == {}
    assert cookies.open("") == {}


def test_an_old_cookie_opens_nothing(
    app: Flask, cookies: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = cookies.sign(_user_id="key")
    assert cookies.open(value) == {"_user_id": "key"}
    later = sessions.time.time() + app.permanent_session_lifetime.total_seconds() + 60
    monkeypatch.setattr(sessions.time, "time", lambda: later)
    assert cookies.open(value) == {}


def test_few_cookies_are_kept(cookies: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "MOST", 3)
    values = [cookies.sign(_user_id=str(n)) for n in range(9)]
    assert [cookies.open(value)["_user_id"] for value in values] == [str(n) for n in range(9)]


def test_the_form_token_is_the_session_s(app: Flask, client: FlaskClient) -> None:
    token = token_of(client, "/login")
    assert token_of(client, "/tickets/new") == token
    assert token_of(app.test_client(), "/login") != token

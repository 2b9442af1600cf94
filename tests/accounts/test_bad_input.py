"""Whatever is sent to a form of accounts, the answer is 4xx and never 500."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import links, passwords
from app.accounts.models import LinkPurpose, Person
from app.core.clock import utcnow
from app.core.db import db
from tests.accounts.pages import token_of
from tests.factories import make_agent

SignIn = Callable[[FlaskClient, Person], FlaskClient]

BAD = {
    "nul": "a\0b@x.example",
    "lone surrogate": b"a\xed\xa0\x80@x.example",
    "not UTF-8": b"\xff\xfe",
    "line ends": "a\r\nBcc: x@y.example",
    "huge": "x" * 1_000_000,
    "empty": "",
    "right to left": "\u202eevil",
}
# Any characters make a password, if there are enough.
ANY_PASSWORD = (BAD["nul"], BAD["lone surrogate"], BAD["line ends"])
PUBLIC = {
    "/login": ("/login", ("email", "password")),
    "/login/link": ("/login/link", ("email",)),
    "/password-reset": ("/password-reset", ("email",)),
}
OWN = {
    "/account/profile": ("name", "language", "time_zone"),
    "/account/password": ("current", "password"),
    "/account/tokens": ("label",),
    "/presence": ("presence",),
}


def is_refused(answer: TestResponse, value: str | bytes) -> bool:
    """422, or, for bytes that are no text, any answer: Werkzeug reads them as "%FF"."""
    return answer.status_code == 422 or (isinstance(value, bytes) and answer.status_code < 500)


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
@pytest.mark.parametrize("page", PUBLIC)
def test_public_forms(client: FlaskClient, page: str, value: str | bytes) -> None:
    path, fields = PUBLIC[page]
    token = token_of(client, page)
    data = {"csrf_token": token, "email": "a@x.example", "password": "wrong"}
    assert is_refused(client.post(path, data=data | {"email": value}), value)
    for field in fields:
        repeated = {**data, field: [value, value]}
        assert is_refused(client.post(path, data=repeated), value)


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
@pytest.mark.parametrize("path", OWN)
def test_ones_own_forms(
    client: FlaskClient, sign_in: SignIn, path: str, value: str | bytes
) -> None:
    agent = make_agent(password_hash=passwords.hash_password("the old password"))
    sign_in(client, agent)
    right = {
        "csrf_token": token_of(client, "/account/"),
        "name": "Priya",
        "language": "en",
        "time_zone": "",
        "current": "the old password",
        "label": "x",
    }
    for field in OWN[path]:
        if field == "time_zone" and value == "":
            continue  # the desk's own
        if field == "password" and value in ANY_PASSWORD:
            continue
        answer = client.post(path, data=right | {field: value})
        assert is_refused(answer, value), (field, answer.status_code)


@pytest.mark.parametrize("value", BAD.values(), ids=BAD)
@pytest.mark.parametrize("purpose", [LinkPurpose.INVITATION, LinkPurpose.FIRST_ADMIN])
def test_forms_behind_links(client: FlaskClient, purpose: LinkPurpose, value: str | bytes) -> None:
    invited = None
    if purpose is LinkPurpose.INVITATION:
        invited = make_agent("p@desk.example").id
    address = "p@desk.example" if invited else ""
    path = links.make(purpose, person_id=invited, address=address, now=utcnow())
    db.session.commit()
    page, _, key = path.partition("?key=")
    right = {"csrf_token": token_of(client, path), "key": key, "name": "Priya"}
    right |= {"email": "a@x.example", "password": "a fine password"}
    for field in ("name", "password", *(() if invited else ("email",))):
        if field == "password" and value in ANY_PASSWORD:
            continue
        if isinstance(value, bytes):
            continue  # read as "%FF" it is a name like any other, and uses the link up
        answer = client.post(page, data=right | {field: value})
        assert is_refused(answer, value), (field, answer.status_code)
    assert client.post(page, data=right | {"key": value}).status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "9" * 30, "2147483648", "1.5", "x", "%00"])
@pytest.mark.parametrize("thing", ["sessions", "tokens"])
def test_numbers_in_paths(client: FlaskClient, sign_in: SignIn, thing: str, number: str) -> None:
    sign_in(client, make_agent())
    data = {"csrf_token": token_of(client, "/account/")}
    assert client.post(f"/account/{thing}/{number}/revocation", data=data).status_code == 404


def test_every_form_wants_its_token(app: Flask, sign_in: SignIn) -> None:
    agent = sign_in(app.test_client(), make_agent())
    rules = [r for r in app.url_map.iter_rules() if r.endpoint.startswith("account")]
    posts = [r.rule for r in rules if "POST" in (r.methods or ())]
    assert len(posts) >= 13
    for path in posts:
        path = path.replace("<int(max=2147483647):session_id>", "1")
        path = path.replace("<int(max=2147483647):token_id>", "1")
        assert agent.post(path, data={}).status_code == 400, path
        assert agent.get(path).status_code in (200, 302, 404, 405), path


def test_headers(client: FlaskClient, sign_in: SignIn) -> None:
    sign_in(client, make_agent())
    odd = {"User-Agent": "\xff" * 5_000, "X-Forwarded-For": "nonsense, \xff", "HX-Request": "x"}
    assert client.get("/account/", headers=odd).status_code == 200
    client.delete_cookie("deskhand")
    assert client.get("/account/", headers=odd | {"HX-Current-URL": "http://["}).status_code == 401
    client.set_cookie("deskhand", "x" * 3_000)
    assert client.get("/account/").status_code == 302

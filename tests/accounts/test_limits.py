"""Rate limits really limit, over all processes, and without Redis too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_migrate import upgrade

from app import create_app
from app.accounts import invitations, passwords
from app.accounts.models import Role
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.extensions import limiter
from app.settings import load
from app.web import limits
from tests import servers
from tests.accounts.pages import token_of

pytestmark = pytest.mark.real_commits
PASSWORD = "correct horse battery"


def make_app(folder: Path, redis_url: str) -> Flask:
    """A desk with limits on, and one person."""
    environ = {
        "DESKHAND_DATA_DIR": str(folder),
        "DESKHAND_REDIS_URL": redis_url,
        "DESKHAND_LOG_LEVEL": "ERROR",
        "DESKHAND_TRUSTED_PROXIES": "1",
    }
    app = create_app(load(environ))
    with app.app_context():
        upgrade()
        begin_write()
        invitations.make_person(
            "ana@example.com",
            name="Ana",
            role=Role.CUSTOMER,
            password_hash=passwords.hash_password(PASSWORD),
            now=utcnow(),
        )
        db.session.commit()
    app.extensions["bells"]._down_until = float("inf")  # no worker is wanted here
    return app


@pytest.fixture(params=["redis", "no redis"])
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """That desk, with a real Redis and with one that is down."""
    down = f"unix://{tmp_path}/nowhere.sock"
    limiter._storage_dead = False  # of the test before: one limiter serves them all
    app = make_app(tmp_path, servers.redis_url() if request.param == "redis" else down)
    if request.param == "redis":
        app.extensions["bells"].redis.flushdb()
    yield app
    with app.app_context():
        db.engine.dispose()
    limiter.enabled = limiter._storage_dead = False


def post(
    client: FlaskClient, page: str, email: str, password: str = "", ip: str = "10.0.0.1"
) -> int:
    """Post a form; the status."""
    headers = {"X-Forwarded-For": ip}
    data = {"email": email, "password": password, "csrf_token": token_of(client, page)}
    return client.post(page, data=data, headers=headers).status_code


def test_failed_sign_ins_are_limited_by_address_whoever_tries(limited: Flask) -> None:
    client = limited.test_client()
    for n in range(10):
        assert post(client, "/login", "Ana@example.com", "wrong", f"10.0.{n}.1") == 422
    headers = {"X-Forwarded-For": "10.9.9.9"}
    data = {"email": "ana@EXAMPLE.com", "password": PASSWORD}
    data["csrf_token"] = token_of(client, "/login")
    refused = client.post("/login", data=data, headers=headers)
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 60
    assert "Too many tries" in refused.text
    for written in ("ana@ｅｘａｍｐｌｅ.com", '"ana"@example.com', " ana@EXAMPLE.com "):
        assert post(client, "/login", written, PASSWORD, "10.9.9.9") == 429
    assert post(client, "/login", "bo@example.com", "wrong", "10.9.9.9") == 422


def test_signing_in_rightly_never_counts(limited: Flask) -> None:
    for _ in range(12):
        assert post(limited.test_client(), "/login", "ana@example.com", PASSWORD) == 303


def test_failed_sign_ins_are_limited_by_network(limited: Flask) -> None:
    client = limited.test_client()
    # The last 64 bits of an IPv6 address are the customer's own: they are one network.
    for n in range(50):
        assert post(client, "/login", f"p{n}@example.com", "wrong", f"2001:db8:1:2::{n:x}") == 422
    assert post(client, "/login", "x@example.com", "wrong", "2001:db8:1:2:ffff::1") == 429
    assert post(client, "/login", "x@example.com", "wrong", "2001:db8:1:3::1") == 422


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # on a socket for both: else one locks all others out
        ("2001:db8:1:2::9", "2001:0db8:0001:0002"),
    ],
)
def test_limits_count_an_ipv4_address_or_an_ipv6_network(address: str, counted: str) -> None:
    with Flask("desk").test_request_context(environ_base={"REMOTE_ADDR": address}):
        assert limits.network() == counted


def test_nobody_tries_passwords_in_a_browser_that_is_signed_in(limited: Flask) -> None:
    client = limited.test_client()
    assert post(client, "/login", "ana@example.com", PASSWORD) == 303

    def tries(n: int, current: str) -> int:
        data = {"current": current, "password": "a quite new password"}
        data["csrf_token"] = token_of(client, "/account/")
        headers = {"X-Forwarded-For": f"10.0.{n}.1"}
        return client.post("/account/password", data=data, headers=headers).status_code

    assert [tries(n, "wrong") for n in range(11)] == [422] * 10 + [429]
    assert tries(12, PASSWORD) == 429


@pytest.mark.parametrize("page", ["/login/link", "/password-reset"])
def test_mails_that_anybody_can_ask_for_are_limited(limited: Flask, page: str) -> None:
    client = limited.test_client()
    for email in ("ana@example.com", "nobody@example.com"):  # known or not: the same
        answers = [post(client, page, email, ip=f"10.0.{n}.1") for n in range(6)]
        assert answers == [200] * 5 + [429]


def test_every_limit_can_be_read() -> None:
    from limits import parse

    names = [name for name in vars(limits) if name.endswith(("_BY_IP", "_BY_ADDRESS"))]
    assert len(names) >= 7
    assert all(parse(getattr(limits, name)).amount > 0 for name in names)

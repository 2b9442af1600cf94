"""API tokens: what they may, for how long, and an end to them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import second_factor, tokens
from app.accounts.models import ApiToken, Person, Role
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.sealing import seal
from tests.admin.pages import post
from tests.factories import make_agent

SignIn = Callable[[FlaskClient, Person], FlaskClient]


def test_a_token_may_read_alone_and_ends(app: Flask, client: FlaskClient, ada: Person) -> None:
    data = {"label": "Report", "scope": "read", "days": "30"}
    page = post(client, "/account/tokens", data, "/account/").text
    made = re.search(r'id="made-token" value="(dsk_[^"]+)"', page)
    assert made
    headers = {"Authorization": f"Bearer {made[1]}"}
    api = app.test_client()
    assert api.get("/api/v1/tickets", headers=headers).status_code == 200
    ticket = {"subject": "x", "description": "y", "requester": {"email": "a@b.example"}}
    refused = api.post("/api/v1/tickets", headers=headers, json=ticket)
    assert (refused.status_code, refused.json["detail"]) == (
        403,
        "This token may only read. Make one that may write, too.",
    )
    row = db.session.scalars(sa.select(ApiToken)).one()
    assert row.expires_at is not None
    assert timedelta(days=29) < row.expires_at - utcnow() <= timedelta(days=30)
    for wrong in ({"scope": "all"}, {"days": "7"}):
        assert post(client, "/account/tokens", data | wrong, "/account/").status_code == 422


def test_an_admin_sees_and_ends_everybodys(app: Flask, client: FlaskClient, ada: Person) -> None:
    bob = make_agent(name="Bob")
    token = tokens.make_token(bob, "Nightly", now=utcnow())
    tokens.make_token(bob, "Expired one", now=utcnow(), expires_at=utcnow() - timedelta(days=1))
    db.session.commit()
    page = client.get("/admin/tokens").text
    assert "Nightly" in page
    assert "Expired one" not in page
    assert "Nightly" not in client.get("/admin/tokens?q=carol").text
    token_id = db.session.scalars(sa.select(ApiToken.id).where(ApiToken.name == "Nightly")).one()
    path = f"/admin/tokens/{token_id}/revocation"
    assert post(client, path, {}, "/admin/tokens").status_code == 303
    headers = {"Authorization": f"Bearer {token}"}
    assert app.test_client().get("/api/v1/tickets", headers=headers).status_code == 401
    last = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert last is not None
    assert (last.actor_name, last.action, last.thing_name) == ("Ada", "revoked", "Nightly")


def test_tokens_are_for_admins_alone(app: Flask, sign_in: SignIn) -> None:
    client = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    assert client.get("/admin/tokens").status_code == 403


def test_an_admin_lets_in_whoever_lost_the_phone(client: FlaskClient, ada: Person) -> None:
    bob = make_agent(name="Bob", totp_secret=seal(second_factor.new_secret()))
    db.session.commit()
    page = f"/admin/people/{bob.id}"
    assert post(client, f"{page}/second-factor/removal", {}, page).status_code == 303
    assert bob.totp_secret is None

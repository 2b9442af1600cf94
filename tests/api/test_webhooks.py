"""Webhooks over the API."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Role
from app.accounts.tokens import make_token
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.sealing import unseal
from app.integrations import signing
from app.integrations.models import Webhook
from tests.factories import make_agent, make_person
from tests.integrations.hooks import deliver, make_webhook
from tests.receiver import receiver, says

URL = "/api/v1/webhooks"
Headers = dict[str, str]


def _bearer(role: Role) -> Headers:
    person = make_person(role=role) if role is Role.CUSTOMER else make_agent(role=role)
    token = make_token(person, "test", now=utcnow())
    db.session.commit()
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def admin(app: Flask) -> Headers:
    return _bearer(Role.ADMIN)


@pytest.mark.requirement("R 13-16")
def test_a_webhook_is_made_tried_changed_and_deleted(client: FlaskClient, admin: Headers) -> None:
    with receiver(says(200, b"thanks")) as server:
        body = {"name": "Shop", "url": server.url, "events": ["ticket.created"]}
        made = client.post(URL, json=body, headers=admin)
        assert made.status_code == 201, made.json
        assert "secret" not in made.json
        one = made.headers["Location"]
        shown = client.get(one, headers=admin).json
        assert shown == made.json
        assert shown.items() >= {**body, "is_active": True, "failures": 0}.items()

        answer = client.post(f"{one}/secret", headers=admin)
        hook = db.session.scalars(sa.select(Webhook)).one()
        assert unseal(hook.secret) == answer.json["secret"]

        sent = client.post(f"{one}/test", headers=admin)
        assert sent.status_code == 202
        assert deliver().delivered == 1
        [row] = client.get(f"{one}/deliveries", headers=admin).json["deliveries"]
        assert row["message_id"] == sent.json["message_id"]
        assert (row["state"], row["status"], row["answer"]) == ("delivered", 200, "thanks")
        again = client.post(f"{one}/deliveries/{row['id']}/resend", headers=admin)
        assert again.json == sent.json
        assert deliver().delivered == 1

        changed = client.patch(one, json={"is_active": False}, headers=admin)
        assert changed.json["is_active"] is False
        assert changed.json["url"] == server.url
        assert client.post(f"{one}/test", headers=admin).status_code == 409
        assert client.delete(one, headers=admin).status_code == 204
        assert client.get(one, headers=admin).status_code == 404
        actions = db.session.scalars(
            sa.select(AuditEntry.action).where(AuditEntry.thing == "webhook")
        )
        assert {"created", "changed", "deleted"} <= set(actions)


def test_a_secret_of_ones_own_is_taken_and_never_shown(client: FlaskClient, admin: Headers) -> None:
    secret = signing.make_secret()
    body = {"name": "x", "url": "https://example.com/", "events": ["ticket.created"]}
    made = client.post(URL, json=body | {"secret": secret}, headers=admin)
    assert unseal(db.session.scalars(sa.select(Webhook)).one().secret) == secret
    assert secret not in made.text
    assert secret not in client.get(URL, headers=admin).text
    refused = client.post(URL, json=body | {"secret": "whsec_x"}, headers=admin)
    assert (refused.status_code, refused.json["errors"][0]["field"]) == (400, "secret")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"url": "https://127.0.0.2/"}, "url"),
        ({"url": "http://[::1]/"}, "url"),
        ({"url": "nowhere"}, "url"),
        ({"events": []}, "events"),
        ({"events": ["ticket.exploded"]}, "events.0"),
        ({"events": ["note.created"]}, "events"),
        ({"name": ""}, "name"),
        ({"id": 7}, "id"),
    ],
)
def test_what_is_wrong_is_said_by_field(
    client: FlaskClient, admin: Headers, change: dict[str, object], field: str
) -> None:
    body = {"name": "x", "url": "https://example.com/", "events": ["ticket.created"]}
    answer = client.post(URL, json=body | change, headers=admin)
    assert answer.status_code == 400
    assert field in {error["field"] for error in answer.json["errors"]}


def test_deliveries_have_pages_and_states(client: FlaskClient, admin: Headers) -> None:
    hook = make_webhook("https://example.com/", ["ticket.created"])
    path = f"{URL}/{hook.id}"
    sent = [client.post(f"{path}/test", headers=admin).json["message_id"] for _ in range(5)]
    seen, cursor = [], ""
    while cursor is not None:
        page = client.get(f"{path}/deliveries?limit=2&cursor={cursor}", headers=admin).json
        seen += [row["message_id"] for row in page["deliveries"]]
        cursor = page["next_cursor"]
    assert seen == sent[::-1]
    failed = client.get(f"{path}/deliveries?state=failed", headers=admin)
    assert failed.json["deliveries"] == []
    for query in ("state=x", "cursor=x", "limit=0"):
        assert client.get(f"{path}/deliveries?{query}", headers=admin).status_code == 400


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR])
def test_only_admins_work_with_webhooks(client: FlaskClient, app: Flask, role: Role) -> None:
    hook = make_webhook("https://example.com/", ["ticket.created"])
    headers, one = _bearer(role), f"{URL}/{hook.id}"
    answers = [
        client.get(URL, headers=headers),
        client.post(URL, json={}, headers=headers),
        client.get(one, headers=headers),
        client.patch(one, json={"name": "y"}, headers=headers),
        client.delete(one, headers=headers),
        client.post(f"{one}/secret", headers=headers),
        client.post(f"{one}/test", headers=headers),
        client.get(f"{one}/deliveries", headers=headers),
        client.post(f"{one}/deliveries/1/resend", headers=headers),
    ]
    assert {answer.status_code for answer in answers} <= {400, 403}
    assert db.session.scalars(sa.select(Webhook.name)).one() == hook.name
    assert client.get(URL).status_code == 401

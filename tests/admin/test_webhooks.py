"""Webhooks and customer data, set up in the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core import cache
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.sealing import unseal
from app.core.settings_store import setting
from app.integrations import context, webhooks
from app.integrations.models import ContextAnswer, DeliveryState, Webhook
from app.tickets.words import Source
from tests.admin.pages import errors, log, post, token
from tests.factories import make_agent
from tests.integrations.hooks import deliver, make_webhook, rows
from tests.receiver import receiver, says

SignIn = Callable[[FlaskClient, Person], FlaskClient]
NEW = "/admin/webhooks/new"


@pytest.fixture
def ada(client: FlaskClient, sign_in: SignIn) -> Person:
    found = make_agent("ada@desk.example", name="Ada", role=Role.ADMIN)
    sign_in(client, found)
    return found


def _data(client: FlaskClient, url: str) -> dict[str, object]:
    """The form as a browser sends it, with the secret that it shows."""
    secret = re.search(r'name="secret"[^>]*value="(whsec_[^"]+)"', client.get(NEW).text)
    assert secret
    return {
        "name": "Warehouse",
        "url": url,
        "events": ["ticket.created", "comment.created"],
        "is_active": "y",
        "secret": secret[1],
    }


@pytest.mark.requirement("R 13-16")
def test_a_webhook_is_made_and_its_secret_shown_once(client: FlaskClient, ada: Person) -> None:
    with receiver() as server:
        data = _data(client, server.url)
        assert post(client, NEW, data).status_code == 303
        hook = db.session.scalars(sa.select(Webhook)).one()
        assert unseal(hook.secret) == data["secret"]
        assert str(data["secret"]) not in hook.secret
        page = f"/admin/webhooks/{hook.id}"
        assert str(data["secret"]) not in client.get(page).text
        assert ("Warehouse", "created", "") in {entry[:3] for entry in log()}
        assert "whsec" not in "".join(str(entry) for entry in log())

        answer = post(client, page, {"press": "secret"}, page)
        made = re.search(r'id="new-secret" value="(whsec_[^"]+)"', answer.text)
        assert made
        db.session.refresh(hook)
        assert unseal(hook.secret) == made[1]
        assert unseal(hook.old_secret) == data["secret"]
        assert made[1] not in client.get(page).text

        answer = post(client, page, {"press": "test"}, page)
        assert "A test is on its way" in answer.text
        assert deliver().delivered == 1
        assert json.loads(server.got[0].body)["type"] == "webhook.test"
        assert "webhook.test" in client.get(f"{page}/deliveries").text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "http://example.com/"}, None),  # told only when the name is resolved
        ({"url": "https://10.0.0.1/"}, "private network"),
        ({"url": "https://[::ffff:10.0.0.1]/"}, "private network"),
        ({"url": "http://169.254.169.254/latest"}, "https://"),
        ({"url": "ftp://example.com"}, "such as https://"),
        ({"url": "https://me:secret@example.com"}, "user and password"),
        ({"events": []}, "at least one"),
        ({"events": ["note.created"]}, "may have internal notes"),
        ({"secret": "whsec_short"}, "24 to 64"),
        ({"name": ""}, "Fill this in"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(
    client: FlaskClient, ada: Person, change: dict[str, object], message: str | None
) -> None:
    answer = post(client, NEW, _data(client, "https://example.com/hook") | change)
    if message is None:
        assert answer.status_code == 303
        return
    assert answer.status_code == 422
    assert message in " ".join(errors(answer))
    assert db.session.scalar(sa.select(sa.func.count(Webhook.id))) == 0


def test_a_delivery_that_failed_is_seen_and_sent_again(client: FlaskClient, ada: Person) -> None:
    with receiver(says(500, b"<b>out of order</b>")) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        new = NewTicket("Oven", "Cold", RequesterInput("a@x.example"), Source.WEB)
        number = take_in(new, now=utcnow()).number
        deliver()
        path = f"/admin/webhooks/{hook.id}/deliveries"
        page = client.get(path).text
        for told in (number, "HTTP status 500", "next try", "&lt;b&gt;out of order&lt;/b&gt;"):
            assert told in page
        assert number not in client.get(f"{path}?state=delivered").text
        assert number in client.get(f"{path}?state=waiting").text
        assert client.get(f"{path}?state=x").status_code == 422
        assert "Fails" in client.get("/admin/webhooks").text
        system = client.get("/admin/system").text
        assert "Webhooks that fail</dt>" in system, system
        assert "Needs a look" in system.partition("Webhooks that fail</dt>")[2][:300]
        server.behave = says()
        [row] = rows(hook)
        again = f"{path}/{row.id}/resend"
        assert post(client, again, {}, path).status_code == 303
        assert deliver().delivered == 1
        assert rows(hook)[0].state is DeliveryState.DELIVERED
        page = client.get(path).text
        assert "All 2 tries" in page
        assert re.search(r"HTTP status 200 in \d+ ms.*HTTP status 500 in \d+ ms", page, re.DOTALL)
        sent = sa.select(AuditEntry).where(AuditEntry.action == "sent again")
        assert db.session.scalars(sent).one().actor_name == "Ada"
        hook.is_active = False
        db.session.commit()
        assert "resend" not in client.get(path).text
        form = {"csrf_token": token(client, path)}
        assert client.post(again, data=form).status_code == 409
        assert client.post(f"{path}/999999/resend", data=form).status_code == 404


def test_one_that_was_stopped_says_why_until_it_is_in_use_again(
    client: FlaskClient, ada: Person
) -> None:
    with receiver(says(410)) as server:
        hook = make_webhook(server.url, ["ticket.created"])
        take_in(NewTicket("Oven", "Cold", RequesterInput("a@x.example"), Source.WEB), now=utcnow())
        deliver()
        assert "Stopped" in client.get("/admin/webhooks").text
        page = f"/admin/webhooks/{hook.id}"
        assert "gone for good" in client.get(page).text
        data = {"name": hook.name, "url": hook.url, "events": hook.events, "is_active": "y"}
        assert post(client, page, data).status_code == 303
        db.session.refresh(hook)
        assert (hook.is_active, hook.stopped_because) == (True, "")
        changed = [entry for entry in log() if entry[2] == "In use"]
        assert [entry[3:] for entry in changed] == [("yes", "no"), ("no", "yes")]


def test_only_admins_see_webhooks_and_customer_data(client: FlaskClient, sign_in: SignIn) -> None:
    hook = make_webhook("https://example.com/", ["ticket.created"])
    paths = [f"/admin/webhooks/{hook.id}/deliveries", "/admin/webhooks", NEW, "/admin/context"]
    for role in (Role.AGENT, Role.SUPERVISOR):
        sign_in(client, make_agent(role=role))
        assert {client.get(path).status_code for path in paths} == {403}


def test_tries_without_an_answer_say_why_and_cost_no_statement(
    client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    hook = make_webhook("https://example.com/", ["ticket.created"])
    path = f"/admin/webhooks/{hook.id}/deliveries"
    client.get(path)
    statements.clear()
    client.get(path)
    empty = len(statements)
    at = utcnow().isoformat()
    tries = [
        {"at": at, "status": None, "ms": 15_002, "error": "No answer <in> time."},
        {"at": at, "status": None, "ms": None, "error": "The ticket is gone."},
    ]
    for _ in range(3):
        webhooks.send_test(hook, now=utcnow())
    for row in rows(hook):
        row.tries = tries * 5
    db.session.commit()
    statements.clear()
    page = client.get(path).text
    assert len(statements) == empty
    assert page.count("The last 10 tries") == 3
    assert "No answer in 15,002 ms: <bdi>No answer &lt;in&gt; time.</bdi>" in page
    assert "No answer: <bdi>The ticket is gone.</bdi>" in page


def test_webhook_pages_take_few_statements(
    client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    hook = make_webhook("https://example.com/", ["ticket.created"])
    for path in (
        *("/admin/webhooks", NEW, f"/admin/webhooks/{hook.id}", "/admin/context"),
        f"/admin/webhooks/{hook.id}/deliveries",
    ):
        client.get(path)
        statements.clear()
        assert client.get(path).status_code == 200
        assert len(statements) <= 12, statements


def test_customer_data_are_tried_saved_and_forgotten_with_another_address(
    client: FlaskClient, ada: Person
) -> None:
    told = {"fields": [{"label": "Plan", "value": "<Gold>"}]}
    page = "/admin/context"
    with receiver(says(200, json.dumps(told).encode())) as server:
        shown = re.search(r'name="secret"[^>]*value="(whsec_[^"]+)"', client.get(page).text)
        assert shown
        data = {"url": server.url, "secret": shown[1]}
        tried = post(client, page, {**data, "press": "test"})
        assert "&lt;Gold&gt;" in tried.text
        assert setting("context_url") == ""
        server.behave = says(500)
        assert "HTTP status 500" in post(client, page, {**data, "press": "test"}).text
        assert post(client, page, data).status_code == 303
        cache.forget_stamp()
        assert (setting("context_url"), unseal(setting("context_secret"))) == (
            server.url,
            shown[1],
        )
        assert "whsec_" not in client.get(page).text
        assert "whsec_" not in "".join(str(entry) for entry in log())
        context.want(1, {"email": "a@x.example"}, now=utcnow())
        db.session.commit()
        assert post(client, page, {"url": "", "secret": ""}).status_code == 303
        assert db.session.scalar(sa.select(sa.func.count()).select_from(ContextAnswer)) == 0
        cache.forget_stamp()
        assert not context.is_on()
        made = post(client, page, {"press": "secret"})
        assert re.search(r'name="secret"[^>]*value="whsec_', made.text)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"url": "https://192.168.0.1/", "secret": ""}, "private network"),
        ({"url": "nothing", "secret": ""}, "such as https://"),
        ({"url": "https://example.com/", "secret": ""}, "Fill this in"),
        ({"url": "https://example.com/", "secret": "password"}, "24 to 64"),
    ],
)
def test_a_wrong_address_of_customer_data_is_refused(
    client: FlaskClient, ada: Person, data: dict[str, str], message: str
) -> None:
    answer = post(client, "/admin/context", data)
    assert answer.status_code == 422
    assert message in " ".join(errors(answer))
    assert not context.is_on()

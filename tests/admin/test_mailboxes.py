"""Mailboxes in the browser: servers, secrets that are never shown, DKIM, and trying them."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.db import db
from app.core.sealing import unseal
from app.mail.credentials import imap_accounts
from app.mail.models import Mailbox
from tests.admin.pages import errors, log, post
from tests.factories import make_mailbox

FORM: dict[str, Any] = {
    "address": "Help@shop.example",
    "name": "Shop",
    "from_name": "Shop help",
    "group": "",
    "category": "",
    "signature": "",
    "is_active": "y",
    "incoming": "imap",
    "imap_host": "imap.shop.example",
    "imap_port": "993",
    "imap_security": "tls",
    "imap_user": "help",
    "imap_auth": "password",
    "imap_password": "s3cret-in",
    "imap_folder": "INBOX",
    "imap_after": "keep",
    "smtp_host": "smtp.shop.example",
    "smtp_port": "465",
    "smtp_security": "tls",
    "smtp_user": "help@shop.example",
    "smtp_password": "s3cret/out",
    "dkim_selector": "desk1",
}


def the_mailbox() -> Mailbox:
    return db.session.scalars(
        sa.select(Mailbox).where(Mailbox.address == "help@shop.example")
    ).one()


def test_a_mailbox_is_made_and_its_secrets_are_never_shown(
    client: FlaskClient, ada: Person
) -> None:
    assert post(client, "/admin/mailboxes/new", FORM).status_code == 303
    box = the_mailbox()
    (account,) = [one for one in imap_accounts() if one.mailbox_id == box.id]
    assert (account.password, account.user) == ("s3cret-in", "help")
    assert unseal(box.smtp_url) == "smtps://help%40shop.example:s3cret%2Fout@smtp.shop.example:465"
    page = client.get(f"/admin/mailboxes/{box.id}").text
    assert "s3cret" not in page
    assert box.imap_secret not in page
    assert box.smtp_url not in page
    assert all("s3cret" not in f"{old}{new}" for _, _, _, old, new in log())


def test_secrets_stay_where_their_fields_are_left_empty(client: FlaskClient, ada: Person) -> None:
    post(client, "/admin/mailboxes/new", FORM)
    box = the_mailbox()
    path = f"/admin/mailboxes/{box.id}"
    empty = {**FORM, "name": "Shop 2", "imap_password": "", "smtp_password": ""}
    assert post(client, path, empty).status_code == 303
    assert the_mailbox().name == "Shop 2"
    assert unseal(the_mailbox().imap_secret) == "s3cret-in"
    assert "s3cret%2Fout" in unseal(the_mailbox().smtp_url)
    assert log()[-1][2:] == ("Name", "Shop", "Shop 2")


@pytest.mark.parametrize(
    "elsewhere", [{"imap_host": "imap.evil.example"}, {"smtp_host": "smtp.evil.example"}]
)
def test_a_stored_secret_goes_to_no_other_server(
    client: FlaskClient, ada: Person, elsewhere: dict[str, str]
) -> None:
    post(client, "/admin/mailboxes/new", FORM)
    path = f"/admin/mailboxes/{the_mailbox().id}"
    changed = {**FORM, "imap_password": "", "smtp_password": "", **elsewhere}
    for press in ({}, {"press": "test"}):
        answer = post(client, path, {**changed, **press})
        assert answer.status_code == 422
        assert errors(answer) == ["Enter it again: the server or the user is another one now."]
    assert "evil" not in unseal(the_mailbox().smtp_url) + the_mailbox().imap_host


def test_a_dkim_key_is_made_and_its_record_shown(client: FlaskClient, ada: Person) -> None:
    post(client, "/admin/mailboxes/new", {**FORM, "signs": "y"})
    box = the_mailbox()
    page = client.get(f"/admin/mailboxes/{box.id}").text
    assert "desk1._domainkey.shop.example" in page
    record = re.search(r"v=DKIM1; k=rsa; p=[A-Za-z0-9+/=]{300,}", page)
    assert record
    first = box.dkim_key
    post(client, f"/admin/mailboxes/{box.id}", {**FORM, "signs": "y"})
    assert the_mailbox().dkim_key == first
    post(client, f"/admin/mailboxes/{box.id}", {**FORM, "signs": "y", "dkim_selector": "desk2"})
    assert the_mailbox().dkim_key != first
    post(client, f"/admin/mailboxes/{box.id}", FORM)
    assert the_mailbox().dkim_key == ""


def test_trying_tells_each_step_and_saves_nothing(client: FlaskClient, ada: Person) -> None:
    dead = {"imap_host": "127.0.0.1", "imap_port": "1", "smtp_host": "127.0.0.1", "smtp_port": "1"}
    answer = post(client, "/admin/mailboxes/new", {**FORM, **dead, "press": "test"})
    assert "Incoming: Connection" in answer.text
    assert "Outgoing: Connection and sign-in" in answer.text
    assert answer.text.count("</b> fails") == 2
    assert "s3cret" not in answer.text
    found = sa.select(Mailbox).where(Mailbox.address == "help@shop.example")
    assert db.session.scalars(found).all() == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imap_host": ""}, "Fill this in."),
        ({"imap_host": "imap.example/path"}, "The name of a server, such as imap.example.com."),
        ({"imap_password": ""}, "Fill this in."),
        ({"imap_after": "move"}, "Fill this in."),
        ({"address": "taken@desk.example"}, "There is a mailbox of this address already."),
        ({"dkim_selector": "a.b"}, "Letters and digits."),
    ],
)
def test_what_is_wrong_stands_beside_its_field(
    client: FlaskClient, ada: Person, changes: dict[str, str], message: str
) -> None:
    make_mailbox("taken@desk.example")
    db.session.commit()
    answer = post(client, "/admin/mailboxes/new", {**FORM, **changes})
    assert answer.status_code == 422
    assert errors(answer) == [message]
    assert "Shop help" in answer.text


def test_a_mailbox_with_mail_is_paused_not_deleted(client: FlaskClient, ada: Person) -> None:
    from app.mail import mailboxes, receiving
    from tests.channels.mails import NOW, raw

    box = make_mailbox("busy@desk.example")
    db.session.commit()
    receiving.store(raw(), mailboxes.mailboxes()["busy@desk.example"], now=NOW)
    db.session.commit()
    answer = post(client, f"/admin/mailboxes/{box.id}/deletion", {"instead": ""})
    assert answer.status_code == 422
    assert "Pause it" in answer.text
    empty = make_mailbox("idle@desk.example")
    db.session.commit()
    assert post(client, f"/admin/mailboxes/{empty.id}/deletion", {"instead": ""}).status_code == 303

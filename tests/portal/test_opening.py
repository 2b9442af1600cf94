"""The form for a new ticket: guests and customers, good input and bad."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person, PersonEmail, Tier
from app.channels.models import AutoResponseTemplate
from app.core import clock
from app.core.db import db
from app.core.storage import storage
from app.mail.models import OutboundEmail
from app.portal import opening_routes
from app.tickets import keys
from app.tickets.catalog_models import Category, CustomField, Subcategory
from app.tickets.models import Attachment, Ticket
from app.tickets.words import Priority, Source
from tests.factories import category, make_person
from tests.portal.conftest import Visitor

GOOD = {
    "name": "Thabo Nkosi",
    "email": "Thabo@Example.com",
    "subject": "Charged  twice",
    "category": "billing",
    "description": "The second charge is wrong.",
}


def newest() -> Ticket:
    return db.session.scalars(sa.select(Ticket).order_by(Ticket.id.desc()).limit(1)).one()


def count() -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) or 0


def send(visitor: Visitor, **changes: Any) -> Any:
    return visitor.post("/tickets/new", **{**GOOD, **changes})


@pytest.mark.requirement("R 0-2", "R 0-27")
def test_home_and_form_are_open_to_guests(guest: Visitor) -> None:
    home = guest.get("/")
    assert home.status_code == 200
    assert "usually within 8 hours" in home.text
    form = guest.get("/tickets/new").text
    assert form.index("Not sure") < form.index("Critical: nothing works")
    for name in ("name", "email", "subject", "category", "priority", "description", "attachments"):
        assert f'name="{name}"' in form


@pytest.mark.requirement("R 0-9", "R 1-3", "R 13-7")
def test_a_guest_opens_a_ticket_and_sees_its_number_alone(guest: Visitor) -> None:
    answer = send(guest)
    assert (answer.status_code, answer.location) == (303, "/tickets/sent")
    ticket = newest()
    assert (ticket.subject, ticket.source, ticket.category.key) == (
        "Charged twice",
        Source.WEB,
        "billing",
    )
    assert ticket.priority_is_computed
    assert ticket.requester.name == "Thabo Nkosi"
    assert ticket.requester.email == "thabo@example.com"
    page = guest.get("/tickets/sent").text
    assert ticket.number in page
    assert f"/tickets/{ticket.number}" not in page
    assert "thabo@example.com" in page
    assert guest.get(f"/tickets/{ticket.number}").status_code == 404


def test_the_link_travels_by_mail_and_opens_the_ticket(guest: Visitor) -> None:
    send(guest)
    ticket = newest()
    mail = db.session.scalars(
        sa.select(OutboundEmail).where(OutboundEmail.recipient == "thabo@example.com")
    ).one()
    link = f"/tickets/{ticket.number}?key={mail.context['key']}"
    answer = guest.get(link, follow_redirects=True)
    assert answer.status_code == 200
    assert "The second charge is wrong." in answer.text


def test_without_an_automatic_answer_the_bare_link_is_mailed(guest: Visitor) -> None:
    db.session.execute(sa.update(AutoResponseTemplate).values(is_active=False))
    db.session.commit()
    send(guest)
    mail = db.session.scalars(
        sa.select(OutboundEmail).where(OutboundEmail.recipient == "thabo@example.com")
    ).one()
    assert mail.kind == "ticket_link"
    assert keys.open_key(mail.context["key"])


@pytest.mark.requirement("X12")
def test_a_guest_never_changes_somebody_known(guest: Visitor) -> None:
    known = make_person("thabo@example.com", name="Mr Nkosi")
    db.session.commit()
    send(guest, name="Mallory")
    assert newest().requester_id == known.id
    assert db.session.get_one(Person, known.id).name == "Mr Nkosi"


def test_a_guest_learns_nothing_of_the_tier_behind_an_address(app: Flask, guest: Visitor) -> None:
    make_person("vip@example.com", tier=Tier.ENTERPRISE)
    db.session.commit()
    times = []
    for address in ("vip@example.com", "nobody@example.com"):
        send(guest, email=address, category="technical", description="It is broken")
        with guest.client.session_transaction() as session:
            times.append(session[opening_routes.SENT]["answer_by"])
    assert newest().priority is Priority.HIGH
    vip = db.session.scalars(
        sa.select(Ticket)
        .join(PersonEmail, PersonEmail.person_id == Ticket.requester_id)
        .where(PersonEmail.address == "vip@example.com")
    ).one()
    assert vip.priority is Priority.CRITICAL
    assert times[0] == times[1] != ""


def test_a_customer_is_not_asked_who_they_are(customer: Callable[[Person], Visitor]) -> None:
    person = make_person(name="Johanna Leitner")
    visitor = customer(person)
    form = visitor.get("/tickets/new").text
    assert 'name="email"' not in form
    answer = visitor.post(
        "/tickets/new", subject="Panel", description="Shows E-41", email="other@example.com"
    )
    assert answer.status_code == 303
    ticket = newest()
    assert ticket.requester_id == person.id
    assert ticket.category.key == "general"
    page = visitor.get("/tickets/sent").text
    assert f'href="/tickets/{ticket.number}"' in page
    assert person.email in page


@pytest.mark.requirement("R 0-5")
def test_a_chosen_priority_stays(guest: Visitor) -> None:
    send(guest, priority="high")
    assert newest().priority is Priority.HIGH
    assert not newest().priority_is_computed
    send(guest, priority="urgent")
    assert newest().priority is Priority.CRITICAL


def test_nothing_was_sent_yet(guest: Visitor) -> None:
    assert guest.get("/tickets/sent").location == "/"


BAD = [
    ({"subject": ""}, "Say in a few words"),
    ({"subject": "   "}, "Say in a few words"),
    ({"subject": "x" * 201}, "At most 200 characters"),
    ({"description": ""}, "Tell us what happened"),
    ({"description": "x" * 50_001}, "At most 50,000 characters"),
    ({"description": "nul\0byte"}, "cannot be stored"),
    ({"subject": "nul\0byte"}, "cannot be stored"),
    ({"name": ""}, "Enter your name"),
    ({"name": "x" * 201}, "At most 200 characters"),
    ({"email": ""}, "Enter your mail address"),
    ({"email": "nobody"}, "name@example.com"),
    ({"email": "a\0b@example.com"}, "name@example.com"),
    ({"email": f"{'x' * 250}@example.com"}, "254 characters"),
    ({"category": "999999999999999999999999"}, "Choose one of the list"),
    ({"category": "nothing"}, "Choose one of the list"),
    ({"category": ""}, "Choose one of the list"),
    ({"subcategory": "77"}, "or none"),
    ({"subcategory": "9" * 60}, "or none"),
    ({"priority": "extreme"}, "Choose one of the list"),
    ({"homepage": "http://spam.example"}, "Send it once more"),
]


@pytest.mark.requirement("R 0-27", "R 0-28")
@pytest.mark.parametrize(("changes", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input_is_told_and_what_was_typed_stays(
    guest: Visitor, changes: dict[str, str], words: str
) -> None:
    before = count()
    answer = send(guest, **changes)
    assert answer.status_code == 422
    assert words in answer.text
    for name, value in GOOD.items():
        if name not in changes and name not in ("category", "email"):
            assert value.replace("  ", " ") in answer.text, name
    assert "homepage" in answer.text
    assert "spam.example" not in answer.text
    assert count() == before


def test_bytes_that_are_no_text_are_no_error_of_ours(guest: Visitor) -> None:
    token = re.search(r'csrf_token"[^>]* value="([^"]+)"', guest.get("/tickets/new").text)
    assert token
    surrogate = b"&subject=%ED%A0%80&description=%FF%FE&name=%ED%BF%BF&email=a%40example.com"
    answer = guest.client.post(
        "/tickets/new",
        data=b"csrf_token=" + token[1].encode() + surrogate,
        content_type="application/x-www-form-urlencoded",
    )
    assert answer.status_code in (303, 422)
    db.session.execute(sa.select(Ticket.subject)).all()


def test_a_field_of_ten_megabytes_is_too_large(guest: Visitor) -> None:
    assert send(guest, description="x" * 10_000_000).status_code == 413
    note = (BytesIO(b"a file makes it multipart"), "note.txt")
    assert send(guest, description="x" * 10_000_000, attachments=note).status_code == 413


def test_without_its_token_a_form_is_refused(guest: Visitor) -> None:
    assert guest.client.post("/tickets/new", data=GOOD).status_code == 400


def test_invisible_characters_are_taken_out(guest: Visitor) -> None:
    send(guest, subject="Refund \u202etwice\u0007", description="One\x0btwo")
    assert newest().subject == "Refund twice"
    assert newest().description == "Onetwo"


# --- quick robots -----------------------------------------------------------------------------


@pytest.fixture
def two_seconds(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = replace(app.extensions["settings"], form_min_seconds=2.0)
    monkeypatch.setitem(app.extensions, "settings", settings)


def started(html: str) -> str:
    found = re.search(r'name="started"[^>]* value="([^"]+)"', html)
    assert found
    return found[1]


@pytest.mark.usefixtures("two_seconds")
def test_too_quick_a_form_comes_back_whole_and_goes_through_later(
    guest: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = started(guest.get("/tickets/new").text)
    answer = send(guest, started=stamp, attachments=(BytesIO(b"log"), "log.txt"))
    assert answer.status_code == 422
    assert "very quick" in answer.text
    assert "One thing needs a look" not in answer.text, "no field is wrong"
    assert "The second charge is wrong." in answer.text
    assert started(answer.text) == stamp
    kept = re.search(r'name="kept" value="([^"]+)"', answer.text)
    assert kept
    later = clock.utcnow() + timedelta(seconds=3)
    monkeypatch.setattr(opening_routes, "utcnow", lambda: later)
    assert send(guest, started=stamp, kept=kept[1]).status_code == 303
    files = db.session.scalars(sa.select(Attachment).where(Attachment.ticket_id == newest().id))
    assert [file.filename for file in files] == ["log.txt"]


@pytest.mark.usefixtures("two_seconds")
@pytest.mark.parametrize("stamp", ["", "forged", "MTA.x"])
def test_a_forged_or_missing_stamp_counts_as_too_quick(guest: Visitor, stamp: str) -> None:
    answer = send(guest, started=stamp)
    assert answer.status_code == 422
    assert started(answer.text) != stamp


@pytest.mark.usefixtures("two_seconds")
def test_whoever_is_signed_in_may_be_quick(customer: Callable[[Person], Visitor]) -> None:
    visitor = customer(make_person())
    assert visitor.post("/tickets/new", subject="a", description="b").status_code == 303


# --- files ------------------------------------------------------------------------------------


@pytest.mark.requirement("R 2-5")
def test_files_come_along(guest: Visitor) -> None:
    files = [(BytesIO(b"a;b\n1;2\n"), "orders.csv"), (BytesIO(b"\x89PNG\r\n\x1a\n"), "shot.png")]
    assert send(guest, attachments=files).status_code == 303
    rows = db.session.scalars(
        sa.select(Attachment).where(Attachment.ticket_id == newest().id).order_by(Attachment.id)
    ).all()
    assert [(row.filename, row.content_type) for row in rows] == [
        ("orders.csv", "text/csv"),
        ("shot.png", "image/png"),
    ]
    assert storage().path(rows[0].sha256).read_bytes() == b"a;b\n1;2\n"
    assert all(row.comment_id is None for row in rows)
    assert rows[0].uploader_id == newest().requester_id


def test_an_empty_file_field_sends_no_file(guest: Visitor) -> None:
    assert send(guest, attachments=(BytesIO(b""), "")).status_code == 303
    assert db.session.scalars(sa.select(Attachment)).all() == []


def test_eleven_files_are_too_many_and_ten_of_them_kept(guest: Visitor) -> None:
    files = [(BytesIO(b"%d" % n), f"{n}.txt") for n in range(11)]
    answer = send(guest, attachments=files)
    assert answer.status_code == 422
    assert "these are 11" in answer.text
    tokens = re.findall(r'name="kept" value="([^"]+)"', answer.text)
    assert len(tokens) == 10
    assert send(guest, kept=tokens).status_code == 303
    assert len(db.session.scalars(sa.select(Attachment)).all()) == 10


def test_a_file_of_26_megabytes_is_refused_and_the_others_kept(guest: Visitor) -> None:
    files = [(BytesIO(b"fine"), "fine.txt"), (BytesIO(bytes(26 * 1024 * 1024)), "movie.mp4")]
    answer = send(guest, attachments=files)
    assert answer.status_code == 422
    assert "movie.mp4 has 27.3 MB" in answer.text
    assert len(re.findall(r'name="kept"', answer.text)) == 1
    assert "The second charge is wrong." in answer.text


def test_an_empty_file_is_refused_kindly(guest: Visitor) -> None:
    answer = send(guest, attachments=(BytesIO(b""), "empty.log"))
    assert answer.status_code == 422
    assert "empty.log is empty" in answer.text


def test_a_forged_token_brings_no_file(guest: Visitor) -> None:
    assert send(guest, kept=["forged", "WyJhIl0.x.y"]).status_code == 303
    assert db.session.scalars(sa.select(Attachment)).all() == []


# --- categories and custom fields -------------------------------------------------------------


def add_field(key: str, kind: str = "text", **columns: Any) -> CustomField:
    field = CustomField(
        key=key, label=key.capitalize(), kind=kind, **{"is_public": True, **columns}
    )
    db.session.add(field)
    return field


@pytest.fixture
def fields(app: Flask) -> None:
    technical = category("technical")
    add_field("model", categories=[technical], is_required=True)
    add_field("size", "choice", choices=["small", "large"], categories=[technical])
    add_field("count", "number", categories=[technical])
    add_field("bought", "date", categories=[technical])
    add_field("insured", "checkbox", categories=[technical])
    add_field("margin", is_public=False)
    add_field("shop")
    db.session.add(Subcategory(category_id=technical.id, key="ovens", name="Ovens"))
    db.session.commit()


@pytest.mark.usefixtures("fields")
def test_custom_fields_of_the_category_are_asked(guest: Visitor) -> None:
    assert 'name="field_model"' not in guest.get("/tickets/new").text
    assert 'name="field_shop"' in guest.get("/tickets/new").text
    form = guest.get("/tickets/new?category=technical").text
    assert 'name="field_model"' in form
    assert "Ovens" in form
    assert "margin" not in form.lower()


@pytest.mark.usefixtures("fields")
def test_htmx_gets_what_hangs_on_the_category(app: Flask, htmx: Any) -> None:
    part = htmx.get("/tickets/new?category=technical").text
    assert part.lstrip().startswith('<div class="stack" id="category-fields"')
    assert '<div id="subcategory-field" hx-swap-oob="true">' in part
    assert "Ovens" in part
    assert "<html" not in part
    whole = app.test_client().get("/tickets/new?category=technical").text
    assert re.sub(r"\s+", "", part.split('<div id="subcategory-field"')[0]) in re.sub(
        r"\s+", "", whole
    )
    other = htmx.get("/tickets/new?category=billing").text
    assert "Ovens" not in other
    assert 'hx-swap-oob="true" hidden' in other


@pytest.mark.usefixtures("fields")
def test_custom_fields_are_stored_by_kind(guest: Visitor) -> None:
    technical = category("technical")
    ovens = db.session.scalars(sa.select(Subcategory)).one()
    answer = send(
        guest,
        category=str(technical.id),
        subcategory="ovens",
        field_model="D6",
        field_size="large",
        field_count="2",
        field_bought="2026-01-31",
        field_insured="y",
        field_margin="40",
        field_unknown="x",
    )
    assert answer.status_code == 303
    ticket = newest()
    assert ticket.subcategory_id == ovens.id
    assert ticket.custom_fields == {
        "model": "D6",
        "size": "large",
        "count": 2,
        "bought": "2026-01-31",
        "insured": True,
    }


@pytest.mark.usefixtures("fields")
def test_wrong_custom_fields_are_told_beside_them(guest: Visitor) -> None:
    answer = send(
        guest, category="technical", field_size="huge", field_count="many", field_bought="soon"
    )
    assert answer.status_code == 422
    for words in ("Model is needed", "Choose one of the list", "Type a number", "Type a date"):
        assert words in answer.text, words
    assert 'value="many"' in answer.text


def test_a_category_that_is_no_longer_used_is_unknown(guest: Visitor) -> None:
    db.session.execute(sa.update(Category).where(Category.key == "bug").values(is_active=False))
    db.session.commit()
    assert send(guest, category="bug").status_code == 422


# --- limits and cost --------------------------------------------------------------------------


def test_opening_costs_a_fixed_number_of_statements(guest: Visitor, statements: list[str]) -> None:
    counts = []
    for name in ("a", "b", "c", "d"):  # the first ones fill the caches
        form = guest.get("/tickets/new").text
        token = re.search(r'csrf_token"[^>]* value="([^"]+)"', form)
        assert token
        statements.clear()
        data = {**GOOD, "email": f"{name}@example.com", "csrf_token": token[1]}
        assert guest.client.post("/tickets/new", data=data).status_code == 303
        counts.append(len(statements))
    assert counts[2] == counts[3] <= 20

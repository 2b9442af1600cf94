"""Settings in the browser, and the effect of other weights before they count."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role, Tier
from app.admin import settings
from app.core import cache
from app.core.db import db
from app.core.settings_store import DEFAULTS, setting
from tests.admin.pages import errors, fields, log
from tests.factories import category, make_agent, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
PAGES = (
    "/admin/settings",
    "/admin/settings/mail",
    "/admin/settings/chat",
    "/admin/settings/priority",
)


def test_every_setting_can_be_changed_in_the_browser(client: FlaskClient, ada: Person) -> None:
    shown = {name for path in PAGES for name in fields(client.get(path).text)}
    everywhere = {key for section in settings.SECTIONS.values() for key in section.keys}
    elsewhere = ("priority_", "context_", *settings.UNSEEN)
    assert {key for key in DEFAULTS if not key.startswith(elsewhere)} == everywhere
    unticked = {key for key in everywhere if DEFAULTS[key] is False}
    assert everywhere - unticked <= shown


@pytest.mark.parametrize("path", PAGES)
def test_saving_what_is_there_changes_nothing(
    client: FlaskClient, ada: Person, path: str, statements: list[str]
) -> None:
    client.get(path)
    statements.clear()
    data = fields(client.get(path).text)
    assert len(statements) <= 12
    answer = client.post(path, data=data)
    assert (answer.status_code, answer.headers.get("Location")) == (303, path), errors(answer)
    assert {key: setting(key) for key in DEFAULTS} == DEFAULTS
    assert log() == []


def test_a_change_counts_at_once_and_is_written_down(client: FlaskClient, ada: Person) -> None:
    data = fields(client.get("/admin/settings").text)
    data |= {"site_name": "Ovens", "days_to_close": "9", "accent": "#B0203A"}
    assert client.post("/admin/settings", data=data).status_code == 303
    page = client.get("/admin/settings").text
    assert "Settings · Ovens" in page
    assert "/accent/b0203a.css" in page
    assert setting("days_to_close") == 9
    assert [line[1:] for line in log()] == [
        ("changed", "Name", "Deskhand", "Ovens"),
        ("changed", "Colour", "", "#b0203a"),
        ("changed", "Days to close", "7", "9"),
    ]
    data |= {"accent": settings.OWN_COLOUR}
    client.post("/admin/settings", data=data)
    cache.forget_stamp()
    assert setting("accent") == ""


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ("/admin/settings", {"site_name": ""}),
        ("/admin/settings", {"days_to_close": "0"}),
        ("/admin/settings", {"days_to_close": "9" * 30}),
        ("/admin/settings", {"accent": "red; }"}),
        ("/admin/settings", {"time_zone": "Mars/Olympus"}),
        ("/admin/settings/mail", {"reply_separator": "x"}),
        ("/admin/settings/mail", {"customer_mark_cap": "huge"}),
        ("/admin/settings/priority", {"cut_high": "90"}),
        ("/admin/settings/priority", {"tier_free": "-1"}),
    ],
)
def test_what_cannot_be_is_refused(
    client: FlaskClient, ada: Person, path: str, wrong: dict[str, str]
) -> None:
    answer = client.post(path, data=fields(client.get(path).text) | wrong)
    assert answer.status_code == 422
    assert errors(answer)
    assert log() == []


@pytest.mark.requirement("R 5-6", "X25")
def test_the_effect_of_other_weights_is_shown_before_they_count(
    client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    premium = make_person(tier=Tier.PREMIUM)
    urgent = {"subject": "It leaks", "description": "flood", "category": category("billing")}
    ticket = make_ticket(premium, **urgent)
    make_ticket()
    db.session.commit()
    data = fields(client.get("/admin/settings/priority").text)
    data |= {"priority_words": "flood", "cut_critical": "85"}
    statements.clear()
    answer = client.post("/admin/settings/priority", data=data | {"press": "effect"})
    assert len(statements) <= 12
    text = " ".join(answer.text.split())
    assert "1 of the newest 2 tickets would have another priority." in text
    assert f"/desk/tickets/{ticket.number}" in text
    assert setting("priority_words") == DEFAULTS["priority_words"]
    assert log() == []
    assert client.post("/admin/settings/priority", data=data).status_code == 303
    cache.forget_stamp()
    assert setting("priority_words") == ["flood"]
    assert setting("priority_cut_offs") == {"critical": 85, "high": 60, "normal": 40}


def test_settings_are_for_admins_alone(app: Flask, sign_in: SignIn) -> None:
    client = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    assert [client.get(path).status_code for path in PAGES] == [403] * len(PAGES)

"""The automatic answer: its placeholders, its time in words, and when there is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from flask import Flask

from app.channels import auto_response
from app.channels.models import AutoResponseTemplate
from app.core.db import db
from tests import factories

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
VALUES = {
    "ticket.number": "TKT-7K2M9QXA",
    "ticket.subject": "{{ requester.name }} & <b>",
    "requester.name": "Ann",
    "due": "soon",
}


@pytest.mark.requirement("R 8-2", "X51")
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ ticket.number }}/{{requester.name}}/{{  due  }}", "TKT-7K2M9QXA/Ann/soon"),
        ("{{ ticket.subject }}", "{{ requester.name }} & <b>"),  # never read again
        ("{{ ticket.description }} {{ config }}", "{{ ticket.description }} {{ config }}"),
        ("{% for x in y %}{{ 7*7 }}", "{% for x in y %}{{ 7*7 }}"),
    ],
)
def test_only_known_placeholders_are_filled(template: str, text: str) -> None:
    assert auto_response.fill(template, VALUES) == text


def test_the_due_time_is_told_in_words_in_a_zone() -> None:
    words = auto_response.due_words(datetime(2026, 11, 23, 15, 40, tzinfo=UTC), "Europe/Berlin")
    assert words == "Monday 23 November at 16:40 (Europe/Berlin)"
    assert auto_response.due_words(None, "UTC") == "as soon as we can"


def prepare(**changes: object) -> auto_response.Answer:
    given = {
        "category_id": factories.category("billing").id,
        "language": "de",
        "address": "ann@customer.example",
        "automatic_reason": "",
        "values": VALUES,
        "now": NOW,
    }
    return auto_response.prepare(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.requirement("R 8-1", "X51")
def test_the_language_of_the_requester_wins_over_english(app: Flask) -> None:
    assert "TKT-7K2M9QXA" in (prepare().body or "")
    db.session.add(
        AutoResponseTemplate(
            category_id=factories.category("billing").id,
            language="de",
            subject="Zu {{ ticket.number }}",
            body="Hallo {{ requester.name }}",
        )
    )
    db.session.flush()
    answer = prepare()
    assert (answer.subject, answer.body) == ("Zu TKT-7K2M9QXA", "Hallo Ann")
    assert answer.reason.startswith("Sent")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"automatic_reason": "Precedence: bulk"}, "the mail was automatic (Precedence: bulk)"),
        ({"address": ""}, "no mail address"),
    ],
)
def test_none_is_sent_and_the_reason_is_told(
    app: Flask, changes: dict[str, object], reason: str
) -> None:
    answer = prepare(**changes)
    assert answer.body is None
    assert reason in answer.reason


@pytest.mark.requirement("R 8-1", "R 8-4")
def test_an_inactive_template_is_not_sent(app: Flask) -> None:
    db.session.execute(sa.update(AutoResponseTemplate).values(is_active=False))
    answer = prepare()
    assert answer.body is None
    assert "no active template" in answer.reason


@pytest.mark.parametrize("address", ["noreply@x.example", "No-Reply@x", "donotreply+1@x.example"])
@pytest.mark.usefixtures("app")
def test_nobody_answers_an_address_that_nobody_reads(address: str) -> None:
    assert prepare(address=address).body is None
    assert prepare(address="norepeat@x.example").body is not None

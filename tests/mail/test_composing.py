"""Mails as people see them and as they go over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.mail.composing import compose

FOLDER = Path(__file__).resolve().parents[2] / "templates" / "email"
NOW = datetime(2026, 11, 23, 16, 40, tzinfo=UTC)
TICKET = {"number": "TKT-7K2M9QXA", "subject": "Panel & <b>door</b>", "recipient": "Ann"}
AGENT = {**TICKET, "priority": "High"}
LINK = {"path": "/links/x?key=K", "name": "Ann", "minutes": 60}

CASES: dict[str, tuple[dict[str, Any], str, list[str]]] = {
    "auto_response": (
        {**TICKET, "key": "K", "title": "We have it", "body": "Hello Ann,\n\n<b>soon</b>"},
        "[TKT-7K2M9QXA] We have it",
        ["Hello Ann,", "http://localhost/tickets/TKT-7K2M9QXA?key=K"],
    ),
    "ticket_link": (
        {**TICKET, "recipient": "", "key": "K", "title": "", "body": ""},
        "[TKT-7K2M9QXA] Panel & <b>door</b>",
        ["Hello there,", "http://localhost/tickets/TKT-7K2M9QXA?key=K"],
    ),
    "ticket_reply": (
        {
            **TICKET,
            "key": "K",
            "author": "Bob",
            "body": "Turn it off.",
            "files": [{"name": "a & b.pdf"}],
        },
        "Re: [TKT-7K2M9QXA] Panel & <b>door</b>",
        ["Turn it off.", "- a & b.pdf", "Bob, Deskhand", "/tickets/TKT-7K2M9QXA?key=K"],
    ),
    "assigned": (
        AGENT,
        "[TKT-7K2M9QXA] Yours now: Panel & <b>door</b>",
        ["Priority: High", "http://localhost/desk/tickets/TKT-7K2M9QXA"],
    ),
    "group_ticket": (
        AGENT,
        "[TKT-7K2M9QXA] Nobody could take: Panel & <b>door</b>",
        ["Priority: High", "http://localhost/desk/tickets/TKT-7K2M9QXA"],
    ),
    "customer_reply": (
        {**AGENT, "author": "Ann", "body": "Still broken."},
        "[TKT-7K2M9QXA] Ann replied: Panel & <b>door</b>",
        ["Still broken.", "http://localhost/desk/tickets/TKT-7K2M9QXA"],
    ),
    "mail_held": (
        {**AGENT, "author": "Eve", "reason": "Not a participant."},
        "[TKT-7K2M9QXA] A mail from someone new waits",
        ["Eve", "Not a participant.", "http://localhost/desk/tickets/TKT-7K2M9QXA"],
    ),
    "mail_came_back": (
        {**AGENT, "told": "The mail to ann@x came back: 5.1.1 no such user.", "body": "Try it."},
        "[TKT-7K2M9QXA] A mail did not arrive: Panel & <b>door</b>",
        ["ann@x came back", "Try it.", "http://localhost/desk/tickets/TKT-7K2M9QXA"],
    ),
    "sla_warning": (
        {**AGENT, "target": "First response", "due_at": NOW.isoformat()},
        "[TKT-7K2M9QXA] First response is due soon: Panel & <b>door</b>",
        ["is due on 23 November 2026, 16:40 (UTC)"],
    ),
    "sla_breach": (
        {**AGENT, "target": "Resolution", "due_at": NOW.isoformat()},
        "[TKT-7K2M9QXA] Resolution is overdue: Panel & <b>door</b>",
        ["was due on 23 November 2026, 16:40 (UTC)"],
    ),
    "mail_alarm": (
        {
            "alarms": [
                {
                    "title": "Sending stands still",
                    "text": "421 <busy>",
                    "since": NOW.isoformat(),
                    "at": "/admin/outbox",
                }
            ]
        },
        "Deskhand: Sending stands still",
        ["since 23 November 2026, 16:40 (UTC)", "421 <busy>", "http://localhost/admin/outbox"],
    ),
    "mail_works_again": (
        {
            "alarms": [
                {
                    "title": "Mail is <not> sent",
                    "since": NOW.isoformat(),
                    "until": NOW.isoformat(),
                }
            ]
        },
        "Deskhand: mail works again",
        ["Mail is <not> sent", "begun on 23 November 2026", "http://localhost/admin/system"],
    ),
    "machine_alarm": (
        {
            "alarms": [
                {
                    "title": "A disk is nearly full",
                    "text": "/srv on <one>: 92 % used",
                    "since": NOW.isoformat(),
                    "at": "/admin/system",
                }
            ]
        },
        "Deskhand: A disk is nearly full",
        ["since 23 November 2026, 16:40 (UTC)", "<one>: 92 %", "http://localhost/admin/system"],
    ),
    "machine_works_again": (
        {
            "alarms": [
                {
                    "title": "A disk is <nearly> full",
                    "since": NOW.isoformat(),
                    "until": NOW.isoformat(),
                }
            ]
        },
        "Deskhand: over: A disk is <nearly> full",
        ["A disk is <nearly> full", "begun on 23 November 2026", "http://localhost/admin/system"],
    ),
    "webhook_stopped": (
        {
            "webhook": "Chat <room>",
            "url": "https://hooks.example/x",
            "why": "It failed for three days.",
            "at": "/admin/webhooks/1",
        },
        "Deskhand: the webhook Chat <room> was stopped",
        ["Chat <room>", "It failed for three days.", "http://localhost/admin/webhooks/1"],
    ),
    "template_test": (
        {"subject": "We have it", "body": "Hello Ann"},
        "Test: We have it",
        ["Hello Ann"],
    ),
    "sign_in_link": (LINK, "Sign in to Deskhand", ["http://localhost/links/x?key=K", "60 minutes"]),
    "password_reset": (
        LINK,
        "A new password for Deskhand",
        ["http://localhost/links/x?key=K", "60 minutes"],
    ),
    "invitation": (
        {"path": "/links/x?key=K", "name": "Ann", "role": "agent", "inviter": "Bob", "days": 7},
        "Bob invites you to Deskhand",
        ["as agent", "http://localhost/links/x?key=K", "7 days"],
    ),
}


def test_every_kind_of_mail_is_tested() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == set(CASES)


@pytest.mark.parametrize("kind", CASES)
def test_a_mail_says_what_it_is_for(app: Flask, kind: str) -> None:
    context, subject, wanted = CASES[kind]
    mail = compose(kind, context)
    assert mail.subject == subject
    for words in wanted:
        assert words in mail.text
    assert "&amp;" not in mail.text
    assert "<b>" not in mail.html.replace("<b>soon", "")
    for word in ("None", "{{", "Undefined"):
        assert word not in mail.text + mail.html


def test_an_automatic_answer_to_a_mail_stays_in_its_conversation(app: Flask) -> None:
    """Gmail begins another one with each new subject; the template's stands as a heading."""
    mail = compose("auto_response", CASES["auto_response"][0] | {"answers_mail": True})
    assert mail.subject == "Re: [TKT-7K2M9QXA] Panel & <b>door</b>"
    assert "We have it</h1>" in mail.html


def test_the_html_part_escapes_what_people_wrote(app: Flask) -> None:
    mail = compose("auto_response", CASES["auto_response"][0])
    assert "&lt;b&gt;soon&lt;/b&gt;" in mail.html
    assert "Panel &amp; &lt;b&gt;door&lt;/b&gt;" in mail.html

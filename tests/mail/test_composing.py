"""Mails as people see them and as they go over the wire."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.core.db import db
from app.core.settings_store import change_setting
from app.mail import composing
from app.mail.composing import build_mime, compose, reply_address
from app.mail.models import Mailbox, OutboundEmail
from app.mail.parsing import parse

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


def test_the_html_part_escapes_what_people_wrote(app: Flask) -> None:
    mail = compose("auto_response", CASES["auto_response"][0])
    assert "&lt;b&gt;soon&lt;/b&gt;" in mail.html
    assert "Panel &amp; &lt;b&gt;door&lt;/b&gt;" in mail.html


def outbound(**columns: Any) -> OutboundEmail:
    values: dict[str, Any] = {
        "kind": "ticket_reply",
        "recipient": "ann@customer.example",
        "recipient_name": "Ann Lee",
        "message_id": "0123456789abcdef@localhost",
        "in_reply_to": "",
        "references": "",
        "reply_token": "",
        "is_automatic": False,
        "subject": "Hello",
        "body_text": "Grüße\n",
        "body_html": "<p>Grüße</p>",
        "created_at": NOW,
    }
    return OutboundEmail(**values | columns)


def test_a_mail_carries_its_thread(app: Flask) -> None:
    long = "x" * 120 + "@prod.outlook.example"
    row = outbound(in_reply_to=long, references=f"zero@x.example {long}", reply_token="a" * 24)
    raw = build_mime(row, None)
    mail = parse(raw)
    assert mail.message_id == "0123456789abcdef@localhost"
    assert mail.in_reply_to == (long,)
    assert mail.references == ("zero@x.example", long)
    assert [a.email for a in mail.reply_to] == [f"support+{'a' * 24}@desk.example"]
    assert (mail.from_name, mail.from_email) == ("Deskhand", "support@desk.example")
    assert mail.date == NOW
    assert mail.text == "Grüße\n"
    assert mail.html == "<p>Grüße</p>"
    assert not mail.header("auto-submitted")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"=?utf-8?q?=3C" not in raw.lower()  # ids are never encoded


def test_a_retry_sends_the_same_bytes(app: Flask) -> None:
    assert build_mime(outbound(), None) == build_mime(outbound(), None)


@pytest.mark.parametrize(("in_reply_to", "said"), [("a@b", "auto-replied"), ("", "auto-generated")])
def test_automatic_mail_says_so(app: Flask, in_reply_to: str, said: str) -> None:
    mail = parse(build_mime(outbound(is_automatic=True, in_reply_to=in_reply_to), None))
    assert mail.header("auto-submitted") == said
    assert mail.header("x-auto-response-suppress") == "All"


@pytest.mark.parametrize("evil", ["x\r\nBcc: eve@evil.example", "x\nBcc: eve@evil.example\n\nbody"])
def test_nobody_adds_header_fields(app: Flask, evil: str) -> None:
    row = outbound(subject=evil, recipient_name=evil, in_reply_to=evil, references=evil)
    mail = message_from_bytes(build_mime(row, Mailbox(address="help@desk.example", name=evil)))
    assert "Bcc" not in mail
    assert mail["In-Reply-To"] is None


def test_names_beyond_ascii_and_foreign_domains(app: Flask) -> None:
    box = Mailbox(address="hilfe@desk.example", name="Müller, Hilfe")
    row = outbound(recipient="j@bücher.example", recipient_name="Jürgen, Ö.", subject="Größe " * 30)
    mail = parse(build_mime(row, box))
    assert (mail.from_name, mail.from_email) == ("Müller, Hilfe", "hilfe@desk.example")
    assert mail.to == (("Jürgen, Ö.", "j@xn--bcher-kva.example"),)
    assert mail.subject == ("Größe " * 30).strip()


def test_reply_addresses_follow_the_settings(app: Flask) -> None:
    assert reply_address("help@desk.example", "t" * 24) == f"help+{'t' * 24}@desk.example"
    assert reply_address("a" * 60 + "@desk.example", "t" * 24) == ""
    change_setting("reply_separator", "-")
    db.session.flush()
    assert reply_address("help@desk.example", "tok") == "help-tok@desk.example"
    change_setting("reply_tokens", False)
    db.session.flush()
    assert reply_address("help@desk.example", "tok") == ""


def test_an_address_goes_over_the_wire_in_ascii(app: Flask) -> None:
    assert composing.wire_address("a..b@x.example") == "a..b@x.example"
    with pytest.raises(ValueError, match=r"(?i)codepoint"):
        composing.wire_address("a@\u2603\u200d.example")

"""A conversation by mail, over a real SMTP server: ask, get an answer, reply, get help."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from flask import Flask

from app.channels import inbound_email
from app.core.db import db
from app.mail import delivery, receiving, unsubscribing
from app.mail.automatic import MailKind, classify
from app.mail.models import InboundEmail, InboundState
from app.mail.parsing import ParsedEmail, parse
from app.tickets import conversation
from app.tickets.models import Comment, Ticket
from app.tickets.words import AuthorKind, Status
from tests import factories
from tests.mail.smtp import Inbox, smtp_server

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ANN = "ann@customer.example"


@pytest.fixture
def inbox(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with smtp_server() as inbox:
        settings = dataclasses.replace(app.extensions["settings"], smtp_url=inbox.url)
        monkeypatch.setitem(app.extensions, "settings", settings)
        yield inbox


def arrives(raw: bytes, now: datetime) -> None:
    receiving.store(raw, None, now=now)
    db.session.commit()
    inbound_email.process_due(lambda: now)


def sent_to(inbox: Inbox, address: str, now: datetime) -> list[ParsedEmail]:
    delivery.send_due(lambda: now)
    return [mail for mail in inbox.mails if mail.to[0].email == address]


@pytest.mark.requirement("R 7-2", "R 13-12", "X41", "X49")
def test_a_customer_is_helped_by_mail(inbox: Inbox) -> None:
    agent = factories.make_agent("bob@desk.example", name="Bob Miller", last_active_at=NOW)
    db.session.commit()
    ask = f"From: Ann <{ANN}>\r\nTo: support@desk.example\r\nSubject: Door\r\nMessage-ID: <q@c>\r\n"
    arrives(f"{ask}\r\nThe door is stuck.\r\n".encode(), NOW)
    ticket = db.session.scalars(sa.select(Ticket)).one()

    [answer] = sent_to(inbox, ANN, NOW)
    assert ticket.number in answer.subject
    assert answer.in_reply_to == answer.references == ("q@c",)
    assert classify(answer).kind is MailKind.ANSWER
    assert "door is stuck" not in answer.text
    assert f"http://localhost/tickets/{ticket.number}?key=" in answer.text

    # Her client answers to Reply-To, and quotes.
    reply_to = answer.reply_to[0].email
    quoted = "".join(f"> {line}\r\n" for line in answer.text.splitlines())
    head = f"From: Ann <{ANN}>\r\nTo: {reply_to}\r\nSubject: Re: {answer.subject}\r\n"
    thread = f"In-Reply-To: <{answer.message_id}>\r\nReferences: <q@c> <{answer.message_id}>\r\n"
    said = f"\r\nIt is the left one.\r\n\r\nOn 23 Nov 2026, Deskhand wrote:\r\n{quoted}"
    arrives(f"{head}Message-ID: <r@c>\r\n{thread}{said}".encode(), NOW + timedelta(minutes=1))
    comments = sa.select(Comment).where(Comment.author_kind == AuthorKind.REQUESTER)
    assert db.session.scalars(comments).one().body == "It is the left one."
    assert len(sent_to(inbox, "bob@desk.example", NOW + timedelta(minutes=1))) == 2

    later = NOW + timedelta(minutes=2)
    db.session.refresh(ticket)
    conversation.reply(ticket, "Lift it a little.", by=agent, now=later, then="resolved")
    db.session.commit()
    [_, help_] = sent_to(inbox, ANN, later)
    assert help_.references[0] == "q@c"
    assert set(help_.references) >= {"q@c", "r@c", answer.message_id}
    assert help_.in_reply_to[0] in help_.references
    assert help_.subject == f"Re: [{ticket.number}] Door"
    assert help_.text.startswith("Lift it a little.")
    assert not help_.header("auto-submitted")
    assert ticket.status is Status.RESOLVED


def test_an_answer_does_not_show_the_key_of_whoever_wrote_it(inbox: Inbox) -> None:
    ask = f"From: Ann <{ANN}>\r\nTo: support@desk.example\r\nSubject: Door\r\nMessage-ID: <q@c>\r\n"
    arrives(f"{ask}\r\nIt is stuck.\r\n".encode(), NOW)
    [ours] = sent_to(inbox, ANN, NOW)
    assert "?key=" in ours.text
    safe = quote(next(word for word in ours.text.split() if "?key=" in word), safe="")
    page = f'<blockquote>{ours.html}</blockquote><a href="https://safe.example/?url={safe}">x</a>'
    bodies = (
        ("plain", f"Yes\r\n\r\n> {ours.text}"),
        ("plain", f"Yes\r\n\r\n{ours.text}"),
        ("html", f"<p>Yes</p>{page}"),
    )
    for number, (kind, body) in enumerate(bodies):
        head = f"From: Ann <{ANN}>\r\nTo: {ours.reply_to[0].email}\r\nMessage-ID: <{number}@c>\r\n"
        arrives(f"{head}Content-Type: text/{kind}; charset=utf-8\r\n\r\n{body}".encode(), NOW)
    rows = db.session.scalars(sa.select(Comment).where(Comment.author_kind == AuthorKind.REQUESTER))
    shown = [f"{row.body}{row.quoted}{row.body_html}" for row in rows]
    assert len(shown) == 3
    for text in shown:
        assert "/tickets/TKT-" in text or "%2Ftickets%2FTKT-" in text
        assert "key=" not in text
        assert "key%3D" not in text


def test_an_answer_does_not_show_how_to_end_its_writers_notices(inbox: Inbox) -> None:
    ours = [unsubscribing.link({"stop": stop}) for stop in ([7, 4711], [7, "mail_came_back"])]
    other = "https://city.example/notices/Water-is-cut-off-in-some.streets-of-the-old-town-today"
    body = "\r\n".join([other, *ours, *(quote(link, safe="") for link in ours)])
    arrives(f"From: {ANN}\r\nTo: support@desk.example\r\n\r\n{body}\r\n".encode(), NOW)
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert other in ticket.description
    assert ticket.description.count("/notices\n") == 2
    for link in ours:
        assert link.rpartition("/")[2] not in f"{ticket.description}{ticket.description_html}"


@pytest.mark.requirement("X44")
def test_two_desks_that_answer_each_other_stop_by_themselves(inbox: Inbox) -> None:
    """The other desk is played by our own answer, sent back as its answer to us."""
    ask = "From: help@other.example\r\nTo: support@desk.example\r\nSubject: Hi\r\nMessage-ID: <1@o>"
    arrives(f"{ask}\r\n\r\nHello".encode(), NOW)
    [ours] = sent_to(inbox, "help@other.example", NOW)
    theirs = f"From: help@other.example\r\nTo: {ours.reply_to[0].email}\r\nMessage-ID: <2@o>\r\n"
    theirs += f"Subject: [OTHER-1] We have it\r\nIn-Reply-To: <{ours.message_id}>\r\n"
    arrives(f"{theirs}Auto-Submitted: auto-replied\r\n\r\nThanks".encode(), NOW)
    states = db.session.scalars(sa.select(InboundEmail.state).order_by(InboundEmail.id)).all()
    assert states == [InboundState.TICKET, InboundState.COMMENT]
    assert len(sent_to(inbox, "help@other.example", NOW)) == 1


def test_a_bounce_of_our_mail_opens_nothing(inbox: Inbox) -> None:
    arrives(f"From: {ANN}\r\nTo: support@desk.example\r\nMessage-ID: <1@c>\r\n\r\nHi".encode(), NOW)
    [answer] = sent_to(inbox, ANN, NOW)
    bounce = "Return-Path: <>\r\nFrom: MAILER-DAEMON@c.example\r\nTo: support@desk.example\r\n"
    bounce += f"Message-ID: <2@c>\r\nIn-Reply-To: <{answer.message_id}>\r\n\r\nNo such user."
    arrives(bounce.encode(), NOW)
    assert parse(bounce.encode()).in_reply_to == (answer.message_id,)
    assert len(db.session.scalars(sa.select(Ticket)).all()) == 1
    assert len(sent_to(inbox, ANN, NOW)) == 1

"""An agent forwards a customer's mail in: the customer is proposed, one click makes them ask."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person, Tier
from app.channels import forwarding
from app.core.db import db
from app.core.errors import Conflict
from app.mail.models import InboundState, OutboundEmail, SenderCheck
from app.tickets.history_models import TicketEvent
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.words import EventKind, Priority, Visibility
from tests import factories
from tests.channels.mails import ANN, NOW, deliver, raw

pytestmark = pytest.mark.usefixtures("app")
BOB = "bob@desk.example"
TEXT = f"""He shouts. Careful.

---------- Forwarded message ---------
From: Ann Lee <{ANN}>
Date: Mon, 23 Nov 2026 at 10:00
Subject: The door
To: <bob@desk.example>

The door is stuck.
"""


@pytest.fixture
def bob() -> Person:
    return factories.make_agent(BOB, name="Bob Miller")


@pytest.fixture
def ticket(bob: Person) -> Ticket:
    row = deliver(raw(TEXT, sender=BOB, subject="Fwd: The door"))
    assert row.state is InboundState.TICKET
    return db.session.scalars(sa.select(Ticket)).one()


def test_the_ticket_says_what_the_customer_wrote(ticket: Ticket, bob: Person) -> None:
    assert (ticket.subject, ticket.description) == ("The door", "The door is stuck.")
    assert (ticket.requester, ticket.forwarded_from) == (bob, ANN)
    assert ticket.forwarded_name == "Ann Lee"
    assert ticket.description_html is None
    [note] = db.session.scalars(sa.select(Comment))
    assert note.visibility is Visibility.INTERNAL
    assert note.body.endswith("\n\nHe shouts. Careful.")
    assert (
        db.session.scalars(sa.select(OutboundEmail).where(OutboundEmail.recipient == ANN)).all()
        == []
    )
    kinds = db.session.scalars(sa.select(OutboundEmail.kind)).all()
    assert "auto_response" not in kinds


def test_accepted_the_customer_asks_and_all_follows_from_them(ticket: Ticket, bob: Person) -> None:
    factories.make_person(ANN, name="Ann Lee", tier=Tier.ENTERPRISE)
    before, score = ticket.priority, ticket.priority_score or 0
    told = forwarding.accept(ticket, by=bob, now=NOW)
    db.session.commit()
    assert told == "Ann Lee is the requester now."
    assert (ticket.requester.name, ticket.forwarded_from) == ("Ann Lee", "")
    assert (ticket.priority_score or 0) > score
    assert ticket.priority.rank <= before.rank
    assert ticket.priority_is_computed
    changed = sa.select(TicketEvent).where(TicketEvent.kind == EventKind.REQUESTER)
    assert db.session.scalars(changed).one().actor_id == bob.id
    row = deliver(raw("Now it is open.", subject=f"[{ticket.number}]"))
    assert row.state is InboundState.COMMENT
    with pytest.raises(Conflict):
        forwarding.accept(ticket, by=bob, now=NOW)


def test_a_priority_that_was_chosen_stays(ticket: Ticket, bob: Person) -> None:
    ticket.priority, ticket.priority_is_computed = Priority.LOW, False
    factories.make_person(ANN, tier=Tier.ENTERPRISE)
    forwarding.accept(ticket, by=bob, now=NOW)
    assert ticket.priority is Priority.LOW


def test_dismissed_the_agent_stays_the_requester(ticket: Ticket, bob: Person) -> None:
    assert forwarding.dismiss(ticket, by=bob, now=NOW) == "Bob Miller stays the requester."
    assert (ticket.requester, ticket.forwarded_from) == (bob, "")
    assert deliver(raw(subject=f"[{ticket.number}]")).state is InboundState.HELD


def test_an_attached_mail_brings_its_files_and_its_id(bob: Person) -> None:
    content = (
        f"From: {BOB}\nTo: support@desk.example\nSubject: Look\n"
        "Content-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: message/rfc822\n\n"
        f"From: Ann Lee <{ANN}>\nSubject: Door\nMessage-ID: <first@customer.example>\n"
        "Content-Type: multipart/mixed; boundary=c\n\n"
        "--c\nContent-Type: text/plain\n\nStuck.\n"
        "--c\nContent-Type: text/csv; name=door.csv\n\na,b\n--c--\n"
        "--b--\n"
    ).encode()
    deliver(content)
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert (ticket.subject, ticket.description, ticket.forwarded_from) == ("Door", "Stuck.", ANN)
    known = db.session.scalars(sa.select(TicketMessageId.message_id)).all()
    assert "first@customer.example" in known
    names = db.session.scalars(sa.select(Attachment.filename)).all()
    assert "door.csv" in names


@pytest.mark.parametrize("sender", [ANN, "stranger@x.example"])
def test_what_customers_forward_is_theirs(bob: Person, sender: str) -> None:
    deliver(raw(TEXT.replace(ANN, "eve@x.example"), sender=sender, subject="Fwd: The door"))
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert (ticket.forwarded_from, ticket.requester.emails[0].address) == ("", sender)
    assert ticket.description.startswith("He shouts")


def test_what_customers_attach_stays_in_one_piece() -> None:
    inner = f"From: {ANN}\nContent-Type: text/csv; name=door.csv\n\na,b\n"
    content = (
        "From: stranger@x.example\nSubject: Look\nContent-Type: multipart/mixed; boundary=b\n\n"
        f"--b\nContent-Type: message/rfc822; name=it.eml\n\n{inner}--b--\n"
    )
    deliver(content.encode())
    assert db.session.scalars(sa.select(Attachment.filename)).all() == ["it.eml"]


def test_a_forged_agent_forwards_nothing(
    app: Flask, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(app.extensions["settings"], authserv_id="mx.desk.example")
    monkeypatch.setitem(app.extensions, "settings", settings)
    fails = {"Authentication_Results": "mx.desk.example; dmarc=fail"}
    deliver(raw(TEXT, sender=BOB, subject="Fwd: The door", **fails))
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert (ticket.forwarded_from, ticket.sender_check) == ("", SenderCheck.FAIL)
    assert db.session.scalars(sa.select(Comment)).all() == []


@pytest.mark.parametrize("is_proven", [True, False])
def test_a_note_is_an_agents_only_where_the_mail_is_proven_to_be(
    app: Flask, bob: Person, monkeypatch: pytest.MonkeyPatch, is_proven: bool
) -> None:
    """Else anybody could write to the team in the name of a colleague."""
    settings = dataclasses.replace(app.extensions["settings"], authserv_id="mx.desk.example")
    monkeypatch.setitem(app.extensions, "settings", settings)
    server = "mx.desk.example" if is_proven else "mx.evil.example"
    told = {"Authentication_Results": f"{server}; dmarc=pass header.from=desk.example"}
    deliver(raw(TEXT, sender=BOB, subject="Fwd: The door", **told))
    [note] = db.session.scalars(sa.select(Comment))
    [event] = db.session.scalars(sa.select(TicketEvent).where(TicketEvent.kind == EventKind.NOTE))
    assert note.visibility is Visibility.INTERNAL
    if is_proven:
        assert (note.author_id, event.actor_id, note.body) == (
            bob.id,
            bob.id,
            "He shouts. Careful.",
        )
    else:
        assert (note.author_id, event.actor_id) == (None, None)
        assert note.body.startswith("Above it stood, in the name of Bob Miller:")


@pytest.mark.parametrize("first", ["support@desk.example", BOB])
def test_nobody_of_ours_is_proposed(bob: Person, first: str) -> None:
    factories.make_mailbox("support@desk.example")
    deliver(raw(TEXT.replace(ANN, first), sender=BOB, subject="Fwd: The door"))
    assert db.session.scalars(sa.select(Ticket)).one().forwarded_from == ""

"""What comes back: bounces are believed only about mails that we sent, and then acted upon."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person
from app.channels import returned_mail
from app.core.db import db
from app.core.errors import NotFound
from app.core.settings_store import change_setting
from app.mail import delivery, failing
from app.mail.models import FailingAddress, InboundState, OutboundEmail, OutboundState
from app.tickets import conversation
from app.tickets.history_models import TicketEvent
from app.tickets.models import Comment, Ticket
from app.tickets.words import EventKind, Status
from tests import factories
from tests.channels.mails import ANN, NOW, deliver
from tests.channels.test_round_trip import inbox
from tests.mail.smtp import Inbox

__all__ = ["inbox"]
pytestmark = pytest.mark.usefixtures("app")
LATER = NOW + timedelta(minutes=5)


def report(
    message_id: str,
    *,
    address: str = ANN,
    action: str = "failed",
    status: str = "5.1.1",
    to: str = "support@desk.example",
    number: int = 1,
) -> bytes:
    """A delivery report as Postfix writes it (RFC 3464)."""
    lines = [
        "Return-Path: <>",
        "From: MAILER-DAEMON@mx.customer.example (Mail Delivery System)",
        f"To: {to}",
        "Subject: Undelivered Mail Returned to Sender",
        f"Message-ID: <bounce{number}@mx.customer.example>",
        "Auto-Submitted: auto-replied",
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
        "",
        "--b",
        "Content-Type: text/plain",
        "",
        "Your message could not be delivered.",
        "--b",
        "Content-Type: message/delivery-status",
        "",
        "Reporting-MTA: dns; mx.customer.example",
        "",
        f"Final-Recipient: rfc822; {address}",
        f"Action: {action}",
        f"Status: {status}",
        "Diagnostic-Code: smtp; 550 5.1.1 no such user",
        "--b",
        "Content-Type: text/rfc822-headers",
        "",
        f"Message-ID: <{message_id}>" if message_id else "X: y",
        "--b--",
    ]
    return "\r\n".join(lines).encode()


@pytest.fixture
def bob() -> Person:
    return factories.make_agent("bob@desk.example", name="Bob Miller")


@pytest.fixture
def reply(inbox: Inbox, bob: Person) -> OutboundEmail:
    """Bob's answer to Ann, sent."""
    ann = factories.make_person(ANN, name="Ann Lee")
    ticket = factories.make_ticket(ann, status=Status.PENDING, assignee=bob)
    conversation.reply(ticket, "Lift it a little.", by=bob, now=NOW, then="pending")
    db.session.commit()
    delivery.send_due(lambda: NOW)
    return mails_to(ANN)[0]


def mails_to(address: str) -> list[OutboundEmail]:
    db.session.expire_all()
    theirs = sa.select(OutboundEmail).where(OutboundEmail.recipient == address)
    return list(db.session.scalars(theirs.order_by(OutboundEmail.id)))


def ticket_of(email: OutboundEmail) -> Ticket:
    return db.session.get_one(Ticket, email.ticket_id)


def bounced_events() -> list[str]:
    kind = TicketEvent.kind == EventKind.MAIL_BOUNCED
    return [str(text) for text in db.session.scalars(sa.select(TicketEvent.to_value).where(kind))]


def test_a_hard_bounce_is_noted_and_its_address_mailed_no_more(
    reply: OutboundEmail, bob: Person
) -> None:
    row = deliver(report(reply.message_id), LATER)
    ticket = ticket_of(reply)
    assert row.state is InboundState.BOUNCE
    assert row.reason.startswith(
        f"Noted on {ticket.number}: The mail to {ANN} came back: 550 5.1.1 no such"
    )
    fails = db.session.scalars(sa.select(FailingAddress)).one()
    assert (fails.address, fails.status, fails.since) == (ANN, "5.1.1", LATER)
    assert fails.outbound_email_id == reply.id
    assert (reply.state, "no such user" in reply.error) == (OutboundState.FAILED, True)
    assert [ANN in text and "no such user" in text for text in bounced_events()] == [True]
    comments = db.session.scalars(sa.select(Comment)).all()
    assert [comment.body for comment in comments] == ["Lift it a little."]
    assert ticket.status is Status.PENDING
    [notice] = mails_to("bob@desk.example")
    assert (notice.kind, notice.context["body"]) == ("mail_came_back", "Lift it a little.")

    conversation.reply(ticket, "Are you there?", by=bob, now=LATER)
    db.session.commit()
    delivery.send_due(lambda: LATER)
    [_, second] = mails_to(ANN)
    assert second.state is OutboundState.HELD_BACK
    assert "no such user" in second.error


def test_cleared_an_address_gets_what_it_missed(
    inbox: Inbox, reply: OutboundEmail, bob: Person
) -> None:
    deliver(report(reply.message_id), LATER)
    conversation.reply(ticket_of(reply), "Are you there?", by=bob, now=LATER)
    db.session.commit()
    delivery.send_due(lambda: LATER)
    inbox.envelopes.clear()

    told = returned_mail.clear(ANN.upper(), send_again=True, by=bob, now=LATER)
    db.session.commit()
    assert (
        told == f"Bob Miller cleared the address {ANN}; 2 mails that it missed will be sent again."
    )
    assert failing.find(ANN) is None
    delivery.send_due(lambda: LATER)
    assert [mail.text.split("\n")[0] for mail in inbox.mails if mail.to[0].email == ANN] == [
        "Lift it a little.",
        "Are you there?",
    ]
    assert {mail.state for mail in mails_to(ANN)} == {OutboundState.SENT}
    cleared = sa.select(TicketEvent.id).where(TicketEvent.kind == EventKind.ADDRESS_CLEARED)
    assert len(db.session.scalars(cleared).all()) == 1
    with pytest.raises(NotFound):
        returned_mail.clear(ANN, send_again=True, by=bob, now=LATER)


@pytest.mark.parametrize(
    ("answer", "is_failing"),
    [
        ("550 5.1.1 no such user", True),
        ("550 5.7.1 looks like spam", False),
        ("552 5.2.2 mailbox full", False),
    ],
)
def test_an_address_that_is_refused_at_once_fails_as_well(
    inbox: Inbox, bob: Person, answer: str, is_failing: bool
) -> None:
    inbox.answers[ANN] = answer
    ticket = factories.make_ticket(factories.make_person(ANN), assignee=bob)
    conversation.reply(ticket, "Lift it.", by=bob, now=NOW)
    db.session.commit()
    delivery.send_due(lambda: NOW)
    [mail] = mails_to(ANN)
    assert mail.state is OutboundState.FAILED
    assert (failing.find(ANN) is not None) is is_failing
    assert [missed.id for missed in failing.missed(ANN)] == ([mail.id] if is_failing else [])


def test_cleared_without_more_an_address_gets_new_mail_only(
    inbox: Inbox, reply: OutboundEmail, bob: Person
) -> None:
    deliver(report(reply.message_id), LATER)
    returned_mail.clear(ANN, send_again=False, by=bob, now=LATER)
    conversation.reply(ticket_of(reply), "Again.", by=bob, now=LATER)
    db.session.commit()
    inbox.envelopes.clear()
    delivery.send_due(lambda: LATER)
    assert [mail.text.split("\n")[0] for mail in inbox.mails if mail.to[0].email == ANN] == [
        "Again."
    ]


@pytest.mark.parametrize(
    ("action", "status", "state"),
    [
        ("delayed", "4.4.1", OutboundState.SENT),
        ("failed", "5.2.2", OutboundState.FAILED),  # a full mailbox
        ("failed", "5.7.1", OutboundState.FAILED),  # this mail was refused, not the address
        ("delivered", "2.0.0", OutboundState.SENT),
    ],
)
def test_other_reports_are_only_noted(
    reply: OutboundEmail, action: str, status: str, state: OutboundState
) -> None:
    content = report(reply.message_id, action=action, status=status)
    content = content.replace(b"550 5.1.1 no such user", b"250 fine" if status[0] == "2" else b"x")
    row = deliver(content, LATER)
    assert row.state is InboundState.BOUNCE
    assert failing.find(ANN) is None
    assert mails_to(ANN)[0].state is state
    assert len(bounced_events()) == (action != "delivered")


def test_a_report_about_no_mail_of_ours_marks_nobody(reply: OutboundEmail) -> None:
    """Anybody can write a report about anybody."""
    row = deliver(report("made-up@desk.example"), LATER)
    assert row.state is InboundState.IGNORED
    assert "no mail of ours" in row.reason
    assert failing.find(ANN) is None
    assert bounced_events() == []
    assert mails_to(ANN)[0].state is OutboundState.SENT


def test_a_report_about_another_address_marks_neither(reply: OutboundEmail) -> None:
    """Ann forwards her mail to where it is refused; or somebody knows one Message-ID."""
    row = deliver(report(reply.message_id, address="boss@customer.example"), LATER)
    assert row.state is InboundState.BOUNCE
    assert db.session.scalars(sa.select(FailingAddress)).all() == []
    assert ["boss@customer.example" in text for text in bounced_events()] == [True]


def test_the_same_mail_comes_back_once(reply: OutboundEmail) -> None:
    deliver(report(reply.message_id), LATER)
    row = deliver(report(reply.message_id, number=2), LATER)
    assert row.state is InboundState.BOUNCE
    assert len(bounced_events()) == 1
    assert len(mails_to("bob@desk.example")) == 1


def test_a_return_token_proves_a_report_without_message_id(inbox: Inbox, bob: Person) -> None:
    change_setting("return_tokens", True)
    ticket = factories.make_ticket(factories.make_person(ANN), assignee=bob)
    conversation.reply(ticket, "Lift it.", by=bob, now=NOW)
    db.session.commit()
    delivery.send_due(lambda: NOW)
    path = next(e.mail_from for e in inbox.envelopes if e.rcpt_tos == [ANN]) or ""
    assert path.startswith("support+")
    forged = path.replace(path[10], "b" if path[10] != "b" else "c", 1)
    assert deliver(report("", to=forged), LATER).state is InboundState.IGNORED
    assert failing.find(ANN) is None
    assert deliver(report("", to=path.upper(), number=2), LATER).state is InboundState.BOUNCE
    assert failing.find(ANN) is not None


def test_no_notice_is_sent_about_a_notice(inbox: Inbox, bob: Person) -> None:
    """Bob's own mailbox is full: a notice about that would come back in turn."""
    ticket = factories.make_ticket(factories.make_person(ANN), assignee=bob)
    conversation.customer_comment(ticket, "And?", by=ticket.requester, now=NOW)
    db.session.commit()
    delivery.send_due(lambda: NOW)
    [notice] = mails_to("bob@desk.example")
    content = report(notice.message_id, address="bob@desk.example", status="5.2.2")
    deliver(content, LATER)
    assert len(bounced_events()) == 1
    assert len(mails_to("bob@desk.example")) == 1


def test_a_report_about_a_mail_without_ticket_marks_the_address(app: Flask, inbox: Inbox) -> None:
    from app.accounts import links
    from app.accounts.models import LinkPurpose

    factories.make_person(ANN)
    links.mail(LinkPurpose.SIGN_IN, ANN, now=NOW)
    db.session.commit()
    delivery.send_due(lambda: NOW)
    [mail] = mails_to(ANN)
    row = deliver(report(mail.message_id), LATER)
    assert row.reason.startswith(f"Noted: The mail to {ANN} came back")
    assert failing.find(ANN) is not None

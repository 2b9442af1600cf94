"""What a mail may do depends on who really wrote it: proof, agents by mail, blocked and spam."""

from __future__ import annotations

import dataclasses

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person
from app.channels import held_mail
from app.core.db import db
from app.core.errors import Invalid
from app.core.settings_store import change_setting
from app.mail import blocking
from app.mail.models import InboundEmail, InboundState, OutboundEmail, SenderCheck
from app.mail.tokens import agent_token
from app.tickets import notifications
from app.tickets.history_models import DecisionRecord
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Comment, Ticket
from app.tickets.words import AuthorKind, Source, Status, Visibility
from tests import factories
from tests.channels.mails import ANN, NOW, deliver, raw, token_address

pytestmark = pytest.mark.usefixtures("app")
OURS = "mx.desk.example"
BOB = "bob@desk.example"


def proof(result: str, domain: str = "customer.example") -> dict[str, str]:
    return {"Authentication_Results": f"{OURS}; dmarc={result} header.from={domain}"}


PASS, FAIL = proof("pass"), proof("fail")
BOBS = proof("pass", "desk.example")


@pytest.fixture(autouse=True)
def _named_server(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dataclasses.replace(app.extensions["settings"], authserv_id=OURS)
    monkeypatch.setitem(app.extensions, "settings", settings)


@pytest.fixture
def bob() -> Person:
    return factories.make_agent(BOB, name="Bob Miller")


@pytest.fixture
def ticket(bob: Person) -> Ticket:
    """Ann's ticket, Bob's, pending; a mail of it was sent as <ours@desk.example>."""
    ann = factories.make_person(ANN, name="Ann Lee")
    ticket = factories.make_ticket(ann, status=Status.PENDING, assignee=bob)
    db.session.add(
        TicketMessageId(message_id="ours@desk.example", ticket_id=ticket.id, created_at=NOW)
    )
    db.session.commit()
    return ticket


def comments() -> list[Comment]:
    return list(db.session.scalars(sa.select(Comment).order_by(Comment.id)))


def outbox(kind: str) -> list[OutboundEmail]:
    found = sa.select(OutboundEmail).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(found.order_by(OutboundEmail.id)))


def bobs_address(ticket: Ticket, bob: Person) -> str:
    return f"support+{agent_token(ticket.id, bob.id)}@desk.example"


# Customers


@pytest.mark.parametrize("way", ["token", "reply", "subject"])
def test_a_mail_that_fails_dmarc_is_held_with_the_reason(ticket: Ticket, way: str) -> None:
    fields: dict[str, dict[str, str]] = {
        "token": {"to": token_address(ticket, ticket.requester)},
        "reply": {"In_Reply_To": "<ours@desk.example>"},
        "subject": {"subject": f"[{ticket.number}] Help"},
    }
    row = deliver(raw("Send it to my new house", **fields[way], **FAIL))
    assert row.state is InboundState.HELD
    assert (row.sender_check, row.authentication) == (
        SenderCheck.FAIL,
        f"dmarc=fail, said by {OURS}",
    )
    held = db.session.scalars(sa.select(HeldEmail)).one()
    assert "may be forged (dmarc=fail" in held.reason
    assert comments() == []
    assert ticket.status is Status.PENDING
    assert len(outbox("mail_held")) == 1


@pytest.mark.parametrize("fields", [PASS, {}, proof("none")])
def test_every_other_mail_of_the_requester_joins(ticket: Ticket, fields: dict[str, str]) -> None:
    row = deliver(raw(In_Reply_To="<ours@desk.example>", **fields))
    assert row.state is InboundState.COMMENT
    [comment] = comments()
    expected = SenderCheck.PASS if fields == PASS else SenderCheck.UNKNOWN
    assert (comment.sender_check, row.sender_check) == (expected, expected)


def test_an_accepted_mail_that_failed_keeps_its_warning(ticket: Ticket, bob: Person) -> None:
    deliver(raw(In_Reply_To="<ours@desk.example>", **FAIL))
    held = db.session.scalars(sa.select(HeldEmail)).one()
    held_mail.decide(ticket, held.id, "accepted", by=bob, now=NOW)
    assert [comment.sender_check for comment in comments()] == [SenderCheck.FAIL]


def test_a_new_ticket_of_a_mail_that_fails_bears_a_warning() -> None:
    row = deliver(raw("Hello", subject="Help", Cc="eve@evil.example", **FAIL))
    assert row.state is InboundState.TICKET
    ticket = db.session.scalars(sa.select(Ticket)).one()
    assert ticket.sender_check is SenderCheck.FAIL
    told = db.session.scalars(sa.select(DecisionRecord.summary)).all()
    assert any("may be forged" in summary for summary in told)
    assert outbox("auto_response") == []  # it would go to somebody who wrote nothing


def test_a_forged_reply_to_what_is_over_leads_nobody_there(ticket: Ticket) -> None:
    ticket.status = Status.CANCELLED
    db.session.commit()
    row = deliver(raw(In_Reply_To="<ours@desk.example>", **FAIL))
    assert row.state is InboundState.TICKET
    newest = db.session.scalars(sa.select(Ticket).order_by(Ticket.id.desc())).first()
    assert newest is not None
    assert (newest.follow_up_of_id, newest.sender_check) == (None, SenderCheck.FAIL)


# Agents


def test_an_agent_answers_the_customer_by_mail(ticket: Ticket, bob: Person) -> None:
    notifications.customer_replied(
        ticket, factories.make_comment(ticket, ticket.requester), now=NOW
    )
    [notice] = outbox("customer_reply")
    assert notice.reply_token == agent_token(ticket.id, bob.id)
    text = "Lift it a little.\n\nOn 23 Nov Deskhand wrote:\n> Ann wrote:\n> Hello"
    row = deliver(raw(text, sender=BOB, to=bobs_address(ticket, bob).upper(), **BOBS))
    assert row.state is InboundState.COMMENT, row.reason
    comment = comments()[-1]
    assert (comment.body, comment.author_id) == ("Lift it a little.", bob.id)
    assert (comment.author_kind, comment.visibility) == (AuthorKind.AGENT, Visibility.PUBLIC)
    assert (comment.source, comment.inbound_email_id) == (Source.EMAIL, row.id)
    [mail] = outbox("ticket_reply")
    assert (mail.recipient, mail.context["body"]) == (ANN, "Lift it a little.")
    assert ticket.requester.name == "Ann Lee"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("not proven", "nothing proves"),
        ("forged", "check of the sender failed"),
        ("another agent's token", "no address made for this agent"),
        ("the customer's token", "no address made for this agent"),
        ("no token", "no address made for this agent"),
        ("a list", "automatic"),
        ("absent", "automatic"),
        ("over", "reopened first"),
        ("private group", "may not answer"),
        ("left", "may not answer"),
        ("nothing new", "nothing new"),
        ("quotes the notice", "must not read"),
    ],
)
def test_else_an_agents_mail_is_held(ticket: Ticket, bob: Person, case: str, reason: str) -> None:
    to, fields, text = bobs_address(ticket, bob), dict(BOBS), "Lift it."
    match case:
        case "not proven":
            fields = {}
        case "forged":
            fields = proof("fail", "desk.example")
        case "another agent's token":
            to = bobs_address(ticket, factories.make_agent())
        case "the customer's token":
            to = token_address(ticket, ticket.requester)
        case "no token":
            to = "support@desk.example"
            fields["In-Reply-To"] = "<ours@desk.example>"
        case "a list":
            fields["List_Id"] = "<all.desk.example>"
        case "absent":
            fields["subject"] = "Out of office: Re: Help"
        case "over":
            ticket.status, ticket.closed_at = Status.CLOSED, NOW
        case "private group":
            ticket.group = factories.make_group(is_private=True)
        case "left":
            bob.is_active = False
        case "nothing new":
            text = "> Ann wrote"
        case "quotes the notice":
            text = f"Yes.\n\nhttp://localhost/desk/tickets/{ticket.number}"
    db.session.commit()
    row = deliver(raw(text, sender=BOB, to=to, **fields))
    assert row.state is InboundState.HELD, row.reason
    assert reason in row.reason
    assert comments() == []
    assert outbox("ticket_reply") == []


def test_an_agents_held_mail_is_the_agents_once_it_is_accepted(ticket: Ticket, bob: Person) -> None:
    deliver(raw("Lift it.", sender=BOB, to=bobs_address(ticket, bob)))
    held = db.session.scalars(sa.select(HeldEmail)).one()
    held_mail.decide(ticket, held.id, "accepted", by=factories.make_agent(), now=NOW)
    [comment] = comments()
    assert (comment.author_id, comment.author_kind) == (bob.id, AuthorKind.AGENT)
    assert [mail.recipient for mail in outbox("ticket_reply")] == [ANN]


@pytest.mark.parametrize(("fields", "joins"), [(BOBS, True), ({}, False)])
def test_an_agent_who_asks_replies_as_the_requester(
    bob: Person, fields: dict[str, str], joins: bool
) -> None:
    """In a helpdesk of one's own house agents ask, too."""
    ticket = factories.make_ticket(bob, status=Status.PENDING)
    db.session.commit()
    deliver(raw("Still broken", sender=BOB, to=token_address(ticket, bob), **fields))
    kinds = [comment.author_kind for comment in comments()]
    assert kinds == ([AuthorKind.REQUESTER] if joins else [])
    assert ticket.status is (Status.OPEN if joins else Status.PENDING)


def test_a_token_in_strange_hands_acts_for_nobody(ticket: Ticket, bob: Person) -> None:
    """Bob forwarded a notice, and its address with it."""
    row = deliver(raw(sender="eve@customer.example", to=bobs_address(ticket, bob), **PASS))
    assert row.state is InboundState.HELD
    assert comments() == []


def test_where_nobody_is_checked_agents_get_no_such_address(
    app: Flask, ticket: Ticket, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = dataclasses.replace(app.extensions["settings"], authserv_id=None)
    monkeypatch.setitem(app.extensions, "settings", settings)
    notifications.assigned(ticket, bob.id, by_id=None, now=NOW)
    [notice] = outbox("assigned")
    assert (notice.reply_token, notice.context["can_answer"]) == ("", False)
    assert deliver(raw(sender=BOB, to=bobs_address(ticket, bob), **BOBS)).state is InboundState.HELD


# Our own mail, blocked senders, spam


def test_our_own_mail_that_comes_back_by_a_detour_is_ignored(ticket: Ticket) -> None:
    notifications.assigned(ticket, ticket.assignee_id or 0, by_id=None, now=NOW)
    [ours] = outbox("assigned")
    row = deliver(raw("Redirected", message_id=ours.message_id, subject="x"))
    assert (row.state, row.reason[:24]) == (InboundState.IGNORED, "Our own mail came back: ")


@pytest.mark.parametrize("pattern", [ANN.upper(), "customer.example", "Example"])
def test_a_blocked_senders_mail_is_kept_and_not_read(ticket: Ticket, pattern: str) -> None:
    if "." not in pattern:
        with pytest.raises(Invalid):
            blocking.block(pattern, by=None, now=NOW)
        return
    blocking.block(pattern, reason="Spam", by=ticket.assignee, now=NOW)
    blocking.block(pattern, by=None, now=NOW)
    db.session.commit()
    row = deliver(raw("Buy", In_Reply_To="<ours@desk.example>"))
    assert row.state is InboundState.IGNORED
    assert row.reason == f"{ANN} is blocked, by {pattern.lower()}."
    assert b"Buy" in row.raw
    assert comments() == []
    assert deliver(raw("Hi", sender="a@mycustomer.example")).state is InboundState.TICKET
    assert deliver(raw("Ho", sender="a@sub.customer.example")).state is (
        InboundState.TICKET if "@" in pattern else InboundState.IGNORED
    )
    db.session.delete(blocking.find(pattern.lower()))
    db.session.commit()
    assert deliver(raw("More", In_Reply_To="<ours@desk.example>")).state is InboundState.COMMENT


@pytest.mark.parametrize("pattern", ["", "@x.example", "a b@x.example", "support@desk.example"])
def test_not_everything_can_be_blocked(pattern: str) -> None:
    factories.make_mailbox("support@desk.example")
    with pytest.raises(Invalid):
        blocking.block(pattern, by=None, now=NOW)


def test_the_desks_own_domain_is_not_blocked() -> None:
    factories.make_mailbox("support@desk.example")
    with pytest.raises(Invalid, match="desk itself"):
        blocking.block("desk.example", by=None, now=NOW)


@pytest.mark.parametrize(
    ("field", "is_spam"),
    [
        ({"X_Spam_Flag": "YES"}, True),
        ({"X_Spam_Status": "Yes, score=9.1 required=5.0"}, True),
        ({"X_Spam_Status": "No, score=0.1"}, False),
        ({"X_Spam_Flag": "NO"}, False),
        ({"X_Other": "YES"}, False),
    ],
)
def test_what_the_mail_server_calls_spam_rests_in_quarantine(
    field: dict[str, str], is_spam: bool
) -> None:
    row = deliver(raw("Buy", subject="Buy", **field))
    assert row.state is (InboundState.QUARANTINED if is_spam else InboundState.TICKET)
    assert ("spam" in row.reason) is is_spam


def test_which_fields_count_is_a_setting() -> None:
    change_setting("spam_headers", ["X-Other"])
    assert deliver(raw("a", X_Other="YES")).state is InboundState.QUARANTINED
    assert deliver(raw("b", X_Spam_Flag="YES")).state is InboundState.TICKET


def test_a_reply_to_our_own_mail_is_no_spam_to_us(ticket: Ticket) -> None:
    row = deliver(raw("Yes", In_Reply_To="<ours@desk.example>", X_Spam_Flag="YES"))
    assert row.state is InboundState.COMMENT
    by_number = {"subject": f"[{ticket.number}]", "X_Spam_Flag": "YES"}
    assert deliver(raw("No", **by_number)).state is InboundState.QUARANTINED


def test_a_released_mail_is_read(ticket: Ticket) -> None:
    row = deliver(raw("Buy", subject="Buy", X_Spam_Flag="YES"))
    changed = {"state": InboundState.WAITING, "is_released": True, "due_at": NOW}
    db.session.execute(sa.update(InboundEmail).where(InboundEmail.id == row.id).values(**changed))
    assert deliver(row.raw).state is InboundState.TICKET

"""What agents decide about those who write: who asks, which address works, what is spam."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person, PersonEmail
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.mail import blocking, failing
from app.mail.models import OutboundEmail, OutboundState, SenderCheck
from app.tickets import conversation
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.words import EventKind, Status
from tests import factories
from tests.channels.mails import ANN

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def agent(client: FlaskClient, sign_in: SignIn) -> Person:
    agent = factories.make_agent("bob@desk.example", name="Bob Miller")
    sign_in(client, agent)
    return agent


@pytest.fixture
def ticket(agent: Person) -> Ticket:
    ann = factories.make_person(ANN, name="Ann Lee")
    ticket = factories.make_ticket(ann, status=Status.OPEN, assignee=agent)
    db.session.commit()
    return ticket


def page(client: FlaskClient, ticket: Ticket) -> str:
    return client.get(f"/desk/tickets/{ticket.number}").text


def post(client: FlaskClient, ticket: Ticket, path: str, **form: str) -> int:
    token = page(client, ticket).partition('name="csrf_token" value="')[2].partition('"')[0]
    data = {"csrf_token": token, **form}
    answer = client.post(f"/desk/tickets/{ticket.number}/{path}", data=data)
    db.session.expire_all()
    return answer.status_code


def test_a_forged_mail_bears_its_warning(client: FlaskClient, ticket: Ticket) -> None:
    assert "may be forged" not in page(client, ticket)
    ticket.sender_check = SenderCheck.FAIL
    db.session.commit()
    assert "This mail may be forged." in page(client, ticket)


def test_a_forged_comment_bears_its_mark(client: FlaskClient, ticket: Ticket) -> None:
    comment = factories.make_comment(ticket, ticket.requester, sender_check=SenderCheck.FAIL)
    db.session.commit()
    _, _, after = page(client, ticket).partition(f'id="comment-{comment.id}"')
    assert "may be forged</span>" in after
    assert "This mail may be forged." not in after


def test_one_click_makes_the_customer_the_requester(
    client: FlaskClient, agent: Person, ticket: Ticket
) -> None:
    ticket.requester, ticket.forwarded_from, ticket.forwarded_name = agent, ANN, "Ann Lee"
    db.session.commit()
    assert f"Ann Lee &lt;{ANN}&gt;" in page(client, ticket)
    assert post(client, ticket, "requester", decision="else") == 422
    assert post(client, ticket, "requester", decision="accepted") == 303
    assert ticket.requester.name == "Ann Lee"
    assert "Make them the requester" not in page(client, ticket)
    assert post(client, ticket, "requester", decision="dismissed") == 409


def test_a_failing_address_is_shown_and_cleared(
    client: FlaskClient, agent: Person, ticket: Ticket
) -> None:
    now = utcnow()
    failing.mark(ANN, status="5.1.1", reason="no such user", outbound_email_id=None, now=now)
    failing.mark("else@x.example", status="", reason="", outbound_email_id=None, now=now)
    db.session.execute(
        sa.insert(OutboundEmail).values(
            kind="ticket_reply",
            recipient=ANN,
            message_id="1@desk.example",
            ticket_id=ticket.id,
            state=OutboundState.HELD_BACK,
            created_at=now,
            due_at=now,
            give_up_at=now,
        )
    )
    db.session.commit()
    shown = page(client, ticket)
    assert "comes back" in shown
    assert "5.1.1 no such user" in shown
    assert "else@x.example" not in shown
    assert post(client, ticket, "cleared-addresses", address="else@x.example") == 404
    assert post(client, ticket, "cleared-addresses", address=ANN, missed="send") == 303
    assert failing.find(ANN) is None
    assert db.session.scalars(sa.select(OutboundEmail.state)).one() is OutboundState.QUEUED
    assert "comes back" not in page(client, ticket)
    told = sa.select(TicketEvent.to_value).where(TicketEvent.kind == EventKind.ADDRESS_CLEARED)
    assert "1 mail that it missed" in (db.session.scalars(told).one() or "")


def test_another_address_of_the_same_person_takes_over(
    client: FlaskClient, agent: Person, ticket: Ticket
) -> None:
    ann, now = ticket.requester, utcnow()
    ann.emails.append(PersonEmail(address="ann@home.example"))
    factories.make_person("eve@x.example")
    db.session.flush()
    conversation.reply(ticket, "Lift it.", by=agent, now=now)
    failing.mark(ANN, status="5.1.1", reason="gone", outbound_email_id=None, now=now)
    db.session.execute(sa.update(OutboundEmail).values(state=OutboundState.HELD_BACK))
    db.session.commit()
    shown = page(client, ticket)
    assert "Use <bdi>ann@home.example</bdi> instead" in shown
    assert "eve@x.example" not in shown
    form = {"address": ANN, "other": "eve@x.example"}
    assert post(client, ticket, "cleared-addresses", **form) == 404
    assert post(client, ticket, "cleared-addresses", address=ANN, other="ann@home.example") == 303
    [mail] = db.session.scalars(sa.select(OutboundEmail))
    assert (mail.recipient, mail.state) == ("ann@home.example", OutboundState.QUEUED)
    assert ticket.requester.email == "ann@home.example"
    assert failing.find(ANN) is not None
    assert "comes back" not in page(client, ticket)


def test_spam_is_cancelled_and_its_sender_blocked(
    client: FlaskClient, agent: Person, ticket: Ticket
) -> None:
    assert "Spam: cancel it" in page(client, ticket)
    # Domains are for supervisors: else each agent could shut out everybody at one.
    assert post(client, ticket, "spam", block="domain") == 303
    assert (ticket.status, [tag.name for tag in ticket.tags]) == (Status.CANCELLED, ["spam"])
    assert blocking.blocked_by(ANN) == ANN
    assert blocking.blocked_by(f"other.{ANN}") == ""
    assert db.session.scalars(sa.select(OutboundEmail)).all() == []
    assert "marked it as spam and blocked" in page(client, ticket)
    line = db.session.scalars(sa.select(AuditEntry)).one()
    assert (line.actor_id, line.action, line.thing_name) == (agent.id, "created", ANN)
    assert post(client, ticket, "spam") == 409


def test_a_colleague_is_no_spammer(client: FlaskClient, agent: Person, ticket: Ticket) -> None:
    ticket.requester = agent
    db.session.commit()
    assert post(client, ticket, "spam") == 409
    assert blocking.blocked_by("bob@desk.example") == ""


def test_a_thank_you_can_open_the_ticket_after_all(
    client: FlaskClient, agent: Person, ticket: Ticket
) -> None:
    ticket.status, ticket.resolved_at = Status.RESOLVED, utcnow()
    factories.make_comment(ticket, ticket.requester, "Thanks!", is_quiet=True)
    db.session.commit()
    assert "only a thank-you" in page(client, ticket)
    form = {"status": "open", "version": str(ticket.version), "part": "show"}
    assert post(client, ticket, "status", **form) == 303
    assert ticket.status is Status.OPEN
    assert "only a thank-you" not in page(client, ticket)


@pytest.mark.parametrize("path", ["requester", "cleared-addresses", "spam"])
def test_strangers_decide_nothing(
    client: FlaskClient, sign_in: SignIn, ticket: Ticket, path: str
) -> None:
    group = factories.make_group(is_private=True)
    ticket.group, ticket.forwarded_from = group, "eve@x.example"
    db.session.commit()
    data = {"decision": "accepted", "address": ANN, "block": "address"}
    for person, status in ((factories.make_agent(), 404), (ticket.requester, 403)):
        db.session.commit()
        sign_in(client, person)
        token = client.get("/").text.partition('name="csrf_token" value="')[2].partition('"')[0]
        answer = client.post(
            f"/desk/tickets/{ticket.number}/{path}", data={**data, "csrf_token": token}
        )
        assert answer.status_code in (status, 404, 403)
    db.session.expire_all()
    assert (ticket.forwarded_from, ticket.status) == ("eve@x.example", Status.OPEN)
    assert blocking.blocked_by(ANN) == ""

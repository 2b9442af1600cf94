"""Stopping mails by the link in them, and by the switches on the account page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import OutboundEmail
from app.mail.unsubscribing import NOTICES, Subscription, token
from app.tickets import conversation, notifications
from app.tickets.models import Participant
from tests.factories import make_agent, make_participant, make_person, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def guest(app: Flask) -> FlaskClient:
    return app.test_client()


def told(kind: str) -> list[str]:
    db.session.flush()
    mails = sa.select(OutboundEmail.recipient).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(mails))


def test_one_click_stops_a_kind_of_notice_for_one_agent(guest: FlaskClient) -> None:
    bob, carl = make_agent("bob@desk.example"), make_agent("carl@desk.example")
    db.session.commit()
    path = f"/notices/{token(Subscription(bob.id, kind='assigned'))}"
    page = guest.get(path)
    assert page.status_code == 200
    assert "A ticket is assigned to you".lower() in page.get_data(as_text=True)
    assert bob.muted_notices == []  # a mail scanner that follows links stops nothing
    for _ in range(2):
        assert guest.post(path, data=ONE_CLICK).status_code == 200
    assert (bob.muted_notices, carl.muted_notices) == (["assigned"], [])
    for agent in (bob, carl):
        notifications.assigned(make_ticket(), agent.id, by_id=None, now=utcnow())
    assert told("assigned") == ["carl@desk.example"]
    notifications.customer_replied(
        ticket := make_ticket(assignee=bob),
        conversation.customer_comment(ticket, "Hi", by=ticket.requester, now=utcnow()),
        now=utcnow(),
    )
    assert set(told("customer_reply")) == {"bob@desk.example"}
    assert guest.post(path, data={"again": "1"}).status_code == 200
    assert bob.muted_notices == []


def test_the_link_of_a_mail_works(guest: FlaskClient) -> None:
    bob = make_agent()
    notifications.assigned(make_ticket(), bob.id, by_id=None, now=utcnow())
    db.session.commit()
    [mail] = db.session.scalars(sa.select(OutboundEmail))
    assert mail.context["stop"] == [bob.id, "assigned"]


def test_a_follower_leaves_a_ticket_and_nobody_else_does(guest: FlaskClient) -> None:
    ticket, other = make_ticket(), make_ticket()
    dora, eve = make_person("dora@x.example"), make_person("eve@x.example")
    for person in (dora, eve):
        make_participant(ticket, person)
        make_participant(other, person)
    agent = make_agent()
    conversation.reply(ticket, "Lift it", by=agent, now=utcnow())
    db.session.commit()
    stops = {
        mail.recipient: mail.context["stop"]
        for mail in db.session.scalars(sa.select(OutboundEmail))
    }
    assert stops.pop(ticket.requester.email) is None  # a requester cannot leave their own ticket
    assert stops == {
        "dora@x.example": [dora.id, ticket.id],
        "eve@x.example": [eve.id, ticket.id],
    }
    path = f"/notices/{token(Subscription(dora.id, ticket_id=ticket.id))}"
    assert ticket.number in guest.get(path).get_data(as_text=True)
    for _ in range(2):
        assert guest.post(path, data=ONE_CLICK).status_code == 200
    left = db.session.execute(sa.select(Participant.ticket_id, Participant.person_id)).all()
    assert set(map(tuple, left)) == {
        (ticket.id, eve.id),
        (other.id, dora.id),
        (other.id, eve.id),
    }
    own = f"/notices/{token(Subscription(ticket.requester_id, ticket_id=ticket.id))}"
    assert guest.post(own, data=ONE_CLICK).status_code == 200
    conversation.reply(ticket, "And now?", by=agent, now=utcnow())
    assert ticket.requester.email in told("ticket_reply")[3:]


@pytest.mark.parametrize("forged", ["x", "WzEsImFzc2lnbmVkIl0.abc", "%00", "é"])
def test_a_forged_link_stops_nothing(guest: FlaskClient, forged: str) -> None:
    assert guest.get(f"/notices/{forged}").status_code == 404
    assert guest.post(f"/notices/{forged}").status_code == 404


def test_a_kind_that_is_no_notice_cannot_be_stopped(guest: FlaskClient) -> None:
    bob = make_agent()
    db.session.commit()
    path = f"/notices/{token(Subscription(bob.id, kind='password_reset'))}"
    assert guest.post(path).status_code == 404


def test_an_agent_chooses_on_the_account_page(client: FlaskClient, sign_in: SignIn) -> None:
    bob = make_agent()
    sign_in(client, bob)
    page = client.get("/account/").get_data(as_text=True)
    assert page.count('name="notices"') == page.count(" checked>") == len(NOTICES)
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert csrf
    data = {"csrf_token": csrf[1], "notices": ["assigned", "sla_breach", "nonsense"]}
    assert client.post("/account/notices", data=data).status_code == 303
    assert set(bob.muted_notices) == set(NOTICES) - {"assigned", "sla_breach"}
    page = client.get("/account/").get_data(as_text=True)
    assert page.count(" checked>") == 2

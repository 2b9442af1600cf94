"""Who gets a reply is said before it is sent, and can be changed; who takes part, too."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import FailingAddress, OutboundEmail, OutboundState
from app.tickets import portal_queries
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.portal_queries import Viewer
from app.tickets.words import ParticipantKind, Status, Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_mailbox,
    make_participant,
    make_person,
    make_ticket,
)

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    """Anna's; Bob follows it. Somebody follows another one."""
    ticket = make_ticket(make_person("anna@shop.example", name="Anna"), status=Status.OPEN)
    make_participant(ticket, make_person("bob@shop.example", name="Bob"))
    make_participant(make_ticket(), make_person("carol@shop.example", name="Carol"))
    db.session.commit()
    return ticket


def post(client: FlaskClient, ticket: Ticket, action: str, **data: object) -> TestResponse:
    path = f"/desk/tickets/{ticket.number}"
    page = client.get(path).text
    fields = re.findall(r'name="(csrf_token|readers)" value="([^"]*)"', page)
    return client.post(f"{path}/{action}", data=dict(fields) | data)


def send(client: FlaskClient, ticket: Ticket, **data: object) -> TestResponse:
    everybody = [ticket.requester_id, *people_of(ticket)]
    return post(client, ticket, "comments", **({"body": "Done", "to": everybody} | data))


def people_of(ticket: Ticket) -> dict[int, ParticipantKind]:
    its = sa.select(Participant).where(Participant.ticket_id == ticket.id)
    return {row.person_id: row.kind for row in db.session.scalars(its)}


def mailed() -> set[str]:
    sent = sa.select(OutboundEmail.recipient).where(OutboundEmail.kind == "ticket_reply")
    return set(db.session.scalars(sent))


def test_the_composer_names_everybody_who_gets_the_reply(desk: FlaskClient, ticket: Ticket) -> None:
    page = re.sub(r"<[^>]+>", "", desk.get(f"/desk/tickets/{ticket.number}").text)
    assert "To Anna, cc Bob" in page
    assert "Carol" not in page
    assert send(desk, ticket).status_code == 303
    assert mailed() == {"anna@shop.example", "bob@shop.example"}
    assert db.session.scalars(sa.select(Comment)).one().sent_to == "Anna, cc Bob"


def test_one_can_be_left_out_this_time(desk: FlaskClient, ticket: Ticket) -> None:
    assert send(desk, ticket, to=[ticket.requester_id]).status_code == 303
    assert mailed() == {"anna@shop.example"}
    assert len(people_of(ticket)) == 1  # and still takes part


def test_a_reply_for_nobody_is_refused_and_kept(desk: FlaskClient, ticket: Ticket) -> None:
    refused = send(desk, ticket, to=[], body="Not lost")
    assert refused.status_code == 422
    assert "Choose somebody who gets it" in refused.text
    assert "Not lost" in refused.text
    assert mailed() == set()


def test_whoever_is_ccd_takes_part_from_then_on(desk: FlaskClient, ticket: Ticket) -> None:
    cc = "Dan <dan@shop.example>; BOB@shop.example"
    assert send(desk, ticket, cc=cc).status_code == 303
    assert mailed() == {"anna@shop.example", "bob@shop.example", "dan@shop.example"}
    assert sorted(people_of(ticket).values()) == [ParticipantKind.CC, ParticipantKind.FOLLOWER]


@pytest.mark.parametrize("wrong", ["no address", "dan@shop.example, @", "box@desk.example"])
def test_a_wrong_cc_sends_nothing(desk: FlaskClient, ticket: Ticket, wrong: str) -> None:
    make_mailbox("box@desk.example")
    db.session.commit()
    refused = send(desk, ticket, cc=wrong, body="Not lost")
    assert refused.status_code == 422
    assert "Not lost" in refused.text
    assert f'value="{wrong}"' in refused.text
    assert mailed() == set()
    assert len(people_of(ticket)) == 1


def test_nobody_gets_a_reply_whom_its_writer_did_not_see(desk: FlaskClient, ticket: Ticket) -> None:
    refused = send(desk, ticket, readers=str(ticket.requester_id), to=[ticket.requester_id])
    assert refused.status_code == 409
    assert "Bob joined the conversation meanwhile" in refused.text
    assert mailed() == set()


def test_somebody_is_added_and_sees_the_ticket(desk: FlaskClient, ticket: Ticket) -> None:
    done = post(desk, ticket, "participants", address="eve@shop.example")
    assert done.status_code == 303
    eve = db.session.scalars(sa.select(Person).join(Person.emails).filter_by(
        address="eve@shop.example")).one()  # fmt: skip
    assert people_of(ticket)[eve.id] is ParticipantKind.FOLLOWER
    assert portal_queries.show_own(ticket.number, to=Viewer(eve)).id == ticket.id
    page = desk.get(f"/desk/tickets/{ticket.number}").text
    assert "eve@shop.example" in page
    wrong = post(desk, ticket, "participants", address="nobody")
    assert wrong.status_code == 422
    assert 'value="nobody"' in wrong.text


def test_somebody_who_is_removed_sees_it_no_more(desk: FlaskClient, ticket: Ticket) -> None:
    [bob_id] = people_of(ticket)
    assert post(desk, ticket, f"participants/{bob_id}/removal").status_code == 303
    assert people_of(ticket) == {}
    bob = db.session.get_one(Person, bob_id)
    with pytest.raises(Exception, match="no such ticket"):
        portal_queries.show_own(ticket.number, to=Viewer(bob))
    assert post(desk, ticket, f"participants/{bob_id}/removal").status_code == 404
    whose = post(desk, ticket, f"participants/{ticket.requester_id}/removal")
    assert whose.status_code == 409


def test_somebody_who_is_removed_gets_no_mail_that_waits(desk: FlaskClient, ticket: Ticket) -> None:
    send(desk, ticket)
    [bob_id] = people_of(ticket)
    post(desk, ticket, f"participants/{bob_id}/removal")
    states = {mail.recipient: mail.state for mail in db.session.scalars(sa.select(OutboundEmail))}
    assert states["anna@shop.example"] is OutboundState.QUEUED
    assert states["bob@shop.example"] is OutboundState.CANCELLED


def test_an_address_that_fails_is_marked(desk: FlaskClient, ticket: Ticket) -> None:
    assert "came back" not in desk.get(f"/desk/tickets/{ticket.number}").text
    for address in ("anna@shop.example", "bob@shop.example"):
        db.session.add(
            FailingAddress(address=address, since=utcnow(), status="5.1.1", reason="unknown")
        )
    db.session.commit()
    page = desk.get(f"/desk/tickets/{ticket.number}").text
    assert page.count("mails to it came back") == 2


def test_it_costs_one_statement_where_others_take_part(
    desk: FlaskClient, ticket: Ticket, statements: list[str]
) -> None:
    for n in range(20):
        make_participant(ticket, make_person(f"p{n}@shop.example"))
    db.session.commit()
    path = f"/desk/tickets/{ticket.number}"
    desk.get(path)
    statements.clear()
    desk.get(path)
    assert len(statements) == 7, statements


def test_htmx_gets_the_strip_and_the_recipients(
    htmx: FlaskClient, ticket: Ticket, sign_in: SignIn
) -> None:
    live = sign_in(htmx, make_agent())
    answer = post(live, ticket, "participants", address="eve@shop.example")
    assert answer.status_code == 200
    assert f'id="ticket-{ticket.number}-people"' in answer.text
    assert f'id="ticket-{ticket.number}-recipients"' in answer.text
    assert 'hx-swap-oob="true"' in answer.text
    assert "reply-body" not in answer.text  # what is being typed stays


def test_nobody_answers_past_what_was_just_written(desk: FlaskClient, ticket: Ticket) -> None:
    path = f"/desk/tickets/{ticket.number}"
    make_comment(ticket, ticket.requester, "first")
    db.session.commit()
    shown = re.search(r'name="read" value="(\d+)"', desk.get(path).text)
    assert shown
    make_comment(ticket, ticket.requester, "It works now, thank you")
    db.session.commit()
    late = send(desk, ticket, read=shown[1], body="Have you tried to turn it off?")
    assert late.status_code == 409
    assert "Anna wrote meanwhile" in late.text
    assert "It works now, thank you" in late.text
    assert "Have you tried" in late.text
    assert mailed() == set()
    again = re.search(r'name="read" value="(\d+)"', late.text)
    assert again
    assert send(desk, ticket, read=again[1]).status_code == 303


def test_a_note_or_ones_own_words_stop_nobody(desk: FlaskClient, ticket: Ticket) -> None:
    make_comment(ticket, make_agent(), "among us", visibility=Visibility.INTERNAL)
    make_comment(ticket, None, "We have it", is_automatic=True)
    assert send(desk, ticket, read="0").status_code == 303
    assert send(desk, ticket, read="0", body="One more thing").status_code == 303


def test_htmx_gets_what_was_written_meanwhile(
    htmx: FlaskClient, ticket: Ticket, sign_in: SignIn
) -> None:
    live = sign_in(htmx, make_agent())
    make_comment(ticket, ticket.requester, "It works now")
    db.session.commit()
    answer = send(live, ticket, read="0")
    assert answer.status_code == 409
    assert f'id="ticket-{ticket.number}-composer"' in answer.text
    assert "It works now" in answer.text

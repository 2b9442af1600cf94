"""What is internal appears on no page of a customer, wherever it was written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.routing import Rule

from app.accounts.models import OrganizationAccess, Person
from app.core.clock import utcnow
from app.core.db import db
from app.tickets import attachments
from app.tickets.catalog_models import CustomField, Tag
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Attachment, Comment, Participant, Ticket
from app.tickets.words import EventKind, Source, Status, Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_held_mail,
    make_mail,
    make_organization,
    make_person,
    make_ticket,
)
from tests.portal.conftest import Visitor

SECRET = "Xylophage"
SCORE = 98765
SHOWN = "shown to everybody"


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    """A ticket with a secret in every place that is none of the customer's business."""
    company = make_organization(
        "Lekki Fresh", access=OrganizationAccess.ALL, notes=f"{SECRET} organization"
    )
    person = make_person("seun@lekki.example", name="Seun", organization=company)
    agent = make_agent(f"{SECRET}@desk.example".lower(), name="Sanna Oksanen")
    db.session.add(CustomField(key="margin", label=f"{SECRET} label", kind="text"))
    ticket = make_ticket(
        person,
        status=Status.PENDING,
        assignee=agent,
        group=make_group(f"{SECRET} group", is_private=True),
        tags=[Tag(name=f"{SECRET} tag".lower())],
        custom_fields={"margin": f"{SECRET} margin"},
        preview=f"Sanna: {SECRET} preview",
        channel=f"{SECRET} channel",
        priority_score=SCORE,
        priority_is_computed=True,
    )
    now = utcnow()
    make_comment(ticket, person, SHOWN)
    note = make_comment(
        ticket, agent, f"{SECRET} note", visibility=Visibility.INTERNAL, quoted=f"{SECRET} quote"
    )
    stored = attachments.store_bytes(SECRET.encode(), f"{SECRET}.txt", "text/plain")
    rows = attachments.rows(
        [stored], ticket_id=ticket.id, comment_id=note.id, uploader_id=agent.id, now=now
    )
    db.session.execute(sa.insert(Attachment), rows)
    make_held_mail(
        ticket,
        make_mail(SECRET.encode(), subject=f"{SECRET} mail"),
        from_name=f"{SECRET} sender",
        reason=f"{SECRET} reason",
        body=f"{SECRET} held",
    )
    db.session.add_all(
        [
            TicketEvent(
                ticket_id=ticket.id,
                kind=EventKind.STATUS,
                actor_name=f"{SECRET} actor",
                from_value=f"{SECRET} from",
                to_value=f"{SECRET} to",
                version=2,
                created_at=now,
            ),
            DecisionRecord(
                ticket_id=ticket.id,
                kind="priority",
                summary=f"{SECRET} decision",
                details=[{"text": f"{SECRET} detail"}],
                created_at=now,
            ),
        ]
    )
    db.session.commit()
    return ticket


def pages(app: Flask, ticket: Ticket) -> Iterator[str]:
    """Every GET route of the portal, its parts filled in for *ticket*."""
    rules: list[Rule] = [
        rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint.split(".")[0] in ("portal", "opening") and "GET" in (rule.methods or ())
    ]
    assert len(rules) >= 7
    for rule in rules:
        values = {
            "number": ticket.number,
            "attachment_id": 1,
            "name": "x",
            "comment_id": 1,
        }
        built = rule.build({name: values[name] for name in rule.arguments})
        assert built is not None
        yield built[1]
    newest = db.session.scalar(sa.select(sa.func.max(Comment.id))) or 0
    yield f"/tickets/{ticket.number}?before={newest + 1}"
    yield f"/tickets?before={ticket.id + 1}"


def everybody(
    ticket: Ticket, customer: Callable[[Person], Visitor], by_link: Callable[..., Visitor]
) -> list[Visitor]:
    """Requester, colleague, follower, and who came by a link."""
    colleague = make_person(organization=ticket.requester.organization)
    follower = make_person()
    db.session.add(Participant(ticket_id=ticket.id, person_id=follower.id, created_at=utcnow()))
    db.session.commit()
    return [
        customer(ticket.requester),
        customer(colleague),
        customer(follower),
        by_link(ticket),
        by_link(ticket, follower),
    ]


@pytest.mark.requirement("R 0-21", "X18")
def test_no_page_shows_anything_internal(
    app: Flask,
    ticket: Ticket,
    customer: Callable[[Person], Visitor],
    by_link: Callable[..., Visitor],
) -> None:
    path = f"/tickets/{ticket.number}"
    for visitor in everybody(ticket, customer, by_link):
        assert SHOWN in visitor.get(path).text
        for script in (False, True):
            if script:
                visitor.client.environ_base["HTTP_HX_REQUEST"] = "true"
            for page in pages(app, ticket):
                text = visitor.get(page, follow_redirects=True).text
                assert SECRET.lower() not in text.lower(), page
                assert str(SCORE) not in text, page


@pytest.mark.requirement("X18")
def test_no_answer_to_a_form_shows_anything_internal(
    ticket: Ticket, customer: Callable[[Person], Visitor], by_link: Callable[..., Visitor]
) -> None:
    path = f"/tickets/{ticket.number}"
    for visitor in everybody(ticket, customer, by_link):
        for to in ("comments", "resolution", "reopening", "comments", "link"):
            for data in ({}, {"body": "Hello", "email": "seun@lekki.example"}):
                answer = visitor.post(f"{path}/{to}", path, **data)
                assert answer.status_code < 500
                assert SECRET.lower() not in answer.text.lower(), to


def test_the_file_of_a_note_is_not_there_for_a_customer(
    ticket: Ticket,
    customer: Callable[[Person], Visitor],
    by_link: Callable[..., Visitor],
) -> None:
    file = db.session.scalars(sa.select(Attachment)).one()
    path = f"/tickets/{ticket.number}/attachments/{file.id}/{file.filename}"
    for visitor in everybody(ticket, customer, by_link):
        assert visitor.get(path).status_code == 404
    agent = Visitor(customer(ticket.assignee or make_agent()).client)
    desk = f"/desk/tickets/{ticket.number}/attachments/{file.id}/{file.filename}"
    assert agent.get(desk).status_code == 404  # a private group that the agent is not in
    assert ticket.group
    ticket.group.is_private = False
    db.session.commit()
    assert agent.get(desk).data == SECRET.encode()


def test_a_note_moves_no_time_that_customers_see(
    ticket: Ticket, customer: Callable[[Person], Visitor]
) -> None:
    visitor = customer(ticket.requester)
    before = visitor.get("/tickets").text
    agent = ticket.assignee
    later = utcnow() + timedelta(days=1_500)
    make_comment(ticket, agent, "x", visibility=Visibility.INTERNAL, created_at=later)
    db.session.get_one(Ticket, ticket.id).updated_at = later
    db.session.commit()
    after = visitor.get("/tickets").text
    assert str(later.year) not in after
    assert before.split("<main")[1].split("csrf")[0] == after.split("<main")[1].split("csrf")[0]


def test_phone_notes_and_sources_stay_words(
    customer: Callable[[Person], Visitor],
) -> None:
    ticket = make_ticket(source=Source.PHONE)
    assert "on the phone" in customer(ticket.requester).get(f"/tickets/{ticket.number}").text

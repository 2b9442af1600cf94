"""A customer's ticket: what they read, say and decide."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import OutboundEmail
from app.sla.models import SlaTerms
from app.tickets.catalog_models import CustomField
from app.tickets.models import Attachment, Comment, Participant, SlaClock, Ticket
from app.tickets.words import AuthorKind, ClockState, Source, Status, Target, Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_participant,
    make_person,
    make_ticket,
)
from tests.portal.conftest import Visitor

Customer = Callable[[Person], Visitor]
ByLink = Callable[..., Visitor]


def say(visitor: Visitor, ticket: Ticket, to: str = "comments", **data: Any) -> Any:
    path = f"/tickets/{ticket.number}"
    return visitor.post(f"{path}/{to}", path, **data)


def comments(ticket: Ticket) -> list[Comment]:
    found = sa.select(Comment).where(Comment.ticket_id == ticket.id).order_by(Comment.id)
    return list(db.session.scalars(found))


def test_the_page_is_a_conversation(customer: Customer) -> None:
    person, agent = make_person(name="Thabo Nkosi"), make_agent(name="Sanna Oksanen")
    group = make_group("Billing", members=[agent])
    ticket = make_ticket(
        person,
        description="It was charged twice: https://example.com/a?b=1&c=2",
        assignee=agent,
        group=group,
        status=Status.OPEN,
    )
    make_comment(ticket, agent, "You are right & <b>sorry</b>")
    make_comment(ticket, person, "Thanks", quoted="On Monday you wrote", source=Source.EMAIL)
    make_comment(
        ticket, None, "We have your ticket", is_automatic=True, author_kind=AuthorKind.SYSTEM
    )
    page = customer(person).get(f"/tickets/{ticket.number}").text
    assert "We are working on it" in page
    assert "Sanna from Billing has your ticket" in page
    assert "You are right &amp; &lt;b&gt;sorry&lt;/b&gt;" in page
    assert 'href="https://example.com/a?b=1&amp;c=2"' in page
    assert re.findall(r'<article class="comment (\w+)"', page) == ["you", "agent", "you", "system"]
    assert "Quoted text" in page
    assert "by mail" in page
    assert "Automatic answer" in page


def test_a_private_group_is_not_named(customer: Customer) -> None:
    group = make_group("Fraud desk", is_private=True)
    ticket = make_ticket(group=group, status=Status.OPEN)
    assert "Fraud" not in customer(ticket.requester).get(f"/tickets/{ticket.number}").text


def test_the_next_answer_is_promised_until_it_is_late(customer: Customer) -> None:
    ticket = make_ticket(make_person(time_zone="Africa/Johannesburg"))
    terms = SlaTerms(digest="d" * 64, content={})
    db.session.add(terms)
    db.session.flush()
    due_at = utcnow().replace(hour=14, minute=40) + timedelta(days=9)
    clock = SlaClock(
        ticket_id=ticket.id,
        target=Target.FIRST_RESPONSE,
        state=ClockState.RUNNING,
        terms_id=terms.id,
        target_minutes=60,
        started_at=utcnow(),
        due_at=due_at,
    )
    db.session.add(clock)
    visitor = customer(ticket.requester)
    assert f"{due_at.day} " in visitor.get(f"/tickets/{ticket.number}").text
    assert ", 16:40</b>" in visitor.get(f"/tickets/{ticket.number}").text
    clock.due_at = utcnow() - timedelta(minutes=1)
    db.session.commit()
    assert "The next answer comes" not in visitor.get(f"/tickets/{ticket.number}").text


def test_public_fields_are_shown_and_others_are_not(customer: Customer) -> None:
    db.session.add_all(
        [
            CustomField(key="model", label="Oven model", kind="text", is_public=True),
            CustomField(key="margin", label="Margin", kind="text", is_public=False),
        ]
    )
    ticket = make_ticket(custom_fields={"model": "D6", "margin": "SECRET40", "gone": "SECRET41"})
    page = customer(ticket.requester).get(f"/tickets/{ticket.number}").text
    assert "Oven model" in page
    assert "D6" in page
    assert "Margin" not in page
    assert "SECRET" not in page


def test_a_reply_is_added_and_opens_a_waiting_ticket(customer: Customer) -> None:
    agent = make_agent()
    ticket = make_ticket(status=Status.PENDING, assignee=agent)
    visitor = customer(ticket.requester)
    answer = say(visitor, ticket, body="  It is the D6. \r\nReally.  ")
    added = comments(ticket)[-1]
    assert answer.status_code == 303
    assert answer.location == f"/tickets/{ticket.number}#comment-{added.id}"
    assert added.body == "It is the D6. \nReally."
    assert (added.author_id, added.author_kind) == (ticket.requester_id, AuthorKind.REQUESTER)
    assert db.session.get_one(Ticket, ticket.id).status is Status.OPEN
    told = db.session.scalars(sa.select(OutboundEmail.recipient)).all()
    assert told == [agent.email]
    assert "We have your reply" in visitor.get(f"/tickets/{ticket.number}").text


def test_htmx_gets_the_page_without_its_frame(customer: Customer) -> None:
    ticket = make_ticket()
    visitor = customer(ticket.requester)
    before = visitor.get(f"/tickets/{ticket.number}").text
    visitor.client.environ_base["HTTP_HX_REQUEST"] = "true"
    part = visitor.get(f"/tickets/{ticket.number}").text
    del visitor.client.environ_base["HTTP_HX_REQUEST"]
    after = visitor.get(f"/tickets/{ticket.number}").text
    assert "<html" not in part
    assert part.strip() in before or part.strip() in after  # a minute may pass between two
    visitor.client.environ_base["HTTP_HX_REQUEST"] = "true"
    said = say(visitor, ticket, body="With script")
    assert said.status_code == 200
    assert "With script" in said.text
    assert "<html" not in said.text


def test_files_of_a_reply_hang_on_it(by_link: ByLink) -> None:
    ticket = make_ticket()
    visitor = by_link(ticket)
    assert say(visitor, ticket, attachments=(BytesIO(b"log line\n"), "app.log")).status_code == 303
    added = comments(ticket)[-1]
    file = db.session.scalars(sa.select(Attachment)).one()
    assert (file.comment_id, file.filename, added.body) == (added.id, "app.log", "")
    page = visitor.get(f"/tickets/{ticket.number}").text
    assert f'href="/tickets/{ticket.number}/attachments/{file.id}/app.log"' in page


BAD = [
    ({}, "Write something first"),
    ({"body": "  \n "}, "Write something first"),
    ({"body": "x" * 50_001}, "At most 50,000"),
    ({"body": "a\0b"}, "cannot be stored"),
]


@pytest.mark.parametrize(("data", "words"), BAD, ids=["none", "blank", "long", "nul"])
def test_bad_replies_come_back(customer: Customer, data: dict[str, str], words: str) -> None:
    ticket = make_ticket()
    answer = say(customer(ticket.requester), ticket, **data)
    assert answer.status_code == 422
    assert words in answer.text
    assert comments(ticket) == []


def test_a_refused_reply_keeps_text_and_files(customer: Customer) -> None:
    ticket = make_ticket()
    visitor = customer(ticket.requester)
    files = [(BytesIO(b"fine"), "fine.txt"), (BytesIO(b""), "empty.txt")]
    answer = say(visitor, ticket, body="Here they are", attachments=files)
    assert answer.status_code == 422
    assert "Here they are" in answer.text
    assert "empty.txt is empty" in answer.text
    kept = re.search(r'name="kept" value="([^"]+)"', answer.text)
    assert kept
    assert say(visitor, ticket, body="Again", kept=kept[1]).status_code == 303
    assert db.session.scalars(sa.select(Attachment.filename)).all() == ["fine.txt"]


@pytest.mark.parametrize(
    "status", [Status.NEW, Status.OPEN, Status.IN_PROGRESS, Status.PENDING, Status.RESOLVED]
)
def test_the_customer_says_that_it_is_solved(customer: Customer, status: Status) -> None:
    ticket = make_ticket(status=status)
    visitor = customer(ticket.requester)
    shown = "This is solved" in visitor.get(f"/tickets/{ticket.number}").text
    assert shown is (status is not Status.RESOLVED)
    assert say(visitor, ticket, "resolution").status_code == 303
    assert db.session.get_one(Ticket, ticket.id).status is Status.RESOLVED
    assert comments(ticket) == []
    page = visitor.get(f"/tickets/{ticket.number}").text
    assert "open it again" in page


def test_a_last_word_goes_with_it(customer: Customer) -> None:
    ticket = make_ticket(status=Status.PENDING)
    say(customer(ticket.requester), ticket, "resolution", body="A new fuse did it")
    assert [comment.body for comment in comments(ticket)] == ["A new fuse did it"]
    assert db.session.get_one(Ticket, ticket.id).status is Status.RESOLVED


def test_what_cannot_be_solved_is_told(customer: Customer) -> None:
    ticket = make_ticket(status=Status.CANCELLED)
    answer = say(customer(ticket.requester), ticket, "resolution")
    assert answer.status_code == 409
    assert "cannot become resolved" in answer.text
    assert db.session.get_one(Ticket, ticket.id).status is Status.CANCELLED


@pytest.mark.parametrize("status", [Status.RESOLVED, Status.CLOSED])
def test_the_customer_opens_it_again_and_the_agent_hears(
    customer: Customer, status: Status
) -> None:
    agent = make_agent()
    ticket = make_ticket(status=status, assignee=agent, resolved_at=utcnow(), closed_at=utcnow())
    visitor = customer(ticket.requester)
    assert say(visitor, ticket, "reopening").status_code == 303
    assert db.session.get_one(Ticket, ticket.id).status is Status.OPEN
    assert "not solved" in comments(ticket)[-1].body
    assert db.session.scalars(sa.select(OutboundEmail.recipient)).all() == [agent.email]


def test_long_after_closing_a_reply_opens_a_follow_up(customer: Customer) -> None:
    then = utcnow() - timedelta(days=15)
    ticket = make_ticket(status=Status.CLOSED, closed_at=then, resolved_at=then)
    visitor = customer(ticket.requester)
    page = visitor.get(f"/tickets/{ticket.number}").text
    assert "new ticket that follows up" in page
    assert "open it again" not in page
    answer = say(visitor, ticket, body="It is back")
    new = db.session.scalars(sa.select(Ticket).where(Ticket.follow_up_of_id == ticket.id)).one()
    assert answer.location == f"/tickets/{new.number}"
    assert new.description == "It is back"
    assert comments(ticket) == []
    assert "It is back" in visitor.get(answer.location).text


def test_a_guest_sees_the_follow_up_too(by_link: ByLink) -> None:
    then = utcnow() - timedelta(days=15)
    ticket = make_ticket(status=Status.CLOSED, closed_at=then, resolved_at=then)
    visitor = by_link(ticket)
    answer = say(visitor, ticket, body="It is back")
    assert "It is back" in visitor.get(answer.location).text
    assert visitor.get(f"/tickets/{ticket.number}").status_code == 200


def test_a_colleague_who_writes_takes_part(customer: Customer) -> None:
    from app.accounts.models import OrganizationAccess
    from tests.factories import make_organization

    company = make_organization(access=OrganizationAccess.ALL)
    ticket = make_ticket(make_person(organization=company))
    colleague = make_person(organization=company)
    say(customer(colleague), ticket, body="I saw it as well")
    assert comments(ticket)[-1].author_id == colleague.id
    assert db.session.get(Participant, (ticket.id, colleague.id))


def test_many_messages_have_pages(customer: Customer) -> None:
    ticket = make_ticket(description="The very first words")
    for n in range(120):
        make_comment(ticket, ticket.requester, f"message-{n}.")
    visitor = customer(ticket.requester)
    path, seen = f"/tickets/{ticket.number}", []
    for _ in range(3):
        page = visitor.get(path).text
        seen += re.findall(r"message-(\d+)\.", page)
        older = re.search(r'href="([^"]+\?before=\d+)"', page)
        assert ("The very first words" in page) is (older is None)
        path = older[1] if older else ""
    assert path == ""
    assert sorted(map(int, seen)) == list(range(120))


def test_a_page_begins_at_no_message_that_its_reader_may_not_see(customer: Customer) -> None:
    """It would tell when internal notes, and messages on others' tickets, were written."""
    ticket, agent = make_ticket(), make_agent()
    make_comment(ticket, ticket.requester, "shown to everybody")
    note = make_comment(ticket, agent, visibility=Visibility.INTERNAL)
    foreign = make_comment(make_ticket(), agent)
    for hidden in (note, foreign):
        page = customer(ticket.requester).get(f"/tickets/{ticket.number}?before={hidden.id}")
        assert "shown to everybody" not in page.text


@pytest.mark.parametrize("value", ["-1", "x", "9" * 30, "1.5", "\0"])
def test_nonsense_pages_are_refused(customer: Customer, value: str) -> None:
    ticket = make_ticket()
    visitor = customer(ticket.requester)
    for path in (f"/tickets/{ticket.number}", "/tickets"):
        answer = visitor.client.get(path, query_string={"before": value})
        assert answer.status_code == 422


def test_a_page_costs_a_fixed_number_of_statements(
    customer: Customer, statements: list[str]
) -> None:
    few, many = make_ticket(), make_ticket()
    agent = make_agent()
    for n in range(30):
        make_comment(many, agent if n % 2 else many.requester, str(n))
    counts = []
    for ticket in (few, many, few, many):
        visitor = customer(ticket.requester)
        statements.clear()
        assert visitor.get(f"/tickets/{ticket.number}").status_code == 200
        counts.append(len(statements))
    assert counts[2] == counts[3] <= 8


def test_a_customer_is_told_who_else_reads(customer: Customer) -> None:
    anna, bob = make_person(name="Anna"), make_person(name="Bob")
    nameless, agent = make_person("secret@x.example"), make_agent(name="Priya")
    nameless.name = ""
    ticket, other = make_ticket(anna), make_ticket(anna)
    for person in (bob, nameless, agent):
        make_participant(ticket, person)
    make_participant(other, make_person(name="Carol"))
    db.session.commit()
    page = customer(anna).get(f"/tickets/{ticket.number}").text
    assert "Also read by <bdi>Bob and Somebody</bdi>" in page
    for hidden in ("secret@x.example", "Priya", "Carol"):
        assert hidden not in page
    page = customer(bob).get(f"/tickets/{ticket.number}").text
    assert "Also read by <bdi>Anna and Somebody</bdi>" in page
    ticket.status = Status.CANCELLED  # a reply opens a ticket that is the writer's alone
    db.session.commit()
    assert "Also read" not in customer(anna).get(f"/tickets/{ticket.number}").text

"""A new ticket, whatever way it came: everything that must follow, in one transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Distribution, Person, PersonEmail, Tier
from app.channels import intake
from app.channels.intake import take_in
from app.channels.models import AutoResponseTemplate
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.mail.models import OutboundEmail
from app.routing.models import AssignmentRule, RuleKind
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Comment, SlaClock, Ticket
from app.tickets.words import AuthorKind, EventKind, Priority, Source, Status, Target
from tests.factories import category, make_agent, make_group, make_organization, make_person

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def new(**fields: Any) -> NewTicket:
    values: dict[str, Any] = {
        "subject": "The panel shows E-41",
        "description": "All four ovens are offline.",
        "requester": RequesterInput("johanna@backhaus.example", "Johanna Leitner"),
        "source": Source.WEB,
    }
    return NewTicket(**(values | fields))


def opened(**fields: Any) -> Ticket:
    result = take_in(new(**fields), now=fields.pop("now", NOW))
    db.session.expire_all()
    return db.session.get_one(Ticket, result.id)


def rows(model: Any, ticket: Ticket) -> list[Any]:
    found = sa.select(model).where(model.ticket_id == ticket.id).order_by(model.created_at)
    return list(db.session.scalars(found))


def mails(kind: str) -> list[OutboundEmail]:
    found = sa.select(OutboundEmail).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(found.order_by(OutboundEmail.id)))


@pytest.mark.requirement("R 3-5", "R 3-7", "R 13-8", "X14")
def test_history_tells_created_first_and_then_what_followed(app: Flask) -> None:
    agent = make_agent(name="Priya Raman", last_active_at=NOW)
    ticket = opened()
    found = sa.select(TicketEvent).where(TicketEvent.ticket_id == ticket.id)
    events = db.session.scalars(found.order_by(TicketEvent.id)).all()
    assert [event.kind for event in events] == [
        EventKind.CREATED,
        EventKind.ASSIGNED,
        EventKind.STATUS,
    ]
    assert events[0].actor_name == "Johanna Leitner"
    assert (events[1].to_value, events[1].details["method"]) == ("Priya Raman", "round_robin")
    assert [event.version for event in events] == [1, 2, 3]
    assert (ticket.version, ticket.assignee_id, ticket.status) == (3, agent.id, Status.OPEN)


@pytest.mark.requirement("R 0-11", "R 13-20", "X9")
def test_a_ticket_that_nobody_takes_stays_new_and_somebody_is_told(app: Flask) -> None:
    boss = make_person("boss@desk.example", role="supervisor")
    ticket = opened()
    assert (ticket.status, ticket.assignee_id, ticket.group_id) == (Status.NEW, None, None)
    assert [mail.recipient for mail in mails("group_ticket")] == [boss.email]


@pytest.mark.requirement("X9")
def test_a_group_is_told_of_what_nobody_in_it_could_take(app: Flask) -> None:
    group = make_group("Billing", distribution=Distribution.ROUND_ROBIN)
    make_agent("away@desk.example", groups=(group,), presence="away")
    make_agent("other@desk.example")
    db.session.add(
        AssignmentRule(category_id=category("billing").id, kind=RuleKind.GROUP, group_id=group.id)
    )
    db.session.flush()
    ticket = opened(category_id=category("billing").id)
    assert (ticket.group_id, ticket.assignee_id, ticket.status) == (group.id, None, Status.OPEN)
    assert [mail.recipient for mail in mails("group_ticket")] == ["away@desk.example"]


@pytest.mark.requirement("R 3-3", "X24", "X29")
def test_the_priority_is_computed_from_subject_text_tier_and_category(app: Flask) -> None:
    company = make_organization(tier=Tier.ENTERPRISE)
    make_person("johanna@backhaus.example", organization=company)
    ticket = opened(
        subject="URGENT: payments are not working",
        category_id=category("billing").id,
    )
    # enterprise 30, billing 50, two urgent words 30
    assert (ticket.priority, ticket.priority_score) == (Priority.CRITICAL, 110)
    assert ticket.priority_is_computed


@pytest.mark.requirement("R 3-3")
def test_a_priority_that_was_given_is_kept(app: Flask) -> None:
    ticket = opened(priority=Priority.LOW, subject="urgent urgent broken")
    assert (ticket.priority, ticket.priority_score) == (Priority.LOW, None)


@pytest.mark.requirement("R 5-4")
def test_earlier_tickets_count(app: Flask) -> None:
    for _ in range(6):
        opened()
    ticket = opened()
    # standard 10, general 10, more than five earlier 10, the last within a day 5
    assert ticket.priority_score == 35
    later = take_in(new(), now=NOW + timedelta(days=2))
    assert db.session.get_one(Ticket, later.id).priority_score == 30


@pytest.mark.requirement("R 3-4")
def test_the_clocks_run_by_the_shipped_policy(app: Flask) -> None:
    ticket = opened(priority=Priority.CRITICAL)
    found = sa.select(SlaClock).where(SlaClock.ticket_id == ticket.id).order_by(SlaClock.id)
    due = {clock.target: clock.due_at for clock in db.session.scalars(found)}
    assert due == {
        Target.FIRST_RESPONSE: NOW + timedelta(hours=1),
        Target.RESOLUTION: NOW + timedelta(hours=4),
    }
    assert (ticket.due_at, ticket.next_due_at) == (
        NOW + timedelta(hours=4),
        NOW + timedelta(hours=1),
    )


@pytest.mark.requirement("R 1-3")
def test_a_phone_ticket_has_had_its_first_response(app: Flask) -> None:
    agent = make_agent()
    ticket = opened(source=Source.PHONE, by=agent)
    assert ticket.first_response_at == NOW
    assert ticket.next_due_at == ticket.due_at


@pytest.mark.requirement("R 8-3", "R 13-13", "X50", "X51")
def test_the_automatic_answer_is_on_the_ticket_and_in_the_outbox(app: Flask) -> None:
    ticket = opened(subject="{{ due }} <b>")
    (comment,) = rows(Comment, ticket)
    assert (comment.author_kind, comment.is_automatic) == (AuthorKind.SYSTEM, True)
    assert ticket.number in comment.body
    assert "Monday 23 November" in comment.body or "Tuesday 24 November" in comment.body
    (mail,) = mails("auto_response")
    assert (mail.recipient, mail.is_automatic) == ("johanna@backhaus.example", True)
    assert "{{ due }} <b>" in mail.context["title"]  # what a customer writes is no placeholder
    assert ticket.description not in mail.context["body"]
    assert ticket.first_response_at is None
    (known,) = rows(TicketMessageId, ticket)
    assert known.message_id == mail.message_id


@pytest.mark.requirement("X44")
def test_no_answer_to_automatic_mail(app: Flask) -> None:
    ticket = opened(source=Source.EMAIL, automatic_reason="Precedence: bulk")
    assert mails("auto_response") == []
    assert rows(Comment, ticket) == []
    reason = next(d for d in rows(DecisionRecord, ticket) if d.kind == "auto_response")
    assert "Precedence: bulk" in reason.summary


@pytest.mark.requirement("X44")
def test_at_most_five_automatic_answers_an_hour_to_one_address(app: Flask) -> None:
    for _ in range(7):
        opened(source=Source.EMAIL)
    assert len(mails("auto_response")) == 5
    take_in(new(source=Source.EMAIL), now=NOW + timedelta(hours=1, minutes=1))
    assert len(mails("auto_response")) == 6


@pytest.mark.requirement("R 8-4")
def test_without_a_template_a_guest_gets_the_bare_link(app: Flask) -> None:
    db.session.execute(sa.update(AutoResponseTemplate).values(is_active=False))
    ticket = opened()
    assert rows(Comment, ticket) == []
    assert [mail.recipient for mail in mails("ticket_link")] == ["johanna@backhaus.example"]
    opened(source=Source.EMAIL)
    assert len(mails("ticket_link")) == 1


@pytest.mark.requirement("X25")
def test_every_automatic_decision_has_its_reason(app: Flask) -> None:
    ticket = opened(decisions=[("threading", "No ticket was named.", [])])
    kinds = {record.kind for record in rows(DecisionRecord, ticket)}
    assert kinds == {"threading", "requester", "priority", "rules", "sla", "auto_response"}


@pytest.mark.requirement("R 3-2", "X12")
def test_the_same_address_is_the_same_person_whatever_its_case(app: Flask) -> None:
    first = opened()
    second = opened(requester=RequesterInput("JOHANNA@Backhaus.Example", "Mallory", "123"))
    assert first.requester_id == second.requester_id
    person = db.session.get_one(Person, first.requester_id)
    assert (person.name, person.phone) == ("Johanna Leitner", "123")  # a blank is filled, no more
    assert len(db.session.scalars(sa.select(PersonEmail)).all()) == 1


@pytest.mark.requirement("R 0-10", "X19")
def test_a_taken_number_is_drawn_again(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = opened().number
    drawn = iter([taken, taken, "TKT-ABCDEFGH"])
    monkeypatch.setattr(intake, "make_number", lambda: next(drawn))
    assert opened().number == "TKT-ABCDEFGH"


@pytest.mark.requirement("X23")
def test_an_external_id_is_taken_once(app: Flask) -> None:
    opened(external_id="crm-1")
    with pytest.raises(Conflict, match="crm-1"):
        opened(external_id="crm-1")


@pytest.mark.requirement("R 13-2", "X11")
@pytest.mark.parametrize(
    "fields",
    [
        {"category_id": 10**6},
        {"category_id": 1, "subcategory_id": 10**6},
        {"custom_fields": {"nonsense": 1}},
        {"requester": RequesterInput("no address")},
        {"requester": RequesterInput(person_id=10**6)},
        {"tags": [str(n) for n in range(40)]},
    ],
)
def test_what_only_the_database_knows_is_refused_whole(app: Flask, fields: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        take_in(new(**fields), now=NOW)
    db.session.rollback()
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Ticket)) == 0


def test_the_cost_does_not_grow(app: Flask, statements: list[str]) -> None:
    def cost() -> int:
        make_agent(last_active_at=NOW)
        db.session.commit()
        opened()  # reads what is kept, and writes down the policy's terms
        db.session.commit()
        opened()
        statements.clear()
        take_in(new(), now=NOW)
        return len(statements)

    few = cost()
    for _ in range(10):
        cost()
    assert cost() <= few
    assert few <= 20, statements

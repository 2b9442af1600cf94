"""What replies and notes do to a ticket, and who hears of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Role
from app.channels import answers
from app.channels.answers import Reply
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.mail.models import OutboundEmail
from app.tickets import conversation
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.words import Source, Status, Visibility
from tests.factories import make_agent, make_group, make_person, make_ticket

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def mails(kind: str) -> list[OutboundEmail]:
    db.session.flush()
    statement = sa.select(OutboundEmail).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(statement.order_by(OutboundEmail.recipient)))


@pytest.mark.requirement("X22")
def test_a_public_reply_takes_and_starts_a_new_ticket(app: Flask) -> None:
    ticket, agent = make_ticket(), make_agent()
    conversation.reply(ticket, "Hello", by=agent, now=NOW)
    assert (ticket.assignee, ticket.status) == (agent, Status.IN_PROGRESS)


@pytest.mark.requirement("X22")
@pytest.mark.parametrize(
    ("status", "then", "after"),
    [
        (Status.OPEN, "keep", Status.IN_PROGRESS),
        (Status.OPEN, "pending", Status.PENDING),
        (Status.NEW, "resolved", Status.RESOLVED),
        (Status.IN_PROGRESS, "keep", Status.IN_PROGRESS),
        (Status.PENDING, "keep", Status.PENDING),
        (Status.RESOLVED, "keep", Status.RESOLVED),
        (Status.PENDING, "resolved", Status.RESOLVED),
    ],
)
def test_status_after_a_public_reply(app: Flask, status: Status, then: str, after: Status) -> None:
    ticket = make_ticket(status=status)
    conversation.reply(ticket, "Hello", by=make_agent(), now=NOW, then=then)
    assert ticket.status is after


@pytest.mark.parametrize("status", [Status.CLOSED, Status.CANCELLED])
def test_a_reply_on_what_is_over_is_refused_but_a_note_is_not(app: Flask, status: Status) -> None:
    ticket, agent = make_ticket(status=status), make_agent()
    with pytest.raises(Conflict, match="Reopen it first"):
        conversation.reply(ticket, "Hello", by=agent, now=NOW)
    note = conversation.reply(ticket, "For us", by=agent, now=NOW, visibility=Visibility.INTERNAL)
    assert note.visibility is Visibility.INTERNAL
    assert ticket.status is status


@pytest.mark.requirement("R 1-1")
def test_a_public_reply_is_mailed_to_each_participant_apart(app: Flask) -> None:
    asker, follower, stranger = (
        make_person("a@x.example"),
        make_person("b@x.example"),
        make_person(),
    )
    ticket = make_ticket(asker)
    db.session.add(Participant(ticket_id=ticket.id, person_id=follower.id, created_at=NOW))
    conversation.reply(ticket, "The answer", by=make_agent(), now=NOW)
    sent = mails("ticket_reply")
    assert [mail.recipient for mail in sent] == ["a@x.example", "b@x.example"]
    assert len({mail.reply_token for mail in sent}) == 2
    assert len({mail.context["key"] for mail in sent}) == 2
    assert stranger.email not in {mail.recipient for mail in sent}


@pytest.mark.requirement("R 0-21", "X56")
def test_an_internal_note_is_mailed_to_nobody_and_takes_nothing(app: Flask) -> None:
    ticket = make_ticket()
    conversation.reply(ticket, "secret", by=make_agent(), now=NOW, visibility=Visibility.INTERNAL)
    db.session.flush()
    assert db.session.scalar(sa.select(sa.func.count()).select_from(OutboundEmail)) == 0
    assert (ticket.assignee, ticket.status, ticket.first_response_at) == (None, Status.NEW, None)


@pytest.mark.requirement("X22")
@pytest.mark.parametrize("status", [Status.PENDING, Status.RESOLVED])
def test_a_customer_s_reply_opens(app: Flask, status: Status) -> None:
    ticket = make_ticket(status=status)
    answers.receive(ticket, Reply("Still broken", Source.WEB), by=ticket.requester, now=NOW)
    assert ticket.status is Status.OPEN


@pytest.mark.parametrize("status", [Status.NEW, Status.OPEN, Status.IN_PROGRESS])
def test_a_customer_s_reply_leaves_an_active_ticket_s_status(app: Flask, status: Status) -> None:
    ticket = make_ticket(status=status)
    answers.receive(ticket, Reply("More", Source.WEB), by=ticket.requester, now=NOW)
    assert ticket.status is status


@pytest.mark.requirement("X48")
def test_a_reply_within_14_days_reopens_a_closed_ticket(app: Flask) -> None:
    closed = NOW - timedelta(days=13)
    ticket = make_ticket(status=Status.CLOSED, closed_at=closed, resolved_at=closed)
    received = answers.receive(ticket, Reply("Again", Source.WEB), by=ticket.requester, now=NOW)
    assert received.number == ticket.number
    assert (ticket.status, ticket.closed_at, ticket.resolved_at) == (Status.OPEN, None, None)


@pytest.mark.requirement("X48")
@pytest.mark.parametrize(
    "columns",
    [
        {"status": Status.CLOSED, "closed_at": NOW - timedelta(days=15)},
        {"status": Status.CANCELLED},
        {"status": Status.OPEN, "deleted_at": NOW - timedelta(hours=1)},
    ],
    ids=["closed long ago", "cancelled", "deleted"],
)
def test_a_reply_to_what_is_over_becomes_a_follow_up(
    app: Flask, columns: dict[str, object]
) -> None:
    make_agent()
    ticket = make_ticket(**columns)
    received = answers.receive(ticket, Reply("Again", Source.WEB), by=ticket.requester, now=NOW)
    follow_up = db.session.get_one(Ticket, received.ticket_id)
    assert received.comment is None
    assert follow_up.follow_up_of_id == ticket.id
    assert follow_up.requester_id == ticket.requester_id
    assert ticket.status is columns["status"]


@pytest.mark.requirement("X44")
def test_an_automatic_reply_joins_and_changes_nothing(app: Flask) -> None:
    agent = make_agent()
    ticket = make_ticket(status=Status.PENDING, assignee=agent)
    reply = Reply("I am away", Source.EMAIL, is_automatic=True)
    answers.receive(ticket, reply, by=ticket.requester, now=NOW)
    comment = db.session.scalars(sa.select(Comment).where(Comment.ticket_id == ticket.id)).one()
    assert comment.is_automatic
    assert ticket.status is Status.PENDING
    assert mails("customer_reply") == []


@pytest.mark.parametrize("way", ["left", "became private"])
def test_an_assignee_who_may_not_read_a_private_group_hears_nothing(app: Flask, way: str) -> None:
    """Whoever has left the group, or was assigned before it became private."""
    group = make_group(is_private=True)
    member, supervisor = make_agent(groups=(group,)), make_agent(role=Role.SUPERVISOR)
    gone = make_agent(groups=(group,) if way == "left" else ())
    ticket = make_ticket(assignee=gone, group=group, status=Status.OPEN)
    if way == "left":
        gone.groups.clear()
    db.session.flush()
    told = []
    for assignee, hears in ((gone, member), (supervisor, supervisor)):
        ticket.assignee = assignee
        db.session.flush()
        said = Reply(f"Our PIN is {len(told)}", Source.WEB)
        answers.receive(ticket, said, by=ticket.requester, now=NOW)
        told.append(hears.email)
        assert {mail.recipient for mail in mails("customer_reply")} == set(told)


def test_the_assignee_hears_of_a_customer_s_reply(app: Flask) -> None:
    agent = make_agent("agent@desk.example")
    make_agent("other@desk.example")
    ticket = make_ticket(assignee=agent, status=Status.OPEN)
    answers.receive(ticket, Reply("More", Source.WEB), by=ticket.requester, now=NOW)
    assert [mail.recipient for mail in mails("customer_reply")] == ["agent@desk.example"]


@pytest.mark.parametrize("body", ["", "   \n", "x" * 50_001])
def test_an_empty_or_endless_reply_is_refused(app: Flask, body: str) -> None:
    with pytest.raises(Invalid):
        conversation.reply(make_ticket(), body, by=make_agent(), now=NOW)

"""A reply is taken back before it leaves: as if it had not been, and nobody outside saw it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.errors import Forbidden
from app.mail.models import OutboundEmail, OutboundState
from app.sla.targets import Target
from app.tickets import attachments, conversation, undoing
from app.tickets.history_models import TicketEvent
from app.tickets.kept_files import kept
from app.tickets.mail_models import TicketMessageId
from app.tickets.models import Comment, Participant, ReplyDraft, SlaClock, Ticket
from app.tickets.words import EventKind, Source, Status, Visibility
from tests import factories

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=30)
UNTIL = LATER + timedelta(seconds=10)
IN_TIME = LATER + timedelta(seconds=9)


@pytest.fixture
def agent(app: Flask) -> Person:
    return factories.make_agent("bob@desk.example", name="Bob", last_active_at=NOW)


@pytest.fixture
def ticket(app: Flask) -> Ticket:
    asker = RequesterInput(email="ann@customer.example", name="Ann")
    opened = take_in(NewTicket("Door", "It is stuck", asker, Source.WEB), now=NOW)
    db.session.commit()
    return db.session.get_one(Ticket, opened.id)


def state(ticket: Ticket) -> dict[str, Any]:
    """All of a ticket and its clocks but what only grows."""
    db.session.flush()
    db.session.expire_all()
    grows = ("version", "updated_at")
    columns = {c.key: getattr(ticket, c.key) for c in sa.inspect(Ticket).column_attrs}
    clocks = db.session.execute(sa.select(SlaClock.__table__).order_by(SlaClock.id)).all()
    return {k: v for k, v in columns.items() if k not in grows} | {"clocks": clocks}


def reply(ticket: Ticket, by: Person, body: str = "Push it.", **how: Any) -> Comment:
    return conversation.reply(ticket, body, by=by, now=LATER, undo_until=UNTIL, **how)


def mails() -> list[OutboundEmail]:
    of_replies = sa.select(OutboundEmail).where(OutboundEmail.kind == "ticket_reply")
    in_order = of_replies.order_by(OutboundEmail.id)
    return list(db.session.scalars(in_order, execution_options={"populate_existing": True}))


@pytest.mark.parametrize("then", ["keep", "pending", "resolved"])
@pytest.mark.parametrize("held_by", ["nobody", "bob", "carl"])
def test_a_ticket_is_as_it_was(ticket: Ticket, agent: Person, then: str, held_by: str) -> None:
    if held_by != "nobody":
        ticket.assignee = agent if held_by == "bob" else factories.make_agent(name="Carl")
        ticket.status = Status.OPEN
    before = state(ticket)
    comment = reply(ticket, agent, then=then)
    assert state(ticket)["first_response_at"] == LATER
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    assert state(ticket) == before
    assert db.session.scalar(sa.select(sa.func.count(Comment.id))) == 1  # the automatic answer
    [mail] = mails()
    assert (mail.state, mail.context, mail.reply_token) == (OutboundState.CANCELLED, {}, "")
    assert not db.session.get(TicketMessageId, (mail.message_id, ticket.id))


def test_the_history_tells_it(ticket: Ticket, agent: Person) -> None:
    comment = reply(ticket, agent, then="pending")
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    db.session.flush()
    events = db.session.scalars(sa.select(TicketEvent).order_by(TicketEvent.id)).all()
    back = [event.kind for event in events].index(EventKind.TAKEN_BACK)
    changes = [(e.kind, e.from_value, e.to_value) for e in events[back + 1 :]]
    assert changes == [
        (EventKind.STATUS, "Pending", "New"),
        (EventKind.ASSIGNED, "Bob", None),
    ]
    assert {e.actor_id for e in events[back:]} == {agent.id}


def test_text_and_files_become_a_draft_of_their_author(ticket: Ticket, agent: Person) -> None:
    file = attachments.store_bytes(b"log", "log.txt", "text/plain")
    comment = reply(ticket, agent, files=[file])
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    db.session.flush()
    [draft] = db.session.scalars(sa.select(ReplyDraft))
    assert (draft.ticket_id, draft.person_id, draft.body) == (ticket.id, agent.id, "Push it.")
    [token] = draft.files
    found = kept(token)
    assert found is not None
    assert found.file == file
    second = reply(ticket, agent, "Pull it.")  # and again: the newer draft counts
    undoing.take_back(ticket, second.id, by=agent, now=IN_TIME)
    db.session.flush()
    assert db.session.scalars(sa.select(ReplyDraft.body)).all() == ["Pull it."]


def test_who_was_to_join_with_the_reply_does_not(ticket: Ticket, agent: Person) -> None:
    """The customer's rival, typed into Cc by mistake, would get every later answer."""
    follower = factories.make_person("dora@customer.example")
    factories.make_participant(ticket, follower)
    audience = conversation.Audience(cc=["eve@rival.example"])
    comment = reply(ticket, agent, audience=audience)
    assert {mail.recipient for mail in mails()} >= {"eve@rival.example", "dora@customer.example"}
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    db.session.flush()
    assert {mail.state for mail in mails()} == {OutboundState.CANCELLED}
    assert list(db.session.scalars(sa.select(Participant.person_id))) == [follower.id]
    conversation.reply(ticket, "Push.", by=agent, now=UNTIL)
    sent = [mail.recipient for mail in mails() if mail.state is OutboundState.QUEUED]
    assert sorted(sent) == ["ann@customer.example", "dora@customer.example"]


def test_too_late_is_too_late(ticket: Ticket, agent: Person) -> None:
    comment = reply(ticket, agent)
    with pytest.raises(undoing.TooLate, match="has left"):
        undoing.take_back(ticket, comment.id, by=agent, now=UNTIL)
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    db.session.flush()
    with pytest.raises(undoing.TooLate, match="already"):
        undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)


def test_only_its_author_takes_a_reply_back(ticket: Ticket, agent: Person) -> None:
    comment = reply(ticket, agent)
    with pytest.raises(Forbidden):
        undoing.take_back(ticket, comment.id, by=factories.make_agent(), now=IN_TIME)
    other = factories.make_ticket()
    with pytest.raises(undoing.TooLate):
        undoing.take_back(other, comment.id, by=agent, now=IN_TIME)


def test_one_mail_that_a_sender_has_keeps_the_reply(ticket: Ticket, agent: Person) -> None:
    comment = reply(ticket, agent)
    [mail] = mails()
    mail.attempts, mail.locked_until = 1, IN_TIME + timedelta(minutes=1)
    db.session.flush()
    with pytest.raises(undoing.TooLate, match="on its way"):
        undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)


def test_a_note_is_never_held_back(ticket: Ticket, agent: Person) -> None:
    note = reply(ticket, agent, visibility=Visibility.INTERNAL)
    assert note.undo_until is None
    with pytest.raises(undoing.TooLate):
        undoing.take_back(ticket, note.id, by=agent, now=IN_TIME)


def test_what_others_did_meanwhile_stands(ticket: Ticket, agent: Person) -> None:
    """The customer wrote in those seconds: the ticket is theirs to wait on, from the start."""
    comment = reply(ticket, agent, then="pending")
    conversation.customer_comment(
        ticket, "Hello?", by=ticket.requester, now=LATER + timedelta(seconds=5)
    )
    db.session.flush()
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    db.session.flush()
    assert (ticket.status, ticket.assignee_id) == (Status.OPEN, agent.id)
    assert ticket.preview == "Ann: Hello?"
    assert ticket.first_response_at is None
    running = {clock.target for clock in ticket.clocks if clock.stopped_at is None}
    assert running == {Target.FIRST_RESPONSE, Target.RESOLUTION}
    first = next(clock for clock in ticket.clocks if clock.target is Target.FIRST_RESPONSE)
    assert first.due_at == NOW + timedelta(minutes=first.target_minutes)
    assert ticket.next_due_at == first.due_at


def test_another_agents_answer_meanwhile_is_the_first_response(
    ticket: Ticket, agent: Person
) -> None:
    comment = reply(ticket, agent)
    other_at = LATER + timedelta(seconds=3)
    conversation.reply(ticket, "I have it.", by=factories.make_agent(), now=other_at)
    db.session.flush()
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    assert ticket.first_response_at == other_at
    assert all(clock.stopped_at for clock in ticket.clocks if clock.target is Target.FIRST_RESPONSE)


def test_a_tag_meanwhile_is_in_nobodys_way(ticket: Ticket, agent: Person) -> None:
    comment = reply(ticket, agent, then="resolved")
    conversation.reply(
        ticket, "Sure?", by=factories.make_agent(), now=IN_TIME, visibility=Visibility.INTERNAL
    )
    db.session.flush()
    undoing.take_back(ticket, comment.id, by=agent, now=IN_TIME)
    assert ticket.status is Status.NEW
    assert ticket.resolved_at is None

"""What becomes of a held mail once an agent has decided."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.accounts import people
from app.accounts.models import Group
from app.channels import held_mail
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict
from app.mail import blocking
from app.mail.models import OutboundEmail
from app.tickets.mail_models import HeldEmail
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.words import HeldState, Status
from tests.factories import (
    make_agent,
    make_group,
    make_held_mail,
    make_mail,
    make_mailbox,
    make_person,
    make_ticket,
)

pytestmark = pytest.mark.usefixtures("app")
LIST = "List-Id: <all.customer.example>\n"
ANSWER = "Auto-Submitted: auto-replied\n"


def hold(
    ticket: Ticket, header: str = "", body: str = "Hello", group: Group | None = None
) -> HeldEmail:
    raw = f"From: Bob <bob@other.example>\nSubject: Re\n{header}\n{body}".encode()
    box = make_mailbox(group_id=group.id if group else None)
    held = make_held_mail(
        ticket,
        make_mail(raw, mailbox_id=box.id),
        from_address="bob@other.example",
        from_name="Bob",
        reason="new",
        body=body or "(no text)",
    )
    db.session.commit()
    return held


def decide(ticket: Ticket, held: HeldEmail, decision: str) -> None:
    held_mail.decide(ticket, held.id, decision, by=make_agent(), now=utcnow())
    db.session.commit()


def answers_to_bob() -> int:
    told = sa.select(sa.func.count()).select_from(OutboundEmail)
    return db.session.scalar(told.where(OutboundEmail.recipient == "bob@other.example")) or 0


@pytest.mark.parametrize(("header", "answers"), [("", 1), (LIST, 0), (ANSWER, 0)])
def test_no_machine_gets_an_automatic_answer_to_a_mail_split_off(header: str, answers: int) -> None:
    ticket = make_ticket()
    decide(ticket, hold(ticket, header), "split")
    assert answers_to_bob() == answers


@pytest.mark.parametrize(("header", "answers"), [("", 1), (LIST, 0), (ANSWER, 0)])
def test_nor_to_one_that_became_a_follow_up(header: str, answers: int) -> None:
    long_ago = utcnow() - timedelta(days=100)
    ticket = make_ticket(status=Status.CLOSED, closed_at=long_ago, resolved_at=long_ago)
    decide(ticket, hold(ticket, header), "accepted")
    assert answers_to_bob() == answers


def test_an_accepted_out_of_office_note_changes_no_status() -> None:
    ticket = make_ticket(status=Status.PENDING)
    decide(ticket, hold(ticket, ANSWER), "accepted")
    comment = db.session.scalars(sa.select(Comment)).one()
    assert comment.is_automatic
    assert ticket.status is Status.PENDING


def test_a_mail_without_text_can_be_accepted() -> None:
    ticket = make_ticket(status=Status.PENDING)
    decide(ticket, hold(ticket, body=""), "accepted")
    assert db.session.scalars(sa.select(Comment)).one().body == "(no text)"
    assert ticket.status is Status.OPEN


def test_a_mail_to_a_private_group_stays_there_when_split_off() -> None:
    group = make_group(is_private=True)
    ticket = make_ticket(group=group)
    decide(ticket, hold(ticket, group=group), "split")
    newest = sa.select(Ticket).order_by(Ticket.id.desc()).limit(1)
    assert db.session.scalars(newest).one().group_id == group.id


def test_another_address_of_the_requester_joins_by_itself_from_then_on() -> None:
    ticket = make_ticket(make_person("anna@shop.example", name="Anna"))
    decide(ticket, hold(ticket), "alias")
    assert people.find("bob@other.example").id == ticket.requester_id  # type: ignore[union-attr]
    assert db.session.scalars(sa.select(Comment)).one().author_id == ticket.requester_id
    assert ticket.requester.email == "anna@shop.example"  # still the main one


def test_an_address_of_somebody_else_is_not_taken_from_them() -> None:
    ticket, bob = make_ticket(), make_person("bob@other.example")
    held = hold(ticket)
    with pytest.raises(Conflict, match="merge the two"):
        decide(ticket, held, "alias")
    assert people.find("bob@other.example").id == bob.id  # type: ignore[union-attr]


def test_a_blocked_senders_mail_is_discarded_and_no_more_is_read() -> None:
    ticket = make_ticket()
    held = hold(ticket)
    decide(ticket, held, "blocked")
    assert held.state is HeldState.DISCARDED
    assert blocking.blocked_by("bob@other.example") == "bob@other.example"
    assert db.session.scalars(sa.select(Comment)).all() == []


def test_only_an_added_sender_takes_part_afterwards() -> None:
    ticket = make_ticket()
    decide(ticket, hold(ticket), "accepted")
    assert db.session.scalars(sa.select(Participant)).all() == []
    other = make_ticket()
    decide(other, hold(other), "added")
    assert db.session.scalars(sa.select(Participant)).one().ticket_id == other.id

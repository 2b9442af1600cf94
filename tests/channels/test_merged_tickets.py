"""Mail to a ticket that was merged reaches the survivor, by every way of naming a ticket."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import InboundState, OutboundEmail
from app.tickets import conversation, merging
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Comment, Ticket
from app.tickets.words import Status
from tests import factories
from tests.channels.mails import ANN, NOW, deliver, raw, token_address

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def pair() -> tuple[Ticket, Ticket]:
    """Ann's ticket, merged into Bob's; a mail of each was sent before."""
    hers = factories.make_ticket(factories.make_person(ANN, name="Ann Lee"), status=Status.OPEN)
    his = factories.make_ticket(factories.make_person("bob@x.example"), status=Status.OPEN)
    for ticket in (hers, his):
        db.session.add(
            TicketMessageId(
                message_id=f"{ticket.number}@desk.example", ticket_id=ticket.id, created_at=NOW
            )
        )
    db.session.commit()
    agreed = {hers.requester_id, his.requester_id}
    merging.merge(hers, his, agreed=agreed, by=factories.make_agent(), now=utcnow())
    db.session.commit()
    return hers, his


@pytest.mark.parametrize("way", ["token", "reply", "subject"])
def test_an_answer_to_the_merged_one_joins_the_survivor(
    pair: tuple[Ticket, Ticket], way: str
) -> None:
    hers, his = pair
    fields: dict[str, dict[str, str]] = {
        "token": {"to": token_address(hers, hers.requester)},
        "reply": {"In_Reply_To": f"<{hers.number}@desk.example>"},
        "subject": {"subject": f"Re: [{hers.number}] Help"},
    }
    row = deliver(raw("Any news?", **fields[way]))
    assert row.state is InboundState.COMMENT, row.reason
    here = sa.select(Comment).where(Comment.ticket_id == his.id, Comment.body == "Any news?")
    assert db.session.scalars(here).one().author_id == hers.requester_id


def test_a_strangers_mail_to_the_merged_one_is_held_on_the_survivor(
    pair: tuple[Ticket, Ticket],
) -> None:
    hers, his = pair
    deliver(
        raw("Me too", sender="Eve <eve@x.example>", In_Reply_To=f"<{hers.number}@desk.example>")
    )
    assert db.session.scalars(sa.select(HeldEmail)).one().ticket_id == his.id


def test_each_ones_mail_client_goes_on_with_its_own_thread(pair: tuple[Ticket, Ticket]) -> None:
    hers, his = pair
    agent = factories.make_agent()
    conversation.reply(his, "Fixed for both", by=agent, now=utcnow())
    db.session.commit()
    mails = db.session.scalars(sa.select(OutboundEmail).where(OutboundEmail.kind == "ticket_reply"))
    by_address = {mail.recipient: mail for mail in mails}
    assert set(by_address) == {ANN, "bob@x.example"}
    assert f"{hers.number}@desk.example" in by_address[ANN].references

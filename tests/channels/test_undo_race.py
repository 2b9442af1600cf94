"""Replies are taken back while a sender, a process of its own, takes them: one of the two wins."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.mail.models import OutboundEmail, OutboundState
from app.tickets import conversation, undoing
from app.tickets.models import Comment, ReplyDraft, Ticket
from tests import factories
from tests.channels.mail_worker import work
from tests.forks import together, wait_for
from tests.mail.smtp import Inbox

REPLIES = 40
FOLLOWERS = 1  # each reply goes to two people: both mails wait, or none

pytestmark = [pytest.mark.real_commits, pytest.mark.slow]


def replies() -> tuple[int, list[tuple[int, int]]]:
    """An agent, and tickets with replies that wait for a minute: (ticket, comment)."""
    begin_write()
    agent = factories.make_agent()
    made = []
    for n in range(REPLIES):
        ticket = factories.make_ticket(factories.make_person(f"ann{n}@x.example"), assignee=agent)
        follower = factories.make_person(f"bob{n}@x.example")
        factories.make_participant(ticket, follower)
        now = utcnow()
        until = now + timedelta(seconds=50, milliseconds=n)
        comment = conversation.reply(ticket, f"Reply {n}", by=agent, now=now, undo_until=until)
        made.append((ticket.id, comment.id))
    db.session.commit()
    return agent.id, made


def take_back(agent_id: int, ticket_id: int, comment_id: int) -> bool:
    begin_write()
    ticket = db.session.get_one(Ticket, ticket_id, with_for_update=True, populate_existing=True)
    agent = db.session.get_one(Person, agent_id)
    try:
        undoing.take_back(ticket, comment_id, by=agent, now=utcnow())
    except undoing.TooLate:
        db.session.rollback()
        return False
    db.session.commit()
    return True


def test_a_reply_is_sent_to_all_or_taken_back_from_all(
    desk: tuple[dict[str, str], Inbox],
) -> None:
    environ, inbox = desk
    agent_id, made = replies()
    back = {made[-1][1]} if take_back(agent_id, *made[-1]) else set()
    with together(2, work, environ, "send", 1) as running:
        wait_for(lambda: len(inbox.mails), 1)
        for ticket_id, comment_id in reversed(made[:-1]):  # they meet in the middle
            if take_back(agent_id, ticket_id, comment_id):
                back.add(comment_id)
        assert [process.end() for process in running] == [0, 0]
    close_session()
    mails = db.session.execute(
        sa.select(OutboundEmail.comment_id, OutboundEmail.state, OutboundEmail.message_id)
    ).all()
    assert len(mails) == REPLIES * (1 + FOLLOWERS)
    for mail in mails:
        taken = OutboundState.CANCELLED if mail.comment_id in back else OutboundState.SENT
        assert mail.state is taken
    arrived = Counter(mail.message_id for mail in inbox.mails)
    assert arrived == Counter(m.message_id for m in mails if m.comment_id not in back)
    kept = set(db.session.scalars(sa.select(Comment.id)))
    assert kept == {comment_id for _, comment_id in made} - back
    assert len(db.session.scalars(sa.select(ReplyDraft.ticket_id)).all()) == len(back)
    assert 0 < len(back) < REPLIES  # both happened

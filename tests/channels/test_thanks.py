"""A mere thank-you leaves a solved ticket as it is; anything else opens it."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.channels.thanks import is_mere_thanks
from app.core.db import db
from app.core.settings_store import change_setting
from app.mail.models import InboundState, OutboundEmail
from app.tickets.history_models import TicketEvent
from app.tickets.models import Comment, SlaClock, Ticket
from app.tickets.words import EventKind, Status
from tests import factories
from tests.channels.mails import ANN, NOW, deliver, raw, token_address


@pytest.mark.parametrize(
    "text",
    [
        "Thanks!",
        "Thank you so much, it works now.\n\nBest regards\nAnn Lee",
        "Perfect, thanks a lot 👍",
        "Vielen Dank für die schnelle Hilfe, es funktioniert!\nMit freundlichen Grüßen\nAnn",
        "Merci beaucoup pour votre aide, bonne journée",
        "Muchas gracias, ya funciona",
        "Grazie mille!",
        "Obrigada, está tudo certo",
        "Bedankt voor de snelle hulp",
        "Tack så mycket för hjälpen",
        "Dziękuję bardzo za pomoc",
        "Спасибо большое, всё работает",
        "ありがとうございます",
        "谢谢！",
    ],
)
def test_thank_yous_are_known(text: str) -> None:
    assert is_mere_thanks(text, name="Ann Lee")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It works.",
        "Thanks, but it is broken again",
        "Thanks. Does it work on Linux, too?",
        "Thanks, not fixed",
        "Danke, es geht nicht",
        "Merci, mais ça ne marche pas",
        "Gracias, pero no funciona",
        "Thanks, call me at 555 1234",
        "Thanks, see https://x.example",
        "Thank you in advance for the refund",
        "Thanks\n\nEve Smith",
        "Thanks " * 40,
    ],
)
def test_in_doubt_it_is_more_than_that(text: str) -> None:
    assert not is_mere_thanks(text, name="Ann Lee")


@pytest.fixture
def ticket(app: object) -> Ticket:
    ann = factories.make_person(ANN, name="Ann Lee")
    solved = {"resolved_at": NOW - timedelta(days=1), "assignee": factories.make_agent()}
    ticket = factories.make_ticket(ann, status=Status.RESOLVED, **solved)
    db.session.commit()
    return ticket


def reply(ticket: Ticket, text: str, **fields: str) -> Comment:
    row = deliver(raw(text, to=token_address(ticket, ticket.requester), **fields))
    assert row.state is InboundState.COMMENT
    return db.session.scalars(sa.select(Comment).order_by(Comment.id.desc())).first()  # type: ignore[return-value]


@pytest.mark.requirement("X48")
def test_thanks_join_a_solved_ticket_quietly(ticket: Ticket) -> None:
    comment = reply(ticket, "Thanks, works now!\n\nAnn")
    assert (comment.is_quiet, comment.is_automatic) == (True, False)
    assert ticket.status is Status.RESOLVED
    assert db.session.scalars(sa.select(SlaClock)).all() == []
    assert db.session.scalars(sa.select(OutboundEmail)).all() == []


@pytest.mark.parametrize("case", ["more", "waiting", "setting"])
def test_else_a_reply_opens_it(ticket: Ticket, case: str) -> None:
    text = "Thanks, but it is broken." if case == "more" else "Thanks!"
    if case == "waiting":
        ticket.status = Status.PENDING
    if case == "setting":
        change_setting("quiet_thanks", False)
    db.session.commit()
    assert not reply(ticket, text).is_quiet
    assert ticket.status is Status.OPEN


def test_a_machine_that_writes_without_end_is_folded_away(ticket: Ticket) -> None:
    change_setting("comments_an_hour", 3)
    made = [reply(ticket, f"Alarm number {n}") for n in range(5)]
    assert [comment.is_automatic for comment in made] == [False, False, False, True, True]
    told = sa.select(OutboundEmail).where(OutboundEmail.kind == "customer_reply")
    assert len(db.session.scalars(told).all()) == 3
    lines = sa.select(TicketEvent.to_value).where(TicketEvent.kind == EventKind.MAIL_FLOOD)
    assert ["More than 3 came" in (line or "") for line in db.session.scalars(lines)] == [True]

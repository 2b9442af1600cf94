"""From a stored mail to a ticket, a comment, a held mail, or the reason for none of these."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask

from app.accounts.models import Person, PersonEmail
from app.channels import inbound_email, incoming
from app.core.db import db
from app.core.settings_store import change_setting
from app.mail import receiving
from app.mail.commands import mail as mail_command
from app.mail.models import InboundEmail, InboundState, OutboundEmail
from app.tickets import participants
from app.tickets.history_models import DecisionRecord
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Attachment, Comment, Participant, SlaClock, Ticket
from app.tickets.words import ParticipantKind, Priority, Source, Status
from tests import factories
from tests.channels.mails import ANN, NOW, deliver, raw, token_address

pytestmark = pytest.mark.usefixtures("app")

SAMPLES = Path(__file__).parent.parent / "mail" / "samples"


def sample(name: str) -> InboundEmail:
    return deliver((SAMPLES / f"{name}.eml").read_bytes())


def tickets() -> list[Ticket]:
    return list(db.session.scalars(sa.select(Ticket).order_by(Ticket.id)))


def comments(ticket: Ticket) -> list[Comment]:
    mine = sa.select(Comment).where(Comment.ticket_id == ticket.id).order_by(Comment.id)
    return list(db.session.scalars(mine))


def outbox(kind: str) -> list[OutboundEmail]:
    found = sa.select(OutboundEmail).where(OutboundEmail.kind == kind)
    return list(db.session.scalars(found.order_by(OutboundEmail.id)))


def held() -> list[HeldEmail]:
    return list(db.session.scalars(sa.select(HeldEmail).order_by(HeldEmail.id)))


@pytest.fixture
def ticket() -> Ticket:
    """Ann's ticket, pending; a mail of it was sent as <ours@desk.example>."""
    ann = factories.make_person(ANN, name="Ann Lee")
    ticket = factories.make_ticket(ann, status=Status.PENDING, age=timedelta(days=1))
    factories.make_ticket(factories.make_person(), status=Status.PENDING)  # somebody else's
    db.session.add(
        TicketMessageId(message_id="ours@desk.example", ticket_id=ticket.id, created_at=NOW)
    )
    db.session.commit()
    return ticket


# New tickets


@pytest.mark.requirement("R 7-3", "R 7-4", "R 7-5", "R 7-6", "R 13-12", "X28", "X41")
def test_a_mail_becomes_a_ticket() -> None:
    factories.make_agent()
    row = sample("plain")
    [ticket] = tickets()
    assert (row.state, row.reason) == (InboundState.TICKET, f"Opened {ticket.number}.")
    assert ticket.subject == "[urgent] [billing] Invoice is wrong"
    assert (ticket.priority, ticket.category.key) == (Priority.CRITICAL, "billing")
    assert ticket.description == "Hello,\n\nthe invoice is wrong."
    assert "-- \nAnn Lee" in ticket.description_quoted
    assert (ticket.source, ticket.channel) == (Source.EMAIL, "support@desk.example")
    assert (ticket.requester.name, ticket.requester.emails[0].address) == ("Ann Lee", ANN)
    bob = db.session.scalars(sa.select(Participant)).one()
    assert (bob.kind, bob.person.emails[0].address) == (ParticipantKind.CC, "bob@customer.example")
    known = set(db.session.scalars(sa.select(TicketMessageId.message_id)))
    [answer] = outbox("auto_response")
    assert known >= {"plain@customer.example", answer.message_id}
    assert (answer.recipient, answer.in_reply_to) == (ANN, "plain@customer.example")
    assert answer.is_automatic
    kinds = set(db.session.scalars(sa.select(DecisionRecord.kind)))
    assert kinds >= {"threading", "mark", "auto_response"}


@pytest.mark.requirement("R 7-7", "X46")
def test_html_and_files_come_along_safely() -> None:
    sample("html_only")
    sample("attachments")
    page, files = tickets()
    kept = '<p>Viele <b>Grüße</b></p><img data-src="https://track.example/p.gif" alt="">'
    assert (page.description_html or "").strip() == kept  # the image is not loaded
    names = db.session.scalars(
        sa.select(Attachment.filename).where(Attachment.ticket_id == files.id)
    )
    assert list(names) == ["über uns.pdf", "passwd", "The inner one.eml"]


@pytest.mark.requirement("R 7-6")
def test_a_mailbox_gives_group_and_category() -> None:
    group = factories.make_group()
    factories.make_mailbox(
        "billing@desk.example", group_id=group.id, category_id=factories.category("billing").id
    )
    db.session.commit()
    deliver(raw(to="Billing <Billing@desk.example>", subject="Help"))
    [ticket] = tickets()
    assert (ticket.group, ticket.category.key) == (group, "billing")
    assert ticket.channel == "billing@desk.example"


@pytest.mark.requirement("R 7-5", "X28")
def test_a_mark_is_capped_by_the_setting() -> None:
    change_setting("customer_mark_cap", "high")
    db.session.commit()
    sample("plain")
    assert tickets()[0].priority is Priority.HIGH


@pytest.mark.requirement("X44")
@pytest.mark.parametrize("name", ["newsletter", "alert"])
def test_bulk_mail_makes_a_ticket_but_gets_no_answer(name: str) -> None:
    sample(name)
    [ticket] = tickets()
    assert outbox("auto_response") == []
    why = sa.select(DecisionRecord.summary).where(DecisionRecord.kind == "auto_response")
    assert "automatic" in db.session.scalars(why).one()
    assert comments(ticket) == []


def test_at_most_five_answers_an_hour_go_to_one_address() -> None:
    for n in range(7):
        deliver(raw(f"Number {n}", subject=f"Help {n}"))
    assert len(tickets()) == 7
    assert len(outbox("auto_response")) == 5


# Replies


@pytest.mark.requirement("R 7-2", "X40")
@pytest.mark.parametrize(
    "way", ["token", "token upper case", "delivered", "reply", "references", "subject"]
)
def test_the_requesters_reply_joins_and_opens(ticket: Ticket, way: str) -> None:
    address = token_address(ticket, ticket.requester)
    fields: dict[str, dict[str, str]] = {
        "token": {"to": address},
        "token upper case": {"to": address.upper()},
        "delivered": {"Delivered_To": address},
        "reply": {"In_Reply_To": "<ours@desk.example>"},
        "references": {"References": "<other@x.example> <ours@desk.example>"},
        "subject": {"subject": f"Re: [{ticket.number.lower()}] Help"},
    }
    row = deliver(raw("It works now.\n\nOn 1 Jan Bob wrote:\n> Try it\n", **fields[way]))
    assert row.state is InboundState.COMMENT, row.reason
    [comment] = comments(ticket)
    assert (comment.body, comment.source) == ("It works now.", Source.EMAIL)
    assert "> Try it" in comment.quoted
    assert comment.author_id == ticket.requester_id
    assert ticket.status is Status.OPEN
    assert len(tickets()) == 2


@pytest.mark.requirement("X40", "X41")
def test_a_reply_to_our_real_mail_joins() -> None:
    sample("plain")
    [answer] = outbox("auto_response")
    deliver(raw("More.", In_Reply_To=f"<{answer.message_id}>"))
    [ticket] = tickets()
    assert [c.body for c in comments(ticket)][1:] == ["More."]


def test_another_address_of_the_same_person_joins(ticket: Ticket) -> None:
    db.session.add(PersonEmail(address="ann@home.example", person_id=ticket.requester_id))
    db.session.commit()
    row = deliver(raw(sender="ann@home.example", In_Reply_To="<ours@desk.example>"))
    assert row.state is InboundState.COMMENT


def test_who_was_ccd_in_an_accepted_mail_takes_part(ticket: Ticket) -> None:
    asked = {"In_Reply_To": "<ours@desk.example>"}
    deliver(raw("One", Cc="Bob <bob@customer.example>, support@desk.example", **asked))
    row = deliver(raw("Two", sender="bob@customer.example", **asked))
    assert row.state is InboundState.COMMENT
    assert [c.body for c in comments(ticket)] == ["One", "Two"]
    row = deliver(raw("Three", sender="eve@customer.example", **asked))
    assert row.state is InboundState.HELD


def test_no_mail_brings_more_people_than_a_reply_goes_to(ticket: Ticket) -> None:
    """Mail after mail would else send what agents answer, with the sender's words, to anybody."""
    for n in range(4):
        copies = ", ".join(f"p{n}-{m}@elsewhere.example" for m in range(20))
        deliver(raw(f"Number {n}", In_Reply_To="<ours@desk.example>", Cc=copies))
    here = sa.select(Participant).where(Participant.ticket_id == ticket.id)
    assert len(db.session.scalars(here).all()) == participants.MOST


@pytest.mark.requirement("X45")
def test_a_number_and_a_forged_sender_let_nobody_in(ticket: Ticket) -> None:
    """Whoever knows a number and the requester's address hears nothing by copying themselves in."""
    row = deliver(raw(subject=f"[{ticket.number}]", Cc="eve@evil.example"))
    assert row.state is InboundState.COMMENT
    assert db.session.scalars(sa.select(Participant)).all() == []


def test_a_follow_up_of_a_private_groups_ticket_is_theirs(ticket: Ticket) -> None:
    group = factories.make_group(is_private=True)
    ticket.group, ticket.status, ticket.closed_at = group, Status.CLOSED, NOW - timedelta(days=15)
    db.session.commit()
    deliver(raw(In_Reply_To="<ours@desk.example>"))
    follow_up = tickets()[-1]
    assert follow_up.follow_up_of_id == ticket.id
    assert follow_up.group_id == group.id


def test_an_out_of_office_note_joins_folded(ticket: Ticket) -> None:
    row = deliver(raw(In_Reply_To="<ours@desk.example>", Auto_Submitted="auto-replied"))
    assert row.state is InboundState.COMMENT
    [comment] = comments(ticket)
    assert comment.is_automatic
    assert ticket.status is Status.PENDING
    assert db.session.scalars(sa.select(SlaClock)).all() == []


@pytest.mark.requirement("X48")
@pytest.mark.parametrize("end", ["cancelled", "long closed", "deleted"])
def test_a_reply_to_what_is_over_becomes_a_follow_up(ticket: Ticket, end: str) -> None:
    if end == "cancelled":
        ticket.status = Status.CANCELLED
    elif end == "deleted":
        ticket.deleted_at = NOW
    else:
        ticket.status, ticket.closed_at = Status.CLOSED, NOW - timedelta(days=15)
    db.session.commit()
    row = deliver(raw(In_Reply_To="<ours@desk.example>"))
    assert row.state is InboundState.TICKET
    assert tickets()[-1].follow_up_of_id == ticket.id
    assert comments(ticket) == []


# Held


@pytest.mark.requirement("X45")
@pytest.mark.parametrize("way", ["token", "reply", "references", "subject"])
def test_a_stranger_who_names_a_ticket_is_held(ticket: Ticket, way: str) -> None:
    agent = factories.make_agent()
    ticket.assignee = agent
    address = token_address(ticket, ticket.requester)
    fields: dict[str, dict[str, str]] = {
        "token": {"to": address},
        "reply": {"In_Reply_To": "<ours@desk.example>"},
        "references": {"References": "<ours@desk.example>"},
        "subject": {"subject": f"[{ticket.number}] Help"},
    }
    row = deliver(raw("I am Ann, really", sender="Eve <eve@evil.example>", **fields[way]))
    assert row.state is InboundState.HELD
    [mail] = held()
    assert (mail.ticket_id, mail.from_address) == (ticket.id, "eve@evil.example")
    assert mail.body == "I am Ann, really"
    assert comments(ticket) == []
    assert (ticket.status, ticket.requester.name) == (Status.PENDING, "Ann Lee")
    assert [m.recipient for m in outbox("mail_held")] == [agent.emails[0].address]
    assert {m.recipient for m in db.session.scalars(sa.select(OutboundEmail))} == {
        agent.emails[0].address
    }
    assert len(tickets()) == 2


def test_an_agents_address_is_held_even_with_a_token(ticket: Ticket) -> None:
    agent = factories.make_agent("bob@desk.example")
    ticket.assignee = agent
    row = deliver(raw(sender="bob@desk.example", to=token_address(ticket, agent)))
    assert row.state is InboundState.HELD
    assert "agent" in held()[0].reason
    assert comments(ticket) == []


def test_a_stranger_is_not_led_to_a_ticket_that_is_over(ticket: Ticket) -> None:
    ticket.status = Status.CANCELLED
    db.session.commit()
    row = deliver(raw(sender="eve@evil.example", In_Reply_To="<ours@desk.example>"))
    assert row.state is InboundState.TICKET
    assert tickets()[-1].follow_up_of_id is None
    assert held() == []


def test_a_forged_token_names_nothing(ticket: Ticket) -> None:
    address = token_address(ticket, ticket.requester)
    local, _, domain = address.partition("@")
    forged = local[:-1] + ("a" if local[-1] != "a" else "b")
    row = deliver(raw(to=f"{forged}@{domain}", subject="Help"))
    assert row.state is InboundState.TICKET
    assert comments(ticket) == []


# Ignored


@pytest.mark.requirement("X44")
def test_mail_that_asks_for_nothing_ends_in_the_ledger(ticket: Ticket) -> None:
    factories.make_agent("bob@desk.example")
    db.session.commit()
    rows = [
        sample("out_of_office"),  # answers a mail that nobody knows
        sample("bounce"),
        deliver(raw("Own", sender="support@desk.example")),
        deliver(
            raw(
                "I am away",
                sender="bob@desk.example",
                In_Reply_To="<ours@desk.example>",
                Auto_Submitted="auto-replied",
            )
        ),
    ]
    assert [row.state for row in rows] == [InboundState.IGNORED] * 4
    assert all(row.reason and row.done_at == NOW for row in rows)
    assert len(tickets()) == 2
    assert held() == []


# Exactly once, whatever happens


@pytest.mark.requirement("X42")
def test_one_mail_is_taken_in_once_and_different_mails_each() -> None:
    one = raw("One", message_id="same@x.example")
    deliver(one)
    deliver(one.replace(b"\r\n", b"\n"))  # the same, by another way
    deliver(raw("Two", message_id="same@x.example"))
    assert [t.description for t in tickets()] == ["One", "Two"]


@pytest.mark.requirement("X47")
def test_a_mail_without_id_comes_through() -> None:
    deliver(b"From: ann@customer.example\r\n\r\nOne")
    deliver(b"From: ann@customer.example\r\n\r\nTwo")
    assert [(t.subject, t.description) for t in tickets()] == [
        ("(no subject)", "One"),
        ("(no subject)", "Two"),
    ]


@pytest.mark.requirement("X43")
def test_a_mail_without_sender_rests_in_quarantine() -> None:
    row = sample("no_sender")
    assert (row.state, row.reason) == (
        InboundState.QUARANTINED,
        "The mail names no sender's address.",
    )
    assert tickets() == []


def test_a_mail_that_fails_five_times_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    real = inbound_email.ingest

    def fail(mail: incoming.Mail, *, now: datetime) -> incoming.Outcome:
        if mail.parsed.subject == "bad":
            db.session.add(Person(name="half done", created_at=now))
            db.session.flush()
            raise RuntimeError("boom")
        return real(mail, now=now)

    monkeypatch.setattr(inbound_email, "ingest", fail)
    row = deliver(raw("Bad", subject="bad"))
    waits = []
    deliver(raw("Good", subject="good"))
    while row.state is InboundState.WAITING:
        waits.append(row.due_at - NOW)
        later = row.due_at
        inbound_email.process_due(partial(datetime.fromtimestamp, later.timestamp(), UTC))
        db.session.refresh(row)
    assert [t.subject for t in tickets()] == ["good"]
    assert row.state is InboundState.QUARANTINED
    assert (row.attempts, row.reason) == (5, "RuntimeError: boom")
    assert len(waits) == 4
    assert db.session.scalar(sa.select(Person.id).where(Person.name == "half done")) is None


def test_a_mail_that_ends_the_worker_is_not_tried_for_ever() -> None:
    receiving.store(raw("Deadly"), None, now=NOW)
    db.session.execute(sa.update(InboundEmail).values(attempts=5))
    db.session.commit()
    inbound_email.process_due(lambda: NOW)
    row = db.session.scalars(sa.select(InboundEmail)).one()
    assert row.state is InboundState.QUARANTINED
    assert "five times" in row.reason
    assert tickets() == []


def test_a_mail_in_work_is_left_alone() -> None:
    receiving.store(raw("One"), None, now=NOW)
    db.session.commit()
    assert inbound_email._claim(NOW) is not None
    assert inbound_email.process_due(lambda: NOW) == 0
    assert inbound_email.process_due(lambda: NOW + timedelta(minutes=5)) == 1
    assert len(tickets()) == 1


def test_a_long_round_lets_other_jobs_have_their_turn(app: Flask) -> None:
    for n in range(2):
        receiving.store(raw(f"Number {n}"), None, now=NOW)
    db.session.commit()
    app.extensions["bells"].redis.flushdb()
    assert inbound_email.process_due(lambda: NOW, seconds=0) == 1
    waiting = app.extensions["bells"].queue.jobs
    assert "worker.jobs.process_mail" in [job.func_name for job in waiting]
    assert inbound_email.process_due(lambda: NOW) == 1


# The command


def run(app: Flask, content: bytes, *arguments: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(mail_command, ["ingest", *arguments], input=content)
    return result.exit_code, result.output


def test_the_command_stores_and_a_worker_reads(app: Flask) -> None:
    content = (SAMPLES / "plain.eml").read_bytes()
    assert run(app, content) == (0, "")
    assert run(app, content, "--mailbox", "support@desk.example") == (0, "")
    assert tickets() == []
    row = db.session.scalars(sa.select(InboundEmail)).one()
    assert (row.sender, row.subject) == (ANN, "[urgent] [billing] Invoice is wrong")
    assert row.raw == content
    inbound_email.process_due()
    assert len(tickets()) == 1
    assert run(app, content) == (0, "")  # delivered again, after it became a ticket


def test_the_command_tells_the_mail_server_what_to_do(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, told = run(app, raw(), "--mailbox", "nobody@desk.example")
    assert (code, told) == (75, "not stored, try again: there is no mailbox nobody@desk.example\n")
    code, told = run(app, b"\r\n")
    assert (code, told) == (65, "stored in quarantine: The mail is empty.\n")

    def fail(*_: object, **__: object) -> None:
        raise sa.exc.OperationalError("INSERT", {}, Exception("disk full"))

    monkeypatch.setattr(receiving, "store", fail)
    code, told = run(app, raw())
    assert code == 75
    assert "disk full" in told
    assert "Traceback" not in told


def test_real_mails_end_somewhere(corpora: Path) -> None:
    """Every eighth: all are read by the parser's tests, and the rest is the same for all."""
    contents = [path.read_bytes() for path in sorted(corpora.glob("*/mails/*"))[::8]]
    for content in contents:
        receiving.store(content, None, now=NOW)
    db.session.commit()
    inbound_email.process_due(lambda: NOW)
    ends = dict(
        db.session.execute(
            sa.select(InboundEmail.state, sa.func.count()).group_by(InboundEmail.state)
        ).all()
    )
    assert InboundState.WAITING not in ends
    assert sum(ends.values()) > 80
    reasons = set(
        db.session.scalars(
            sa.select(InboundEmail.reason).where(InboundEmail.state == InboundState.QUARANTINED)
        )
    )
    assert reasons <= {"The mail names no sender's address.", "The mail is empty."}
    made = db.session.scalar(sa.select(sa.func.count(Ticket.id)))
    assert made == ends[InboundState.TICKET]

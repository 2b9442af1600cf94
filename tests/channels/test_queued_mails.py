"""Every kind of mail is rendered from what the desk really queues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask

from app.accounts import invitations, links
from app.accounts.models import LinkPurpose, Role
from app.automation import alarms, watches
from app.channels import templates
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core import cache
from app.core.db import db
from app.integrations import webhooks
from app.mail import composing, wire
from app.mail.models import InboundState, OutboundEmail, OutboundState
from app.tickets import conversation, notifications
from app.tickets.models import SlaClock, Ticket
from app.tickets.words import Source
from tests import factories
from tests.integrations.hooks import make_webhook

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
FOLDER = Path(__file__).resolve().parents[2] / "templates" / "email"


def test_all_that_is_queued_can_be_rendered(app: Flask) -> None:
    boss = factories.make_agent("boss@desk.example", role=Role.SUPERVISOR, presence="offline")
    ann = RequesterInput("ann@customer.example", "Ann")
    new = NewTicket(subject="Door", description="Stuck", requester=ann, source=Source.WEB)
    ticket = db.session.get_one(Ticket, take_in(new, now=NOW).id)  # auto_response, group_ticket
    machine = NewTicket(subject="x", description="x", requester=ann, source=Source.WEB)
    db.session.execute(sa.text("update auto_response_template set is_active = false"))
    db.session.execute(sa.text("update stamp set value = value + 1"))
    cache.clear()
    take_in(machine, now=NOW)  # ticket_link
    notifications.assigned(ticket, boss.id, by_id=None, now=NOW)
    conversation.customer_comment(ticket, "And?", by=ticket.requester, now=NOW)
    conversation.reply(ticket, "Lift it.", by=boss, now=NOW)
    email = factories.make_mail(b"x", received_at=NOW, due_at=NOW)
    held = factories.make_held_mail(ticket, email, from_address="eve@x.example", created_at=NOW)
    notifications.mail_held(ticket, held, now=NOW)
    notifications.mail_came_back(ticket, "It came back.", body="Lift it.", now=NOW)
    clock = db.session.scalars(sa.select(SlaClock).where(SlaClock.ticket_id == ticket.id)).first()
    assert clock is not None
    notifications.sla_warned(ticket, clock, now=NOW)
    notifications.sla_breached(ticket, clock, now=NOW)
    links.mail(LinkPurpose.SIGN_IN, "ann@customer.example", now=NOW)
    links.mail(LinkPurpose.PASSWORD_RESET, "boss@desk.example", now=NOW)
    templates.send_test("Hello", "Hello", None, to="boss@desk.example", now=NOW)
    invitations.invite("new@desk.example", name="New", role=Role.AGENT, by=boss, now=NOW)
    factories.make_agent("admin@desk.example", role=Role.ADMIN)
    email.due_at = NOW - timedelta(hours=1)  # it waits to be read for an hour
    db.session.flush()
    assert alarms.tell(NOW) == 1
    kinds = OutboundEmail.kind.in_((alarms.KIND, alarms.MACHINE_KIND))
    told = sa.update(OutboundEmail).where(kinds)
    db.session.execute(told.values(state=OutboundState.SENT))
    email.state = InboundState.IGNORED
    db.session.flush()
    assert alarms.tell(NOW + timedelta(minutes=1)) == 1  # mail_works_again
    watches.note("backup:", "no room", now=NOW)
    assert alarms.tell(NOW + timedelta(minutes=2)) == 1  # machine_alarm
    db.session.execute(told.values(state=OutboundState.SENT))
    watches.note("backup:", "", now=NOW)
    assert alarms.tell(NOW + timedelta(minutes=3)) == 1  # machine_works_again
    webhooks.stop(make_webhook("https://hooks.example/", ["ticket.created"]), "Gone.", now=NOW)

    rows = db.session.scalars(sa.select(OutboundEmail)).all()
    assert {row.kind for row in rows} == {path.name for path in FOLDER.iterdir() if path.is_dir()}
    for row in rows:
        mail = composing.compose(row.kind, row.context)
        row.subject, row.body_text, row.body_html = mail.subject, mail.text, mail.html
        assert mail.subject
        assert "http://localhost/" in mail.text or row.kind == "template_test"  # it leads nowhere
        assert wire.build(row, None)

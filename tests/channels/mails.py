"""Mails as they come in, and a worker that reads them at once."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa

from app.accounts.models import Person
from app.channels import inbound_email
from app.core.db import db
from app.mail import receiving
from app.mail.models import InboundEmail
from app.mail.tokens import reply_token
from app.tickets import keys
from app.tickets.models import Ticket

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ANN = "ann@customer.example"


def raw(
    text: str = "It works now.",
    *,
    sender: str = f"Ann Lee <{ANN}>",
    to: str = "support@desk.example",
    subject: str = "Re: Help",
    message_id: str = "",
    **fields: str,
) -> bytes:
    lines = [f"From: {sender}", f"To: {to}", f"Subject: {subject}"]
    lines += [f"Message-ID: <{message_id or f'{abs(hash(text))}@customer.example'}>"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([*lines, "Content-Type: text/plain; charset=utf-8", "", text]).encode()


def deliver(content: bytes, now: datetime = NOW) -> InboundEmail:
    """Store a mail and let the worker read it."""
    told = receiving.envelope(content)
    receiving.store(content, None, now=now)
    db.session.commit()
    inbound_email.process_due(lambda: now)
    db.session.expire_all()
    mine = sa.select(InboundEmail).where(InboundEmail.content_hash == told.content_hash)
    return db.session.scalars(mine.order_by(InboundEmail.id.desc())).first()  # type: ignore[return-value]


def token_address(ticket: Ticket, person: Person) -> str:
    access = keys.access_rows(ticket.id, [person.id], now=NOW)[person.id]
    db.session.commit()
    return f"support+{reply_token(access)}@desk.example"

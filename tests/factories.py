"""Rows for tests. Each call makes a new one; only `bearer` commits."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Group, Organization, Person, PersonEmail, Presence, Role, Skill
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import db
from app.mail.models import InboundEmail, Mailbox
from app.sla.models import Calendar, SlaPolicy
from app.tickets.catalog_models import Category
from app.tickets.mail_models import HeldEmail
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.words import AuthorKind, Source, Status, Visibility

_serial = count(1)
_letters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"


def make_person(email: str | None = None, *, name: str = "", **columns: Any) -> Person:
    """A customer, unless ``role`` says otherwise."""
    n = next(_serial)
    address = email or f"person{n}@example.com"
    person = Person(name=name or f"Person {n}", created_at=utcnow(), **columns)
    person.emails = [PersonEmail(address=address.lower(), is_main=True, proven_at=utcnow())]
    db.session.add(person)
    db.session.flush()
    return person


def make_agent(
    email: str | None = None, *, groups: tuple[Group, ...] = (), **columns: Any
) -> Person:
    """An agent who is online, unless told otherwise."""
    columns = {
        "role": Role.AGENT,
        "presence": Presence.ONLINE,
        "last_active_at": utcnow(),
    } | columns
    return make_person(email, groups=list(groups), **columns)


def make_group(name: str = "", **columns: Any) -> Group:
    """A team."""
    group = Group(name=name or f"Group {next(_serial)}", created_at=utcnow(), **columns)
    db.session.add(group)
    db.session.flush()
    return group


def make_organization(name: str = "", **columns: Any) -> Organization:
    """A customer company."""
    row = Organization(name=name or f"Company {next(_serial)}", created_at=utcnow(), **columns)
    db.session.add(row)
    db.session.flush()
    return row


def make_skill(name: str = "") -> Skill:
    """A skill."""
    skill = Skill(name=name or f"Skill {next(_serial)}")
    db.session.add(skill)
    db.session.flush()
    return skill


def category(key: str = "general") -> Category:
    """One of the shipped categories."""
    return db.session.scalars(sa.select(Category).where(Category.key == key)).one()


def make_mailbox(address: str = "", **columns: Any) -> Mailbox:
    """A support address."""
    address = address or f"box{next(_serial)}@desk.example"
    box = Mailbox(address=address, created_at=utcnow(), **columns)
    db.session.add(box)
    db.session.flush()
    return box


def make_mail(raw: bytes = b"", **columns: Any) -> InboundEmail:
    """A mail in the ledger that waits to be read."""
    now = utcnow()
    values = {
        "content_hash": f"{next(_serial):064}",
        "size": len(raw),
        "received_at": now,
        "due_at": now,
    } | columns
    if "mailbox_id" not in values:
        values["mailbox_id"] = make_mailbox().id
    mail = InboundEmail(raw=raw, **values)
    db.session.add(mail)
    db.session.flush()
    return mail


def make_held_mail(ticket: Ticket, mail: InboundEmail | None = None, **columns: Any) -> HeldEmail:
    """A mail from someone new that waits on *ticket* for a decision."""
    values = {
        "from_address": "max@example.com",
        "reason": "not a participant",
        "body": "Hello",
        "created_at": utcnow(),
    } | columns
    held = HeldEmail(ticket_id=ticket.id, inbound_email_id=(mail or make_mail()).id, **values)
    db.session.add(held)
    db.session.flush()
    return held


def make_ticket(
    requester: Person | None = None, *, age: timedelta = timedelta(), **columns: Any
) -> Ticket:
    """A ticket as a bare row: no clocks, no history, nobody told."""
    n = next(_serial)
    then: datetime = utcnow() - age
    number = "TKT-" + "".join(_letters[(n // 31**k) % 31] for k in range(8))
    values: dict[str, Any] = {
        "number": number,
        "subject": f"Subject {n}",
        "description": f"Description {n}",
        "category": category(),
        "requester": requester or make_person(),
        "source": Source.WEB,
        "status": Status.NEW,
        "created_at": then,
        "updated_at": then,
    }
    ticket = Ticket(**(values | columns))
    db.session.add(ticket)
    db.session.flush()
    return ticket


def make_comment(
    ticket: Ticket, author: Person | None = None, body: str = "Hello", **columns: Any
) -> Comment:
    """A comment as a bare row; by a customer, if nobody else is named."""
    kind = AuthorKind.REQUESTER
    if author is not None and author.is_agent:
        kind = AuthorKind.AGENT
    values = {
        "author_kind": kind,
        "visibility": Visibility.PUBLIC,
        "created_at": utcnow(),
    } | columns
    comment = Comment(ticket_id=ticket.id, author=author, body=body, **values)
    db.session.add(comment)
    db.session.flush()
    return comment


def make_participant(ticket: Ticket, person: Person) -> None:
    """Let *person* take part in *ticket* as a follower."""
    db.session.add(Participant(ticket_id=ticket.id, person_id=person.id, created_at=utcnow()))
    db.session.flush()


def make_best_policy() -> SlaPolicy:
    """For enterprise customers alone, before the policies that are shipped."""
    policy = SlaPolicy(
        name="Our best",
        position=-1,
        calendar=db.session.scalars(sa.select(Calendar)).first(),
        tiers=["enterprise"],
        first_response_minutes=30,
        resolution_minutes=60,
    )
    db.session.add(policy)
    db.session.flush()
    return policy


def bearer(person: Person, **options: Any) -> dict[str, str]:
    """The header of a new API token of *person*; *options* as `make_token` takes them."""
    token = make_token(person, "test", now=utcnow(), **options)
    db.session.commit()
    return {"Authorization": f"Bearer {token}"}

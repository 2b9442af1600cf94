"""A desk with something secret in every place, and people who must not see all of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any, cast

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from itsdangerous import URLSafeTimedSerializer
from werkzeug.test import TestResponse

from app.accounts import tokens
from app.accounts.models import Person, Role
from app.accounts.sign_in import start_session
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_read, db
from app.portal.viewing import COOKIE
from app.tickets import attachments, keys
from app.tickets.catalog_models import CustomField, Tag
from app.tickets.mail_models import TicketAccess
from app.tickets.models import Attachment, Ticket
from app.tickets.words import Status, Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_held_mail,
    make_mail,
    make_person,
    make_ticket,
)

INTERNAL = "xylophage"  # notes, tags, hidden fields, held mail: for agents alone
FOREIGN = "quokkaesque"  # another customer's: for agents alone
PRIVATE = "zygomorphic"  # of a private group: for its members and supervisors alone
DELETED = "wherewithal"  # of a deleted ticket: for supervisors alone
BROKEN = ("Traceback (most recent", "sqlalchemy", "sqlite3", "psycopg", "jinja2", "werkzeug.")


@dataclass(slots=True)
class Intruder:
    """Somebody with a browser; ``forbidden`` are words that no answer may show them."""

    name: str
    client: FlaskClient
    forbidden: tuple[str, ...]
    cookies: dict[str, str]
    csrf_token: str
    bearer: str = ""

    def open(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> TestResponse:
        """Ask as this person does, and see to it that the answer is neither broken nor leaking."""
        sent = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if self.bearer and path.startswith("/api/"):
            sent["Authorization"] = f"Bearer {self.bearer}"
        # Buffered: what is streamed has to be read where the request ran.
        answer = self.client.open(
            path, method=method, headers=sent | (headers or {}), buffered=True, **options
        )
        text = answer.get_data().decode("utf-8", "replace") + str(answer.headers)
        answer.close()
        told = f"{self.name}: {method} {path!r:.200} {options!r:.300} {headers!r:.200}"
        assert answer.status_code < 500, f"{told}: {answer.status}"
        for word in (*self.forbidden, *BROKEN):
            assert word not in text, f"{told}: {answer.status} shows {word}"
        return answer


@dataclass(slots=True)
class World:
    """Numbers of tickets and ids of rows to ask for."""

    own: str
    foreign: str
    private: str
    deleted: str
    file_ids: dict[str, int] = field(default_factory=dict)
    held_id: int = 0
    intruders: list[Intruder] = field(default_factory=list)

    def of(self, name: str) -> Intruder:
        """One of them."""
        return next(found for found in self.intruders if found.name == name)

    @property
    def numbers(self) -> list[str]:
        """Of all tickets, those that may be seen first."""
        return [self.own, self.foreign, self.private, self.deleted]


def make_world(app: Flask) -> World:
    """Tickets with secrets, and one intruder of each kind."""
    me = make_person("mallory@customer.example", name="Mallory")
    other = make_person(f"{FOREIGN}@victim.example", name=f"Victor {FOREIGN}")
    member = make_agent(f"member.{INTERNAL}@desk.example", name="Sanna")
    agent = make_agent("ivan@desk.example", name="Ivan")
    admin = make_agent("root@desk.example", name="Ada", role=Role.ADMIN)
    group = make_group(f"Group {PRIVATE}", is_private=True, members=[member])
    db.session.add_all(
        [
            CustomField(key="margin", label=f"Margin {INTERNAL}", kind="text"),
            CustomField(key="serial", label="Serial", kind="text", is_public=True),
            CustomField(key="count", label="Count", kind="number", is_public=True),
            CustomField(key="day", label="Day", kind="date", is_public=True),
            CustomField(key="sort", label="Sort", kind="choice", choices=["a"], is_public=True),
        ]
    )
    own = make_ticket(
        me,
        assignee=member,
        status=Status.PENDING,
        tags=[Tag(name=INTERNAL)],
        custom_fields={"margin": INTERNAL, "serial": "S-1"},
        channel=INTERNAL,
    )
    tickets = {
        INTERNAL: own,
        FOREIGN: _secret_ticket(other, FOREIGN),
        f"{PRIVATE} {FOREIGN}": _secret_ticket(other, f"{PRIVATE} {FOREIGN}", group=group),
        DELETED: _secret_ticket(me, DELETED, deleted_at=utcnow()),
    }
    world = World(*(ticket.number for ticket in tickets.values()))
    for word, ticket in tickets.items():
        is_own = ticket is own
        note = make_comment(
            ticket,
            member,
            f"The word is {word}",
            visibility=Visibility.INTERNAL if is_own else Visibility.PUBLIC,
        )
        stored = attachments.store_bytes(word.encode(), f"{word}.txt", "text/plain")
        rows = attachments.rows(
            [stored], ticket_id=ticket.id, comment_id=note.id, uploader_id=member.id, now=utcnow()
        )
        added = db.session.execute(sa.insert(Attachment).returning(Attachment.id), rows)
        world.file_ids[ticket.number] = added.scalar_one()
    world.held_id = _held_mail(own)
    access_id = keys.access_rows(own.id, [me.id], now=utcnow())[me.id]
    db.session.commit()
    access = db.session.get_one(TicketAccess, access_id)
    hidden_from_customers = (INTERNAL, FOREIGN, PRIVATE, DELETED)
    world.intruders = [
        _intruder(app, "nobody", None, hidden_from_customers),
        _intruder(app, "guest", None, hidden_from_customers),
        _intruder(app, "customer", me, hidden_from_customers),
        _intruder(app, "agent", agent, (PRIVATE, DELETED)),
        _intruder(app, "admin", admin, ()),
    ]
    world.of("guest").cookies[COOKIE] = keys.cookie_value(access, now=utcnow())
    db.session.commit()
    return world


def _secret_ticket(requester: Person, word: str, **columns: Any) -> Ticket:
    texts = {"subject": f"Subject {word}", "description": f"Description {word}"}
    return make_ticket(requester, **texts, preview=word, **columns)


def _held_mail(ticket: Ticket) -> int:
    mail = make_mail(b"From: stranger@example.com\nSubject: hello\n\nhello", subject=INTERNAL)
    words = {"from_name": INTERNAL, "reason": INTERNAL, "body": INTERNAL}
    return make_held_mail(ticket, mail, from_address="stranger@example.com", **words).id


def _intruder(app: Flask, name: str, person: Person | None, forbidden: tuple[str, ...]) -> Intruder:
    session = {"csrf_token": "c" * 40}
    bearer = ""
    if person is not None:
        with app.test_request_context():
            session |= {"_user_id": start_session(person), "_fresh": "1"}
            bearer = tokens.make_token(person, "test", now=utcnow())
    cookie = app.session_interface.get_signing_serializer(app).dumps(session)  # type: ignore[attr-defined]
    signer = URLSafeTimedSerializer(app.secret_key, salt="wtf-csrf-token")
    client = app.test_client(use_cookies=False)
    return Intruder(name, client, forbidden, {"deskhand": cookie}, signer.dumps("c" * 40), bearer)


@contextmanager
def undone() -> Iterator[None]:
    """What happens in here is undone: each attack finds the world as it was made."""
    db.session.remove()
    attempt = cast(sa.Connection, db.engine).begin_nested()
    try:
        yield
    finally:
        db.session.remove()
        attempt.rollback()
        db.session.expire_all()
        cache.clear()
        cache.forget_stamp()
        begin_read()


@dataclass(slots=True)
class Form:
    """A form of a page, as a browser would send it."""

    action: str
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict)


CONTROLS = ("input", "select", "textarea", "button")


class _Forms(HTMLParser):
    def __init__(self, path: str) -> None:
        super().__init__()
        self.path, self.found = path, list[Form]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            action = given.get("action") or self.path
            self.found.append(Form(action, (given.get("method") or "get").lower()))
        elif self.found and tag in CONTROLS and (name := given.get("name")):
            self.found[-1].fields.setdefault(name, given.get("value") or "")


def forms_of(path: str, html: str) -> list[Form]:
    """Every form of a page."""
    parser = _Forms(re.sub(r"\?.*", "", path))
    parser.feed(html)
    return parser.found


def long_ago() -> timedelta:
    """Longer than anything is good for."""
    return timedelta(days=4000)

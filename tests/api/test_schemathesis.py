"""Requests that nobody thought of, made from the description, as everybody who may ask.

Whatever is sent: no 5xx, no answer that is not described, and nothing of anybody else. The same
requests each time; ``make soak`` sends a hundred times as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextvars import Context
from io import BytesIO
from itertools import cycle
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.accounts.models import Group, Person, Role
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import db
from app.core.storage import Folder, storage
from app.knowledge.models import Audience
from app.tickets.catalog_models import Tag
from app.tickets.models import Attachment, Comment, Ticket
from app.tickets.words import Visibility
from tests.factories import (
    make_agent,
    make_comment,
    make_group,
    make_organization,
    make_person,
    make_ticket,
)
from tests.knowledge.articles import make_article

SECRET = "Zxqvjk"  # in all that only some may see
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
CALLERS = ("nobody", "customer", "agent", "admin")


class Desk:
    """People with tokens, and tickets that are one's own, another's, and of a private group."""

    def __init__(self) -> None:
        me = make_person("me@x.example", name="Me")
        other = make_person("other@x.example", name=f"{SECRET} Other", phone=SECRET)
        hidden: Group = make_group(f"{SECRET} group", is_private=True)
        make_group("Ovens")
        make_organization(f"{SECRET} company")
        agent = make_agent("agent@desk.example", name="Agent")
        admin = make_agent("admin@desk.example", name="Admin", role=Role.ADMIN)
        mine = make_ticket(me, tags=[Tag(name=SECRET.lower())])
        note = make_comment(mine, agent, f"{SECRET} for us", visibility=Visibility.INTERNAL)
        make_comment(mine, agent, "For you")
        db.session.add_all([_file(mine, None, "for you"), _file(mine, note, SECRET)])
        make_article("For everybody")
        make_article(f"{SECRET} draft", is_draft=True)
        make_article("For us", f"{SECRET} for us", audience=Audience.AGENTS)
        made_of_it = make_article(f"{SECRET} hidden", is_draft=True)
        theirs = make_ticket(other, subject=f"{SECRET} subject", external_id="crm-1")
        private = make_ticket(other, group=hidden, subject=f"{SECRET} hidden", external_id="crm-2")
        self.people: dict[str, Person | None] = {
            "nobody": None,
            "customer": me,
            "agent": agent,
            "admin": admin,
        }
        self.numbers = [ticket.number for ticket in (mine, theirs, private)]
        self.secret_of: dict[str, Callable[[str], bool]] = {
            "nobody": lambda text: SECRET.lower() in text.lower(),
            "customer": lambda text: SECRET.lower() in text.lower(),
            "agent": lambda text: f"{SECRET} hidden" in text or f"{SECRET} group" in text,
            "admin": lambda text: False,
        }
        made_of_it.ticket_id = private.id
        self.private: Ticket = private

    def headers(self, caller: str) -> dict[str, str]:
        """Of a request."""
        person = self.people[caller]
        if person is None:
            return {}
        token = make_token(person, "test", now=utcnow())
        db.session.commit()
        return {"Authorization": f"Bearer {token}"}


def _file(ticket: Ticket, comment: Comment | None, text: str) -> Attachment:
    stored = storage().put(BytesIO(text.encode()))
    return Attachment(
        ticket_id=ticket.id,
        comment_id=comment.id if comment else None,
        sha256=stored.sha256,
        filename="a.txt",
        content_type="text/plain",
        size=stored.size,
        created_at=utcnow(),
    )


@pytest.fixture
def desk(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Desk:
    # Schemathesis closes no answer: a file would stay open.
    monkeypatch.setattr(
        Folder, "open", lambda self, sha256: BytesIO(self.path(sha256).read_bytes())
    )
    found = Desk()
    db.session.commit()
    return found


def make_cases(app: Flask, each: int) -> list[Any]:
    """*each* requests to every operation that keep to the description, and as many that do not."""
    schemathesis.serializer.alias("message/rfc822", "text/plain")
    schema = Context().run(schemathesis.openapi.from_wsgi, "/api/v1/openapi.json", app)
    found: list[Any] = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @settings(
                max_examples=each,
                derandomize=True,
                database=None,
                deadline=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def note(case: Any) -> None:
                found.append(case)

            note()
    return found


def send_all(desk: Desk, cases: list[Any], caller: str) -> Counter[str]:
    """Send each of them as somebody; how often each status came back."""
    headers, came = desk.headers(caller), Counter[str]()
    # What there is, as often as what there is not.
    numbers, ids = cycle([*desk.numbers, "TKT-AAAAAAAA"]), cycle([1, 2, 3, 2**31 - 1, 5])
    for case in cases:
        for name, value in (("number", next(numbers)), ("id", next(ids))):
            if name in (case.path_parameters or {}):
                case.path_parameters[name] = value
        answer = Context().run(case.call, headers=headers)
        db.session.rollback()
        db.session.expire_all()
        case.validate_response(answer, checks=CHECKS)
        assert not desk.secret_of[caller](answer.text), answer.text
        came[str(answer.status_code)] += 1
    return came


@pytest.fixture(scope="module")
def cases(app: Flask) -> list[Any]:
    return make_cases(app, 2)


@pytest.mark.requirement("X13", "X17", "X18", "X52", "X60")
@pytest.mark.parametrize("caller", CALLERS)
def test_whatever_is_sent_is_answered_as_described(
    desk: Desk, cases: list[Any], caller: str
) -> None:
    came = send_all(desk, cases, caller)
    assert not [status for status in came if status.startswith("5")]
    if caller == "nobody":
        assert set(came) <= {"401", "404"}
    else:
        assert came["200"] > 10
    print(caller, dict(came))  # noqa: T201  (shown by pytest -s)


@pytest.mark.soak
@pytest.mark.parametrize("caller", CALLERS)
def test_a_hundred_times_as_much_is_answered_as_described(
    app: Flask, desk: Desk, caller: str
) -> None:
    came = send_all(desk, make_cases(app, 200), caller)
    print(caller, dict(came))  # noqa: T201  (shown by pytest -s)

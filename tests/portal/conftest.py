"""Browsers of customers and guests."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.test import TestResponse, encode_multipart

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.tickets import keys
from app.tickets.models import Ticket


class Visitor:
    """A browser that takes the token from the page whose form it posts."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, buffered=True, **options)

    def post(self, path: str, page: str = "/tickets/new", **data: Any) -> TestResponse:
        found = re.search(r'name="csrf_token"[^>]* value="([^"]+)"', self.get(page).text)
        assert found, page
        fields: list[tuple[str, Any]] = [("csrf_token", found[1])]
        for name, value in data.items():
            fields += [(name, one) for one in (value if isinstance(value, list) else [value])]
        files = [isinstance(value, tuple) for _, value in fields]
        if not any(files):
            return self.client.post(path, data=MultiDict(fields))
        # The test client would put a large body into a file that it leaves open.
        parts = MultiDict(
            (name, FileStorage(*value) if is_file else value)
            for (name, value), is_file in zip(fields, files, strict=True)
        )
        boundary, body = encode_multipart(parts)
        kind = f"multipart/form-data; boundary={boundary}"
        return self.client.post(path, data=body, content_type=kind)


@pytest.fixture
def guest(app: Flask) -> Visitor:
    return Visitor(app.test_client())


@pytest.fixture
def customer(
    app: Flask, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> Callable[[Person], Visitor]:
    """Somebody signed in."""
    return lambda person: Visitor(sign_in(app.test_client(), person))


def link_to(ticket: Ticket, person: Person | None = None) -> str:
    """The address in a mail to *person* (the requester)."""
    person_id = person.id if person else ticket.requester_id
    access = keys.access_rows(ticket.id, [person_id], now=utcnow())
    db.session.commit()
    return f"/tickets/{ticket.number}?key={keys.link_key(access[person_id])}"


@pytest.fixture
def by_link(app: Flask) -> Callable[..., Visitor]:
    """A guest who has followed the link of a mail."""

    def follow(ticket: Ticket, person: Person | None = None) -> Visitor:
        visitor = Visitor(app.test_client())
        assert visitor.get(link_to(ticket, person)).status_code == 303
        return visitor

    return follow

"""An agent's program that talks to the API."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.accounts.tokens import make_token
from app.core.clock import utcnow
from app.core.db import db
from tests.factories import make_agent


class Program:
    """Calls the API in somebody's name."""

    def __init__(self, client: FlaskClient, person: Person) -> None:
        token = make_token(person, "test", now=utcnow())
        db.session.commit()
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """The JSON of an answer, whose status must be *expect*."""
        answer = self.client.open(
            f"/api/v1{path}", method=method, json=body, headers=self.headers, buffered=True
        )
        assert answer.status_code == expect, answer.text
        return answer.get_json(silent=True)

    def get(self, path: str, **query: Any) -> Any:
        """What is read at *path*."""
        answer = self.client.get(f"/api/v1{path}", query_string=query, headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.get_json(silent=True)

    def open_ticket(self, **fields: Any) -> Any:
        """A new ticket as the API answers it."""
        about = {
            "subject": "The panel shows E-41",
            "description": "All four ovens are offline.",
            "requester": {"email": "johanna@backhaus.example", "name": "Johanna Leitner"},
        }
        return self.call("POST", "/tickets", about | fields, expect=201)


@pytest.fixture
def agent(app: Flask) -> Person:
    """Online, with room."""
    return make_agent("priya@desk.example", name="Priya Raman")


@pytest.fixture
def api(client: FlaskClient, agent: Person) -> Program:
    """In the agent's name."""
    return Program(client, agent)

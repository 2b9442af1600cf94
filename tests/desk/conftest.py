"""Who works on the desk, and with whom."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from tests.factories import make_agent, make_person


@pytest.fixture
def desk(client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]) -> FlaskClient:
    """The browser of an agent."""
    return sign_in(client, make_agent(name="Priya Raman"))


@pytest.fixture
def anna(app: Flask) -> Person:
    """A customer."""
    return make_person("anna@work.example", name="Anna Leitner", phone="+43 1 5550")

"""Who works in administration."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from tests.factories import make_agent


@pytest.fixture
def ada(client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]) -> Person:
    """An admin, signed in on the client."""
    found = make_agent(name="Ada", role=Role.ADMIN)
    sign_in(client, found)
    return found

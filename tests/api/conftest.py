"""Who calls the API in its tests."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.api.bodies import Headers
from tests.factories import bearer, make_agent


@pytest.fixture
def auth(app: Flask) -> Headers:
    """The headers of an agent's token."""
    return bearer(make_agent("agent@desk.example", name="Priya Raman"))

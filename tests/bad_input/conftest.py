"""The desk that is attacked."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.intruders import World, make_world


@pytest.fixture
def world(app: Flask) -> World:
    return make_world(app)

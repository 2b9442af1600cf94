"""Presets: categories and tags for a use of the desk, and nothing lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.admin.presets import PRESETS, Preset
from app.core.db import db
from app.tickets import catalog
from app.tickets.catalog_models import Category, Tag
from tests.admin.pages import log, post
from tests.factories import category, make_agent, make_ticket

SignIn = Callable[[FlaskClient, Person], FlaskClient]


@pytest.mark.requirement("R 0-1")
@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.key)
def test_its_categories_are_open_in_its_order(
    client: FlaskClient, sign_in: SignIn, preset: Preset
) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    ticket = make_ticket(category=category("billing"))
    db.session.commit()
    assert post(client, f"/admin/presets/{preset.key}", {}, "/admin/presets").status_code == 303
    open_ones = {c.key: c.name for c in catalog.categories().values() if c.is_active}
    assert list(open_ones.items()) == list(preset.categories.items())
    assert ticket.category.key == "billing"
    assert set(preset.tags) <= set(db.session.scalars(sa.select(Tag.name)))
    lines = len(log())
    post(client, f"/admin/presets/{preset.key}", {}, "/admin/presets")
    assert len(log()) == lines, "the second time changes nothing"


@pytest.mark.requirement("R 0-1")
def test_support_brings_back_what_another_preset_closed(
    client: FlaskClient, sign_in: SignIn
) -> None:
    sign_in(client, make_agent(role=Role.ADMIN))
    before = db.session.execute(sa.select(Category.key, Category.name)).all()
    for key in ("services", "support"):
        post(client, f"/admin/presets/{key}", {}, "/admin/presets")
    kept = {(c.key, c.name) for c in catalog.categories().values() if c.is_active}
    assert kept == {tuple(row) for row in before}


def test_presets_are_for_admins_alone(app: Flask, sign_in: SignIn) -> None:
    client = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    assert client.get("/admin/presets").status_code == 403

"""Presets of categories and tags for a use of the desk; nothing else changes, nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from app.accounts.access import admin_required, current_person
from app.accounts.models import Person
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.core.jobs import Job, ring
from app.tickets import catalog, categories, properties
from app.tickets.catalog_models import Category

bp = Blueprint("presets", __name__, url_prefix="/admin")


@dataclass(frozen=True, slots=True)
class Preset:
    """A use of the desk: its categories, names by key, in their order; and tags to begin with."""

    key: str
    title: str
    lead: str
    categories: dict[str, str]
    tags: tuple[str, ...]


PRESETS = (
    Preset(
        "support",
        "Customer support",
        "Customers of a company ask, complain and propose.",
        {
            "general": "General question",
            "billing": "Billing",
            "technical": "Technical problem",
            "account": "My account",
            "feature_request": "An idea",
            "bug": "A bug",
        },
        ("refund", "complaint", "praise"),
    ),
    Preset(
        "internal",
        "Internal help desk",
        "Colleagues need help with what they work with.",
        {
            "general": "Something else",
            "hardware": "Computer and phone",
            "software": "Programs",
            "access": "Accounts and access",
            "rooms": "Rooms and furniture",
            "newcomer": "Somebody new",
        },
        ("on site", "remote", "waiting for parts"),
    ),
    Preset(
        "bugs",
        "Bugs and features",
        "Users of a program report what is wrong and wish for more.",
        {
            "bug": "A bug",
            "feature_request": "A feature",
            "documentation": "Documentation",
            "question": "A question",
            "general": "Something else",
        },
        ("confirmed", "needs steps", "duplicate", "regression"),
    ),
    Preset(
        "services",
        "Service requests",
        "People order, change and end services.",
        {
            "order": "Order a service",
            "change": "Change a service",
            "problem": "Something does not work",
            "cancellation": "End a service",
            "general": "Something else",
        },
        ("approved", "waiting for approval", "on site"),
    ),
)


@bp.get("/presets")
@admin_required
def index() -> ResponseReturnValue:
    """Each preset with what it would open and close."""
    open_ones = catalog.active_categories()
    shown = [
        (preset, [card.name for card in open_ones if card.key not in preset.categories])
        for preset in PRESETS
    ]
    return render_template("admin/presets.html", presets=shown)


@bp.post("/presets/<key>")
@admin_required
def use(key: str) -> ResponseReturnValue:
    """Open its categories, close the others for new tickets, make its tags."""
    preset = next((preset for preset in PRESETS if preset.key == key), None)
    if preset is None:
        raise NotFound("There is no such preset.")
    apply(preset, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"The desk is set up for {preset.title.lower()}.", "success")
    return redirect("/admin/categories", 303)


def apply(preset: Preset, *, by: Person, now: datetime) -> None:
    """Make the categories those of *preset*; one that it has not stays on its tickets, closed."""
    order = (Category.position, Category.id)
    rows = {row.key: row for row in db.session.scalars(sa.select(Category).order_by(*order))}
    before = {row.id: categories.facts(row) for row in rows.values()}
    for key, name in preset.categories.items():
        row = rows.setdefault(key, Category(key=key))
        row.name = name
        row.is_active = True
        db.session.add(row)
    others = [row for key, row in rows.items() if key not in preset.categories]
    for row in others:
        row.is_active = False
    ordered = [*(rows[key] for key in preset.categories), *others]
    for position, row in enumerate(ordered, start=1):
        row.position = position
    db.session.flush()
    for row in ordered:
        was = before.get(row.id, {})
        audit.note(
            *("category", row.id, row.name),
            before=was,
            after=categories.facts(row),
            by=by,
            now=now,
        )
    properties.find_or_make_tags(list(preset.tags))
    ring(Job.HAND_OUT)

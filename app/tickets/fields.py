"""Custom fields, as an admin changes them. The key stays: tickets keep their values under it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from app.accounts.models import Person
from app.core import audit
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.unique import unique
from app.tickets import catalog
from app.tickets.catalog_models import Category, CustomField
from app.tickets.categories import free_key

KINDS = {
    "text": "Text",
    "number": "Number",
    "date": "Date",
    "checkbox": "Checkbox",
    "choice": "Choice of a list",
}
MOST_CHOICES = 200


def facts(field: CustomField) -> Facts:
    """A custom field in words."""
    return {
        "Label": field.label,
        "Key": field.key,
        "Kind": KINDS[field.kind],
        "Choices": ", ".join(field.choices),
        "Required": "yes" if field.is_required else "no",
        "Shown to customers": "yes" if field.is_public else "no",
        "Categories": ", ".join(category.name for category in field.categories) or "all",
    }


def save(
    field: CustomField | None,
    *,
    label: str,
    kind: str,
    choices: list[str],
    is_required: bool,
    is_public: bool,
    category_ids: Collection[int],
    by: Person,
    now: datetime,
) -> CustomField:
    """Make a custom field, or change one.

    Raises:
        Invalid: a choice without choices, a required checkbox, or a category is gone.
        Conflict: its kind would change, which values on tickets do not allow.
    """
    before = facts(field) if field else {}
    if field is not None and field.kind != kind:
        raise Conflict("The kind of a field stays: tickets have values of it. Make a new field.")
    _check(kind, choices, is_required)
    wanted = set(category_ids)
    found = sa.select(Category).where(Category.id.in_(wanted)).order_by(Category.position)
    categories = list(db.session.scalars(found))
    if len(categories) != len(wanted):
        raise _wrong("categories", "A category you chose is gone. Have a look.")
    with unique("label", "Another field has this key."):
        if field is None:
            taken = {card.key for card in catalog.custom_fields()}
            field = CustomField(key=free_key(label, taken), kind=kind, position=len(taken) + 1)
            db.session.add(field)
        field.label = label
        field.choices = choices if kind == "choice" else []
        field.is_required = is_required
        field.is_public = is_public
        field.categories = categories
    audit.note(
        *("custom field", field.id, field.label), before=before, after=facts(field), by=by, now=now
    )
    return field


def _check(kind: str, choices: list[str], is_required: bool) -> None:
    if kind == "choice" and len(choices) < 2:
        raise _wrong("choices", "Enter at least two choices, one on each line.")
    if len(choices) > MOST_CHOICES or any(len(choice) > 100 for choice in choices):
        raise _wrong("choices", f"At most {MOST_CHOICES} choices of 100 characters each.")
    if kind == "checkbox" and is_required:
        raise _wrong("is_required", "A checkbox always has an answer; it cannot be required.")


def _wrong(field: str, message: str) -> Invalid:
    return Invalid(message, {field: message})

"""What callers name: a category by its key, people by id or address, groups by id or name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.accounts.access import hidden_group_ids
from app.accounts.models import Group, Person, PersonEmail
from app.api.access import caller
from app.core.db import db
from app.core.errors import Invalid
from app.tickets import catalog


def category_ids(key: str | None, sub: str | None) -> tuple[int | None, int | None]:
    """Ids of a category's and a subcategory's keys."""
    if key is None:
        return None, None
    card = catalog.category_by_key(key)
    if card is None:
        known = ", ".join(c.key for c in catalog.categories().values() if c.is_active)
        raise Invalid("There is no such category.", {"category": f"Must be one of: {known}."})
    if sub is None:
        return card.id, None
    found = next((s.id for s in card.subcategories if s.key == sub and s.is_active), None)
    if found is None:
        raise Invalid("There is no such subcategory.", {"subcategory": f"Not one of {card.name}."})
    return card.id, found


def agent_of(value: Any) -> Person | None:
    """The person of an id or a mail address; null is nobody."""
    if value is None:
        return None
    found: Person | None = None
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
        found = db.session.get(Person, value)
    elif isinstance(value, str):
        owner = sa.select(PersonEmail.person_id).where(PersonEmail.address == value.lower())
        person_id = db.session.scalar(owner)
        found = db.session.get(Person, person_id) if person_id else None
    if found is None:
        raise Invalid("There is no such agent.", {"agent": "An id or mail address of an agent."})
    return found


def group_of(value: Any) -> Group | None:
    """The group of an id or a name, if the caller may see it; null is none."""
    if value is None:
        return None
    found: Group | None = None
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31:
        found = db.session.get(Group, value)
    elif isinstance(value, str):
        found = db.session.scalar(sa.select(Group).where(Group.name == value))
    if found is None or found.id in hidden_group_ids(caller()):
        raise Invalid("There is no such group.", {"group": "An id or name of a group."})
    return found

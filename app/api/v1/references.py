"""What callers name: a category by its key, people by id or address, groups by id or name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.accounts.access import hidden_group_ids
from app.accounts.models import Group, Organization, Person, PersonEmail, Skill
from app.api.access import caller
from app.core.db import db
from app.core.errors import Invalid
from app.core.paging import MOST_ID
from app.knowledge.models import ArticleCategory
from app.sla.models import Calendar
from app.tickets import catalog

NAMED = {
    Group: "group",
    Organization: "organization",
    Skill: "skill",
    Calendar: "calendar",
    ArticleCategory: "article category",
}


def category_ids(key: str | None, sub: str | None) -> tuple[int | None, int | None]:
    """Ids of a category's and a subcategory's keys, of those that are open for new tickets."""
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


def category_of(key: str, field: str = "category") -> catalog.CategoryCard:
    """The category of a key, open for new tickets or not."""
    cards = catalog.categories().values()
    found = next((card for card in cards if card.key == key), None)
    if found is None:
        known = ", ".join(card.key for card in cards)
        raise Invalid("There is no such category.", {field: f"Must be one of: {known}."})
    return found


def subcategory_of(card: catalog.CategoryCard, key: str | None) -> int | None:
    """The id of a subcategory's key, open for new tickets or not."""
    if key is None:
        return None
    found = next((sub.id for sub in card.subcategories if sub.key == key), None)
    if found is None:
        raise Invalid("There is no such subcategory.", {"subcategory": f"Not one of {card.name}."})
    return found


def person_of(value: Any) -> Person | None:
    """The person of an id or a mail address, or None."""
    if _is_id(value):
        return db.session.get(Person, value)
    if isinstance(value, str):
        owner = sa.select(PersonEmail.person_id).where(PersonEmail.address == value.lower())
        person_id = db.session.scalar(owner)
        return db.session.get(Person, person_id) if person_id else None
    return None


def agent_of(value: Any, field: str = "agent") -> Person | None:
    """The person of an id or a mail address; null is nobody."""
    if value is None:
        return None
    found = person_of(value)
    if found is None:
        raise Invalid("There is no such agent.", {field: "An id or mail address of an agent."})
    return found


def group_of(value: Any, field: str = "group") -> Group | None:
    """The group of an id or a name, if the caller may see it; null is none."""
    if value is None:
        return None
    found: Group | None = _find(Group, value)
    if found is None or found.id in hidden_group_ids(caller()):
        raise Invalid("There is no such group.", {field: "An id or name of a group."})
    return found


def id_of(model: type[Any], value: Any, field: str) -> int | None:
    """The id of whatever has an id or a name; null is none."""
    if value is None:
        return None
    found = _find(model, value)
    if found is None:
        what = NAMED[model]
        raise Invalid(f"There is no such {what}.", {field: f"An id or name of {_a(what)}."})
    return int(found.id)


def agent_ids(values: list[Any], field: str) -> list[int]:
    """Ids of people who are named by id or address."""
    return [person.id for value in values if (person := agent_of(value, field))]


def _find(model: type[Any], value: Any) -> Any | None:
    if _is_id(value):
        return db.session.get(model, value)
    if isinstance(value, str):
        return db.session.scalar(sa.select(model).where(model.name == value))
    return None


def _is_id(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= MOST_ID


def _a(what: str) -> str:
    return f"an {what}" if what[0] in "aeiou" else f"a {what}"

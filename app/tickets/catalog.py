"""Categories and custom fields as forms, rules and mails need them: cached, plain values."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from app.core.cache import reference
from app.core.db import db
from app.tickets.catalog_models import (
    Category,
    CustomField,
    Subcategory,
    category_skill,
    custom_field_category,
    subcategory_skill,
)


@dataclass(frozen=True, slots=True)
class SubcategoryCard:
    """A finer cut of a category; ``skill_ids`` are its own, without the category's."""

    id: int
    key: str
    name: str
    is_active: bool
    skill_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class CategoryCard:
    """A category with its active and former subcategories."""

    id: int
    key: str
    name: str
    is_active: bool
    skill_ids: frozenset[int]
    subcategories: tuple[SubcategoryCard, ...]


@dataclass(frozen=True, slots=True)
class FieldCard:
    """A custom field; no category means that it is on all."""

    id: int
    key: str
    label: str
    kind: str
    choices: tuple[str, ...]
    is_required: bool
    is_public: bool
    category_ids: frozenset[int]


def categories() -> dict[int, CategoryCard]:
    """Every category by id, in their order."""
    return reference("categories", _load_categories)


def active_categories() -> list[CategoryCard]:
    """Those that can be chosen, in their order."""
    return [card for card in categories().values() if card.is_active]


def category_by_key(key: str) -> CategoryCard | None:
    """The active category of a key."""
    found = (c for c in categories().values() if c.key == key and c.is_active)
    return next(found, None)


def default_category() -> CategoryCard:
    """Where a ticket goes that names no category: general, else the first active one."""
    return category_by_key("general") or (active_categories() or list(categories().values()))[0]


def named_like(words: str) -> list[int]:
    """Ids of the categories with *words* in their name."""
    lower = words.casefold()
    return [card.id for card in categories().values() if lower in card.name.casefold()]


def custom_fields(category_id: int | None = None) -> list[FieldCard]:
    """Custom fields in their order; those on one category, or all."""
    fields = reference("custom_fields", _load_fields)
    if category_id is None:
        return fields
    return [f for f in fields if not f.category_ids or category_id in f.category_ids]


def field_words(value: Any) -> str:
    """The value of a custom field: "Yes", "No", as it is, or "" where there is none."""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return "" if value is None else str(value)


def category_words(category_id: int, subcategory_id: int | None) -> str:
    """ "Technical problem, Ovens"."""
    card = categories()[category_id]
    names = [card.name, *(s.name for s in card.subcategories if s.id == subcategory_id)]
    return ", ".join(names)


def _load_categories() -> dict[int, CategoryCard]:
    skills: dict[int, set[int]] = defaultdict(set)
    for row in db.session.execute(sa.select(category_skill)):
        skills[row.category_id].add(row.skill_id)
    sub_skills: dict[int, set[int]] = defaultdict(set)
    for row in db.session.execute(sa.select(subcategory_skill)):
        sub_skills[row.subcategory_id].add(row.skill_id)
    subs: dict[int, list[SubcategoryCard]] = defaultdict(list)
    for sub in db.session.scalars(
        sa.select(Subcategory).order_by(Subcategory.position, Subcategory.id)
    ):
        card = SubcategoryCard(
            sub.id, sub.key, sub.name, sub.is_active, frozenset(sub_skills[sub.id])
        )
        subs[sub.category_id].append(card)
    rows = db.session.scalars(sa.select(Category).order_by(Category.position, Category.id))
    return {
        row.id: CategoryCard(
            row.id, row.key, row.name, row.is_active, frozenset(skills[row.id]), tuple(subs[row.id])
        )
        for row in rows
    }


def _load_fields() -> list[FieldCard]:
    on: dict[int, set[int]] = defaultdict(set)
    for row in db.session.execute(sa.select(custom_field_category)):
        on[row.custom_field_id].add(row.category_id)
    rows = db.session.scalars(sa.select(CustomField).order_by(CustomField.position, CustomField.id))
    return [
        FieldCard(
            row.id,
            row.key,
            row.label,
            row.kind,
            tuple(row.choices),
            row.is_required,
            row.is_public,
            frozenset(on[row.id]),
        )
        for row in rows
    ]

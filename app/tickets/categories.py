"""Categories and subcategories, as an admin changes them.

A key is made from the first name and stays: forms, the API and points of priority know it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import sqlalchemy as sa

from app.accounts.models import Person, Skill
from app.core import audit, ordering
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.jobs import Job, ring
from app.core.unique import unique
from app.tickets import catalog
from app.tickets.catalog_models import Category, Subcategory

Kind = TypeVar("Kind", Category, Subcategory)
TAKEN = "There is one with this name already."


def facts(row: Category | Subcategory) -> Facts:
    """A category or subcategory in words."""
    found = {
        "Name": row.name,
        "Key": row.key,
        "Open for new tickets": "yes" if row.is_active else "no",
        "Needs a skill of": ", ".join(sorted(skill.name for skill in row.skills)),
    }
    if isinstance(row, Subcategory):
        found["Category"] = catalog.categories()[row.category_id].name
    return found


def save_category(
    row: Category | None,
    *,
    name: str,
    is_active: bool,
    skill_ids: Collection[int],
    by: Person,
    now: datetime,
) -> Category:
    """Make a category, or change one.

    Raises:
        Invalid: the name or a skill will not do.
        Conflict: no category would be open for new tickets.
    """
    _refuse_same_name(name, row, catalog.categories().values())
    if row is not None and row.is_active and not is_active:
        refuse_last(row)
    if row is None:
        last = sa.select(sa.func.coalesce(sa.func.max(Category.position), 0))
        row = Category(key=free_key(name, _keys()), position=db.session.scalars(last).one() + 1)
    return _save(row, name, is_active, skill_ids, by, now)


def save_subcategory(
    row: Subcategory | None,
    *,
    category_id: int,
    name: str,
    is_active: bool,
    skill_ids: Collection[int],
    by: Person,
    now: datetime,
) -> Subcategory:
    """Make a subcategory of a category, or change one.

    Raises:
        Invalid: the name or a skill will not do.
    """
    siblings = catalog.categories()[category_id].subcategories
    _refuse_same_name(name, row, siblings)
    if row is None:
        key = free_key(name, {card.key for card in siblings})
        row = Subcategory(category_id=category_id, key=key, position=len(siblings) + 1)
    return _save(row, name, is_active, skill_ids, by, now)


def refuse_last(row: Category) -> None:
    """A ticket always has a category, so one stays open.

    Raises:
        Conflict: *row* is the only one.
    """
    if not any(c.is_active for c in catalog.categories().values() if c.id != row.id):
        raise Conflict("This is the only category that is open for new tickets. Open another one.")


def put_in_order(ids: Sequence[int], *, by: Person, now: datetime) -> None:
    """Show the categories in the order of *ids*.

    Raises:
        Conflict: somebody has made or deleted one meanwhile.
    """
    rows = db.session.scalars(sa.select(Category).order_by(Category.position, Category.id))
    ordering.put_in_order(rows, ids, thing="category", name=lambda row: row.name, by=by, now=now)


def free_key(name: str, taken: Collection[str]) -> str:
    """ "Ovens & more" -> "ovens_and_more", with a number behind it where that is taken."""
    plain = unicodedata.normalize("NFKD", name.replace("&", " and ").lower())
    words = re.findall(r"[a-z0-9]+", plain.encode("ascii", "ignore").decode())
    stem = "_".join(words)[:50] or "category"
    numbered = (f"{stem}_{n}" for n in range(2, len(taken) + 3))
    return next(key for key in (stem, *numbered) if key not in taken)


def _keys() -> set[str]:
    return {card.key for card in catalog.categories().values()}


def _refuse_same_name(
    name: str,
    row: Category | Subcategory | None,
    others: Iterable[catalog.CategoryCard | catalog.SubcategoryCard],
) -> None:
    own = row.id if row else None
    if any(other.id != own and other.name.casefold() == name.casefold() for other in others):
        raise Invalid(TAKEN, {"name": TAKEN})


def _save(
    row: Kind,
    name: str,
    is_active: bool,
    skill_ids: Collection[int],
    by: Person,
    now: datetime,
) -> Kind:
    before = facts(row) if row.id else {}
    wanted = set(skill_ids)
    skills = list(db.session.scalars(sa.select(Skill).where(Skill.id.in_(wanted))))
    if len(skills) != len(wanted):
        message = "A skill you chose is gone. Have a look."
        raise Invalid(message, {"skills": message})
    with unique("name", TAKEN):
        db.session.add(row)
        row.name = name
        row.is_active = is_active
        row.skills = skills
    thing = row.__tablename__
    audit.note(thing, row.id, row.name, before=before, after=facts(row), by=by, now=now)
    ring(Job.HAND_OUT)  # other skills may be asked for now
    return row

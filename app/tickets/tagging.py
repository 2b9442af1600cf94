"""Tags of the whole desk: renamed, merged, deleted. What is on one ticket is `properties`'."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.accounts.models import Person
from app.core import audit
from app.core.db import db
from app.core.errors import Invalid
from app.tickets.catalog_models import Tag
from app.tickets.properties import clean_tags


def make(name: str, *, by: Person, now: datetime) -> Tag:
    """A new tag.

    Raises:
        Invalid: there is one of this name, or it is no tag.
    """
    clean = _clean(name)
    if named(clean) is not None:
        raise _wrong(f"There is a tag {clean} already.")
    tag = Tag(name=clean)
    db.session.add(tag)
    db.session.flush()
    audit.note("tag", tag.id, clean, before={}, after={"Name": clean}, by=by, now=now)
    return tag


def named(name: str) -> Tag | None:
    """The tag of a name."""
    return db.session.scalar(sa.select(Tag).where(Tag.name == name))


def new_name(tag: Tag, name: str) -> tuple[str, Tag | None]:
    """*name* as it is stored, and another tag that has it, with which *tag* would be merged.

    Raises:
        Invalid: it is no tag.
    """
    clean = _clean(name)
    other = named(clean)
    return clean, other if other is not None and other.id != tag.id else None


def _clean(name: str) -> str:
    found = clean_tags([name])
    if len(found) != 1:
        raise _wrong("Write a word or two, without commas.")
    return found[0]


def _wrong(message: str) -> Invalid:
    return Invalid(message, {"name": message})

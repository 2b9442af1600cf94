"""Tags."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.access import admin_required
from app.accounts.models import Person
from app.admin import replacing
from app.admin.forms import AdminForm, line
from app.admin.resource import ListRow, Query, Resource
from app.core import audit
from app.core.db import db
from app.core.errors import Invalid
from app.tickets import tagging
from app.tickets.catalog_models import Tag, ticket_tag


class TagForm(AdminForm):
    """A tag."""

    name = line(
        "Name",
        "In lower case, without commas. A new name counts wherever the tag is used.",
        most=60,
    )


def _found(words: str) -> Query:
    tickets = (
        sa.select(sa.func.count())
        .where(ticket_tag.c.tag_id == Tag.id)
        .correlate(Tag)
        .scalar_subquery()
    )
    found: Query = sa.select(Tag.id, Tag.name, tickets.label("tickets"))
    found = found.where(Tag.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(Tag.name)


def _row(row: Any) -> ListRow:
    side = "1 ticket" if row.tickets == 1 else f"{row.tickets:,} tickets"
    return ListRow(row.id, row.name, side=side)


def _form(tag: Tag | None) -> TagForm:
    return TagForm(data={"name": tag.name} if tag else None)


def save(tag: Tag | None, name: str, *, by: Person, now: datetime) -> Tag:
    """Make a tag, or give one another name, wherever it is named.

    Raises:
        Invalid: it is no tag's name, or another tag's.
    """
    if tag is None:
        return tagging.make(name, by=by, now=now)
    name, other = tagging.new_name(tag, name)
    if other is not None:
        message = f"There is a tag {name} already. To merge them, delete this one: “Use instead”."
        raise Invalid(message, {"name": message})
    if name != tag.name:
        old = tag.name
        replacing.rename(tag, name)
        audit.note("tag", tag.id, old, before={"Name": old}, after={"Name": name}, by=by, now=now)
        db.session.flush()
    return tag


TAGS = Resource(
    path="tags",
    one="tag",
    many="Tags",
    lead="Free words on tickets. Agents make them as they go; here they are tidied up.",
    guard=admin_required,
    model=Tag,
    found=_found,
    row=_row,
    form=_form,
    save=lambda tag, form, by, now: save(tag, form.name.data, by=by, now=now),
    name=lambda tag: tag.name,
    facts=lambda tag: {"Name": tag.name},
)

"""Categories with their subcategories, tags, and automatic answers over the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, fields, validate
from sqlalchemy.orm import selectinload

from app.accounts.models import Person, Role, Skill
from app.admin import resource
from app.admin import tags as tag_pages
from app.admin.catalog import CATEGORIES as CATEGORY_PAGES
from app.admin.catalog import SUBCATEGORIES as SUBCATEGORY_PAGES
from app.admin.templates import TEMPLATES as TEMPLATE_PAGES
from app.api.access import caller, token_required
from app.api.base import Schema
from app.api.idempotency import idempotent
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.kinds import (
    ID,
    Data,
    InsteadQuery,
    Kind,
    ListQuery,
    Query,
    allowed,
    register,
    thing_of,
    words_of,
)
from app.api.v1.people import LANGUAGE, Ref
from app.api.v1.references import category_of, id_of
from app.api.v1.schemas import Line, Named, Text, in_part, says_something
from app.channels import templates
from app.channels.models import AutoResponseTemplate
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.paging import MOST_ID
from app.tickets import catalog, categories
from app.tickets.catalog_models import Category, Subcategory, Tag

SUB_ID = "<int:sub_id>"


class SubcategoryOut(Schema):
    """A finer cut of a category."""

    id = fields.Integer(required=True)
    key = fields.String(required=True)
    name = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    skills = fields.List(fields.Nested(Ref))


class CategoryOut(Schema):
    """What a ticket can be about. Customers do not see skills, nor what is closed for new ones."""

    id = fields.Integer(required=True)
    key = fields.String(required=True)
    name = fields.String(required=True)
    is_active = fields.Boolean(required=True)
    position = fields.Integer(required=True)
    skills = fields.List(fields.Nested(Ref))
    subcategories = fields.List(fields.Nested(SubcategoryOut), required=True)


class CategoryNew(Schema):
    """A category to be made; its key is made from the name and stays. Skills by id or name."""

    name = Line(required=True, validate=validate.Length(1, 100))
    is_active = fields.Boolean(load_default=True)
    skills = fields.List(Named(), load_default=list, validate=validate.Length(max=100))


class SubcategoryNew(CategoryNew):
    """A subcategory to be made."""


class SubcategoryChange(CategoryNew):
    """Changes to a subcategory."""


class TagOut(Schema):
    """A free word on tickets."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)


class TagNew(Schema):
    """A tag to be made, in lower case and without commas."""

    name = Line(required=True, validate=validate.Length(1, 60))


class TemplateOut(Schema):
    """The automatic answer to new tickets of a category, in a language."""

    id = fields.Integer(required=True)
    category = fields.String(required=True)
    language = fields.String(required=True)
    subject = fields.String(required=True)
    body = fields.String(required=True)
    is_active = fields.Boolean(required=True)


class TemplateNew(Schema):
    """An automatic answer to be made."""

    category = Line(required=True, validate=validate.Length(1, 100))
    language = Line(load_default="en", validate=LANGUAGE)
    subject = Line(required=True, validate=validate.Length(1, 200))
    body = Text(
        required=True,
        validate=[validate.Length(1, 10_000), says_something],
        metadata={
            "description": "May name "
            + ", ".join(
                f"{{{{ {name} }}}} ({what})" for name, what in templates.PLACEHOLDERS.items()
            )
        },
    )
    is_active = fields.Boolean(load_default=True)


class TemplateQuery(ListQuery):
    """Which automatic answers."""

    category = Line(load_default="", metadata={"description": "Key of a category."})

    class Meta:
        """Other words in an address are nobody's harm."""

        unknown = EXCLUDE


def _categories(args: Data, viewer: Person) -> Query:
    found = sa.select(Category)
    if not viewer.is_agent:
        found = found.where(Category.is_active)
    return found.where(*words_of((Category.name,), args))


def _show_categories(rows: Sequence[Category], viewer: Person) -> list[Data]:
    """From the cache; one statement, for the names of skills."""
    names: dict[int, str] = {}
    if viewer.is_agent:
        names = dict(db.session.execute(sa.select(Skill.id, Skill.name)).all())
    cards = catalog.categories()
    return [
        {
            **_cut(cards[row.id], names, viewer),
            "position": row.position,
            "subcategories": [
                _cut(sub, names, viewer)
                for sub in cards[row.id].subcategories
                if sub.is_active or viewer.is_agent
            ],
        }
        for row in rows
    ]


def _cut(card: Any, names: dict[int, str], viewer: Person) -> Data:
    found: Data = {
        "id": card.id,
        "key": card.key,
        "name": card.name,
        "is_active": card.is_active,
    }
    if viewer.is_agent:
        skills = sorted((names[i], i) for i in card.skill_ids if i in names)
        found["skills"] = [{"id": i, "name": name} for name, i in skills]
    return found


def _present(row: Category | Subcategory) -> Data:
    skills = [skill.id for skill in row.skills]
    return {"name": row.name, "is_active": row.is_active, "skills": skills}


def _skill_ids(data: Data) -> list[int]:
    return [i for value in data["skills"] if (i := id_of(Skill, value, "skills"))]


def _save_category(row: Category | None, data: Data, by: Person, now: datetime) -> Category:
    return categories.save_category(
        row,
        name=data["name"],
        is_active=data["is_active"],
        skill_ids=_skill_ids(data),
        by=by,
        now=now,
    )


def _save_subcategory(
    row: Subcategory | None, category_id: int, data: Data, by: Person
) -> Subcategory:
    return categories.save_subcategory(
        row,
        category_id=category_id,
        name=data["name"],
        is_active=data["is_active"],
        skill_ids=_skill_ids(data),
        by=by,
        now=utcnow(),
    )


def _tags(args: Data, viewer: Person) -> Query:
    return sa.select(Tag).where(*words_of((Tag.name,), args))


def _templates(args: Data, viewer: Person) -> Query:
    found = sa.select(AutoResponseTemplate)
    if args.get("category"):
        card = category_of(args["category"])
        found = found.where(AutoResponseTemplate.category_id == card.id)
    texts = (AutoResponseTemplate.subject, AutoResponseTemplate.body)
    return found.where(*words_of(texts, args))


def _template(row: AutoResponseTemplate) -> Data:
    return {
        "category": catalog.categories()[row.category_id].key,
        "language": row.language,
        "subject": row.subject,
        "body": row.body,
        "is_active": row.is_active,
    }


def _save_template(
    row: AutoResponseTemplate | None, data: Data, by: Person, now: datetime
) -> AutoResponseTemplate:
    given = {key: value for key, value in data.items() if key != "category"}
    category_id = category_of(data["category"]).id
    return templates.save(row, category_id=category_id, **given, by=by, now=now)


SUBCATEGORY = {
    "id": 9,
    "key": "ovens",
    "name": "Ovens",
    "is_active": True,
    "skills": [{"id": 4, "name": "steam ovens"}],
}
TEMPLATE_IN = {
    "category": "technical",
    "language": "en",
    "subject": "We have it",
    "body": "Hello {{ requester.name }},\n\nyour ticket is {{ ticket.number }}.",
    "is_active": True,
}
CATEGORIES = Kind(
    path="categories",
    one="category",
    what="What tickets are about, in the order in which customers see them.",
    model=Category,
    read=Role.CUSTOMER,
    write=Role.ADMIN,
    shape=CategoryOut,
    new=CategoryNew,
    found=_categories,
    order=(Category.position,),
    show=_show_categories,
    present=_present,
    save=_save_category,
    admin=CATEGORY_PAGES,
    put_in_order=categories.put_in_order,
    example={
        "id": 2,
        "key": "technical",
        "name": "Technical problem",
        "is_active": True,
        "position": 2,
        "skills": [],
        "subcategories": [SUBCATEGORY],
    },
    example_in={"name": "Technical problem", "is_active": True, "skills": []},
)
TAGS = Kind(
    path="tags",
    one="tag",
    what="Free words on tickets. Deleting one with `instead` merges it into that one.",
    model=Tag,
    read=Role.AGENT,
    write=Role.ADMIN,
    shape=TagOut,
    new=TagNew,
    found=_tags,
    show=lambda rows, viewer: [{"id": row.id, "name": row.name} for row in rows],
    present=lambda row: {"name": row.name},
    save=lambda row, data, by, now: tag_pages.save(row, data["name"], by=by, now=now),
    admin=tag_pages.TAGS,
    example={"id": 31, "name": "outage"},
    example_in={"name": "outage"},
)
TEMPLATES = Kind(
    path="templates",
    one="template",
    what="Automatic answers to new tickets, by category and language.",
    model=AutoResponseTemplate,
    read=Role.AGENT,
    write=Role.SUPERVISOR,
    shape=TemplateOut,
    new=TemplateNew,
    query=TemplateQuery,
    found=_templates,
    show=lambda rows, viewer: [{"id": row.id, **_template(row)} for row in rows],
    present=_template,
    save=_save_template,
    admin=TEMPLATE_PAGES,
    example={"id": 3, **TEMPLATE_IN},
    example_in=TEMPLATE_IN,
)
register(CATEGORIES)
register(TAGS)
register(TEMPLATES)
UNDER = f"/categories/{ID}/subcategories"


@bp.route(UNDER, methods=["POST"], tags=[CATEGORIES.tag])
@bp.doc(summary="Make a subcategory")
@limited
@token_required
@bp.arguments(SubcategoryNew, example={"name": "Ovens", "skills": ["steam ovens"]})
@bp.response(201, SubcategoryOut, example=SUBCATEGORY)
@documented(400, 403, 404, 409)
@idempotent
def create_subcategory(data: Data, id: int) -> ResponseReturnValue:
    """It stays in its category. With the token of an admin."""
    person = allowed(Role.ADMIN)
    category = thing_of(CATEGORIES, id, lock=True)
    made = _save_subcategory(None, category.id, data, person)
    return jsonify(_shown_subcategory(made)), 201


@bp.route(f"{UNDER}/{SUB_ID}", methods=["PATCH"], tags=[CATEGORIES.tag])
@bp.doc(summary="Change a subcategory")
@limited
@token_required
@bp.arguments(in_part(SubcategoryChange), example={"name": "Steam ovens"})
@bp.response(200, SubcategoryOut, example=SUBCATEGORY | {"name": "Steam ovens"})
@documented(400, 403, 404, 409)
def change_subcategory(data: Data, id: int, sub_id: int) -> ResponseReturnValue:
    """What is not named stays as it is."""
    person = allowed(Role.ADMIN)
    row = _subcategory(id, sub_id)
    if data:
        _save_subcategory(row, row.category_id, {**_present(row), **data}, person)
        db.session.commit()
    return jsonify(_shown_subcategory(row))


@bp.route(f"{UNDER}/{SUB_ID}", methods=["DELETE"], tags=[CATEGORIES.tag])
@bp.doc(summary="Delete a subcategory")
@limited
@token_required
@bp.arguments(InsteadQuery, location="query")
@bp.response(204)
@documented(400, 403, 404, 409)
def delete_subcategory(args: Data, id: int, sub_id: int) -> ResponseReturnValue:
    """Its tickets go to another one of the same category, or have none."""
    person = allowed(Role.ADMIN)
    row, new = _subcategory(id, sub_id), None
    if args["instead"] is not None:
        new = db.session.get(Subcategory, args["instead"])
        if new is None or new.category_id != row.category_id:
            raise Invalid("There is nothing of this id.", {"instead": "One of the same category."})
    resource.remove(SUBCATEGORY_PAGES, row, new, by=person, now=utcnow())
    db.session.commit()
    return "", 204


def _subcategory(category_id: int, sub_id: int) -> Subcategory:
    found = sa.select(Subcategory).options(selectinload(Subcategory.skills))
    found = found.where(Subcategory.id == sub_id, Subcategory.category_id == category_id)
    row = None
    if max(category_id, sub_id) <= MOST_ID:
        row = db.session.scalars(found.with_for_update(of=Subcategory)).one_or_none()
    if row is None:
        raise NotFound("There is no such subcategory.")
    return row


def _shown_subcategory(row: Subcategory) -> Data:
    db.session.flush()
    names = {skill.id: skill.name for skill in row.skills}
    subs = catalog.categories()[row.category_id].subcategories
    return _cut(next(sub for sub in subs if sub.id == row.id), names, caller())

"""Categories with their subcategories, and custom fields."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import request
from wtforms import SelectField

from app.accounts.access import admin_required
from app.accounts.models import Person, Skill
from app.admin.forms import AdminForm, Choices, checks, ids, line, options, text, tick
from app.admin.resource import ListRow, Query, Resource
from app.core.db import db
from app.tickets import catalog, categories, fields
from app.tickets.catalog_models import Category, CustomField, Subcategory


class CategoryForm(AdminForm):
    """A category."""

    name = line("Name", "Customers choose by it: use their words.")
    is_active = tick(
        "Open for new tickets", "Else it stays on old tickets, and nobody can choose it."
    )
    skills = checks(
        "Needs a skill of", "A rule “by skill” gives its tickets to agents with any of these."
    )


class SubcategoryForm(AdminForm):
    """A subcategory."""

    category = SelectField(
        "Category", description="It stays there: delete it and make another one to move it."
    )
    name = line("Name", "Customers choose by it, once they have chosen the category.")
    is_active = tick(
        "Open for new tickets", "Else it stays on old tickets, and nobody can choose it."
    )
    skills = checks("Needs a skill of", "Beside those that its category needs.")


class FieldForm(AdminForm):
    """A custom field."""

    label = line("Label", "What stands above the field.")
    kind = SelectField(
        "Kind",
        choices=options(fields.KINDS.items()),
        description="It stays as it is: tickets will have values of this kind.",
    )
    choices = text("Choices", "For a choice of a list: one on each line.")
    is_required = tick("Required", "Nobody can open a ticket without it.")
    is_public = tick("Shown to customers", "On their form and on their ticket. Else agents only.")
    categories = checks("On tickets about", "None ticked: on all.")


def skill_choices() -> Choices:
    """Every skill, by name."""
    rows = db.session.execute(sa.select(Skill.id, Skill.name).order_by(Skill.name))
    return options((row.id, row.name) for row in rows)


def category_choices() -> Choices:
    """Every category, in their order."""
    return options((card.id, card.name) for card in catalog.categories().values())


def _categories(words: str) -> Query:
    found = sa.select(Category.id)
    found = found.where(Category.name.icontains(words, autoescape=True)) if words else found
    return found.order_by(Category.position, Category.id)


def _category_row(row: Any) -> ListRow:
    card = catalog.categories()[row.id]
    subs = ", ".join(sub.name for sub in card.subcategories)
    tags = () if card.is_active else ("Closed",)
    skills = len(card.skill_ids)
    side = f"needs {skills} {'skill' if skills == 1 else 'skills'}" if skills else ""
    return ListRow(card.id, card.name, subs or "No subcategories", tags, side)


def _category_form(category: Category | None) -> CategoryForm:
    form = CategoryForm(data=_common(category) if category else {"is_active": True})
    form.skills.choices = skill_choices()
    return form


def _common(row: Category | Subcategory) -> dict[str, Any]:
    skills = [str(skill.id) for skill in row.skills]
    return {"name": row.name, "is_active": row.is_active, "skills": skills}


def _save_category(
    category: Category | None, form: CategoryForm, by: Person, now: datetime
) -> Category:
    return categories.save_category(
        category,
        name=form.name.data,
        is_active=form.is_active.data,
        skill_ids=ids(form.skills),
        by=by,
        now=now,
    )


def _subcategories(words: str) -> Query:
    found = sa.select(Subcategory.id, Subcategory.category_id).join(Category)
    if words:
        named = (c.icontains(words, autoescape=True) for c in (Subcategory.name, Category.name))
        found = found.where(sa.or_(*named))
    return found.order_by(Category.position, Category.id, Subcategory.position, Subcategory.id)


def _subcategory_row(row: Any) -> ListRow:
    card = catalog.categories()[row.category_id]
    sub = next(sub for sub in card.subcategories if sub.id == row.id)
    tags = () if sub.is_active else ("Closed",)
    return ListRow(sub.id, sub.name, card.name, tags)


def _subcategory_form(row: Subcategory | None) -> SubcategoryForm:
    asked = {"is_active": True, "category": request.args.get("category", "")}
    form = SubcategoryForm(data=_common(row) | {"category": str(row.category_id)} if row else asked)
    form.category.choices = category_choices()
    if row is not None:
        form.category.choices = [c for c in category_choices() if c.value == str(row.category_id)]
    form.skills.choices = skill_choices()
    return form


def _save_subcategory(
    row: Subcategory | None, form: SubcategoryForm, by: Person, now: datetime
) -> Subcategory:
    return categories.save_subcategory(
        row,
        category_id=int(form.category.data),
        name=form.name.data,
        is_active=form.is_active.data,
        skill_ids=ids(form.skills),
        by=by,
        now=now,
    )


def _fields(words: str) -> Query:
    found = sa.select(
        CustomField.id,
        CustomField.label,
        CustomField.key,
        CustomField.kind,
        CustomField.is_required,
        CustomField.is_public,
    )
    found = found.where(CustomField.label.icontains(words, autoescape=True)) if words else found
    return found.order_by(CustomField.position, CustomField.id)


def _field_row(row: Any) -> ListRow:
    card = next(card for card in catalog.custom_fields() if card.id == row.id)
    names = [c.name for c in catalog.categories().values() if c.id in card.category_ids]
    tags = [("Required", row.is_required), ("Shown to customers", row.is_public)]
    return ListRow(
        row.id,
        row.label,
        f"On {', '.join(names) or 'all tickets'}",
        tuple(words for words, holds in tags if holds),
        fields.KINDS[row.kind],
    )


def _field_form(field: CustomField | None) -> FieldForm:
    form = FieldForm(
        data={
            "label": field.label,
            "kind": field.kind,
            "choices": "\n".join(field.choices),
            "is_required": field.is_required,
            "is_public": field.is_public,
            "categories": [str(category.id) for category in field.categories],
        }
        if field
        else None
    )
    if field is not None:
        form.kind.choices = options([(field.kind, fields.KINDS[field.kind])])
    form.categories.choices = category_choices()
    return form


def _save_field(
    field: CustomField | None, form: FieldForm, by: Person, now: datetime
) -> CustomField:
    choices = [line.strip() for line in (form.choices.data or "").splitlines()]
    return fields.save(
        field,
        label=form.label.data,
        kind=form.kind.data,
        choices=list(dict.fromkeys(choice for choice in choices if choice)),
        is_required=form.is_required.data,
        is_public=form.is_public.data,
        category_ids=ids(form.categories),
        by=by,
        now=now,
    )


def _field_words(field: CustomField) -> str:
    return f"What tickets hold in {field.label} stays in the database, and nobody sees it."


CATEGORIES = Resource(
    path="categories",
    one="category",
    many="Categories",
    lead="What a ticket is about. Customers choose among them in this order.",
    order_hint="Customers see them in this order.",
    guard=admin_required,
    model=Category,
    found=_categories,
    row=_category_row,
    form=_category_form,
    save=_save_category,
    name=lambda category: category.name,
    facts=categories.facts,
    put_in_order=categories.put_in_order,
    refuse_delete=categories.refuse_last,
)
SUBCATEGORIES = Resource(
    path="subcategories",
    one="subcategory",
    many="Subcategories",
    lead="A finer cut of a category, where one is needed.",
    guard=admin_required,
    model=Subcategory,
    found=_subcategories,
    row=_subcategory_row,
    form=_subcategory_form,
    save=_save_subcategory,
    name=lambda row: row.name,
    facts=categories.facts,
    may_replace=lambda old, new: old.category_id == new.category_id,
)
FIELDS = Resource(
    path="custom-fields",
    one="custom field",
    many="Custom fields",
    lead="What else you want to know of a ticket, such as an order number.",
    guard=admin_required,
    model=CustomField,
    found=_fields,
    row=_field_row,
    form=_field_form,
    save=_save_field,
    name=lambda field: field.label,
    facts=fields.facts,
    is_replaceable=False,
    delete_words=_field_words,
)

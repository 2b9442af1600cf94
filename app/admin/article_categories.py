"""Categories of articles: the shelves of the help centre."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.access import supervisor_required
from app.accounts.models import Person
from app.admin.forms import AdminForm, line
from app.admin.resource import ListRow, Query, Resource
from app.knowledge import writing
from app.knowledge.models import Article, ArticleCategory


class ArticleCategoryForm(AdminForm):
    """A category of articles."""

    name = line("Name", "As customers look for it: “Payments”, “Getting started”.")
    description = line("Description", "One sentence below it.", most=300, needed=False)


def _found(words: str) -> Query:
    articles = (
        sa.select(sa.func.count())
        .where(Article.category_id == ArticleCategory.id)
        .correlate(ArticleCategory)
        .scalar_subquery()
    )
    found: Query = sa.select(
        ArticleCategory.id,
        ArticleCategory.name,
        ArticleCategory.description,
        articles.label("articles"),
    )
    if words:
        found = found.where(ArticleCategory.name.icontains(words, autoescape=True))
    return found.order_by(ArticleCategory.position, ArticleCategory.id)


def _row(row: Any) -> ListRow:
    side = "1 article" if row.articles == 1 else f"{row.articles:,} articles"
    return ListRow(row.id, row.name, row.description, side=side)


def _form(category: ArticleCategory | None) -> ArticleCategoryForm:
    if category is None:
        return ArticleCategoryForm()
    return ArticleCategoryForm(data={"name": category.name, "description": category.description})


def _save(
    category: ArticleCategory | None, form: ArticleCategoryForm, by: Person, now: datetime
) -> ArticleCategory:
    return writing.save_category(
        category, name=form.name.data, description=form.description.data or "", by=by, now=now
    )


ARTICLE_CATEGORIES = Resource(
    path="article-categories",
    one="article category",
    many="Article categories",
    lead="The shelves of the help centre. Those without a public article are not shown there.",
    guard=supervisor_required,
    model=ArticleCategory,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda category: category.name,
    facts=writing.category_facts,
    put_in_order=writing.put_in_order,
    order_hint="They stand so in the help centre.",
)

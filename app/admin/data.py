"""Everything that is data: the pages of each kind, under /admin/."""

from __future__ import annotations

from flask import Blueprint

from app.admin import (
    article_categories,
    blocked,
    calendars,
    catalog,
    macros,
    mailboxes,
    organizations,
    people,
    rules,
    service_levels,
    tags,
    teams,
    templates,
    webhooks,
)
from app.admin.resource import Resource, register

bp = Blueprint("data", __name__, url_prefix="/admin")

RESOURCES: tuple[Resource, ...] = (
    people.PEOPLE,
    teams.GROUPS,
    teams.SKILLS,
    organizations.ORGANIZATIONS,
    catalog.CATEGORIES,
    catalog.SUBCATEGORIES,
    catalog.FIELDS,
    rules.RULES,
    service_levels.POLICIES,
    calendars.CALENDARS,
    templates.TEMPLATES,
    mailboxes.MAILBOXES,
    blocked.BLOCKED,
    tags.TAGS,
    macros.MACROS,
    webhooks.WEBHOOKS,
    article_categories.ARTICLE_CATEGORIES,
)
for _resource in RESOURCES:
    register(bp, _resource)

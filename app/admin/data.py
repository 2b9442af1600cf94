"""Everything that is data: the pages of each kind, under /admin/."""

from __future__ import annotations

from flask import Blueprint

from app.admin import catalog, teams
from app.admin.resource import Resource, register

bp = Blueprint("data", __name__, url_prefix="/admin")

RESOURCES: tuple[Resource, ...] = (
    teams.GROUPS,
    teams.SKILLS,
    catalog.CATEGORIES,
    catalog.SUBCATEGORIES,
    catalog.FIELDS,
)
for _resource in RESOURCES:
    register(bp, _resource)

"""Flask extensions, made here and bound in `create_app`."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

csrf = CSRFProtect()
login_manager = LoginManager()
limiter = Limiter(key_func=get_remote_address)


def _render_item(kind: str, item: Any, context: Any) -> str | bool:
    """Write our column types into migrations as plain ``sa`` types, so that they stay readable."""
    from app.core.db import UTCDateTime

    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    if kind == "type" and isinstance(getattr(item, "impl", None), sa.SmallInteger):
        return "sa.SmallInteger()"
    if kind == "type" and isinstance(item, sa.Enum):
        return f"sa.String({item.length})"
    return False


def _compare_type(
    context: Any, inspected: Any, metadata: Any, found: Any, wanted: Any
) -> bool | None:
    """An enum is text of the same length for the database: no difference."""
    if isinstance(wanted, sa.Enum) and isinstance(found, sa.String):
        return bool(found.length != wanted.length)
    return None


def _include_object(item: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
    """The search index belongs to the migrations alone; no model describes its tables."""
    return not (kind == "table" and reflected and (name or "").startswith("search_"))


migrate = Migrate(
    render_as_batch=True,
    render_item=_render_item,
    compare_type=_compare_type,
    include_object=_include_object,
)

"""Names that must differ: the database's rule, in words beside the field."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import IntegrityError

from app.core.db import db
from app.core.errors import Invalid


@contextmanager
def unique(field: str, message: str) -> Iterator[None]:
    """Make rows inside, which are then flushed; where a rule of uniqueness is broken, say so.

    Raises:
        Invalid: *message*, beside *field*. What was changed inside is undone.
    """
    try:
        with db.session.begin_nested():
            yield
            db.session.flush()
    except IntegrityError:
        raise Invalid(message, {field: message}) from None

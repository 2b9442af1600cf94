"""A POST that comes again with the same key gets the same answer and does nothing twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Response, make_response, request
from sqlalchemy.exc import IntegrityError

from app.api.access import caller
from app.api.models import KEPT_FOR, IdempotencyKey
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid

View = TypeVar("View", bound=Callable[..., Any])
HEADER = "Idempotency-Key"
LONGEST = 255


def idempotent(view: View) -> View:
    """Commit what *view* did together with its answer; the view itself does not commit."""

    @wraps(view)
    def once(*args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER, "").strip()
        if not key:
            response = make_response(view(*args, **kwargs))
            db.session.commit()
            return response
        if len(key) > LONGEST or not key.isprintable():
            raise Invalid(f"{HEADER} takes at most {LONGEST} printable characters.")
        asked = hashlib.sha256(request.path.encode() + b"\n" + request.get_data()).hexdigest()
        before = db.session.get(IdempotencyKey, (caller().id, key))
        if before is not None and before.created_at > utcnow() - KEPT_FOR:
            return _again(before, asked)
        response = make_response(view(*args, **kwargs))
        if before is not None:
            _forget(before)
        db.session.add(
            IdempotencyKey(
                person_id=caller().id,
                key=key,
                request_hash=asked,
                status=response.status_code,
                body=response.get_data(as_text=True),
                location=response.headers.get("Location"),
                created_at=utcnow(),
            )
        )
        try:
            db.session.commit()
        except IntegrityError:
            db.session.rollback()
            raise Conflict(f"A request with this {HEADER} is being answered. Ask again.") from None
        return response

    once.takes_key = True  # type: ignore[attr-defined]  # for the description
    return once  # type: ignore[return-value]


def done() -> None:
    """Commit before the answer is written, so that nobody waits for that; a view calls it.

    With a key the answer is kept in the same transaction, and is waited for.
    """
    if not request.headers.get(HEADER, "").strip():
        db.session.commit()


def _forget(before: IdempotencyKey) -> None:
    """Delete a key that no sweep has found yet; of two who use it anew, the later one fails."""
    db.session.expunge(before)
    mine = IdempotencyKey.person_id == before.person_id, IdempotencyKey.key == before.key
    old = IdempotencyKey.created_at == before.created_at
    db.session.execute(sa.delete(IdempotencyKey).where(*mine, old))


def _again(before: IdempotencyKey, asked: str) -> Response:
    if before.request_hash != asked:
        raise Conflict(f"This {HEADER} was used for another request. Choose a new one.")
    response = make_response(before.body, before.status)
    response.content_type = "application/json"
    if before.location is not None:
        response.headers["Location"] = before.location
    response.headers["Idempotency-Replayed"] = "true"
    return response

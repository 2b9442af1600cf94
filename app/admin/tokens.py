"""API tokens of everybody: who has one, what it may, and an end to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template
from flask.typing import ResponseReturnValue

from app.accounts import tokens
from app.accounts.access import admin_required, current_person
from app.accounts.directory import zone_of
from app.accounts.models import ApiToken, Person, PersonEmail
from app.admin.resource import ID, asked_words, paged
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.web import words

bp = Blueprint("api_tokens", __name__, url_prefix="/admin")

PAGE = "/admin/tokens"


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token that works, without the token."""

    id: int
    name: str
    owner: str
    text: str


@bp.get("/tokens")
@admin_required
def index() -> ResponseReturnValue:
    """Every token that works, newest first."""
    asked = asked_words()
    rows, page = paged(_found(asked), PAGE)
    return render_template(
        "admin/tokens.html", rows=[_row(row) for row in rows], page=page, words=asked
    )


@bp.post(f"/tokens/{ID}/revocation")
@admin_required
def revoke(thing_id: int) -> ResponseReturnValue:
    """Make one useless, at once."""
    token = db.session.get(ApiToken, thing_id)
    if token is None:
        raise NotFound("There is no such token.")
    tokens.revoke(token.person, token.id, by=current_person(), now=utcnow())
    db.session.commit()
    flash(f"{token.name} works no more.", "success")
    return redirect(PAGE, 303)


def _found(asked: str) -> Any:
    found = (
        sa.select(
            ApiToken.id,
            ApiToken.name,
            ApiToken.may_write,
            ApiToken.created_at,
            ApiToken.last_used_at,
            ApiToken.expires_at,
            Person.name.label("owner"),
            PersonEmail.address,
        )
        .join(Person, Person.id == ApiToken.person_id)
        .outerjoin(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
        .where(
            ApiToken.revoked_at.is_(None),
            sa.or_(ApiToken.expires_at.is_(None), ApiToken.expires_at > utcnow()),
        )
        .order_by(ApiToken.id.desc())
    )
    if not asked:
        return found
    named = (ApiToken.name, Person.name, PersonEmail.address)
    return found.where(sa.or_(*(c.icontains(asked, autoescape=True) for c in named)))


def _row(row: Any) -> TokenRow:
    now, zone = utcnow(), zone_of(current_person())
    used = (
        f"last used {words.moment(row.last_used_at, now, zone)}" if row.last_used_at else "unused"
    )
    until = f"until {words.moment(row.expires_at, now, zone)}" if row.expires_at else "for ever"
    may = "May read and write" if row.may_write else "May read alone"
    return TokenRow(row.id, row.name, row.owner or row.address or "", f"{may}, {until}, {used}")

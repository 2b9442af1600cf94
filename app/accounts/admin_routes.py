"""The team, for admins: who works here, and inviting others."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import invitations
from app.accounts.access import admin_required, current_person
from app.accounts.directory import hue, initials
from app.accounts.forms import ROLES, InviteForm
from app.accounts.models import AGENT_ROLES, Person, PersonEmail, Presence, Role
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.paging import MOST_ID, Page

bp = Blueprint("people", __name__)

ROWS = 25
PRESENCES = {
    Presence.ONLINE: "Online",
    Presence.AWAY: "Away",
    Presence.BUSY: "Busy",
    Presence.OFFLINE: "Offline",
}


@dataclass(frozen=True, slots=True)
class Member:
    """A row of the list."""

    name: str
    email: str
    initials: str
    hue: int
    role: str
    state: str
    presence: str


@bp.get("/admin/people")
@admin_required
def index() -> ResponseReturnValue:
    """The team, 25 at a time."""
    return _page(InviteForm(formdata=None))


@bp.post("/admin/people")
@admin_required
def invite() -> ResponseReturnValue:
    """Invite somebody; once more for whoever has not joined yet."""
    form = InviteForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        invitations.invite(
            form.email.data,
            name=form.name.data,
            role=Role(form.role.data),
            by=current_person(),
            now=utcnow(),
        )
    except (Conflict, Invalid) as error:
        db.session.rollback()
        form.email.errors = (error.message,)
        return _page(form), 422
    db.session.commit()
    flash(f"An invitation to {form.email.data} is on its way.", "success")
    return redirect("/admin/people", 303)


TEAM = (
    sa.select(
        Person.id,
        Person.name,
        Person.role,
        Person.is_active,
        Person.presence,
        PersonEmail.address,
        sa.and_(Person.password_hash.is_(None), PersonEmail.proven_at.is_(None)).label("waits"),
    )
    .outerjoin(PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main))
    .where(Person.role.in_(AGENT_ROLES))
    .order_by(Person.id)
    .limit(ROWS + 1)
)


def _page(form: InviteForm) -> str:
    """The list in the order in which people came, from ``?after=`` an id on; one statement."""
    after = _number(request.args.get("after", "0"))
    found = db.session.execute(TEAM.where(Person.id > after)).all()
    rows, is_more = found[:ROWS], len(found) > ROWS
    members = [
        Member(
            name=row.name or row.address or "Unknown",
            email=row.address or "",
            initials=initials(row.name or row.address or ""),
            hue=hue(row.id),
            role=ROLES[row.role.value],
            state="Left" if not row.is_active else "Invited" if row.waits else "",
            presence=PRESENCES[row.presence],
        )
        for row in rows
    ]
    page = Page(
        text=f"{len(rows)} people",
        previous="/admin/people" if after else None,
        next=f"/admin/people?after={rows[-1].id}" if is_more else None,
    )
    return render_template("accounts/people.html", form=form, members=members, page=page)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("There is no such page of this list. Start from its first.")
    return int(text)

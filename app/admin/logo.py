"""The desk's logo: given, seen and taken away on the page of settings."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import admin_required, current_person
from app.admin import settings
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.web import logo
from app.web.security import takes_up_to

bp = Blueprint("logo_admin", __name__, url_prefix="/admin/settings/logo")

MOST_SENT = 12 * logo.MOST_BYTES  # more is refused unread; up to here we say what is wrong


@bp.post("")
@admin_required
@takes_up_to(MOST_SENT)
def change() -> ResponseReturnValue:
    """Take another logo."""
    before, sent = logo.shown(), request.files.get("logo")
    try:
        if sent is None or not (content := sent.read()):
            raise Invalid("Choose a picture first.")
        now = logo.keep(content, now=utcnow())
    except Invalid as error:
        db.session.rollback()
        section = settings.SECTIONS[""]
        form = settings.form_of(section)
        page = render_template(
            section.template, section=section, form=form, logo_problem=error.message
        )
        return page, 422
    _note(before, now)
    db.session.commit()
    flash("The logo is on every page now.", "success")
    return redirect("/admin/settings", 303)


@bp.post("/removal")
@admin_required
def remove() -> ResponseReturnValue:
    """Have none."""
    before = logo.shown()
    logo.remove()
    _note(before, None)
    db.session.commit()
    flash("The logo is gone.", "success")
    return redirect("/admin/settings", 303)


def _note(before: logo.Shown | None, after: logo.Shown | None) -> None:
    facts = [
        {"Logo": f"{one.path}, {one.width} × {one.height}" if one else "none"}
        for one in (before, after)
    ]
    audit.note(
        *("setting", None, "Settings"),
        before=facts[0],
        after=facts[1],
        by=current_person(),
        now=utcnow(),
    )

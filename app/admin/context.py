"""Customer data: which program is asked for what stands beside a ticket, and how it answers."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import admin_required, current_person
from app.admin import keyset
from app.admin.forms import AdminForm, line
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import DomainError
from app.core.outgoing import NoAnswer, Refused, check_url
from app.core.sealing import seal, unseal
from app.core.settings_store import change_setting, setting
from app.integrations import context, health, signing
from app.integrations.context import Unfit
from app.web import words

bp = Blueprint("context_settings", __name__, url_prefix="/admin")

PAGE = "/admin/context"


class ContextForm(AdminForm):
    """Who is asked; ``tried`` is what it answered in a test."""

    tried: dict[str, Any] | None = None

    url = line(
        "Address",
        "Such as https://crm.example.com/deskhand. Empty: nobody is asked.",
        most=2_000,
        needed=False,
    )
    secret = line("Signing secret", most=200, needed=False)


@bp.get("/context")
@admin_required
def show() -> ResponseReturnValue:
    """The address, and how it answers."""
    return _page(_form())


@bp.post("/context")
@admin_required
def change() -> ResponseReturnValue:
    """Change it; or try it or make a secret, which saves nothing."""
    form = _form()
    if request.form.get("press") == "secret":
        form.secret.data = signing.make_secret()
        return _page(form)
    if not form.validate_on_submit() or not _is_right(form):
        return _page(form), 422
    if request.form.get("press") == "test":
        return _try_out(form)
    _save(form)
    db.session.commit()
    flash("Saved.", "success")
    return redirect(PAGE, 303)


def _form() -> ContextForm:
    secret = "" if setting("context_secret") else signing.make_secret()
    return ContextForm(data={"url": setting("context_url"), "secret": secret})


def _is_right(form: ContextForm) -> bool:
    url, secret = form.url.data, form.secret.data
    try:
        if url:
            check_url(url)
    except Refused as error:
        form.url.errors = (str(error),)
    if secret and not signing.is_secret(secret):
        form.secret.errors = (f"{signing.PREFIX} and 24 to 64 random bytes in base64.",)
    elif url and not secret and not setting("context_secret"):
        form.secret.errors = ("Fill this in.",)
    return not form.errors


def _try_out(form: ContextForm) -> ResponseReturnValue:
    """Ask as the form says; nobody else waits for it."""
    stored = setting("context_secret")
    try:
        secret = form.secret.data or unseal(stored)
        db.session.rollback()
        form.tried = context.try_out(form.url.data or "", secret, now=utcnow())
    except (NoAnswer, Unfit) as error:
        form.problem = str(error)
    except DomainError as error:
        form.problem = error.message
    return _page(form)


def _save(form: ContextForm) -> None:
    old, new = setting("context_url"), form.url.data or ""
    after = {"Address": new}
    if form.secret.data:
        change_setting("context_secret", seal(form.secret.data))
        after["Secret"] = "entered anew"  # noqa: S105 (says only that there is one)
    if new != old:
        change_setting("context_url", new)
        context.forget_all()
    audit.note(
        *("setting", None, "Customer data"),
        before={"Address": old},
        after=after,
        by=current_person(),
        now=utcnow(),
    )


def _page(form: ContextForm) -> str:
    state = health.find(health.CONTEXT)
    trouble = told = ""
    if state is not None and state.failures and state.failing_since:
        times = "once" if state.failures == 1 else f"{state.failures} times in a row"
        since = words.exact(state.failing_since, keyset.zone())
        trouble = f"It failed {times}, since {since}: {state.error}"
    elif state is not None and state.succeeded_at:
        told = f"It answered {words.moment(state.succeeded_at, utcnow(), keyset.zone())}."
    return render_template(
        "admin/context.html",
        form=form,
        has_secret=bool(setting("context_secret")),
        trouble=trouble,
        told=told,
    )

"""Pages of the second factor: asked for at sign-in, and set up on one's own account."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, flash, redirect, render_template, session
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, StringField
from wtforms.validators import DataRequired, InputRequired, Length

from app.accounts import second_factor, sign_in
from app.accounts.access import current_person, everyone, signed_in, whose
from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Conflict, Invalid
from app.core.sealing import Unreadable, seal, unseal
from app.web import limits
from app.web.forms import BaseForm, one_line, stripped
from app.web.security import reads_first

bp = Blueprint("second_factor", __name__)

KEY = "second_factor"  # in the signed cookie: who has shown the first, when, and where to go
SECONDS = 600
TWO_FACTOR = "/account/two-factor"


class CodeForm(BaseForm):
    """A code of the app, or a recovery code."""

    code = StringField(
        "Code",
        [DataRequired("Enter the code."), Length(max=40, message="A code is shorter."), one_line],
        filters=[stripped],
        description="The six digits that your app shows now, or one of your recovery codes.",
    )


class SetUpForm(CodeForm):
    """The first code, and the sealed secret that it belongs to."""

    secret = HiddenField(validators=[InputRequired(), Length(max=500)])


def enter(person: Person, then: str) -> ResponseReturnValue:
    """Sign in whoever has shown the first factor, or ask for the second; the caller commits."""
    if person.totp_secret is None:
        sign_in.sign_in(person)
        return redirect(then, 303)
    session.clear()
    session[KEY] = f"{person.id} {int(time.time())} {then}"
    return redirect("/login/code", 303)


@bp.get("/login/code")
@everyone
def ask() -> ResponseReturnValue:
    """The page that asks for the code."""
    if _waiting() is None:
        return redirect("/login", 302)
    return render_template("accounts/second_factor.html", form=CodeForm(formdata=None))


@bp.post("/login/code")
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@limits.failures_by(limits.SIGN_IN_BY_ADDRESS, lambda: str(session.get(KEY, "")).partition(" ")[0])
@everyone
@reads_first
def answer() -> ResponseReturnValue:
    """Sign in with it."""
    waiting = _waiting()
    if waiting is None:
        flash("That took too long. Sign in once more.", "error")
        return redirect("/login", 303)
    person_id, then = waiting
    form = CodeForm()
    if not form.validate_on_submit():
        return render_template("accounts/second_factor.html", form=form), 422
    begin_write()
    person = db.session.get(Person, person_id)
    if person is None or not person.is_active:
        return redirect("/login", 303)
    try:
        second_factor.check(person, form.code.data, now=utcnow())
    except Invalid as error:
        db.session.rollback()
        form.code.errors = (error.message,)
        return render_template("accounts/second_factor.html", form=form), 422
    sign_in.sign_in(person)
    db.session.commit()
    return redirect(then, 303)


@bp.get(TWO_FACTOR)
@signed_in
def show() -> ResponseReturnValue:
    """Turn it on, or see that it is."""
    return _page()


@bp.post(TWO_FACTOR)
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@signed_in
def turn_on() -> ResponseReturnValue:
    """Turn it on with a first code. No redirect: this answer alone shows the recovery codes."""
    person = current_person()
    if person.totp_secret is not None:
        raise Conflict("It is on already. Turn it off first, to use another phone.")
    form = SetUpForm()
    if not form.validate_on_submit():
        return _page(form), 422
    try:
        secret = unseal(form.secret.data)
        codes = second_factor.turn_on(person, secret, form.code.data, by=person, now=utcnow())
    except Unreadable:
        raise Conflict("This page is too old. Reload it, and scan the code again.") from None
    except Invalid as error:
        db.session.rollback()
        form.code.errors = (error.message,)
        return _page(form), 422
    sign_in.end_sessions(person.id, keep=sign_in.current_session_id())
    db.session.commit()
    return _page(codes=codes)


@bp.post(f"{TWO_FACTOR}/recovery-codes")
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@limits.failures_by(limits.SIGN_IN_BY_ADDRESS, whose)
@signed_in
def renew_codes() -> ResponseReturnValue:
    """New recovery codes, by a code of the app."""
    person, form = current_person(), CodeForm()
    if not _is_right(person, form):
        return _page(form), 422
    codes = second_factor.new_codes(person)
    db.session.commit()
    return _page(codes=codes)


@bp.post(f"{TWO_FACTOR}/removal")
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@limits.failures_by(limits.SIGN_IN_BY_ADDRESS, whose)
@signed_in
def turn_off() -> ResponseReturnValue:
    """Turn it off, by a code."""
    person, form = current_person(), CodeForm()
    if not _is_right(person, form):
        return _page(form), 422
    second_factor.turn_off(person, by=person, now=utcnow())
    db.session.commit()
    flash("No code is asked for any more.", "success")
    return redirect(TWO_FACTOR, 303)


def _waiting() -> tuple[int, str] | None:
    """Who has shown the first factor here a short while ago, and where to go then."""
    person_id, _, rest = str(session.get(KEY, "")).partition(" ")
    since, _, then = rest.partition(" ")
    if not (person_id.isdigit() and since.isdigit()) or time.time() - int(since) > SECONDS:
        return None
    return int(person_id), sign_in.local_path(then) or "/"


def _is_right(person: Person, form: CodeForm) -> bool:
    if not form.validate_on_submit():
        return False
    try:
        second_factor.check(person, form.code.data, now=utcnow())
    except Invalid as error:
        db.session.rollback()
        form.code.errors = (error.message,)
        return False
    return True


def _page(form: CodeForm | None = None, *, codes: list[str] | None = None) -> str:
    person = current_person()
    is_on = person.totp_secret is not None
    context: dict[str, Any] = {"person": person, "is_on": is_on, "codes": codes or []}
    if is_on:
        form = form or CodeForm(formdata=None)
        return render_template(
            "accounts/two_factor.html",
            form=form,
            left=second_factor.codes_left(person),
            secret="",
            picture="",
            **context,
        )
    secret = _kept_secret(form) or second_factor.new_secret()
    form = form or SetUpForm(formdata=None, secret=seal(secret))
    picture = second_factor.qr_code(person, secret)
    shown = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return render_template(
        "accounts/two_factor.html", form=form, left=0, secret=shown, picture=picture, **context
    )


def _kept_secret(form: CodeForm | None) -> str:
    """The secret of a form that came back: it was scanned already."""
    if not isinstance(form, SetUpForm):
        return ""
    try:
        return unseal(form.secret.data or "")
    except Unreadable:
        raise Conflict("This page is too old. Reload it, and scan the code again.") from None

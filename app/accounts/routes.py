"""Signing in and out: by password, by mailed link, by invitation."""

from __future__ import annotations

from flask import Blueprint, flash, make_response, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import invitations, links, passwords, sign_in
from app.accounts.access import current_person, everyone, person_or_none, signed_in
from app.accounts.forms import (
    FirstAdminForm,
    InvitationForm,
    KeyForm,
    LinkRequestForm,
    NewPasswordForm,
    SignInForm,
)
from app.accounts.models import LinkPurpose, OneTimeLink, Person, Role
from app.accounts.second_factor_routes import enter
from app.core import audit
from app.core.clock import utcnow
from app.core.db import begin_write, close_session, db
from app.core.errors import Conflict, DomainError
from app.web import limits
from app.web.security import reads_first

bp = Blueprint("accounts", __name__)

WRONG = "This address and password do not go together. Try again, or have a link sent to you."


@bp.get("/login")
@everyone
def show_login() -> ResponseReturnValue:
    """The sign-in page."""
    person = person_or_none()
    then = sign_in.local_path(request.args.get("next"))
    if person:
        return redirect(then or _home(person))
    form = SignInForm(formdata=None, next=then or "")
    return render_template("accounts/login.html", form=form, problem="")


@bp.post("/login")
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@limits.failures_by_address(limits.SIGN_IN_BY_ADDRESS)
@everyone
@reads_first
def login() -> ResponseReturnValue:
    """Sign in by password; hashing takes its time outside the database's lock."""
    form = SignInForm()
    if not form.validate_on_submit():
        return render_template("accounts/login.html", form=form, problem=""), 422
    password = form.password.data
    person = passwords.who(form.email.data, password)
    if person is None:
        return render_template("accounts/login.html", form=form, problem=WRONG), 422
    stronger = None
    if person.password_hash and passwords.needs_rehash(person.password_hash):
        stronger = passwords.hash_password(password)
    begin_write()
    if stronger:
        person.password_hash = stronger
    answer = enter(person, sign_in.local_path(form.next.data) or _home(person))
    db.session.commit()
    return answer


@bp.post("/logout")
@signed_in
def logout() -> ResponseReturnValue:
    """Sign out of this browser."""
    sign_in.end_session(current_person())
    db.session.commit()
    flash("You are signed out.", "success")
    return redirect("/login", 303)


@bp.get("/login/link")
@everyone
def show_link_request() -> ResponseReturnValue:
    """Where to send a link that signs in."""
    return render_template("accounts/link.html", form=LinkRequestForm(formdata=None), sent_to="")


@bp.post("/login/link")
@limits.by_ip(limits.LINK_BY_IP)
@limits.by_address(limits.LINK_BY_ADDRESS)
@everyone
def request_link() -> ResponseReturnValue:
    """Send it, if anybody has the address; the answer is the same if not."""
    return _request_mail(LinkPurpose.SIGN_IN, "accounts/link.html")


@bp.get("/login/confirmation")
@everyone
def show_confirmation() -> ResponseReturnValue:
    """The page behind a mailed link: one button. Opening it changes nothing."""
    link = _link(LinkPurpose.SIGN_IN, request.args.get("key", ""))
    form = KeyForm(formdata=None, key=request.args.get("key", ""))
    return render_template("accounts/confirmation.html", form=form, address=link.address)


@bp.post("/login/confirmation")
@limits.by_ip(limits.KEY_BY_IP)
@everyone
def confirm() -> ResponseReturnValue:
    """Use the link: sign in."""
    form = KeyForm()
    if not form.validate_on_submit():
        raise links.DeadLink
    person = _use(_link(LinkPurpose.SIGN_IN, form.key.data))
    answer = enter(person, _home(person))
    db.session.commit()
    return answer


@bp.get("/password-reset")
@everyone
def show_reset_request() -> ResponseReturnValue:
    """Where to send a link that sets a new password."""
    form = LinkRequestForm(formdata=None)
    return render_template("accounts/password_reset.html", form=form, sent_to="")


@bp.post("/password-reset")
@limits.by_ip(limits.LINK_BY_IP)
@limits.by_address(limits.LINK_BY_ADDRESS)
@everyone
def request_reset() -> ResponseReturnValue:
    """Send it, if anybody has the address; the answer is the same if not."""
    return _request_mail(LinkPurpose.PASSWORD_RESET, "accounts/password_reset.html")


@bp.get("/password-reset/confirmation")
@everyone
def show_reset() -> ResponseReturnValue:
    """Choose a new password."""
    link = _link(LinkPurpose.PASSWORD_RESET, request.args.get("key", ""))
    form = NewPasswordForm(formdata=None, key=request.args.get("key", ""))
    return render_template("accounts/new_password.html", form=form, address=link.address)


@bp.post("/password-reset/confirmation")
@limits.by_ip(limits.KEY_BY_IP)
@everyone
@reads_first
def reset() -> ResponseReturnValue:
    """Set it, end every session of the person, sign in here."""
    form = NewPasswordForm()
    link = _link(LinkPurpose.PASSWORD_RESET, form.key.data or "")
    if not form.validate_on_submit():
        page = render_template("accounts/new_password.html", form=form, address=link.address)
        return page, 422
    password_hash = passwords.hash_password(form.password.data)
    begin_write()
    person = _use(link)
    person.password_hash = password_hash
    links.end_all(person.id, now=utcnow())
    sign_in.end_sessions(person.id)
    answer = enter(person, _home(person))
    db.session.commit()
    flash("Your password is changed. All other browsers are signed out.", "success")
    return answer


@bp.get("/invitation")
@everyone
def show_invitation() -> ResponseReturnValue:
    """Accept an invitation: name and password."""
    link = _link(LinkPurpose.INVITATION, request.args.get("key", ""))
    person = db.session.get_one(Person, link.person_id)
    form = InvitationForm(formdata=None, key=request.args.get("key", ""), name=person.name)
    return render_template("accounts/invitation.html", form=form, address=link.address)


@bp.post("/invitation")
@limits.by_ip(limits.KEY_BY_IP)
@everyone
@reads_first
def accept_invitation() -> ResponseReturnValue:
    """Set name and password, and sign in."""
    form = InvitationForm()
    link = _link(LinkPurpose.INVITATION, form.key.data or "")
    if not form.validate_on_submit():
        page = render_template("accounts/invitation.html", form=form, address=link.address)
        return page, 422
    password_hash = passwords.hash_password(form.password.data)
    begin_write()
    person = _use(link)
    person.name = form.name.data
    person.password_hash = password_hash
    answer = enter(person, _home(person))
    db.session.commit()
    flash("Welcome. You are online: new tickets come to you.", "success")
    return answer


@bp.get("/first-admin")
@everyone
def show_first_admin() -> ResponseReturnValue:
    """The first admin's name, address and password."""
    _first_admin_link(request.args.get("key", ""))
    form = FirstAdminForm(formdata=None, key=request.args.get("key", ""))
    return render_template("accounts/first_admin.html", form=form, problem="")


@bp.post("/first-admin")
@limits.by_ip(limits.KEY_BY_IP)
@everyone
@reads_first
def make_first_admin() -> ResponseReturnValue:
    """Make the first admin and sign in."""
    form = FirstAdminForm()
    _first_admin_link(form.key.data or "")
    if not form.validate_on_submit():
        return render_template("accounts/first_admin.html", form=form, problem=""), 422
    password_hash = passwords.hash_password(form.password.data)
    begin_write()
    link = _first_admin_link(form.key.data)
    try:
        person = invitations.make_person(
            form.email.data,
            name=form.name.data,
            role=Role.ADMIN,
            password_hash=password_hash,
            now=utcnow(),
        )
    except DomainError as error:
        page = render_template("accounts/first_admin.html", form=form, problem=error.message)
        return page, 422
    links.use(link, now=utcnow())
    thing = ("created", "person", person.id, person.display_name)
    audit.write(*thing, field="Role", new=Role.ADMIN.value, by=person, now=utcnow())
    sign_in.sign_in(person)
    db.session.commit()
    flash("Your desk is ready, and you are its admin.", "success")
    return redirect(_home(person), 303)


@bp.errorhandler(links.DeadLink)
def dead_link(error: links.DeadLink) -> ResponseReturnValue:
    """Used, expired or never made: where to get a fresh one."""
    close_session()
    again = {
        "/password-reset/confirmation": "/password-reset",
        "/login/confirmation": "/login/link",
    }
    return render_template("accounts/dead_link.html", again=again.get(request.path, "")), 404


def _request_mail(purpose: LinkPurpose, template: str) -> ResponseReturnValue:
    form = LinkRequestForm()
    if not form.validate_on_submit():
        return render_template(template, form=form, sent_to=""), 422
    links.mail(purpose, form.email.data, now=utcnow())
    db.session.commit()
    return make_response(render_template(template, form=form, sent_to=form.email.data))


def _link(purpose: LinkPurpose, key: str) -> OneTimeLink:
    return links.find(key, purpose, now=utcnow())


def _first_admin_link(key: str) -> OneTimeLink:
    """The link, unless somebody became admin on another way meanwhile."""
    link = _link(LinkPurpose.FIRST_ADMIN, key)
    if invitations.has_admin():
        raise Conflict("There is an admin already. Sign in, or ask them for an invitation.")
    return link


def _use(link: OneTimeLink) -> Person:
    links.use(link, now=utcnow())
    return db.session.get_one(Person, link.person_id)


def _home(person: Person) -> str:
    return "/desk/" if person.is_agent else "/tickets"

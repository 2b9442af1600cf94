"""A person's own page: name, zone, password, sessions, API tokens; and an agent's presence."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts import links, passwords, presence, sign_in, tokens
from app.accounts.access import agent_required, current_person, signed_in, whose
from app.accounts.directory import zone_of
from app.accounts.forms import PasswordForm, PresenceForm, ProfileForm, TokenForm
from app.accounts.models import LoginSession, Person, Presence
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Invalid, NotFound
from app.mail.unsubscribing import NOTICES
from app.web import limits, words
from app.web.security import reads_first

bp = Blueprint("account", __name__)

MOST_LISTED = 50  # sessions and tokens; nobody has more, and a page stays a page


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A signed-in browser."""

    id: int
    browser: str
    ip_address: str
    seen_text: str
    seen_iso: str
    seen_title: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class TokenRow:
    """An API token, without the token."""

    id: int
    name: str
    used_text: str
    made_text: str


@bp.get("/account/")
@signed_in
def show() -> ResponseReturnValue:
    """Everything about oneself."""
    return _page()


@bp.post("/account/profile")
@signed_in
def change_profile() -> ResponseReturnValue:
    """Change name, language and time zone."""
    person = current_person()
    form = ProfileForm(person)
    if not form.validate_on_submit():
        return _page(422, profile=form)
    person.name = form.name.data
    person.language = form.language.data
    person.time_zone = form.time_zone.data
    db.session.commit()
    flash("Saved.", "success")
    return redirect("/account/", 303)


@bp.post("/account/password")
@limits.failures_by_ip(limits.SIGN_IN_BY_IP)
@limits.failures_by(limits.SIGN_IN_BY_ADDRESS, whose)
@signed_in
@reads_first
def change_password() -> ResponseReturnValue:
    """Change the password; every other browser is signed out."""
    person = current_person()
    form = PasswordForm()
    if not form.validate_on_submit():
        return _page(422, password=form)
    if person.password_hash and not passwords.matches(
        person.password_hash, form.current.data or ""
    ):
        form.current.errors = ("This is not your current password.",)
        return _page(422, password=form)
    password_hash = passwords.hash_password(form.password.data)
    begin_write()
    person.password_hash = password_hash
    links.end_all(person.id, now=utcnow())
    sign_in.end_sessions(person.id, keep=sign_in.current_session_id())
    db.session.commit()
    flash("Your password is changed. All other browsers are signed out.", "success")
    return redirect("/account/", 303)


@bp.post("/account/sessions/<int(max=2147483647):session_id>/revocation")
@signed_in
def revoke_session(session_id: int) -> ResponseReturnValue:
    """Sign one browser out, at once."""
    if not sign_in.end_sessions(current_person().id, session_id=session_id):
        raise NotFound("This browser is signed out already.")
    db.session.commit()
    flash("That browser is signed out.", "success")
    return redirect("/account/", 303)


@bp.post("/account/sessions/revocation")
@signed_in
def revoke_other_sessions() -> ResponseReturnValue:
    """Sign all other browsers out, at once."""
    sign_in.end_sessions(current_person().id, keep=sign_in.current_session_id())
    db.session.commit()
    flash("All other browsers are signed out.", "success")
    return redirect("/account/", 303)


@bp.post("/account/notices")
@agent_required
def choose_notices() -> ResponseReturnValue:
    """Which notices come by mail: the kinds that are ticked."""
    wanted = request.form.getlist("notices")
    current_person().muted_notices = [kind for kind in NOTICES if kind not in wanted]
    db.session.commit()
    flash("Saved.", "success")
    return redirect("/account/#notices", 303)


@bp.post("/account/tokens")
@agent_required
def make_token() -> ResponseReturnValue:
    """Make an API token. No redirect: this answer is the only one that may show it."""
    form = TokenForm()
    if not form.validate_on_submit():
        return _page(422, token=form)
    person, now, days = current_person(), utcnow(), form.days.data
    made = tokens.make_token(
        person,
        form.label.data,
        now=now,
        expires_at=now + timedelta(days=int(days)) if days else None,
        may_write=form.scope.data == "write",
        by=person,
    )
    db.session.commit()
    return _page(made=made)


@bp.post("/account/tokens/<int(max=2147483647):token_id>/revocation")
@agent_required
def revoke_token(token_id: int) -> ResponseReturnValue:
    """Make a token useless, at once."""
    tokens.revoke(current_person(), token_id, by=current_person(), now=utcnow())
    db.session.commit()
    flash("The token works no more.", "success")
    return redirect("/account/", 303)


@bp.post("/presence")
@agent_required
def choose_presence() -> ResponseReturnValue:
    """Online, away or busy; back to the page that the agent was on."""
    form = PresenceForm()
    if not form.validate_on_submit():
        raise Invalid("Choose online, away or busy.")
    presence.choose(current_person(), Presence(form.presence.data), now=utcnow())
    db.session.commit()
    return redirect(sign_in.local_path(form.next.data) or "/desk/", 303)


def _page(
    status: int = 200,
    *,
    profile: ProfileForm | None = None,
    password: PasswordForm | None = None,
    token: TokenForm | None = None,
    made: str = "",
) -> ResponseReturnValue:
    person = current_person()
    context: dict[str, Any] = {
        "person": person,
        "email": person.email,
        "profile": profile or ProfileForm(person, formdata=None),
        "password": password or PasswordForm(formdata=None),
        "token": token or TokenForm(formdata=None),
        "made": made,
        "sessions": _sessions(person),
        "tokens": _tokens(person) if person.is_agent else [],
        "notices": NOTICES,
    }
    return render_template("accounts/account.html", **context), status


def _sessions(person: Person) -> list[SessionRow]:
    now, zone, current = utcnow(), zone_of(person), sign_in.current_session_id()
    found = (
        sa.select(
            LoginSession.id,
            LoginSession.user_agent,
            LoginSession.ip_address,
            LoginSession.last_seen_at,
        )
        .where(LoginSession.person_id == person.id, LoginSession.expires_at > now)
        .order_by((LoginSession.id == current).desc(), LoginSession.last_seen_at.desc())
        .limit(MOST_LISTED)
    )
    return [
        SessionRow(
            id=row.id,
            browser=browser_name(row.user_agent),
            ip_address=row.ip_address,
            seen_text=words.moment(row.last_seen_at, now, zone),
            seen_iso=words.iso(row.last_seen_at),
            seen_title=words.exact(row.last_seen_at, zone),
            is_current=row.id == current,
        )
        for row in db.session.execute(found)
    ]


def _tokens(person: Person) -> list[TokenRow]:
    now, zone = utcnow(), zone_of(person)
    return [
        TokenRow(
            id=row.id,
            name=row.name,
            used_text=(
                f"last used {words.moment(row.last_used_at, now, zone)}"
                if row.last_used_at
                else "never used"
            ),
            made_text=", ".join(
                (
                    f"made {words.moment(row.created_at, now, zone)}",
                    "may read and write" if row.may_write else "may read alone",
                    _until(row.expires_at, now, zone),
                )
            ),
        )
        for row in tokens.tokens_of(person)[:MOST_LISTED]
    ]


def _until(expires_at: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    if expires_at is None:
        return "works for ever"
    over = "has stopped working" if expires_at <= now else "works until"
    return f"{over} {words.moment(expires_at, now, zone)}"


# Order matters: Edge and Opera also say Chrome, Chrome also says Safari, Android also says Linux.
BROWSERS = (
    *(("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome")),
    ("Safari/", "Safari"),
)
SYSTEMS = (
    *(("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows")),
    *(("Mac OS", "Mac"), ("CrOS", "ChromeOS"), ("Linux", "Linux")),
)


def browser_name(user_agent: str) -> str:
    """ "Firefox on Linux", as far as a browser says what it is."""
    browser = next((name for mark, name in BROWSERS if mark in user_agent), "A browser")
    system = next((name for mark, name in SYSTEMS if mark in user_agent), "")
    return f"{browser} on {system}" if system else browser

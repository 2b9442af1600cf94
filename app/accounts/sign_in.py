"""Signed-in browsers: a random key in the cookie, its SHA-256 in a row that can be taken away."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

import sqlalchemy as sa
from flask import Flask, g, make_response, redirect, request, session
from flask.typing import ResponseReturnValue

from app.accounts import presence
from app.accounts.models import LoginSession, Person
from app.accounts.touches import TOUCH_EVERY, write_later
from app.core.cache import READ_STAMP, remember_stamp
from app.core.clock import utcnow
from app.core.db import db
from app.core.statements import Read, loaded
from app.extensions import login_manager
from app.web.errors import answer

IDLE_LIFETIME = timedelta(days=30)  # a session ends after so long without a request
COOKIE_LIFETIME = timedelta(days=365)  # the row decides; the cookie need not be written anew

# Everything that a request asks about its viewer, in one statement.
SIGNED_IN: Read[Any] = Read(
    sa.select(
        *Person.__table__.columns,
        LoginSession.id,
        LoginSession.last_seen_at,
        READ_STAMP.scalar_subquery(),
    )
    .join(LoginSession, LoginSession.person_id == Person.id)
    .where(
        LoginSession.key_hash == sa.bindparam("key_hash"),
        LoginSession.expires_at > sa.bindparam("now", type_=LoginSession.expires_at.type),
        Person.is_active,
    ),
    make=lambda *row: row,
)


def init_sign_in(app: Flask) -> None:
    """Let Flask-Login find the person by the key in the session."""
    app.config["PERMANENT_SESSION_LIFETIME"] = COOKIE_LIFETIME
    app.config["SESSION_REFRESH_EACH_REQUEST"] = False
    # It would tie the session to browser and address, and rewrite the cookie when they change;
    # ours is a row that its owner sees and can end.
    app.config["SESSION_PROTECTION"] = None
    # Its "remember me" cookie is a second way in that we never open; no cookie has this name.
    app.config["REMEMBER_COOKIE_NAME"] = ";"
    login_manager.user_loader(_load)
    login_manager.unauthorized_handler(_unauthorized)


def key_hash(key: str) -> str:
    """What is stored of a key; keys are random, so a plain hash is enough."""
    return sha256(key.encode("utf-8", "replace")).hexdigest()


def start_session(person: Person) -> str:
    """Make a session for the browser of this request; the key that its cookie is to hold.

    An agent is online by this, whatever they had chosen before.
    """
    now = utcnow()
    key = secrets.token_urlsafe(32)
    db.session.add(
        LoginSession(
            person_id=person.id,
            key_hash=key_hash(key),
            created_at=now,
            last_seen_at=now,
            expires_at=now + IDLE_LIFETIME,
            ip_address=(request.remote_addr or "")[:45],
            user_agent=request.headers.get("User-Agent", "").replace("\0", "")[:300],
        )
    )
    presence.arrive(person, now=now)
    return key


def sign_in(person: Person) -> None:
    """Sign *person* in on the browser of this request; nothing of the time before stays."""
    key = start_session(person)
    session.clear()
    session.permanent = True
    session["_user_id"] = key  # where Flask-Login looks


def end_session(person: Person) -> None:
    """Sign *person* out on the browser of this request; an agent is offline by this."""
    key = session.get("_user_id", "")
    db.session.execute(sa.delete(LoginSession).where(LoginSession.key_hash == key_hash(key)))
    presence.leave(person, now=utcnow())
    session.clear()


def end_sessions(person_id: int, *, session_id: int | None = None, keep: int | None = None) -> int:
    """End one session of a person, or all but *keep*; how many there were. At once, everywhere."""
    ended = sa.delete(LoginSession).where(LoginSession.person_id == person_id)
    if session_id is not None:
        ended = ended.where(LoginSession.id == session_id)
    if keep is not None:
        ended = ended.where(LoginSession.id != keep)
    return len(db.session.scalars(ended.returning(LoginSession.id)).all())


def current_session_id() -> int | None:
    """The row of this request's session."""
    found: int | None = g.get("login_session_id")
    return found


def local_path(text: str | None) -> str | None:
    """*text* if it is a path on this site, else None: links from outside must not send away."""
    if not text or not text.startswith("/") or len(text) > 2_000:
        return None
    # Browsers read "\" as "/", drop tabs and line ends, and "//host" is another site.
    if text.startswith("//") or "\\" in text or not text.isprintable():
        return None
    return text


def _load(key: str) -> Person | None:
    """Flask-Login's question: who holds this key? Notes the use, to the minute."""
    now = utcnow()
    found = SIGNED_IN.one(key_hash=key_hash(str(key)), now=now)
    if found is None:
        return None
    *_, session_id, last_seen_at, stamp = found
    person = loaded(Person, found)
    remember_stamp(stamp)
    g.login_session_id = session_id
    if now - last_seen_at >= TOUCH_EVERY:
        _note_use(session_id, now)
    presence.note_request(person, now=now)
    return person


def _note_use(session_id: int, now: datetime) -> None:
    seen = sa.update(LoginSession).where(LoginSession.id == session_id)
    write_later(seen.values(last_seen_at=now, expires_at=now + IDLE_LIFETIME))


def _unauthorized() -> ResponseReturnValue:
    """Nobody is signed in: the API says so, htmx is sent on, others are redirected."""
    if request.path.startswith("/api/"):
        response = make_response(answer(401))
        response.headers["WWW-Authenticate"] = "Bearer"
        return response
    if "HX-Request" in request.headers:
        path = ""
        with suppress(ValueError):  # the header may hold anything
            shown = urlsplit(request.headers.get("HX-Current-URL", ""))
            path = shown.path + (f"?{shown.query}" if shown.query else "")
        return "", 401, {"HX-Redirect": _sign_in_path(path)}
    path = ""
    if request.method == "GET":
        query = request.query_string.decode("utf-8", "replace")
        path = f"{request.path}?{query}".rstrip("?")
    return redirect(_sign_in_path(path))


def _sign_in_path(then: str) -> str:
    path = local_path(then)
    return f"/login?{urlencode({'next': path})}" if path and path != "/" else "/login"

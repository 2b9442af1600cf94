"""Cookies of sessions, whose signatures are checked once and not with every request."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Any

from flask import Flask, Request, g, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf.csrf import generate_csrf
from itsdangerous import BadSignature

MOST = 2_000  # cookies that are kept, and form tokens
PLAIN = (str, int, bool)


class Sessions(SecureCookieSessionInterface):
    """Remembers what was in a cookie that was found good, under the whole cookie.

    Only where it holds plain values alone: each request gets a dict of its own. What a key in it
    still opens, its row says (`accounts.sign_in`).
    """

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Any, str], tuple[float, dict[str, Any]]] = OrderedDict()

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of a request's cookie; an empty one without a good cookie."""
        value = request.cookies.get(self.get_cookie_name(app))
        serializer = self.get_signing_serializer(app) if value else None
        if value is None or serializer is None:
            return self.session_class() if app.secret_key else None
        max_age = app.permanent_session_lifetime.total_seconds()
        known = self._known.get((app.secret_key, value))
        if known is not None and time.time() - known[0] <= max_age:
            return self.session_class(known[1])
        try:
            data, signed_at = serializer.loads(value, max_age=int(max_age), return_timestamp=True)
        except BadSignature:
            return self.session_class()
        if all(isinstance(part, PLAIN) for part in data.values()):
            self._known[app.secret_key, value] = (signed_at.timestamp(), data)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        return self.session_class(data)


def init_sessions(app: Flask) -> None:
    """Use them, and keep the form token of each session: it is signed anew in each request, else.

    Tokens have no time limit here, the session bounds them.
    """
    app.session_interface = Sessions()
    tokens: OrderedDict[str, str] = OrderedDict()

    def csrf_token() -> str:
        """The token for the forms of this page (Flask-WTF's own, kept)."""
        token: str | None = g.get("csrf_token")
        if token is not None:
            return token
        known = tokens.get(session.get("csrf_token", ""))
        if known is not None:
            g.csrf_token = known  # where Flask-WTF looks
            return known
        token = generate_csrf()
        if secret := session.get("csrf_token"):
            tokens[secret] = token
            if len(tokens) > MOST:
                tokens.popitem(last=False)
        return token

    app.jinja_env.globals["csrf_token"] = csrf_token  # for macros
    # Flask-WTF names its own in each template's context, which comes first.
    app.context_processor(lambda: {"csrf_token": csrf_token})

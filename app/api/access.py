"""Who calls the API: a bearer token, or the session of a signed-in browser with its CSRF token."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any, TypeVar

from flask import g, request
from flask_limiter import RouteLimit
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from app.accounts.access import person_or_none
from app.accounts.models import Person
from app.accounts.tokens import person_of_token, token_in
from app.core.errors import Forbidden
from app.extensions import csrf, limiter
from app.web import limits

View = TypeVar("View", bound=Callable[..., Any])


def token_required(view: View) -> View:
    """Open to whoever has a token or a session; customers see only what is theirs."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        g.caller = _caller()
        return view(*args, **kwargs)

    guarded.access = "token"  # type: ignore[attr-defined]
    return guarded  # type: ignore[return-value]


def caller() -> Person:
    """Whose request this is."""
    person: Person = g.caller
    return person


def agent() -> Person:
    """The same, where only agents may call.

    Raises:
        Forbidden: a customer calls.
    """
    if not caller().is_agent:
        raise Forbidden("Only agents may do this.")
    return caller()


def limited_by() -> str:
    """Whom a rate limit counts: the token, else the network address.

    Tokens that do not work are counted by that, too (`_refused`).
    """
    token = token_in(request.headers.get("Authorization", ""))  # one, however it is written
    # A hash: tokens stay out of Redis.
    return sha256(token.encode("utf-8", "replace")).hexdigest() if token else limits.network()


def limited_as_a_form(limit: str) -> RouteLimit:
    """Limit what customers post from a browser as the form for it is: the API is no way past it."""
    return limiter.limit(limit, key_func=limits.network, exempt_when=_is_program_or_team)


def _is_program_or_team() -> bool:
    person = None if "Authorization" in request.headers else person_or_none()
    return person is None or person.is_agent


@limiter.shared_limit(limits.WRONG_TOKENS_BY_IP, scope="wrong-token", key_func=limits.network)
def _refused() -> Unauthorized:
    """What stands for a token that does not work, told so often.

    Counted only then: one wrong program would else lock out all others of its network.
    """
    # A space, so that Werkzeug quotes it: RFC 9110, section 11.5.
    return Unauthorized(www_authenticate=WWWAuthenticate("bearer", {"realm": "Deskhand API"}))


def _caller() -> Person:
    header = request.headers.get("Authorization")
    writes = request.method not in ("GET", "HEAD", "OPTIONS")
    if header is not None:
        person = person_of_token(header, writes=writes)
    else:
        person = person_or_none()
        if person is not None and writes:
            csrf.protect()
    if person is None:
        raise _refused()
    return person

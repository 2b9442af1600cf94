"""What every request passes: its id, its size, its kind of transaction, and the headers."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from flask import Flask, Request, Response, current_app, g, request
from werkzeug.datastructures import MultiDict
from werkzeug.formparser import FormDataParser

from app.core.db import begin_read, begin_write
from app.web.bodies import take_body

View = TypeVar("View", bound=Callable[..., Any])

MAX_BODY = 2 * 1024 * 1024
MAX_FILE = 25 * 1024 * 1024
MAX_FILES = 10
MAX_UPLOAD = MAX_FILE * MAX_FILES + MAX_BODY
MAX_JSON = MAX_FILE * 4 // 3 + MAX_BODY  # one file in base64: all of it is read into memory

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

# Where a view has not said otherwise.
SAFE_HEADERS = (
    ("Content-Security-Policy", CONTENT_SECURITY_POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=()"),
    ("Cache-Control", "no-store, private"),
)
ONLY_HTTPS = (("Strict-Transport-Security", "max-age=31536000"),)


def takes_files(view: View) -> View:
    """Mark a view that accepts uploads: its body may be as large as ten attachments."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def takes_up_to(size: int) -> Callable[[View], View]:
    """Mark a view whose body, of whatever kind, may have *size* bytes."""

    def mark(view: View) -> View:
        view.most_bytes = size  # type: ignore[attr-defined]
        return view

    return mark


def reads_first(view: View) -> View:
    """Mark an unsafe view that calls `begin_write` itself, after work that needs no lock."""
    view.reads_first = True  # type: ignore[attr-defined]
    return view


class FormParser(FormDataParser):
    """Leaves out parts without a name, which no browser sends and nobody asks for."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        """The stream, the fields and the files."""
        stream, fields, files = super().parse(*args, **kwargs)
        return stream, _named(fields), _named(files)


def _named(parts: MultiDict[str, Any]) -> MultiDict[str, Any]:
    if None not in parts:
        return parts
    return type(parts)((key, one) for key, one in parts.items(multi=True) if key is not None)


class DeskRequest(Request):
    """A request whose form has names alone."""

    form_data_parser_class = FormParser


def init_security(app: Flask) -> None:
    """Hook into every request; must come before the CSRF check, which reads the form."""
    app.request_class = DeskRequest
    is_secure = app.config["SESSION_COOKIE_SECURE"]
    app.extensions["safe_headers"] = (*SAFE_HEADERS, *(ONLY_HTTPS if is_secure else ()))
    app.before_request(_start)
    app.after_request(_finish)


def _start() -> None:
    g.request_id = secrets.token_hex(8)
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    view = current_app.view_functions.get(request.endpoint or "")
    # What is read whole into memory stays small everywhere; files of a form go to disk.
    if getattr(view, "takes_files", False):
        sizes = {"multipart/form-data": MAX_UPLOAD, "application/json": MAX_JSON}
        request.max_content_length = sizes.get(request.mimetype, MAX_BODY)
    elif most := getattr(view, "most_bytes", 0):
        request.max_content_length = most
    take_body(request)
    if request.method in ("GET", "HEAD", "OPTIONS") or getattr(view, "reads_first", False):
        begin_read()
    else:
        begin_write()


def _finish(response: Response) -> Response:
    headers = response.headers
    headers["X-Request-ID"] = g.get("request_id", "")
    given = {name.lower() for name, _ in headers}
    for name, value in current_app.extensions["safe_headers"]:
        if name.lower() not in given:
            headers.add(name, value)
    return response

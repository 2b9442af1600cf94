"""Every error as a page (or problem details under /api/) with the request's id."""

from __future__ import annotations

from http import HTTPStatus

import structlog
from flask import Flask, current_app, g, jsonify, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from jinja2_fragments.flask import render_block
from sqlalchemy.exc import DataError
from werkzeug.exceptions import HTTPException

from app.core.db import close_session
from app.core.errors import DomainError, Invalid
from app.core.outages import Outage, outage
from app.web.brand import keep_silent
from app.web.htmx import wants_fragment
from app.web.sent_form import sent_form

log = structlog.get_logger(__name__)

TITLES = {
    400: "That did not arrive in one piece",
    401: "Please sign in",
    403: "You may not do this",
    404: "There is no such page",
    405: "That is not possible here",
    409: "This has changed meanwhile",
    412: "This has changed since you read it",
    413: "That is too large",
    422: "Something needs a look",
    429: "Too many tries",
    500: "Something went wrong on our side",
    503: "Very busy right now",
}
ADVICE = {
    400: "Go back, reload the page and try again.",
    401: "Sign in and open the page again.",
    403: "Ask an admin if you need this.",
    404: "The link may be old, or for someone else. If it came in a mail, ask for a fresh one.",
    405: "Go back and use the page's own buttons.",
    409: "Reload the page to see how it stands now.",
    412: "Read it again, then send your change with the new ETag.",
    413: "A file may have 25 MB, and ten go with one message. Send it in smaller parts.",
    422: "Go back and check what you typed.",
    429: "Wait a minute, then try again.",
    500: "Try again in a moment. If it stays, tell us the number below.",
    503: "Nothing was lost or half done. Try again in a few seconds.",
}
API_ADVICE = {
    401: "Send a bearer token that works.",
    404: "There is nothing at this address. /api/v1/openapi.json lists what there is.",
    405: "This address takes other methods: the header Allow names them.",
}
PROGRAMS = ("/api/", "/chat/")  # no people: they get problem details
ASKING = (403, 404, 409, 422)  # where the database has just answered: the page may ask its name
SEND_AGAIN = (429, 500, 503)  # the same form may well be taken later
# Title and advice of a 503.
OUTAGES = {
    Outage.BUSY: (TITLES[503], ADVICE[503]),
    Outage.DATABASE: (
        "We cannot do this right now",
        "Our database does not answer. Nothing was half done. Try again in a minute.",
    ),
    Outage.DISK: (
        "We cannot keep anything right now",
        "Our disk is full or broken. Nothing was half done. Try again later, or without files.",
    ),
    Outage.STORAGE: (
        "We cannot get at files right now",
        "Where we keep files does not answer. Nothing was half done. "
        "Try again in a few minutes, or without files.",
    ),
}


def init_errors(app: Flask) -> None:
    """Answer every kind of error."""
    app.register_error_handler(DomainError, _domain)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(DataError, _data)
    app.register_error_handler(Exception, _unexpected)


def answer(
    status: int, message: str = "", errors: dict[str, str] | None = None, title: str = ""
) -> ResponseReturnValue:
    """An error page, or RFC 9457 problem details for the API and the chat window."""
    close_session()  # nothing half-written, and the page below may read
    if status not in ASKING:
        keep_silent()
    title = title or TITLES.get(status, "That did not work")
    advice = ADVICE | API_ADVICE if request.path.startswith("/api/") else ADVICE
    detail = message or advice.get(status, "Go back and try again.")
    request_id = g.get("request_id", "")
    if request.path.startswith(PROGRAMS):
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,  # RFC 9457, section 4.2.1: of this type
            "status": status,
            "detail": detail,
            "request_id": request_id,
            "errors": [{"field": k, "message": v} for k, v in (errors or {}).items()],
        }
        response = jsonify(problem)
        response.content_type = "application/problem+json"
    else:
        words = {"status": status, "title": title, "detail": detail, "request_id": request_id}
        if wants_fragment():  # a notice: the page stays as it is, with what was typed
            response = make_response(render_block("errors.html", "notice", oob=True, **words))
            response.headers["HX-Retarget"] = "#notices"
            response.headers["HX-Reswap"] = "innerHTML"
        else:
            again = sent_form() if status in SEND_AGAIN else None
            reload_path = _page() if status in SEND_AGAIN and not again else ""
            shown = render_template("errors.html", again=again, reload_path=reload_path, **words)
            response = make_response(shown)
    response.status_code = status
    if status in (429, 503):
        response.headers["Retry-After"] = "5" if status == 503 else "60"
    return response


def _page() -> str:
    """Where this page can be loaded again; "" where the address only takes forms."""
    adapter = current_app.create_url_adapter(request)
    if adapter is None or not adapter.test(request.path, "GET"):
        return ""
    return request.full_path.removesuffix("?")


def _domain(error: DomainError) -> ResponseReturnValue:
    errors = error.errors if isinstance(error, Invalid) else None
    # PRODUCT: invalid input is 400 in the API and 422 on a page.
    api = request.path.startswith("/api/") and error.status == 422
    status = 400 if api else error.status
    title = "We cannot find this" if status == 404 else TITLES[error.status]
    return answer(status, error.message, errors, title=title)


def _csrf(error: CSRFError) -> ResponseReturnValue:
    if request.path.startswith("/api/"):
        return answer(400, "Send the page's CSRF token in the header X-CSRFToken.")
    return answer(400, "This form is too old. Go back, reload the page and send it again.")


def _http(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or (error.code or 500) < 400:
        return error
    code = error.code or 500
    answered = make_response(answer(code))
    # The rest of what the error says for programs: Allow, WWW-Authenticate.
    for name, value in error.get_headers(request.environ):
        if name not in ("Content-Type", "Content-Length"):
            answered.headers[name] = value
    return answered


def _data(error: DataError) -> ResponseReturnValue:
    """A value that the database cannot hold (an id of 40 digits): bad input, not our fault."""
    log.info("value refused by the database", path=request.path)
    return answer(404 if request.method == "GET" else 422)


def _unexpected(error: Exception) -> ResponseReturnValue:
    if kind := outage(error):
        log.warning(
            "outage", kind=kind.value, error=str(error).partition("\n")[0], path=request.path
        )
        title, advice = OUTAGES[kind]
        return answer(503, advice, title=title)
    log.exception("unexpected error", path=request.path, method=request.method)
    return answer(500)

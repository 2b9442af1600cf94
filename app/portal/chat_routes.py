"""What the chat window on somebody's website talks to (static/widget.js).

JSON for the pages of the allowed origins alone (CORS), without any cookie: the window shows a key
for its one ticket in a header, which no log has.

New answers are found by asking every few seconds, less often as time passes. Whoever waits for an
answer in an open request would hold a thread of a process that works on one request at a time; a
question without news is two statements by key, and an answer without a body.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar

from flask import Blueprint, Response, current_app, jsonify, make_response, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import Unauthorized
from wtforms import StringField, TextAreaField
from wtforms.validators import DataRequired, Length

from app.accounts import directory
from app.accounts.access import everyone
from app.accounts.forms import email_field
from app.accounts.people import NAME_LENGTH
from app.channels import chat
from app.channels.intake import take_in
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Forbidden, Invalid, NotFound
from app.core.paging import MOST_ID
from app.core.settings_store import setting
from app.portal import promises
from app.portal.doubles import sent_before
from app.portal.forms import (
    find_category,
    in_lines,
    in_one_line,
    is_too_quick,
    read_stamp,
    shown_stamp,
)
from app.tickets import catalog, chatting, keys
from app.tickets.chatting import Chat, Said
from app.web import limits
from app.web.assets import Asset
from app.web.forms import BaseForm, storable
from app.web.security import reads_first, takes_up_to

bp = Blueprint("chat", __name__, url_prefix="/chat")
script = Blueprint("widget", __name__)
View = TypeVar("View", bound=Callable[..., Any])

BODY = 64 * 1024  # bytes of a message, in JSON
PREFLIGHT_SECONDS = 7_200  # browsers ask no more often; Chromium keeps it no longer
GREETING_SECONDS = 300
SCRIPT_SECONDS = 3_600


class SayForm(BaseForm):
    """A message. WTForms checks what came as JSON."""

    class Meta:
        """No token: there is no session that it could belong to."""

        csrf = False

    body = TextAreaField(
        filters=[in_lines],
        validators=[
            storable,
            DataRequired("Write something first."),
            Length(max=chat.LONGEST, message="At most 5,000 characters."),
        ],
    )


class OpenForm(SayForm):
    """The first message, and who writes it."""

    name = StringField(
        filters=[in_one_line],
        validators=[
            storable,
            DataRequired("Enter your name."),
            Length(max=NAME_LENGTH, message=f"At most {NAME_LENGTH} characters."),
        ],
    )
    email = email_field(new=True)
    homepage = StringField()
    shown = StringField()
    category = StringField()
    page = StringField()
    once = StringField(validators=[storable, Length(max=100)])


@script.get("/widget.js")
@everyone
def widget() -> Response:
    """The window itself; every website may load it, since it holds nothing."""
    asset: Asset = current_app.extensions["assets"]["widget.js"]
    packed = asset.packed if request.accept_encodings["gzip"] else None
    response = Response(packed or asset.body, content_type=asset.mimetype)
    response.headers["Cache-Control"] = f"public, max-age={SCRIPT_SECONDS}"
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.vary.add("Accept-Encoding")
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(f"{asset.version}{'-gz' if packed else ''}")
    response.make_conditional(request)
    return response


@bp.before_request
def _check_origin() -> ResponseReturnValue | None:
    """Turn away whatever a browser sends for another website; answer its question before."""
    if not setting("chat_is_on") or not (_is_allowed() or _needs_none()):
        raise Forbidden("The chat is not for this website.")
    return make_response("", 204) if request.method == "OPTIONS" else None


@bp.after_request
def _share(response: Response) -> Response:
    """Let the allowed website read the answer, errors too."""
    response.vary.add("Origin")
    if not setting("chat_is_on") or not _is_allowed():
        return response
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
    headers["Access-Control-Expose-Headers"] = "ETag, Retry-After"
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, POST"
        headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-None-Match"
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    return response


def _key() -> str:
    """The key that the window shows, "" where it shows none."""
    kind, _, key = request.headers.get("Authorization", "").partition(" ")
    return key if kind.lower() == "bearer" else ""


def _window() -> str:
    """Whom a limit counts: the conversation, since each message brings a new key; the network of
    whoever has no key of ours. No statement."""
    signed = keys.read_chat_key(_key(), now=utcnow())
    return f"window:{signed[0]}" if signed else limits.network()


def with_key(view: View) -> View:
    """Open to whoever shows the key of a chat window; the view gets its chat."""

    @wraps(view)
    def guarded() -> Any:
        found = chatting.find(_key(), now=utcnow())
        if found is None:
            raise Unauthorized("This conversation cannot be opened any more. Start a new one.")
        return view(found)

    return everyone(guarded)  # type: ignore[return-value]


@bp.get("/greeting")
@everyone
def greeting() -> ResponseReturnValue:
    """What the closed window needs: whether it may be here, and how the desk is called."""
    now = utcnow()
    response = jsonify(
        name=setting("site_name"),
        promise=promises.promise(now),
        accent=setting("accent"),
        shown=shown_stamp(now),
    )
    response.headers["Cache-Control"] = f"public, max-age={GREETING_SECONDS}"
    return response


@bp.post("/conversations")
@limits.by_ip(limits.TICKET_BY_IP)
@limits.by_address(limits.TICKET_BY_ADDRESS)
@takes_up_to(BODY)
@everyone
@reads_first
def open_conversation() -> ResponseReturnValue:
    """A first message becomes a ticket. The answer shows nothing of whoever has the address."""
    now = utcnow()
    form = OpenForm(formdata=_sent())
    _check(form)
    if form.homepage.data or is_too_quick(read_stamp(form.shown.data), now):
        raise Invalid("That was very quick. Have a second look, then send it again.")
    category = find_category(form.category.data or "") or catalog.default_category()
    new = chat.new_ticket(
        name=form.name.data,
        email=form.email.data,
        body=form.body.data,
        page=chat.page_of(request.headers["Origin"], form.page.data or ""),
        category_id=category.id,
        once=form.once.data or "",
    )
    begin_write()
    opened = sent_before(new, now=now) or take_in(new, now=now)
    key = chat.key_for(opened.id, opened.requester_id, now=now)
    db.session.commit()
    return _answer(key, now=now, status=201)


@bp.get("/conversation")
@with_key
def show(found: Chat) -> ResponseReturnValue:
    """What was said; 304 where nothing has changed since the window asked."""
    now = utcnow()
    tag = _tag(found, now=now)
    response = make_response("", 304)
    if not request.if_none_match.contains(tag):
        response = jsonify(_conversation(found, now=now))
    response.set_etag(tag)
    return response


@bp.post("/conversation/messages")
@limits.by(limits.CHAT_BY_WINDOW, _window)
@takes_up_to(BODY)
@with_key
@reads_first
def say(found: Chat) -> ResponseReturnValue:
    """One more message of the visitor; with the conversation comes a key for another week."""
    now = utcnow()
    form = SayForm(formdata=_sent())
    _check(form)
    begin_write()
    chat.say(found, form.body.data, now=now)
    key = chat.key_for(found.ticket_id, found.requester_id, now=now)
    db.session.commit()
    return _answer(key, now=now, status=201)


@bp.post("/conversation/seen")
@limits.by(limits.CHAT_BY_WINDOW, _window)
@takes_up_to(BODY)
@with_key
@reads_first
def see(found: Chat) -> ResponseReturnValue:
    """The visitor sees the answers up to the one that is named: these need not be mailed."""
    content = request.get_json(silent=True)
    newest = content.get("newest") if isinstance(content, dict) else None
    if type(newest) is not int or not 0 <= newest <= MOST_ID:
        raise Invalid("Name the newest message that was seen.")
    begin_write()
    chat.see(found, newest, now=utcnow())
    db.session.commit()
    return "", 204


def _is_allowed() -> bool:
    origin = request.headers.get("Origin", "")
    return bool(origin) and chat.is_allowed(origin)


def _needs_none() -> bool:
    """Browsers leave the origin out where the desk's own page (the preview) only reads."""
    return request.method == "GET" and "Origin" not in request.headers


def _sent() -> MultiDict[str, str]:
    """The texts of the request's JSON.

    Raises:
        Invalid: it is no object, or has anything else in it.
    """
    content = request.get_json(silent=True)
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise Invalid("Send a JSON object of texts.")
    return MultiDict(content)


def _check(form: BaseForm) -> None:
    if not form.validate():  # type: ignore[no-untyped-call]
        errors = {name: str(texts[0]) for name, texts in form.errors.items() if name}
        raise Invalid(next(iter(errors.values())), errors)


def _answer(key: str, *, now: datetime, status: int) -> ResponseReturnValue:
    """The conversation of a fresh key, and the key."""
    found = chatting.find(key, now=now)
    if found is None:
        raise NotFound("This conversation is gone.")
    response = jsonify(key=key, **_conversation(found, now=now))
    response.set_etag(_tag(found, now=now))
    response.status_code = status
    return response


def _tag(found: Chat, *, now: datetime) -> str:
    """Changes with everything that `_conversation` tells, but the names of agents."""
    parts = (found.count, found.newest, found.assignee_id or 0, chat.why_ended(found, now=now))
    return f"{found.access_id}-" + "-".join(map(str, parts))


def _conversation(found: Chat, *, now: datetime) -> dict[str, Any]:
    """What the window shows: nothing of a conversation that went on by mail, or elsewhere."""
    ended = chat.why_ended(found, now=now)
    said = [] if ended in ("mail", "over") else chatting.messages(found)
    agent = directory.agents().get(found.assignee_id or 0)
    first = {"id": 0, "from": "visitor", "text": found.description, "at": found.created_at}
    return {
        "number": found.number,
        "ended": ended,
        "agent": _name(agent.name, agent.email) if agent and not ended else "",
        "messages": [] if ended else [_told(first), *(_told(_message(one)) for one in said)],
    }


def _message(said: Said) -> dict[str, Any]:
    side = "agent" if said.is_agent else "visitor"
    message = {"id": said.id, "from": side, "text": said.body, "at": said.created_at}
    if said.is_agent:
        message |= {"name": said.name, "has_files": said.has_files}
    return message


def _told(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"at": message["at"].isoformat()}


def _name(name: str, address: str) -> str:
    """An agent's name; an address is not the visitor's business."""
    return "" if name == address else name

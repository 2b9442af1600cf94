"""The chat window on somebody's website: where it may stand, and what becomes of what is said.

A visitor is a guest: whoever types somebody's address opens a ticket in that name, and gets into
nothing else of theirs. The window's key is for this one ticket; see `tickets.chatting`.
"""

from __future__ import annotations

import re
from datetime import datetime
from hashlib import sha256
from urllib.parse import urlsplit

import idna
from flask import current_app

from app.accounts.models import Person
from app.channels import answers
from app.channels.answers import Reply
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.settings_store import setting
from app.settings import Settings
from app.tickets import chatting, conversation, keys
from app.tickets.chatting import Chat
from app.tickets.queries import lock_going_on
from app.tickets.words import Source

MOST_ORIGINS = 100
SUBJECT = 80  # characters of the first line that make the subject
LONGEST = 5_000
PORTS = {"http": 80, "https": 443}
OVER = "This conversation has ended. Start a new one."
BY_MAIL = "This conversation goes on by mail."


def normal_origin(text: str) -> str:
    """An origin as browsers send it: ``https://shop.example``, ``http://localhost:3000``.

    Raises:
        Invalid: it is none, or more than one (``https://*.example``).
    """
    text = text.strip()
    url = urlsplit(text if "://" in text else f"https://{text}")
    try:
        host, port = url.hostname or "", url.port
        if ":" not in host and not re.fullmatch(r"[\d.]+", host):
            host = idna.encode(host, uts46=True).decode("ascii") if host else ""
    except (ValueError, idna.IDNAError):
        host, port = "", None
    is_plain = url.path in ("", "/") and not (url.query or url.fragment or "@" in url.netloc)
    if not host or url.scheme not in PORTS or not is_plain or len(text) > 300:
        raise Invalid(
            f"“{text[:100]}” is no website's address. Write it as https://shop.example, "
            "without a page behind it and without a star."
        )
    host = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == PORTS[url.scheme]
    return f"{url.scheme}://{host}" if is_usual else f"{url.scheme}://{host}:{port}"


def is_allowed(origin: str) -> bool:
    """True for the pages of an origin that an admin allowed, and for the desk's own (preview)."""
    return origin == own_origin() or origin in setting("chat_origins")


def own_origin() -> str:
    """The desk's own, from ``BASE_URL``."""
    settings: Settings = current_app.extensions["settings"]
    url = urlsplit(settings.base_url)
    return f"{url.scheme}://{url.netloc}"


def new_ticket(
    *, name: str, email: str, body: str, page: str, category_id: int, once: str
) -> NewTicket:
    """The ticket that a visitor's first message becomes; *page* is where they wrote it.

    *once* is a secret of the window for this message, "" for none: sent again it is known by that.
    """
    host = urlsplit(own_origin()).hostname
    message_ids = (f"chat.{sha256(once.encode()).hexdigest()}@{host}",) if once else ()
    return NewTicket(
        subject=subject_of(body),
        description=body,
        requester=RequesterInput(email=email, name=name),
        source=Source.CHAT,
        category_id=category_id,
        channel=page,
        inbound_message_ids=message_ids,
    )


def subject_of(body: str) -> str:
    """The first line, cut at a word where it is long."""
    line = " ".join(body.strip().partition("\n")[0].split())
    if len(line) <= SUBJECT:
        return line
    cut = line[: SUBJECT - 2]
    head = cut.rpartition(" ")[0] if " " in cut[SUBJECT // 2 :] else cut
    return f"{head} …"


def page_of(origin: str, told: str) -> str:
    """The address of the page as far as its origin vouches for it, without what may be secret."""
    url = urlsplit(told) if told.startswith(f"{origin}/") and told.isprintable() else None
    return (origin.partition("://")[2] + (url.path if url else ""))[:100].rstrip("/")


def key_for(ticket_id: int, person_id: int, *, now: datetime) -> str:
    """A key for the window of this person and ticket, for a week."""
    return keys.chat_key(keys.access_rows(ticket_id, [person_id], now=now)[person_id], now=now)


def say(chat: Chat, body: str, *, now: datetime) -> None:
    """Join a visitor's message to their ticket. What was said just before is said once.

    Raises:
        Conflict: the ticket is over, or went on by mail.
    """
    ticket = lock_going_on(chat.ticket_id)
    over = ticket.id != chat.ticket_id or ticket.requester_id != chat.requester_id
    if over or chat.is_over or answers.is_over(ticket, now=now):
        raise Conflict(OVER)
    if chat.goes_on_by_mail:
        raise Conflict(BY_MAIL)
    person = db.session.get_one(Person, ticket.requester_id)
    if conversation.said_before(ticket, body, by=person, now=now) is None:
        answers.receive(ticket, Reply(body, Source.CHAT), by=person, now=now)


def see(chat: Chat, newest: int, *, now: datetime) -> None:
    """What the visitor has before their eyes need not be mailed to them."""
    if not chat.is_over and not chat.goes_on_by_mail:
        ticket = lock_going_on(chat.ticket_id)
        if ticket.id == chat.ticket_id:
            chatting.see(ticket, newest=min(newest, chat.newest), now=now)


def why_ended(chat: Chat, *, now: datetime) -> str:
    """Why nothing more can be said in the window, "" where something can."""
    if chat.goes_on_by_mail and not chat.is_over:
        return "mail"
    is_over = chat.is_over or answers.is_ended(chat.status, chat.closed_at, now=now)
    return "over" if is_over else ""

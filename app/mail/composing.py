"""Mails as people see them: subject, text and HTML.

Each kind has a folder in templates/email with ``subject.txt``, ``body.txt`` and ``body.html``. The
worker renders them, not the request: it takes milliseconds, and on SQLite the writer's lock would
be held meanwhile. What was rendered is stored before it is sent, so that a retry sends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app
from markupsafe import Markup

from app.core.html import text_to_html
from app.core.settings_store import setting
from app.core.text import printable
from app.mail import unsubscribing
from app.settings import Settings
from app.web import logo, words


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered mail; the subject is one line."""

    subject: str
    text: str
    html: str


def compose(kind: str, context: Mapping[str, Any], *, signature: str = "") -> Message:
    """Render a mail from *context* (JSON, as the outbox keeps it).

    Args:
        signature: of the mailbox that it comes from, under what an agent wrote.
    Raises:
        jinja2.TemplateError: no such kind, or the context lacks what it shows.
    """
    settings: Settings = current_app.extensions["settings"]
    number, key = context.get("number", ""), context.get("key", "")
    files = context.get("files", ())
    values = {
        "title": "",
        **context,
        "attached": [file for file in files if file.get("attached")],
        "linked": [file for file in files if not file.get("attached")],
        "quoted": context.get("quoted"),
        "signature": signature.strip(),
        "stop_url": unsubscribing.link(context),
        "site_name": setting("site_name"),
        "logo": logo.shown(),
        "base_url": settings.base_url,
        "ticket_url": f"{settings.base_url}/tickets/{number}" + (f"?key={key}" if key else ""),
        "desk_url": f"{settings.base_url}/desk/tickets/{number}",
        "html": _paragraphs,
        "when": _when,
        "filesize": words.filesize,
        "quote": _quote,
    }

    def render(name: str) -> str:
        return current_app.jinja_env.get_template(f"email/{kind}/{name}").render(values)

    subject = " ".join(printable(render("subject.txt")).split())[:500]
    return Message(subject, render("body.txt"), render("body.html"))


def _paragraphs(text: str) -> Markup:
    """Escaped, with the looks on each element: some clients drop what stands in the head."""
    html = text_to_html(text)
    html = html.replace("<p>", '<p style="margin:0 0 12px">')
    html = html.replace("<a ", '<a style="color:#046663" ')
    return Markup(html)  # noqa: S704 (it escapes)


def _quote(text: str) -> str:
    """As mail clients quote, in plain text: folded away by them, and by us when it comes back."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _when(iso: str) -> str:
    """ "on 23 November 2026, 16:40 (UTC)" from a stored time; empty for none."""
    if not iso:
        return ""
    zone = str(setting("time_zone"))
    return f"on {words.exact(datetime.fromisoformat(iso), words.zone(zone))} ({zone})"

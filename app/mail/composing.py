"""Mails as people see them, and as they go over the wire.

Each kind has a folder in templates/email with ``subject.txt``, ``body.txt`` and ``body.html``. The
worker renders them, not the request: it takes milliseconds, and on SQLite the writer's lock would
be held meanwhile. What was rendered is stored before it is sent, so that a retry sends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.charset import QP, Charset
from email.generator import BytesGenerator
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.nonmultipart import MIMENonMultipart
from email.utils import format_datetime, formataddr
from io import BytesIO
from typing import Any

import idna
from flask import current_app
from markupsafe import Markup

from app.core.html import printable, text_to_html
from app.core.settings_store import setting
from app.mail.models import Mailbox, OutboundEmail
from app.settings import Settings
from app.web import words

MAX_LOCAL_PART = 64  # RFC 5321, section 4.5.3.1.1

_utf8 = Charset("utf-8")
_utf8.body_encoding = QP


@dataclass(frozen=True, slots=True)
class Message:
    """A rendered mail; the subject is one line."""

    subject: str
    text: str
    html: str


def compose(kind: str, context: Mapping[str, Any]) -> Message:
    """Render a mail from *context* (JSON, as the outbox keeps it).

    Raises:
        jinja2.TemplateError: no such kind, or the context lacks what it shows.
    """
    settings: Settings = current_app.extensions["settings"]
    number, key = context.get("number", ""), context.get("key", "")
    values = {
        "title": "",
        **context,
        "site_name": setting("site_name"),
        "base_url": settings.base_url,
        "ticket_url": f"{settings.base_url}/tickets/{number}" + (f"?key={key}" if key else ""),
        "desk_url": f"{settings.base_url}/desk/tickets/{number}",
        "html": _paragraphs,
        "when": _when,
    }

    def render(name: str) -> str:
        return current_app.jinja_env.get_template(f"email/{kind}/{name}").render(values)

    subject = " ".join(printable(render("subject.txt")).split())[:500]
    return Message(subject, render("body.txt"), render("body.html"))


def _paragraphs(text: str) -> Markup:
    return Markup(text_to_html(text))  # noqa: S704 (it escapes)


def _when(iso: str) -> str:
    """ "on 23 November 2026, 16:40 (UTC)" from a stored time; empty for none."""
    if not iso:
        return ""
    zone = str(setting("time_zone"))
    return f"on {words.exact(datetime.fromisoformat(iso), words.zone(zone))} ({zone})"


def build_mime(row: OutboundEmail, mailbox: Mailbox | None) -> bytes:
    """A rendered row of the outbox as RFC 5322 bytes; the same for every try.

    Raises:
        ValueError: the recipient's domain cannot be written in ASCII.
    """
    mail = MIMEMultipart("alternative", boundary=f"=_{row.message_id.partition('@')[0]}")
    for subtype, body in (("plain", row.body_text), ("html", row.body_html)):
        part = MIMENonMultipart("text", subtype)
        part.set_payload(printable(body or ""), _utf8)
        mail.attach(part)
    name, address = sender(mailbox)
    mail["Subject"] = _header(row.subject)
    mail["From"] = _named(name, address)
    mail["To"] = _named(row.recipient_name, row.recipient)
    mail["Date"] = format_datetime(row.created_at)
    mail["Message-ID"] = f"<{row.message_id}>"
    if reply_to := reply_address(address, row.reply_token):
        mail["Reply-To"] = _named(name, reply_to)
    if row.in_reply_to and _is_id(row.in_reply_to):
        mail["In-Reply-To"] = f"<{row.in_reply_to}>"
    if references := [f"<{i}>" for i in row.references.split() if _is_id(i)]:
        mail["References"] = " ".join(references)
    if row.is_automatic:
        # RFC 3834, section 5; the second is Exchange's way to be told the same.
        mail["Auto-Submitted"] = "auto-replied" if row.in_reply_to else "auto-generated"
        mail["X-Auto-Response-Suppress"] = "All"
    # The older generator: the newer one writes ids of more than 78 characters as encoded words.
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, maxheaderlen=78).flatten(mail, linesep="\r\n")
    return out.getvalue()


def sender(mailbox: Mailbox | None) -> tuple[str, str]:
    """Name and address that a mail comes from: the mailbox's, else the installation's."""
    settings: Settings = current_app.extensions["settings"]
    site = str(setting("site_name"))
    return (mailbox.name or site, mailbox.address) if mailbox else (site, settings.mail_from)


def reply_address(address: str, token: str) -> str:
    """``support+TOKEN@desk.example``; empty without token, or if the local part gets too long."""
    local, _, domain = address.rpartition("@")
    tagged = f"{local}{setting('reply_separator')}{token}"
    if not token or not setting("reply_tokens") or len(tagged) > MAX_LOCAL_PART:
        return ""
    return f"{tagged}@{domain}"


def wire_address(address: str) -> str:
    """An address as SMTP takes it: the domain in ASCII (RFC 5891).

    Raises:
        ValueError: there is no such form.
    """
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    return f"{local}@{idna.encode(domain, uts46=True).decode()}"


def _named(name: str, address: str) -> str:
    """A From or To field. A local part beyond ASCII (RFC 6531) is left to the envelope."""
    name, address = " ".join(printable(name).split()), wire_address(address)
    return formataddr((name, address), "utf-8") if address.isascii() else _header(address)


def _header(text: str) -> str:
    text = " ".join(printable(text).split())
    return text if text.isascii() else Header(text, "utf-8").encode().replace("\n", "")


def _is_id(text: str) -> bool:
    """True for an id that can stand in a header: others' ids may hold anything."""
    return text.isascii() and text.isprintable() and not set(text) & set(" <>") and len(text) < 900

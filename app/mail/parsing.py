"""Bytes of a mail as a `ParsedEmail` (pure): any bytes give one, in linear time."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from app.core.html import html_to_text, text_to_html
from app.mail import headers, mime, quoting
from app.mail.contents import Content, MailAttachment
from app.mail.headers import Address
from app.mail.html_quoting import shown_html

MAX_SUBJECT = 998  # characters; RFC 5322 allows no longer line
MAX_TEXT = 2_000_000  # characters of text kept from one mail; the raw mail is kept whole


@dataclass(frozen=True, slots=True)
class ParsedEmail:
    """What a mail says. All text can be stored: no NUL, no lone surrogates.

    Ids come without brackets. ``text`` is everything, ``reply_text`` what was written now, without
    quotations and signature. ``html`` is sanitised; None where the mail has none. ``date`` is
    aware UTC. ``fields`` holds every header field, names in lower case, values as text not yet
    decoded from RFC 2047.
    """

    subject: str
    from_email: str
    from_name: str
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    message_id: str
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    date: datetime | None
    text: str
    reply_text: str
    html: str | None
    attachments: tuple[MailAttachment, ...]
    content_type: str
    fields: Mapping[str, tuple[str, ...]] = field(repr=False)

    def header(self, name: str) -> str:
        """The first field of that name (lower case), or the empty string."""
        return self.fields.get(name, ("",))[0]

    @property
    def recipients(self) -> tuple[str, ...]:
        """Every address that this mail says it was sent or delivered to."""
        named = [a.email for a in self.to + self.cc]
        for name in DELIVERY_FIELDS:
            named += [
                a.email for value in self.fields.get(name, ()) for a in headers.addresses(value)
            ]
        return tuple(dict.fromkeys(named))


DELIVERY_FIELDS = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "resent-to")


def parse(raw: bytes) -> ParsedEmail:
    """Read a raw mail. Never raises; what lies beyond the limits of `mime` becomes attachments."""
    root = mime.read(raw)
    content = Content()
    content.take(root)
    body = content.body()
    text = body.text if body.text.strip() else html_to_text(body.html or "")
    subject = headers.decode_words(root.get("subject"))[:MAX_SUBJECT]
    passes_on = quoting.is_forward(subject)
    reply_text = quoting.new_text(text[:MAX_TEXT], passes_on=passes_on)
    html = shown_html(body.html, passes_on=passes_on) if body.html is not None else None
    if event := content.event:
        text, reply_text, html = _with_event(event, text, reply_text, html)
    sender = _sender(root)
    message_id = headers.message_ids(root.get("message-id")[:2000])
    return ParsedEmail(
        subject=subject,
        from_email=sender.email,
        from_name=sender.name,
        to=_addresses(root, "to"),
        cc=_addresses(root, "cc"),
        reply_to=_addresses(root, "reply-to"),
        message_id=message_id[0] if message_id else "",
        in_reply_to=headers.message_ids(" ".join(root.get_all("in-reply-to"))),
        references=headers.message_ids(" ".join(root.get_all("references"))),
        date=headers.date(root.get("date")),
        text=text[:MAX_TEXT],
        reply_text=reply_text,
        html=html,
        attachments=tuple(content.attachments(body.html or "")),
        content_type=root.content_type,
        fields=_fields(root),
    )


# Our links hold a key for one person, to a ticket or to end their notices. Whoever answers quotes
# theirs, and others read the answer.
_key = re.compile(
    r"((?:/|%2F)tickets(?:/|%2F)TKT-[A-Z2-9]{8})(?:\?|%3F)key(?:=|%3D)[\w.-]{1,500}"
    r"|((?:/|%2F)notices)(?:/|%2F)Wz[\w-]{3,150}\.[\w-]{43}",
    re.IGNORECASE,
)


def parse_incoming(raw: bytes) -> ParsedEmail:
    """As `parse`, for what others will read: without the keys in links of ours that it quotes."""
    mail = parse(raw)
    if not _key.search(f"{mail.text}{mail.html}"):
        return mail
    return replace(
        mail,
        text=_key.sub(r"\1\2", mail.text),
        reply_text=_key.sub(r"\1\2", mail.reply_text),
        html=_key.sub(r"\1\2", mail.html) if mail.html else mail.html,
    )


def _with_event(
    event: str, text: str, reply_text: str, html: str | None
) -> tuple[str, str, str | None]:
    """The same with the lines of an invitation on top, where people look for them."""
    if html is not None:
        html = f"{text_to_html(event)}\n{html}"
    return f"{event}\n\n{text}", f"{event}\n\n{reply_text}".strip(), html


def _addresses(root: mime.Part, name: str) -> tuple[Address, ...]:
    return tuple(headers.addresses(", ".join(root.get_all(name))))


def _sender(root: mime.Part) -> Address:
    for name in ("from", "sender", "reply-to", "return-path"):
        if found := _addresses(root, name):
            return found[0]
    return Address(headers.decode_words(root.get("from"))[:200], "")


def _fields(root: mime.Part) -> dict[str, tuple[str, ...]]:
    fields: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(name for name, _ in root.fields):
        fields[name] = tuple(root.get_all(name))
    return fields

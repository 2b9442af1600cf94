"""Bytes of a mail as a `ParsedEmail` (pure): any bytes give one, in linear time."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from app.core.html import html_to_text, text_to_html
from app.mail import headers, mime, quoting
from app.mail.headers import Address
from app.mail.html_quoting import shown_html

MAX_SUBJECT = 998  # characters; RFC 5322 allows no longer line
MAX_TEXT = 2_000_000  # characters of text kept from one mail; the raw mail is kept whole


@dataclass(frozen=True, slots=True)
class MailAttachment:
    """A part that is not the message's own text: a file, an image, an attached mail.

    ``inline`` is true for what the mail's HTML shows in place, ``content_id`` has no brackets.
    """

    filename: str
    content_type: str
    data: bytes = field(repr=False)
    inline: bool = False
    content_id: str = ""

    @property
    def size(self) -> int:
        """Bytes after decoding."""
        return len(self.data)


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
    content = _Content()
    content.take(root)
    body = _joined(content.bodies)
    text = body.text if body.text.strip() else html_to_text(body.html or "")
    sender = _sender(root)
    message_id = headers.message_ids(root.get("message-id")[:2000])
    return ParsedEmail(
        subject=headers.decode_words(root.get("subject"))[:MAX_SUBJECT],
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
        reply_text=quoting.new_text(text[:MAX_TEXT]),
        html=shown_html(body.html) if body.html is not None else None,
        attachments=tuple(content.attachments(body.html or "")),
        content_type=root.content_type,
        fields=_fields(root),
    )


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


@dataclass(slots=True)
class _Body:
    """One piece of the message itself, as text, HTML or both."""

    text: str = ""
    html: str | None = None


def _joined(bodies: list[_Body]) -> _Body:
    """Several pieces one below the other; what one of them lacks is made from what it has."""
    if len(bodies) == 1:
        return bodies[0]
    text = "\n\n".join(b.text if b.text.strip() else html_to_text(b.html or "") for b in bodies)
    if all(b.html is None for b in bodies):
        return _Body(text)
    html = "\n".join(text_to_html(b.text) if b.html is None else b.html for b in bodies)
    return _Body(text, html)


class _Content:
    """Sorts the leaves of a mail into its own bodies and its attachments."""

    def __init__(self) -> None:
        self.bodies: list[_Body] = []
        self.files: list[tuple[mime.Part, bool]] = []  # the part, and whether it came as related

    def take(self, part: mime.Part, *, related: bool = False) -> None:
        """Take *part* and all below it, in order."""
        first = not self.bodies and not self.files
        if part.children:
            if part.content_type == "multipart/alternative":
                self._take_alternatives(part)
            else:
                inside = part.content_type == "multipart/related"
                for index, child in enumerate(part.children):
                    self.take(child, related=related or (inside and index > 0))
        elif _is_body(part) or (first and _is_named_text(part)):
            if _is_named(part):
                self.files.append((part, False))
            text = part.text()
            if part.content_type == "text/html":
                self.bodies.append(_Body(html=text))
            elif part.type_parameters.get("format", "").lower() == "flowed":
                deleting = part.type_parameters.get("delsp", "").lower() == "yes"
                self.bodies.append(_Body(unflowed(text, deleting_spaces=deleting)))
            else:
                self.bodies.append(_Body(text))
        else:
            self.files.append((part, related))

    def _take_alternatives(self, part: mime.Part) -> None:
        """One message in several forms: one body, with the best text and the best HTML."""
        before, self.bodies = self.bodies, []
        forms = []
        for child in part.children:
            self.take(child)
            forms.append(_joined(self.bodies) if self.bodies else _Body())
            self.bodies = []
        texts = [form.text for form in forms if form.text.strip() and form.html is None]
        pages = [form.html for form in forms if form.html is not None]
        self.bodies = before
        if texts or pages:
            best_text = max(texts, key=len) if texts else ""
            self.bodies.append(_Body(best_text, pages[-1] if pages else None))

    def attachments(self, html: str) -> Iterator[MailAttachment]:
        """The files, with names that are safe to show; *html* tells which are shown inline."""
        shown = set(_cid.findall(html))
        for number, (part, related) in enumerate(self.files, 1):
            found = headers.message_ids(part.get("content-id")[:1000])
            content_id = found[0] if found else part.get("content-id").strip("<> ")[:255]
            inline = content_id in shown or (
                part.disposition != "attachment" and related and bool(content_id)
            )
            kind = "application/octet-stream" if part.unread else part.content_type
            yield MailAttachment(
                filename=_filename(part, kind, number),
                content_type=kind[:100],
                data=part.body(),
                inline=inline or part.disposition == "inline",
                content_id=content_id,
            )


_cid = re.compile(r"\bcid:([^\"'\s>)]{1,998})", re.IGNORECASE)


def _is_body(part: mime.Part) -> bool:
    """True for text that the writer meant to be read as the message."""
    if part.unread or part.content_type not in ("text/plain", "text/html"):
        return False
    return part.disposition != "attachment" and not _is_named(part)


def _is_named(part: mime.Part) -> bool:
    return "filename" in part.disposition_parameters or "name" in part.type_parameters


def _is_named_text(part: mime.Part) -> bool:
    """A text file where the message should stand is both: read as the message, and kept."""
    return not part.unread and part.content_type == "text/plain" and part.disposition == "inline"


_path = re.compile(r".*[/\\]", re.DOTALL)


def _filename(part: mime.Part, kind: str, number: int) -> str:
    name = part.disposition_parameters.get("filename") or part.type_parameters.get("name") or ""
    name = _path.sub("", name.replace("\n", " ").replace("\t", " ")).strip(" .")
    if name:
        stem, dot, extension = name.rpartition(".")
        return name if len(name) <= 200 else f"{(stem or name)[:180]}{dot}{extension[:19]}"
    if kind == "message/rfc822":
        inner = headers.decode_words(mime.read(part.body()[:100_000]).get("subject"))
        return (_path.sub("", inner).strip(" .")[:190] or f"message-{number}") + ".eml"
    return f"attachment-{number}" + (mimetypes.guess_extension(kind) or ".bin")


def unflowed(text: str, *, deleting_spaces: bool) -> str:
    """Text with ``format=flowed`` put back into paragraphs (RFC 3676, section 4)."""
    out: list[str] = []
    depth_before, open_line = 0, False
    for line in text.split("\n"):
        content = line.lstrip(">")
        depth = len(line) - len(content)
        content = content.removeprefix(" ")
        flows = content.endswith(" ") and content != "-- "
        if flows and deleting_spaces:
            content = content[:-1]
        if open_line and depth == depth_before and content != "-- ":
            out.append(content)
        else:
            mark = ">" * depth + " " if depth else ""
            out.append(("\n" if out else "") + mark + content)
        depth_before, open_line = depth, flows
    return "".join(out)

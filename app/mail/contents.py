"""The parts of a mail sorted into its message and its files (pure)."""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote, unquote_to_bytes

from app.core.html import html_to_text, text_to_html
from app.core.html_hidden import visible
from app.core.text import printable
from app.mail import charsets, headers, invitations, mime, opaque, tnef

MAX_EMBEDDED = 50  # images written into one mail's HTML
MAX_CALENDAR = 200_000  # bytes of an invitation that are read
MAX_UUENCODED = 50  # files written into one text


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


@dataclass(slots=True)
class Body:
    """One piece of the message itself, as text, HTML or both."""

    text: str = ""
    html: str | None = None


def joined(bodies: list[Body]) -> Body:
    """Several pieces one below the other; what one of them lacks is made from what it has."""
    if len(bodies) == 1:
        return bodies[0]
    text = "\n\n".join(b.text if b.text.strip() else html_to_text(b.html or "") for b in bodies)
    if all(b.html is None for b in bodies):
        return Body(text)
    html = "\n".join(text_to_html(b.text) if b.html is None else b.html for b in bodies)
    return Body(text, html)


class Content:
    """Sorts the leaves of a mail into its own bodies and its attachments.

    ``event`` tells an invitation in words, empty without one.
    """

    def __init__(self) -> None:
        self.bodies: list[Body] = []
        self.files: list[tuple[mime.Part, bool]] = []  # the part, and whether it came as related
        self.made: list[MailAttachment] = []  # found inside of parts
        self.packed_body: Body | None = None
        self.event = ""
        self.is_unwrapped = False

    def body(self) -> Body:
        """The message itself."""
        body = joined(self.bodies)
        if self.packed_body and not body.text.strip() and not (body.html or "").strip():
            return self.packed_body
        return body

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
        elif _is_body(part) or (first and (_is_named_text(part) or _is_marked_up(part))):
            if _is_named(part):
                self.files.append((part, False))
            self._take_text(part)
        elif not self._unpacked(part):
            self.files.append((part, related))

    def _take_text(self, part: mime.Part) -> None:
        if part.content_type == "text/html":
            self.bodies.append(Body(html=self._without_embedded(part)))
            return
        text = self._without_uuencoded(part.text())
        if part.content_type in _ENRICHED:
            text = _enriched_tag.sub("", text)
        if part.type_parameters.get("format", "").lower() == "flowed":
            deleting = part.type_parameters.get("delsp", "").lower() == "yes"
            text = unflowed(text, deleting_spaces=deleting)
        self.bodies.append(Body(text))

    def _take_alternatives(self, part: mime.Part) -> None:
        """One message in several forms: one body, with the best text and the best HTML."""
        before, self.bodies = self.bodies, []
        forms = []
        few = [child for child in part.children if _is_for_few(child)]
        for child in (child for child in part.children if not _is_for_few(child)):
            self.take(child)
            forms.append(joined(self.bodies) if self.bodies else Body())
            self.bodies = []
        texts = [form.text for form in forms if form.text.strip() and form.html is None]
        pages = [form.html for form in forms if form.html is not None]
        self.bodies = before
        if texts or pages:
            best_text = max(texts, key=len) if texts else ""
            self.bodies.append(Body(best_text, pages[-1] if pages else None))
        else:
            for child in few:
                self.take(child)

    def _unpacked(self, part: mime.Part) -> bool:
        """Look into what other programs packed; True where nothing of the part itself is kept."""
        if part.unread:
            return False
        kind, name = part.content_type, _declared_name(part).lower()
        if kind in ("application/ms-tnef", "application/vnd.ms-tnef") or name == "winmail.dat":
            return self._take_tnef(part)
        if kind == "text/calendar" and not self.event:
            calendar = charsets.decode(
                part.body()[:MAX_CALENDAR], part.type_parameters.get("charset")
            )
            self.event = invitations.described(calendar)
        elif kind in ("application/pkcs7-mime", "application/x-pkcs7-mime"):
            self._take_signed(part)
        return False

    def _take_tnef(self, part: mime.Part) -> bool:
        found = tnef.read(part.body())
        if found is None or not (found.files or found.text or found.html):
            return False
        if self.packed_body is None and (found.text or found.html):
            self.packed_body = Body(found.text, found.html or None)
        for number, file in enumerate(found.files, 1):
            kind = file.content_type if "/" in file.content_type else ""
            kind = kind or mimetypes.guess_type(file.filename)[0] or "application/octet-stream"
            name = safe_name(file.filename) or f"attachment-{number}.bin"
            content_id = printable(file.content_id)[:255]
            self.made.append(
                MailAttachment(name, printable(kind)[:100], file.data, content_id=content_id)
            )
        return True

    def _take_signed(self, part: mime.Part) -> None:
        """Show the mail inside an opaque signature, once; the signature stays a file."""
        if self.is_unwrapped:
            return
        self.is_unwrapped = True
        inner = opaque.signed_content(part.body())
        if inner is not None:
            self.take(mime.read(inner))

    def _without_embedded(self, part: mime.Part) -> str:
        """The visible HTML, with images that are written into it turned into files."""
        data = part.body()
        if b"data:image/" in data:
            data = _data_image.sub(self._take_embedded, data)
        return visible(part.decoded(data))

    def _take_embedded(self, found: re.Match[bytes]) -> bytes:
        data, (start, end) = found.string, found.span(2)  # no copy: it may be most of the mail
        if data.find(b"%", start, end) >= 0:
            data = unquote_to_bytes(data[start:end])
            start, end = 0, len(data)
        content = headers.from_base64(data, start, end)
        if len(self.made) >= MAX_EMBEDDED or not content:
            return b""
        kind = found[1].decode("ascii").lower().replace("jpg", "jpeg")
        number = len(self.made) + 1
        content_id = f"image-{number}@embedded"
        self.made.append(
            MailAttachment(f"image-{number}.{kind}", f"image/{kind}", content, True, content_id)
        )
        return f"cid:{content_id}".encode()

    def _without_uuencoded(self, text: str) -> str:
        """The text without files in the manner of old Unix (and of Outlook's plain text)."""
        if "begin " not in text:
            return text
        kept, position, lines_after = [], 0, 0
        for start in _uu_begin.finditer(text):
            if start.start() < lines_after or len(self.made) >= MAX_UUENCODED:
                continue
            block = _uu_lines.match(text, start.end())
            if block is None or not _is_uu_line(block[0].partition("\n")[0]):
                continue
            lines_after = block.end()
            data = mime.from_uuencode(block[0].encode("ascii", "replace"))
            name = safe_name(start[1].strip()) or "file"
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            self.made.append(MailAttachment(name, kind, data))
            kept.append(text[position : start.start()])
            position = lines_after
        return "".join(kept) + text[position:]

    def attachments(self, html: str) -> Iterator[MailAttachment]:
        """The files, with names that are safe to show; *html* tells which are shown inline."""
        shown = {unquote(content_id) for content_id in _cid.findall(html)}
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
        for file in self.made:
            if file.content_id in shown and not file.inline:
                file = MailAttachment(
                    file.filename, file.content_type, file.data, True, file.content_id
                )
            yield file


_ENRICHED = ("text/enriched", "text/richtext")  # RFC 1896
_MARKED_UP = (*_ENRICHED, "text/markdown", "text/x-markdown")  # read as plain text where alone
# What only some programs show in place of the same message's plain text or HTML.
_FORMS_OF_FEW = (*_MARKED_UP, "text/x-amp-html")
_enriched_tag = re.compile(r"</?[a-zA-Z][a-zA-Z-]{0,60}>|<(?=<)")
_cid = re.compile(r"\bcid:([^\"'\s>)]{1,998})", re.IGNORECASE)
_data_image = re.compile(
    rb"data:image/(png|jpe?g|gif|webp);(?:[\w=-]{1,40};){0,3}base64,([A-Za-z0-9+/=\s%]*+)",
    re.IGNORECASE,
)
_uu_begin = re.compile(r"^begin [0-7]{3,4} ([^\n]{1,200})\n", re.MULTILINE)
_uu_lines = re.compile(r"(?:[!-M][ -`]{4,85}\n)++(?:[` ]?\n)?(?:end[ ]?(?:\n|$))?")


def _is_uu_line(line: str) -> bool:
    """True where the first character tells the length of the line; words do not do so."""
    announced = (ord(line[0]) - 32 + 2) // 3 * 4
    return announced <= len(line) - 1 <= announced + 1


def _is_body(part: mime.Part) -> bool:
    """True for text that the writer meant to be read as the message."""
    return part.content_type in ("text/plain", "text/html") and not _is_file(part)


def _is_marked_up(part: mime.Part) -> bool:
    return part.content_type in _MARKED_UP and not _is_file(part)


def _is_for_few(part: mime.Part) -> bool:
    return part.content_type in _FORMS_OF_FEW and not _is_file(part)


def _is_file(part: mime.Part) -> bool:
    return part.unread or part.disposition == "attachment" or _is_named(part)


def _is_named(part: mime.Part) -> bool:
    return "filename" in part.disposition_parameters or "name" in part.type_parameters


def _is_named_text(part: mime.Part) -> bool:
    """A text file where the message should stand is both: read as the message, and kept."""
    return not part.unread and part.content_type == "text/plain" and part.disposition == "inline"


_path = re.compile(r".*[/\\]", re.DOTALL)


def safe_name(name: str) -> str:
    """A file's name without folders and line ends, at most 200 characters; may be empty."""
    name = _path.sub("", printable(name).replace("\n", " ").replace("\t", " ")).strip(" .")
    if len(name) <= 200:
        return name
    stem, dot, extension = name.rpartition(".")
    return f"{(stem or name)[:180]}{dot}{extension[:19]}"


def _declared_name(part: mime.Part) -> str:
    """The name in one of the two places; the one that kept its characters, where one lost some."""
    name = part.type_parameters.get("name") or ""
    filename = part.disposition_parameters.get("filename") or name
    return name if "?" in filename and name and "?" not in name else filename


def _filename(part: mime.Part, kind: str, number: int) -> str:
    if name := safe_name(_declared_name(part)):
        return name
    if kind == "message/rfc822":
        inner = headers.decode_words(mime.read(part.body()[:100_000]).get("subject"))
        return (safe_name(inner)[:190] or f"message-{number}") + ".eml"
    if kind == "text/calendar":
        return "invitation.ics"
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

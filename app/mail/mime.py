"""The parts of a raw mail (RFC 5322 and 2045 to 2047), read as leniently as mail clients do (pure).

Our own reader and not the standard library's: that one recurses once for each level of nesting,
compares every line with every open boundary, and holds several copies of the mail. This one finds
boundaries by searching the bytes, so that 50 MB take a fraction of a second, and it has limits.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from app.mail import charsets, headers

MAX_DEPTH = 20  # levels of multipart; deeper ones are kept unread, as one attachment
MAX_PARTS = 1_000  # of one mail; the rest is kept unread, as one attachment
MAX_MISSES = 100_000  # strings in one body that look like its delimiter and are none
MAX_TEXT = 4_000_000  # bytes of one text part
MAX_META = 4_000  # bytes of a page in which it may name its charset
MAX_FOOTER = 4_000  # bytes below base64 that may be plain text
MAX_HEADER = 1_000_000  # bytes of one header
MAX_BROKEN_LINES = 60  # in one place of a header
MAX_FIELDS = 1_000  # of one header
MAX_FIELD = 100_000  # bytes of one header field


@dataclass(slots=True)
class Part:
    """One MIME part: its header fields, and where its body lies in the raw mail.

    ``children`` is empty for a leaf. ``unread`` marks what lies beyond the limits.
    """

    raw: bytes
    fields: list[tuple[str, bytes]]  # names in lower case, values unfolded
    start: int
    end: int
    children: list[Part] = field(default_factory=list)
    unread: bool = False
    content_type: str = "text/plain"
    type_parameters: dict[str, str] = field(default_factory=dict)
    header_charset: str = ""  # of 8-bit header fields, where they are no UTF-8
    disposition: str = ""
    disposition_parameters: dict[str, str] = field(default_factory=dict)

    def get(self, name: str) -> str:
        """The first field of that name, decoded from bytes but not from RFC 2047; or empty."""
        return next(self.get_all(name), "")

    def get_all(self, name: str) -> Iterator[str]:
        """All fields of that name, as `get`."""
        return (self._decoded_field(value) for known, value in self.fields if known == name)

    def _decoded_field(self, value: bytes) -> str:
        if self.header_charset and not value.isascii():
            with suppress(UnicodeDecodeError):
                return charsets.decode(value.decode("utf-8").encode())
            return charsets.decode(value, self.header_charset)
        return charsets.decode(value)

    def body(self) -> bytes:
        """The decoded body of a leaf."""
        encoding = self.get("content-transfer-encoding").strip(" \t\"';").lower()
        if encoding.startswith("base64"):
            is_text = self.content_type.startswith("text/")
            end = _end_of_base64(self.raw, self.start, self.end) if is_text else self.end
            return headers.from_base64(self.raw, self.start, end)
        data = self.raw[self.start : self.end]
        if encoding.startswith("quoted"):
            return binascii.a2b_qp(_padded_break.sub(rb"=\1", data))
        if encoding in ("x-uuencode", "x-uue", "uuencode", "uue"):
            return from_uuencode(data)
        return data

    def text(self) -> str:
        """The decoded body of a text leaf up to `MAX_TEXT` bytes, with ``\\n`` as line end."""
        return self.decoded(self.body())

    def decoded(self, body: bytes) -> str:
        """The same of a *body* that was changed."""
        charset = self.type_parameters.get("charset")
        if (
            charset is None
            and self.content_type == "text/html"
            and not charsets.is_utf8(body[:MAX_TEXT])
        ):
            named = _meta_charset.search(body, 0, MAX_META)
            charset = named[1].decode() if named else None
        text = charsets.decode(body[:MAX_TEXT], charset)
        return text.replace("\r\n", "\n").replace("\r", "\n")


_padded_break = re.compile(rb"=[ \t]{1,80}(\r?\n)")  # RFC 2045, section 6.7, rule 3
_base64_line = re.compile(rb"[ \t]*[A-Za-z0-9+/=]*[ \t]*")


def _end_of_base64(raw: bytes, start: int, end: int) -> int:
    """Where base64 ends above the footer that a list or a gateway wrote below it as plain text;
    *end* where there is none, or nothing else."""
    first = max(start, end - MAX_FOOTER)
    position = end
    for line in reversed(raw[first:end].splitlines(keepends=True)):
        if line.strip() and _base64_line.fullmatch(line.rstrip(b"\r\n")):
            return position
        position -= len(line)
    return end


_meta_charset = re.compile(
    rb"<meta\b[^<>]{0,200}?\bcharset\s?=\s?[\"']?([\w.:-]{1,40})", re.IGNORECASE
)


def read(raw: bytes) -> Part:
    """The tree of parts of a raw mail. Never raises; limits as above."""
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    start = len(raw) - len(raw.lstrip(b"\r\n\t \xef\xbb\xbf"))
    root = _read(raw, start, len(raw), depth=0, left=[MAX_PARTS])
    if not all(value.isascii() for _, value in root.fields):
        root.header_charset = _first_charset(root)
    return root


def _first_charset(part: Part) -> str:
    """The charset of the first text: who wrote 8-bit header fields most likely meant that."""
    while part.children:
        part = part.children[0]
    return part.type_parameters.get("charset", "")


def _read(
    raw: bytes, start: int, end: int, *, depth: int, left: list[int], kind: str = "text/plain"
) -> Part:
    fields, body = _header(raw, start, end)
    part = Part(raw, fields, body, end)
    part.content_type, part.type_parameters = headers.parameters(part.get("content-type"))
    part.disposition, part.disposition_parameters = headers.parameters(
        part.get("content-disposition")
    )
    if "/" not in part.content_type:
        part.content_type = {"text": "text/plain", "html": "text/html"}.get(part.content_type, kind)
        if fields and kind == "message/rfc822":
            part.start = start  # its writer left out the blank line above the mail's header
    if part.content_type.startswith("multipart/"):
        if depth >= MAX_DEPTH:
            part.unread = True
        else:
            _read_children(part, depth=depth, left=left)
    return part


def _read_children(part: Part, *, depth: int, left: list[int]) -> None:
    boundary = part.type_parameters.get("boundary", "").encode("utf-8", "replace").rstrip()
    pieces = list(_pieces(part, boundary, left)) if boundary else []
    if not pieces:
        # No boundary, or not the one that was announced: take the one that is used.
        used = _first_delimiter.search(part.raw, part.start, min(part.end, part.start + 100_000))
        pieces = list(_pieces(part, used[1].rstrip(), left)) if used else []
    if not pieces:
        part.content_type = "text/plain"
    # RFC 2046, section 5.1.5: what a digest holds are mails, unless they say otherwise.
    kind = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"
    for start, end, unread in pieces:
        if unread:
            part.children.append(Part(part.raw, [], start, end, unread=True))
        else:
            part.children.append(_read(part.raw, start, end, depth=depth + 1, left=left, kind=kind))


_first_delimiter = re.compile(rb"^--([^\s-][^\r\n]{0,200})\r?$", re.MULTILINE)


def _pieces(part: Part, boundary: bytes, left: list[int]) -> Iterator[tuple[int, int, bool]]:
    """Start, end and "beyond the limit" of each child of a multipart (RFC 2046, section 5.1.1)."""
    raw, delimiter = part.raw, b"--" + boundary
    begin: int | None = None
    position = part.start
    missed = 0
    while (position := raw.find(delimiter, position, part.end)) >= 0 and missed < MAX_MISSES:
        after = position + len(delimiter)
        line_end = raw.find(b"\n", after, part.end)
        line_end = part.end if line_end < 0 else line_end
        rest = raw[after : min(line_end, after + 20)].strip()
        at_line_start = position == part.start or raw[position - 1] == 0x0A
        if not at_line_start or rest not in (b"", b"--"):
            position, missed = after, missed + 1
            continue
        if begin is not None:
            yield begin, _without_line_end(raw, begin, position), False
            left[0] -= 1
        begin = None if rest == b"--" else min(line_end + 1, part.end)
        if begin is not None and left[0] <= 0:
            yield begin, part.end, True
            return
        position = line_end
    if begin is not None and begin < part.end:
        yield begin, part.end, False
        left[0] -= 1


def _without_line_end(raw: bytes, begin: int, end: int) -> int:
    """The line end before a delimiter belongs to the delimiter."""
    if end > begin and raw[end - 1] == 0x0A:
        end -= 1
        if end > begin and raw[end - 1] == 0x0D:
            end -= 1
    return end


_field = re.compile(rb"([!-9;-~]{1,100})[ \t]*:[ \t]*")
_blank_line = re.compile(rb"\n\r?\n")
_field_or_folded = re.compile(rb"[!-9;-~]{1,100}[ \t]*:|[ \t]+\S")


def _header(raw: bytes, start: int, end: int) -> tuple[list[tuple[str, bytes]], int]:
    """The header fields from *start*, and where the body begins.

    Broken lines are borne: what has no name continues the field before it if fields follow, else
    the body begins there.
    """
    fields: list[tuple[str, list[bytes]]] = []
    position = start
    while position < end:
        line_end = raw.find(b"\n", position, end)
        line_end = end if line_end < 0 else line_end
        line = raw[position : min(line_end, position + MAX_FIELD)].rstrip(b"\r")
        following = min(line_end + 1, end)
        if not line.strip():
            # A line of blanks inside a folded field does not end the header.
            if not line or not _field_or_folded.match(raw, following, end):
                position = following
                break
        elif line[0] in b" \t" and fields:
            fields[-1][1].append(line.strip())
        elif match := _field.match(line):
            fields.append((match[1].decode("ascii").lower(), [line[match.end() :].strip()]))
        elif line.startswith((b"From ", b">From ")) and not fields:
            pass  # the separator of an mbox file
        elif resumed := _next_field(raw, following, end):
            if fields:
                fields[-1][1].append(b" ".join(raw[position:resumed].split()))
            following = resumed
        else:
            break
        position = following
        if position > start + MAX_HEADER or len(fields) > MAX_FIELDS:
            blank = _blank_line.search(raw, position, end)
            position = blank.end() if blank else end
            break
    kept = [(name, b" ".join(lines)[:MAX_FIELD]) for name, lines in fields[:MAX_FIELDS]]
    return kept, position


def _next_field(raw: bytes, position: int, end: int) -> int:
    """Where the header goes on after broken lines; 0 where it has ended."""
    for _ in range(MAX_BROKEN_LINES):
        if _field.match(raw, position, end):
            return position
        line_end = raw.find(b"\n", position, min(end, position + MAX_FIELD))
        if line_end < 0 or not raw[position:line_end].strip():
            return 0
        position = line_end + 1
    return 0


def from_uuencode(data: bytes) -> bytes:
    """Lines of uuencoded data; broken ones are read as far as they go."""
    out = []
    for line in data.splitlines():
        if line.startswith((b"begin ", b"end")) or not line.strip():
            continue
        try:
            out.append(binascii.a2b_uu(line))
        except binascii.Error:
            # Some encoders pad wrongly: take as many bytes as the first character announces.
            count = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                out.append(binascii.a2b_uu(line[:count]))
            except binascii.Error:
                continue
    return b"".join(out)

"""Header fields of mails as they are really written: words, addresses, ids, parameters (pure).

Every function takes any text, never raises, and takes linear time.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from app.mail.charsets import decode

MAX_ADDRESSES = 500  # of one header field
MAX_PARAMETERS = 10_000  # characters of a Content-Type or Content-Disposition field
MAX_WORDS = 20_000  # characters of a field whose encoded words are decoded
MAX_ID = 255  # characters of an id; longer ones name nothing that we could have stored
MAX_IDS = 200  # of one References field; the newest are kept


class Address(NamedTuple):
    """One mail address; ``name`` is empty where only the address was given."""

    name: str
    email: str


# RFC 2047, section 2. Real words are longer than 75 characters and hold `?` and blanks.
_word = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?]|\?(?!=)){0,2000}+)\?=")
_white = re.compile(r"[\s\u00a0]+")


def decode_words(text: str) -> str:
    """RFC 2047 encoded words of *text* decoded, wherever they stand, on one line."""
    text = text[:MAX_WORDS]
    if "=?" not in text:
        return _white.sub(" ", text).strip()
    out: list[str] = []
    run: list[bytes] = []  # words of one charset side by side: a character may span two of them
    run_charset, position = "", 0

    def end_run() -> None:
        if run:
            out.append(decode(b"".join(run), run_charset))
            run.clear()

    for match in _word.finditer(text):
        between = text[position : match.start()]
        position = match.end()
        charset = match[1].lower().partition("*")[0]
        if between.strip() or not run:
            end_run()
            out.append(between)
        elif charset != run_charset:
            end_run()
        run_charset = charset
        run.append(_unword(match[2], match[3]))
    end_run()
    out.append(text[position:])
    return _white.sub(" ", "".join(out)).strip()


def _unword(encoding: str, payload: str) -> bytes:
    data = payload.encode("utf-8", "replace")
    if encoding in "bB":
        return from_base64(data)
    return binascii.a2b_qp(data.replace(b"\n", b"").replace(b"_", b" "), header=False)


_base64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_not_base64 = bytes(set(range(256)) - set(_base64))


def from_base64(data: bytes, start: int = 0, end: int | None = None) -> bytes:
    """Base64 read past foreign characters, missing and premature padding."""
    end = len(data) if end is None else end
    padding = data.find(b"=", start, end)
    if padding < 0 or padding >= end - 6:
        with suppress(binascii.Error):
            return binascii.a2b_base64(memoryview(data)[start:end])
    out = []
    for run in data[start:end].translate(None, _not_base64).split(b"="):
        run = run[: len(run) - 1] if len(run) % 4 == 1 else run
        out.append(binascii.a2b_base64(run + b"=" * (-len(run) % 4)))
    return b"".join(out)


def addresses(text: str) -> list[Address]:
    """The addresses of a To, Cc, From... field (RFC 5322, section 3.4, and what mailers write).

    Comments and groups are understood; what holds no address is left out.
    """
    if _word.fullmatch(text.strip()):
        text = decode_words(text)  # some mailers encode the whole field, address included
    return [address for piece in _pieces(text) if (address := _address(piece))]


def _pieces(text: str) -> Iterator[str]:
    """*text* cut at commas and semicolons outside of quotes, comments, brackets and encoded words.

    A comma in a name that nobody quoted ("Meier, Hans <hans@...>") is part of the name.
    """
    start = position = count = depth = 0
    last_quote, last_angle = text.rfind('"'), text.rfind(">")
    while position < len(text) and count < MAX_ADDRESSES:
        mark = _mark.search(text, position)
        if mark is None:
            break
        position = mark.end()
        char = mark[0]
        if char == '"' and position <= last_quote and not depth:
            closing = _quote_end.match(text, position)
            position = closing.end() if closing else position
            last_quote = last_quote if closing else -1
        elif char == "(":
            depth += 1
        elif char == ")":
            depth = max(0, depth - 1)
        elif char == "<" and position <= last_angle and not depth:
            position = text.index(">", position) + 1
        elif char == "=":
            word = _named_in_word.match(text, position - 1)
            position = word.end() if word else position
        elif char in ",;" and (not depth or ")" not in text[position : position + 300]):
            piece = text[start : position - 1]
            if char == "," and _begins_name.fullmatch(piece):
                continue
            yield piece
            start, depth, count = position, 0, count + 1
        elif char == ":" and not depth and "@" not in text[start:position]:
            start = position  # "Undisclosed recipients:" and other groups
    yield text[start:]


_mark = re.compile(r"[\"()<,;:]|=(?=\?)")
_named_in_word = re.compile(r"=\?[^?\s]{1,60}\?[qQ]\?[^?<>\"]{0,300}+\?=")
_begins_name = re.compile(r"\s*[^\W\d_][^@<>\",;:()]{0,60}")
_quote_end = re.compile(r"(?:[^\"\\]|\\.)*+\"")


_angle = re.compile(r"<([^<>]*)>")
_comment = re.compile(r"\(([^()]*)\)")
_bare = re.compile(r"[^\s<>()\",;:\[\]@]{1,200}@[^\s<>()\",;:@]{1,255}")
_valid = re.compile(r"[^\s@<>\"]+@[^\s@<>\",;:()]+|\"[^\"\s]+\"@[^\s@<>\",;:()]+")


def _address(piece: str) -> Address | None:
    if "@" not in piece:
        return None
    piece = piece[-3000:]
    angles = [m for m in _angle.finditer(piece) if "@" in m[1]]
    if angles:
        email = _clean_email(angles[-1][1])
        name = piece[: angles[-1].start()] or piece[angles[-1].end() :]
    else:
        bare = _bare.search(_comment.sub(" ", piece)) or _bare.search(piece)
        if bare is None:
            return None
        email = _clean_email(bare[0])
        name = piece.replace(bare[0], " ", 1)
    if email is None:
        return None
    comment = _comment.search(name) if '"' not in name else None
    if comment:
        rest = name.replace(comment[0], " ").strip(" <>()")
        name = rest or comment[1]
    name = decode_words(_unquoted(name)).strip(" '\"<>,;")[:200]
    if _bare.fullmatch(name) and name.lower() != email.lower():
        name = ""  # an address as a name of another one is there to be mistaken for it
    return Address(name, email)


def _clean_email(text: str) -> str | None:
    email = re.sub(r"\s+", "", text).removeprefix("mailto:").removeprefix("MAILTO:")
    email = email.rpartition(":")[2] if email.startswith("@") else email  # RFC 822 source routes
    email = email.strip("'.,;")
    if len(email) > 320 or not _valid.fullmatch(email):
        return None
    return email


def _unquoted(text: str) -> str:
    text = text.strip()
    return re.sub(r"\\(.)", r"\1", text.replace('\\"', "\0").replace('"', " ")).replace("\0", '"')


def message_ids(text: str) -> tuple[str, ...]:
    """The message ids in *text*, in order, without brackets and blanks, each once."""
    found = [_white.sub("", m[1]) for m in _angle.finditer(text)]
    if not found:
        found = [word.strip("<>,;") for word in text.split() if "@" in word]
    ids = dict.fromkeys(i for i in found if i and len(i) <= MAX_ID)
    return tuple(ids)[-MAX_IDS:]


# RFC 2045, section 5.1; RFC 2231, sections 3 and 4. An unclosed quote runs to the end.
_parameter = re.compile(r"(?:[^;\"]++|\"(?:[^\"\\]|\\.)*+(?:\"|$|\\$))++")
_section = re.compile(r"([^*\s]{1,50})(?:\*(\d{1,4}))?(\*)?")


def parameters(text: str) -> tuple[str, dict[str, str]]:
    """A field such as Content-Type: its value in lower case and its decoded parameters."""
    value, _, rest = text[:MAX_PARAMETERS].partition(";")
    pieces: dict[str, list[tuple[int, bool, str]]] = {}
    for match in _parameter.finditer(rest):
        name, equals, raw = match[0].partition("=")
        section = _section.fullmatch(name.strip().lower())
        if section is None or not equals or len(pieces) > 50:
            continue
        raw = raw.strip()
        if raw.startswith('"'):
            raw = re.sub(r"\\([\"\\])", r"\1", raw[1:].removesuffix('"'))
        number = int(section[2]) if section[2] else -1
        pieces.setdefault(section[1], []).append((number, section[3] is not None, raw))
    kind = value.partition("(")[0].strip(" \t\"'").lower()  # comments may follow (RFC 2045, 5.1)
    return kind, {name: _joined(parts) for name, parts in pieces.items()}


def _joined(parts: list[tuple[int, bool, str]]) -> str:
    """One parameter from its RFC 2231 sections, or from the plain form."""
    extended = sorted(p for p in parts if p[0] >= 0 or p[1])
    if not extended:
        return decode_words(parts[0][2])
    if not any(encoded for _, encoded, _ in extended):
        return decode_words("".join(value for _, _, value in extended))
    charset, data = "", b""
    for index, (_, encoded, value) in enumerate(extended):
        if encoded and index == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        data += unquote_to_bytes(value) if encoded else value.encode("utf-8", "replace")
    return decode(data, charset)


def date(text: str) -> datetime | None:
    """A Date field as aware UTC; without a zone it is taken for UTC."""
    try:
        parsed = parsedate_to_datetime(text[:100])
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None

"""The files and the text in a ``winmail.dat``, which Outlook sends in place of them (pure).

Our own reader of the format (Microsoft, MS-OXTNEF): the libraries for it are asleep, and of the
format little is needed. It walks the bytes once, and never raises.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from app.mail import charsets

SIGNATURE = b"\x78\x9f\x3e\x22"
MAX_FILES = 500
MAX_PROPERTIES = 5_000  # of one list
MAX_DEPTH = 3  # mails within mails
MAX_TEXT = 4_000_000  # bytes

# Attributes: the low word of their id
_TITLE, _DATA, _START, _ATTACHMENT = 0x8010, 0x800F, 0x9002, 0x9005
_BODY, _MESSAGE, _CODEPAGE = 0x800C, 0x9003, 0x9007
# Properties
_PLAIN_BODY, _HTML_BODY, _SUBJECT = 0x1000, 0x1013, 0x0037
_FILE_DATA, _DISPLAY_NAME, _SHORT_NAME, _LONG_NAME = 0x3701, 0x3001, 0x3704, 0x3707
_MIME_TYPE, _CONTENT_ID = 0x370E, 0x3712
_FIXED_SIZES = {0x2: 4, 0x3: 4, 0x4: 4, 0xA: 4, 0xB: 4, 0x5: 8, 0x6: 8, 0x7: 8, 0x14: 8, 0x40: 8}
_STRING8, _UNICODE, _OBJECT, _BINARY, _GUID, _MULTIPLE = 0x1E, 0x1F, 0xD, 0x102, 0x48, 0x1000


@dataclass(slots=True)
class TnefFile:
    """A file in it; ``content_type`` and ``content_id`` are often empty."""

    filename: str = ""
    content_type: str = ""
    content_id: str = ""
    data: bytes = b""


@dataclass(slots=True)
class Tnef:
    """What was found. ``text`` and ``html`` are the message's own, empty where it has none."""

    text: str = ""
    html: str = ""
    files: list[TnefFile] = field(default_factory=list)


def read(data: bytes, *, depth: int = 0) -> Tnef | None:
    """The content of a TNEF stream; None where *data* is none. What is broken is left out."""
    if not data.startswith(SIGNATURE):
        return None
    found, codepage = Tnef(), "cp1252"
    current = TnefFile()
    for attribute, value in _attributes(data):
        if attribute == _CODEPAGE and len(value) >= 4:
            codepage = f"cp{struct.unpack_from('<I', value)[0]}"
        elif attribute == _START:
            current = TnefFile()
            if len(found.files) >= MAX_FILES:
                break
            found.files.append(current)
        elif attribute == _TITLE:
            current.filename = current.filename or _text(value, codepage)
        elif attribute == _DATA:
            current.data = bytes(value)
        elif attribute == _ATTACHMENT:
            _describe(current, value, codepage, found, depth)
        elif attribute == _BODY:
            found.text = found.text or _text(value, codepage)
        elif attribute == _MESSAGE:
            _take_body(found, value, codepage)
    found.files = [file for file in found.files if file.data]
    return found


def _attributes(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """Each attribute's name and value, up to the first broken one."""
    view, position = memoryview(data), 6
    while position + 9 <= len(data):
        _level, name, _kind, size = struct.unpack_from("<BHHI", data, position)
        position += 9
        if position + size > len(data):
            return
        yield name, view[position : position + size]
        position += size + 2  # a checksum, which many writers get wrong


def _properties(value: memoryview, codepage: str) -> Iterator[tuple[int, bytes | str]]:
    """Each property's id and value (text where it is some); ends at the first broken one."""
    try:
        (count,) = struct.unpack_from("<I", value)
        position = 4
        for _ in range(min(count, MAX_PROPERTIES)):
            kind, name = struct.unpack_from("<HH", value, position)
            position += 4
            if name >= 0x8000:
                position = _past_name(value, position)
            single = kind & ~_MULTIPLE
            if single in (_STRING8, _UNICODE, _OBJECT, _BINARY):
                (times,) = struct.unpack_from("<I", value, position)
                position += 4
                for index in range(min(times, MAX_PROPERTIES)):
                    (size,) = struct.unpack_from("<I", value, position)
                    content = value[position + 4 : position + 4 + size]
                    position += 4 + size + -size % 4
                    if index == 0:
                        yield name, _decoded(single, content, codepage)
            else:
                times = 1
                if kind & _MULTIPLE:
                    (times,) = struct.unpack_from("<I", value, position)
                    position += 4
                size = 16 if single == _GUID else _FIXED_SIZES[single]
                position += size * times
            if position > len(value):
                return
    except (struct.error, KeyError):
        return


def _past_name(value: memoryview, position: int) -> int:
    """Behind the name of a named property."""
    (is_text,) = struct.unpack_from("<I", value, position + 16)
    if not is_text:
        return position + 24
    (size,) = struct.unpack_from("<I", value, position + 20)
    return position + 24 + int(size) + -int(size) % 4


def _decoded(kind: int, content: memoryview, codepage: str) -> bytes | str:
    if kind == _UNICODE:
        return charsets.decode(bytes(content[:MAX_TEXT]), "utf-16-le").rstrip("\0")
    if kind == _STRING8:
        return _text(content, codepage)
    return bytes(content)


def _text(value: memoryview, codepage: str) -> str:
    return charsets.decode(bytes(value[:MAX_TEXT]).rstrip(b"\0"), codepage)


def _describe(file: TnefFile, value: memoryview, codepage: str, found: Tnef, depth: int) -> None:
    """Take a file's properties; a mail in it gives its own files and its text as one."""
    short = ""
    for name, content in _properties(value, codepage):
        if isinstance(content, str):
            if name == _LONG_NAME:
                file.filename = content
            elif name in (_SHORT_NAME, _DISPLAY_NAME):
                short = short or content
            elif name == _MIME_TYPE:
                file.content_type = content.lower()
            elif name == _CONTENT_ID:
                file.content_id = content.strip("<>")
        elif name == _FILE_DATA:
            # An object begins with the id of its interface, 16 bytes.
            inner = None
            if content[16:20] == SIGNATURE and depth < MAX_DEPTH:
                inner = read(content[16:], depth=depth + 1)
            if inner is None:
                file.data = file.data or content
            else:
                found.files += inner.files[: MAX_FILES - len(found.files)]
                file.data = (inner.text or inner.html).encode("utf-8", "replace")
                file.content_type = "text/plain" if inner.text else "text/html"
    file.filename = file.filename or short


def _take_body(found: Tnef, value: memoryview, codepage: str) -> None:
    for name, content in _properties(value, codepage):
        if name == _PLAIN_BODY and isinstance(content, str):
            found.text = found.text or content
        elif name == _HTML_BODY:
            text = content if isinstance(content, str) else charsets.decode(content[:MAX_TEXT])
            found.html = found.html or text.rstrip("\0")

"""The mail inside an opaque signature (S/MIME, ``smime.p7m``; pure).

Only unwrapped, so that it can be read: whether the signature is good is not said. What is
encrypted stays a file.
"""

from __future__ import annotations

from typing import NamedTuple

_SIGNED_DATA = bytes.fromhex("2a864886f70d010702")  # 1.2.840.113549.1.7.2
_DATA = bytes.fromhex("2a864886f70d010701")  # 1.2.840.113549.1.7.1
_SEQUENCE, _SET, _INTEGER, _OID, _OCTETS, _OCTETS_IN_PARTS = 0x30, 0x31, 0x02, 0x06, 0x04, 0x24
_EXPLICIT = 0xA0
MAX_ELEMENTS = 200_000  # a writer of 1 kB pieces reaches them at 200 MB
MAX_DEPTH = 20


class _NoSuchThing(ValueError):
    """The bytes are no signed mail."""


class _Element(NamedTuple):
    tag: int
    start: int
    end: int  # -1: ends at a mark (BER)


class _Reader:
    """Walks BER (X.690): definite and indefinite lengths, with a budget of elements."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = MAX_ELEMENTS

    def at(self, position: int, expected: int | None = None) -> _Element:
        self.left -= 1
        if self.left < 0 or position + 2 > len(self.data):
            raise _NoSuchThing
        tag, size = self.data[position], self.data[position + 1]
        if tag & 0x1F == 0x1F or (expected is not None and tag != expected):
            raise _NoSuchThing
        start = position + 2
        if size == 0x80:
            return _Element(tag, start, -1)
        if size > 0x80:
            count = size - 0x80
            size = int.from_bytes(self.data[start : start + count], "big")
            start += count
            if count > 5:
                raise _NoSuchThing
        # A signature that was cut off still leaves the mail before it.
        return _Element(tag, start, min(start + size, len(self.data)))

    def past(self, position: int, depth: int = 0) -> int:
        """Behind the element at *position*."""
        element = self.at(position)
        if element.end >= 0:
            return element.end
        if depth > MAX_DEPTH:
            raise _NoSuchThing
        position = element.start
        while self.data[position : position + 2] != b"\0\0":
            position = self.past(position, depth + 1)
        return position + 2

    def octets(self, position: int) -> bytes:
        """A string of octets, whole or in parts."""
        element = self.at(position)
        if element.tag == _OCTETS:
            return self.data[element.start : element.end]
        if element.tag != _OCTETS_IN_PARTS:
            raise _NoSuchThing
        parts, position = [], element.start
        while position < element.end or element.end < 0:
            if element.end < 0 and self.data[position : position + 2] == b"\0\0":
                break
            part = self.at(position, _OCTETS)
            parts.append(self.data[part.start : part.end])
            position = part.end
        return b"".join(parts)


def signed_content(data: bytes) -> bytes | None:
    """The MIME entity that *data* (CMS SignedData, RFC 5652, section 5) signs; None for none."""
    reader = _Reader(data)
    try:
        outer = reader.at(0, _SEQUENCE)
        kind = reader.at(outer.start, _OID)
        if data[kind.start : kind.end] != _SIGNED_DATA:
            return None
        signed = reader.at(reader.at(kind.end, _EXPLICIT).start, _SEQUENCE)
        position = reader.past(signed.start)  # version
        position = reader.past(position)  # digest algorithms
        content = reader.at(position, _SEQUENCE)
        kind = reader.at(content.start, _OID)
        if data[kind.start : kind.end] != _DATA:
            return None
        return reader.octets(reader.at(kind.end, _EXPLICIT).start)
    except _NoSuchThing:
        return None

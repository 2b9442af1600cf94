"""Bytes of a mail as text, whatever the mail says its charset is (pure)."""

from __future__ import annotations

import codecs
import re

from app.core.text import printable

# What mails call a charset, or mean by it, against Python's name. Western ones are read as the
# superset that browsers use too (https://encoding.spec.whatwg.org/#names-and-labels).
_MEANT = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "iso-8859-9": "cp1254",
    "iso-8859-11": "cp874",
    "tis-620": "cp874",
    "windows-874": "cp874",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "ansi": "cp1252",
    "ansi-1252": "cp1252",
    "cp-1252": "cp1252",
    "cp-850": "cp850",
    "dos-850": "cp850",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cn-gb": "gb18030",
    "hz-gb-2312": "hz",
    "big5": "cp950",
    "x-x-big5": "cp950",
    "euc-kr": "cp949",
    "ks-c-5601": "cp949",
    "ks-c-5601-1987": "cp949",
    "ksc5601": "cp949",
    "windows-949": "cp949",
    "shift-jis": "cp932",
    "shift_jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-2022-jp": "iso2022_jp_ext",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "x-mac-cyrillic": "mac_cyrillic",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "x-unicode-2-0-utf-7": "utf-7",
    "utf-16": "utf-16",
}
_NO_CHOICE = {"", "us-ascii", "ascii", "unknown-8bit", "x-unknown", "unknown", "default", "none"}
# Python's codecs include some that are no charsets, or slow: only these are used.
_charset_codec = re.compile(
    r"utf-(7|8|8-sig|16|16-be|16-le|32|32-be|32-le)|iso8859-\d+|cp\d+|koi8-[rtu]|kz1048|ptcp154"
    r"|mac-\w+|big5(hkscs)?|gb\w+|hz|euc_\w+|johab|shift_jis\w*|iso2022_\w+|hp-roman8|ascii"
)


# A character beyond the first 65,536 as two halves of three bytes each, as Java once wrote it.
_two_halves = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as Windows' Western charset, one by one; but see above."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    if halves := _two_halves.match(error.object, error.start):
        both = halves[0].decode("utf-8", "surrogatepass").encode("utf-16-be", "surrogatepass")
        return both.decode("utf-16-be"), halves.end()
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("deskhand.cp1252", _as_cp1252)


def _with_strays(data: bytes) -> str:
    """UTF-8 with some bytes that are none; with very many it is none, and they would take long."""
    strays = len(data) - len(data.decode("utf-8", "ignore").encode())
    if strays > 1_000 + len(data) // 8:
        return data.decode("cp1252", "replace")
    return data.decode("utf-8", "deskhand.cp1252")


def is_utf8(data: bytes) -> bool:
    """True for valid UTF-8, ASCII included."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def decode(data: bytes, charset: str | None = None) -> str:
    """*data* as text, in the charset named, or else in the likeliest one. Never raises.

    UTF-8 wins over a named Western charset where the bytes are valid UTF-8: real text in those
    charsets practically never is, and mails that name the wrong one are common.
    """
    if data.isascii() and b"\x1b" not in data and b"~{" not in data and b"+" not in data:
        codec = _codec(charset)
        if codec is None or not codec.startswith("utf-16"):
            return printable(data.decode("ascii"))
    if data.startswith(codecs.BOM_UTF8):
        return printable(_with_strays(data[3:]))
    codec = _codec(charset) or "utf-8"
    if codec in ("utf-8", "ascii", "cp1252"):
        try:
            return printable(data.decode("utf-8"))
        except UnicodeDecodeError:
            if codec == "cp1252":
                return printable(data.decode("cp1252", "replace"))
            return printable(_with_strays(data))
    if codec.startswith("iso2022_jp"):
        return printable(_from_iso_2022_jp(data, codec))
    try:
        return printable(data.decode(codec, "replace"))
    except (UnicodeError, ValueError):
        return printable(_with_strays(data))


_escape = re.compile(rb"\x1b(\$[@B]|\([BIJ])")


def _from_iso_2022_jp(data: bytes, codec: str) -> str:
    """Japanese mail, with the characters that Windows adds to the standard (circled digits, №,
    ㈱): Python's codec knows none of them, and mails are full of them."""
    try:
        return data.decode(codec)
    except UnicodeDecodeError:
        pass
    first, *rest = _escape.split(data)
    out = [first.decode("ascii", "replace")]
    for mode, run in zip(rest[::2], rest[1::2], strict=True):
        if mode.startswith(b"$"):
            pairs = zip(run[::2], run[1::2], strict=False)
            run = b"".join(_to_shift_jis(row, cell) for row, cell in pairs)
        elif mode == b"(I":
            run = bytes(byte | 0x80 for byte in run)
        out.append(run.decode("cp932", "replace"))
    return "".join(out)


def _to_shift_jis(row: int, cell: int) -> bytes:
    """A character of JIS X 0208 as Shift JIS; what is none, as it is."""
    if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
        return bytes((row, cell))
    lead = (row + 1) // 2 + (0x70 if row < 0x5F else 0xB0)
    if row % 2:
        return bytes((lead, cell + (0x20 if cell >= 0x60 else 0x1F)))
    return bytes((lead, cell + 0x7E))


def _codec(charset: str | None) -> str | None:
    """Python's name of a usable codec for what a mail calls *charset*, or None."""
    name = (charset or "").strip(" \t\"'").lower().partition("*")[0]
    if name in _NO_CHOICE or len(name) > 40:
        return None
    name = _MEANT.get(name) or _MEANT.get(name.replace("_", "-")) or name
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _charset_codec.fullmatch(found) else None

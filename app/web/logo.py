"""The desk's logo: a picture that an admin gives, read closely before it is kept, served to all."""

from __future__ import annotations

import hashlib
import struct
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Blueprint, Response, abort
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, db
from app.core.errors import Invalid
from app.core.settings_store import change_setting, setting
from app.web.assets import FOREVER

bp = Blueprint("logo", __name__)

MOST_BYTES = 512 * 1024
MOST_PIXELS, LEAST_PIXELS = 4000, 16  # of a side
WIDE = 1.8  # as many times wider than high: it holds the name, which need not stand beside it
TYPES = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
EVERYWHERE = ("png", "jpg")  # what mail clients show


class Logo(Base):
    """The bytes of the logo: one row (id 1), or none. What pages need is the setting ``logo``."""

    __tablename__ = "logo"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str] = mapped_column(sa.String(80))
    content: Mapped[bytes] = mapped_column(sa.LargeBinary)
    created_at: Mapped[datetime]


class Shown(NamedTuple):
    """The logo as pages show it; *width* and *height* in pixels."""

    path: str
    width: int
    height: int

    @property
    def is_wide(self) -> bool:
        """True where it likely spells the name."""
        return self.width >= WIDE * self.height

    @property
    def is_known_everywhere(self) -> bool:
        """True where mail clients show it, too."""
        return self.path.endswith(EVERYWHERE)


def shown() -> Shown | None:
    """The logo that is set; from the cache of settings."""
    kept: dict[str, Any] = setting("logo")
    return Shown(f"/logo/{kept['name']}", kept["width"], kept["height"]) if kept else None


def keep(content: bytes, *, now: datetime) -> Shown:
    """Take *content* as the logo.

    Raises:
        Invalid: no picture of a kind that we show; the words say what is wrong.
    """
    kind, width, height = read(content)
    name = f"{hashlib.sha256(content).hexdigest()[:20]}.{kind}"
    remove()
    db.session.add(Logo(id=1, name=name, content=content, created_at=now))
    change_setting("logo", {"name": name, "width": width, "height": height})
    return Shown(f"/logo/{name}", width, height)


def remove() -> None:
    """Have none."""
    db.session.execute(sa.delete(Logo))
    change_setting("logo", {})


@bp.get("/logo/<name>")
def picture(name: str) -> Response:
    """The logo under its name, which changes with its content; public, kept for ever."""
    content = db.session.scalar(sa.select(Logo.content).where(Logo.name == name))
    if content is None:
        abort(404)
    response = Response(content, content_type=TYPES[name.rpartition(".")[2]])
    response.headers["Cache-Control"] = FOREVER
    response.headers["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"  # mails on the web
    return response


picture.access = "everyone"  # type: ignore[attr-defined]


def read(content: bytes) -> tuple[str, int, int]:
    """The kind of a picture (a key of `TYPES`), its width and height in pixels.

    What the file is called and says of itself does not count, only its first bytes.

    Raises:
        Invalid: none of these kinds, broken, or too large or small to be shown.
    """
    if len(content) > MOST_BYTES:
        raise _invalid(f"It has {len(content) // 1024} KB; at most {MOST_BYTES // 1024} will do.")
    try:
        kind, width, height = _measured(content)
    except (struct.error, IndexError):
        raise _invalid("The picture is broken. Save it again, or choose another.") from None
    if not all(LEAST_PIXELS <= side <= MOST_PIXELS for side in (width, height)):
        told = f"It has {width} × {height} pixels; {LEAST_PIXELS} to {MOST_PIXELS} a side will do."
        raise _invalid(told)
    return kind, width, height


def _measured(content: bytes) -> tuple[str, int, int]:
    if content.startswith(b"\x89PNG\r\n\x1a\n") and content[12:16] == b"IHDR":
        return "png", *struct.unpack(">II", content[16:24])
    if content.startswith(b"\xff\xd8\xff"):
        return "jpg", *_of_jpeg(content)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "webp", *_of_webp(content)
    if b"<svg" in content[:1024].lower():
        raise _invalid("An SVG can hold scripts, so we take none. Save it as PNG or WebP.")
    raise _invalid("This is no PNG, JPEG or WebP.")


def _of_jpeg(content: bytes) -> tuple[int, int]:
    """From the frame header (ITU T.81, B.2.2): markers C0 to CF but DHT, JPG and DAC."""
    at = 2
    while content[at] == 0xFF:
        marker = content[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", content[at + 5 : at + 9])
            return width, height
        at += 2 + struct.unpack(">H", content[at + 2 : at + 4])[0]
    raise struct.error


def _of_webp(content: bytes) -> tuple[int, int]:
    """From the first chunk (RFC 9649, sections 2.5 to 2.7)."""
    kind, body = content[12:16], content[20:]
    if kind == b"VP8X":
        wide, high = (int.from_bytes(body[at : at + 3], "little") for at in (4, 7))
        return wide + 1, high + 1
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = struct.unpack("<I", body[1:5])[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", body[6:10])
        return width & 0x3FFF, height & 0x3FFF
    raise struct.error


def _invalid(told: str) -> Invalid:
    return Invalid(told, {"logo": told})

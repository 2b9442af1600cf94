"""The desk's logo: what is taken and what is not, and where it is seen."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person, Role
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import Invalid
from app.core.settings_store import setting
from app.mail.composing import compose
from app.web.logo import MOST_BYTES, Logo, read
from tests.factories import make_agent

SignIn = Callable[[FlaskClient, Person], FlaskClient]
# The smallest lossy one that a browser shows: 16 x 16.
WEBP = base64.b64decode("UklGRjIAAABXRUJQVlA4ICYAAADQAQCdASoQABAAAUAmJaQAA3AA/v3AgAAA")


def png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    rows = zlib.compress((b"\0" + b"\x80" * width) * height)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def jpeg(width: int, height: int) -> bytes:
    about = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
    table = b"\xff\xc4\0\5\0\0\0"  # no frame, though its marker lies among theirs
    frame = b"\xff\xff\xc2" + struct.pack(">HBHHB", 8, 8, height, width, 1)
    return b"\xff\xd8" + about + table + frame + b"\xff\xd9"


def webp(kind: bytes, body: bytes) -> bytes:
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (png(240, 60), ("png", 240, 60)),
        (jpeg(300, 200), ("jpg", 300, 200)),
        (WEBP, ("webp", 16, 16)),
        (webp(b"VP8L", b"\x2f" + struct.pack("<I", 99 | 49 << 14)), ("webp", 100, 50)),
        (webp(b"VP8X", b"\0\0\0\0\xe7\x03\0\x63\0\0"), ("webp", 1000, 100)),
    ],
)
def test_pictures_are_known_by_their_bytes(content: bytes, found: tuple[str, int, int]) -> None:
    assert read(content) == found


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG can hold scripts"),
        (b"<?xml version='1.0'?><!-- x --><SVG onload='alert(1)'/>", "SVG can hold scripts"),
        (b"GIF89a" + bytes(40), "no PNG, JPEG or WebP"),
        (b"<script>alert(1)</script>", "no PNG, JPEG or WebP"),
        (png(240, 60)[:20], "broken"),
        (jpeg(300, 200)[:30], "broken"),
        (b"\xff\xd8\xff\xd9", "broken"),
        (WEBP[:20], "broken"),
        (png(8, 60), "8 × 60 pixels"),
        (png(16, 4001), "16 × 4001 pixels"),
        (png(16, 16) + bytes(MOST_BYTES), "at most 512"),
        (b"", "no PNG, JPEG or WebP"),
    ],
)
def test_everything_else_is_refused_in_words(content: bytes, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        read(content)


def send(client: FlaskClient, content: bytes, **more: str) -> Any:
    page = client.get("/admin/settings").text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    data = {"csrf_token": token, "logo": (BytesIO(content), "logo.svg.png"), **more}
    return client.post("/admin/settings/logo", data=data)


def test_it_is_on_every_page_and_in_mails_until_it_is_taken_away(
    app: Flask, client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    assert send(client, png(100, 80)).status_code == 303
    path = f"/logo/{setting('logo')['name']}"
    client.get("/desk/")
    for page in ("/desk/", "/", "/admin/settings"):
        text = client.get(page).text
        assert f'<img src="{path}" width="100" height="80" alt="">' in text
        assert '<span class="clip">Deskhand' in text
    assert f'src="{path}"' in app.test_client().get("/login").text
    context = {"subject": "Hello", "body": "Help"}
    assert f'src="http://localhost{path}"' in compose("template_test", context).html

    assert send(client, webp(b"VP8X", b"\0\0\0\0\xe7\x03\0\x63\0\0")).status_code == 303
    assert client.get(path).status_code == 404
    wide = f"/logo/{setting('logo')['name']}"
    assert f'<img src="{wide}" width="1000" height="100" alt="Deskhand">' in client.get("/").text
    assert wide not in compose("template_test", context).html  # Outlook knows no WebP

    token = client.get("/admin/settings").text.partition('name="csrf_token" value="')[2]
    form = {"csrf_token": token.partition('"')[0]}
    assert client.post("/admin/settings/logo/removal", data=form).status_code == 303
    assert "/logo/" not in client.get("/").text
    assert db.session.scalars(sa.select(Logo)).all() == []
    notes = db.session.scalars(sa.select(AuditEntry.to_value).where(AuditEntry.field == "Logo"))
    assert [told.partition(",")[0] for told in notes] == [path, wide, "none"]


def test_it_is_served_to_anybody_and_runs_nothing(
    app: Flask, client: FlaskClient, ada: Person
) -> None:
    content = png(100, 80)
    send(client, content)
    answer = app.test_client().get(f"/logo/{setting('logo')['name']}")
    assert (answer.data, answer.content_type) == (content, "image/png")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert "immutable" in answer.headers["Cache-Control"]
    assert app.test_client().get("/logo/other.png").status_code == 404


def test_what_is_refused_is_told_beside_the_field(client: FlaskClient, ada: Person) -> None:
    for content, told in ((b"<svg/>", "An SVG can hold scripts"), (b"", "Choose a picture")):
        refused = send(client, content)
        assert refused.status_code == 422
        assert told in refused.text
        assert 'aria-invalid="true"' in refused.text
    assert setting("logo") == {}


def test_it_costs_pages_no_statement(
    client: FlaskClient, ada: Person, statements: list[str]
) -> None:
    client.get("/desk/")
    statements.clear()
    client.get("/desk/")
    before = len(statements)
    send(client, png(100, 80))
    client.get("/desk/")
    statements.clear()
    client.get("/desk/")
    assert len(statements) == before


def test_only_admins_change_it(app: Flask, sign_in: SignIn) -> None:
    client = sign_in(app.test_client(), make_agent(role=Role.SUPERVISOR))
    token = client.get("/desk/").text.partition('name="csrf_token" value="')[2].partition('"')[0]
    for path in ("/admin/settings/logo", "/admin/settings/logo/removal"):
        assert client.post(path, data={"csrf_token": token}).status_code == 403

"""Files on their way in: names, types, limits; and who finds them again."""

from __future__ import annotations

import os
import random
from io import BytesIO

import pytest
import sqlalchemy as sa
from flask import Flask
from werkzeug.datastructures import FileStorage

from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.core.storage import storage
from app.tickets import attachments
from app.tickets.attachments import clean_filename, sniff
from app.tickets.models import Attachment
from app.tickets.words import Visibility
from tests.factories import make_agent, make_comment, make_ticket

PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00"


def upload(data: bytes, name: str, claimed: str = "application/octet-stream") -> FileStorage:
    return FileStorage(BytesIO(data), filename=name, content_type=claimed)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("C:\\Users\\me\\report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("..", "file"),
        ("", "file"),
        (" . ", "file"),
        (".htaccess", "htaccess"),
        ("invoice\u202egnp.exe", "invoicegnp.exe"),
        ("a\u2066b\u200fc.txt", "abc.txt"),
        ("nul\0l.txt", "null.txt"),
        ("two\r\nSet-Cookie: x.txt", "two Set-Cookie: x.txt"),
        ("half \ud83d emoji.txt", "half ? emoji.txt"),
        ("übersicht.txt", "übersicht.txt"),
        ("u\u0308bersicht.txt", "übersicht.txt"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        ("报告.docx", "报告.docx"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("x" * 300, "x" * 255),
        ("." + "y" * 300, "y" * 255),
        ("a." + "z" * 300, "a." + "z" * 253),
    ],
)
def test_names_are_cleaned(given: str, kept: str) -> None:
    assert clean_filename(given) == kept


@pytest.mark.parametrize(
    ("data", "name", "claimed", "found"),
    [
        (PNG, "a.png", "image/png", "image/png"),
        (PNG, "a.txt", "text/plain", "image/png"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00", "a.jpg", "image/jpeg", "image/jpeg"),
        (b"<script>alert(1)</script>", "a.png", "image/png", "text/plain"),
        (b"<!doctype html><html></html>", "a.png", "image/png", "text/html"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a.png", "image/png", "image/svg+xml"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a.pdf", "application/pdf", "application/pdf"),
        (b"%PDF-1.7\n", "a.gif", "image/gif", "application/pdf"),
        (b"a;b\n1;2\n", "a.csv", "text/csv", "text/csv"),
        (b"a;b\n1;2\n", "a.csv", "application/vnd.ms-excel", "text/csv"),
        (b"plain words", "a", "no type\r\nX: y", "text/plain"),
        ("grüße".encode(), "a.md", "text/markdown", "text/markdown"),
        (b'{"a": 1}', "a.json", "application/json", "application/json"),
        (b"MZ" + bytes(200), "a.exe", "image/webp", "application/octet-stream"),
        (bytes(range(256)), "a.txt", "text/plain", "application/octet-stream"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "a.webp", "image/webp", "image/webp"),
    ],
)
def test_the_content_says_the_type(data: bytes, name: str, claimed: str, found: str) -> None:
    assert sniff(data, name, claimed) == found


def test_a_text_cut_within_a_character_is_still_text() -> None:
    sample = ("x" + "ä" * 8192).encode()[: attachments.SAMPLE]
    assert sample[-1:] == "ä".encode()[:1]
    assert sniff(sample, "a.txt", "text/plain") == "text/plain"


def test_no_content_breaks_the_telling_of_types() -> None:
    chance = random.Random(4)
    heads = [
        b"",
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"RIFF",
        b"BM",
        b"MZ",
        b"<?xml",
        b"ID3",
        b"ftyp",
        b"{",
    ]
    for _ in range(400):
        data = chance.choice(heads) + chance.randbytes(chance.randrange(200))
        kind = sniff(data, chance.choice(["a", "a.zip", "a.docx", "a.html"]), "image/png")
        assert "/" in kind
        assert len(kind) <= 100


def test_only_bytes_of_a_picture_make_an_inline_type(app: Flask) -> None:
    html = attachments.store_upload(upload(b"<html><script>", "x.png", "image/png"))
    assert html.content_type not in attachments.INERT_IMAGES


def test_uploads_are_stored_as_they_came(app: Flask) -> None:
    file = attachments.store_upload(upload(PNG, "dir/pic.png", "image/png"))
    assert (file.filename, file.content_type, file.size) == ("pic.png", "image/png", len(PNG))
    assert storage().path(file.sha256).read_bytes() == PNG


def test_empty_and_oversized_uploads_are_refused(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match=r"log\.txt is empty"):
        attachments.store_upload(upload(b"", "log.txt"))
    monkeypatch.setattr(attachments, "MAX_FILE", 1000)
    assert attachments.store_upload(upload(b"x" * 1000, "log.txt")).size == 1000
    with pytest.raises(Invalid, match=r"log\.txt has 1 kB"):
        attachments.store_upload(upload(b"x" * 1001, "log.txt"))


def test_eleven_files_are_too_many() -> None:
    ten = [upload(b"x", f"{n}.txt") for n in range(10)]
    assert attachments.problems(ten) == []
    assert "these are 11" in attachments.problems(ten, kept=1)[0]


def test_an_empty_file_field_is_no_file() -> None:
    assert attachments.uploads_of([upload(b"", ""), "", None]) == []


def test_files_of_notes_are_not_found_for_customers(app: Flask) -> None:
    agent = make_agent()
    ticket, other = make_ticket(), make_ticket()
    note = make_comment(ticket, agent, visibility=Visibility.INTERNAL)
    answer = make_comment(ticket, agent)
    stored = [attachments.store_bytes(b"x", name, "text/plain") for name in ("a", "b", "c", "d")]
    for file, on, comment_id in zip(
        stored, (ticket, ticket, ticket, other), (None, note.id, answer.id, None), strict=True
    ):
        rows = attachments.rows(
            [file], ticket_id=on.id, comment_id=comment_id, uploader_id=agent.id, now=utcnow()
        )
        db.session.execute(sa.insert(Attachment), rows)
    of_note = db.session.scalars(sa.select(Attachment).where(Attachment.filename == "b")).one()

    seen = attachments.chips(ticket.id, f"/tickets/{ticket.number}", with_internal=False)
    assert {key: [chip.name for chip in chips] for key, chips in seen.items()} == {
        None: ["a"],
        answer.id: ["c"],
    }
    assert attachments.find(ticket.id, of_note.id, with_internal=False) is None
    assert attachments.find(ticket.id, of_note.id, with_internal=True) is of_note
    assert attachments.find(other.id, of_note.id, with_internal=True) is None
    everything = attachments.chips(ticket.id, f"/desk/tickets/{ticket.number}", with_internal=True)
    assert [chip.name for chip in everything[note.id]] == ["b"]


def test_sweep_keeps_what_has_a_row(app: Flask) -> None:
    ticket = make_ticket()
    used = attachments.store_bytes(b"with a row", "a", "text/plain")
    unused = attachments.store_bytes(b"without a row", "a", "text/plain")
    rows = attachments.rows(
        [used], ticket_id=ticket.id, comment_id=None, uploader_id=None, now=utcnow()
    )
    db.session.execute(sa.insert(Attachment), rows)
    for file in (used, unused):
        os.utime(storage().path(file.sha256), (1, 1))
    (storage().root / "swept").unlink(missing_ok=True)
    assert attachments.sweep(now=utcnow()) >= 1
    assert attachments.sweep(now=utcnow()) == 0
    assert storage().path(used.sha256).exists()
    assert not storage().path(unused.sha256).exists()

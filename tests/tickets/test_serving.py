"""Files on their way out: nothing that somebody sent us runs in a browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.core.storage import storage
from app.tickets import attachments
from app.tickets.models import Attachment
from app.tickets.serving import serve
from tests.factories import make_agent, make_ticket

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(200))


@pytest.fixture
def get(app: Flask, sign_in: Callable[[FlaskClient, Person], FlaskClient]) -> Callable[..., Any]:
    """Put bytes on a ticket and fetch them as its requester."""
    ticket = make_ticket()
    client = sign_in(app.test_client(), ticket.requester)

    def fetch(data: bytes, name: str, claimed: str, **headers: str) -> Any:
        stored = attachments.store_bytes(data, name, claimed)
        rows = attachments.rows(
            [stored], ticket_id=ticket.id, comment_id=None, uploader_id=None, now=utcnow()
        )
        db.session.execute(sa.insert(Attachment), rows)
        db.session.commit()
        chips = attachments.chips(ticket.id, f"/tickets/{ticket.number}", with_internal=False)
        return client.get(chips[None][-1].path, headers=headers, buffered=True)

    return fetch


DANGEROUS = [
    (b"<!doctype html><script>alert(1)</script>", "page.html", "text/html"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "a.svg", "image/svg+xml"),
    (b"<script>alert(1)</script>", "a.png", "image/png"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "a.pdf", "application/pdf"),
    (b"alert(1)", "a.js", "text/javascript"),
    (b"MZ" + bytes(300), "a.exe", "image/png"),
    (b"<?xml version='1.0'?><a/>", "a.xml", "text/xml"),
    (b"hello", "a.txt", "text/plain"),
]


@pytest.mark.parametrize(("data", "name", "claimed"), DANGEROUS, ids=[d[1] for d in DANGEROUS])
def test_everything_but_pictures_is_downloaded(
    get: Callable[..., Any], data: bytes, name: str, claimed: str
) -> None:
    answer = get(data, name, claimed)
    assert answer.status_code == 200
    assert answer.data == data
    assert answer.headers["Content-Disposition"] == f"attachment; filename={name}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["Cache-Control"].startswith("private")


def test_pictures_are_shown_in_a_sandbox(get: Callable[..., Any]) -> None:
    answer = get(PNG, "shot.png", "image/png")
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert answer.content_type == "image/png"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "name",
    ["Übersicht für Ada.pdf", '"quoted"; x=y.pdf', "报告.docx", "100%.txt", "a;b.txt", "?.x"],
)
def test_names_arrive_as_they_were(get: Callable[..., Any], name: str) -> None:
    answer = get(b"some text", name, "text/plain")
    assert answer.status_code == 200
    disposition = answer.headers["Content-Disposition"]
    assert disposition.startswith("attachment; filename")
    assert "\n" not in disposition


def test_a_part_can_be_asked_for(get: Callable[..., Any]) -> None:
    part = get(PNG, "shot.png", "image/png", Range="bytes=4-7")
    assert part.status_code == 206
    assert part.data == PNG[4:8]
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(PNG)}"
    assert get(PNG, "shot.png", "image/png", Range="bytes=900-").status_code == 416


def test_what_the_browser_has_is_not_sent_again(get: Callable[..., Any]) -> None:
    etag = get(PNG, "shot.png", "image/png").headers["ETag"]
    assert get(PNG, "shot.png", "image/png", **{"If-None-Match": etag}).status_code == 304


def test_bytes_that_are_gone_are_told(get: Callable[..., Any], app: Flask) -> None:
    get(b"unique bytes", "a.txt", "text/plain")
    row = db.session.scalars(sa.select(Attachment)).one()
    storage().path(row.sha256).unlink()
    with app.test_request_context(), pytest.raises(NotFound, match="no longer there"):
        serve(row)


@pytest.mark.parametrize("attachment_id", ["0", "9" * 40, "-1", "x", "2147483648"])
def test_no_number_breaks_the_route(
    app: Flask, sign_in: Callable[[FlaskClient, Person], FlaskClient], attachment_id: str
) -> None:
    ticket, agent = make_ticket(), make_agent()
    customer = sign_in(app.test_client(), ticket.requester)
    desk = sign_in(app.test_client(), agent)
    path = f"tickets/{ticket.number}/attachments/{attachment_id}/a.txt"
    assert customer.get(f"/{path}").status_code == 404
    assert desk.get(f"/desk/{path}").status_code == 404


@pytest.mark.parametrize("used_as", ["script", "style", "worker", "serviceworker", "iframe"])
def test_no_page_runs_or_frames_a_file(get: Callable[..., Any], used_as: str) -> None:
    """Should mark-up of somebody's ever come into a page of ours, it finds no script here."""
    script = (b"alert(1)", "a.js", "text/javascript")
    assert get(*script, **{"Sec-Fetch-Dest": used_as}).status_code == 404
    assert get(*script, **{"Sec-Fetch-Dest": "document"}).status_code == 200

"""Files that may do harm are told by a word, and are only ever downloaded."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient

from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.tickets import attachments
from app.tickets.dangers import danger
from app.tickets.models import Attachment
from tests import factories


@pytest.mark.parametrize(
    ("name", "content_type", "word"),
    [
        ("setup.exe", "application/octet-stream", "program"),
        ("invoice.pdf.EXE", "application/pdf", "program"),
        ("invoice.exe. ", "text/plain", "program"),
        ("invoice.pdf", "application/x-dosexec", "program"),
        ("run.js", "text/plain", "program"),
        ("photo.svg", "image/svg+xml", "web page"),
        ("page.txt", "text/html", "web page"),
        ("sheet.xlsm", "application/zip", "macros"),
        ("disk.iso", "application/octet-stream", "disk image"),
        ("invoice.pdf", "application/pdf", ""),
        ("photo.jpg", "image/jpeg", ""),
        ("notes", "text/plain", ""),
    ],
)
def test_a_word_tells_what_a_file_may_do(name: str, content_type: str, word: str) -> None:
    assert danger(name, content_type) == word


def test_it_stands_on_the_page_and_the_file_is_downloaded(
    client: FlaskClient, sign_in: Callable[[FlaskClient, Person], FlaskClient]
) -> None:
    agent = factories.make_agent()
    ticket = factories.make_ticket()
    page = b"<html><script>alert(1)</script></html>"
    files = [
        attachments.store_bytes(page, "login.html", "text/html"),
        attachments.store_bytes(b"hello", "notes.txt", "text/plain"),
    ]
    rows = attachments.rows(
        files, ticket_id=ticket.id, comment_id=None, uploader_id=None, now=utcnow()
    )
    db.session.execute(sa.insert(Attachment), rows)
    db.session.commit()
    sign_in(client, agent)
    shown = client.get(f"/desk/tickets/{ticket.number}").text
    assert "web page</span></a>" in shown
    assert shown.count("Open it only if you know who sent it") == 1
    first = attachments.chips(ticket.id, f"/desk/tickets/{ticket.number}", with_internal=True)[None]
    answer = client.get(first[0].path)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    answer.close()

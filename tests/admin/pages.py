"""What tests of administration share."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.audit import AuditEntry
from app.core.db import db


def token(client: FlaskClient, path: str) -> str:
    """The CSRF token of a page's first form."""
    answer = client.get(path)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', answer.text)
    assert found, answer.text
    return found[1]


def post(client: FlaskClient, path: str, data: dict[str, Any], page: str = "") -> TestResponse:
    """Send a form as its page (default: the same path) would."""
    return client.post(path, data={"csrf_token": token(client, page or path), **data})


def errors(answer: TestResponse) -> list[str]:
    """What stands beside fields, in words."""
    found = re.findall(r'<p class="error".*?<span>(.*?)</span>', answer.text, re.DOTALL)
    return [text.replace("&#39;", "'") for text in found]


def log() -> list[tuple[str, str, str, str | None, str | None]]:
    """Thing's name, action, field, from and to of every line of the audit log."""
    found = db.session.scalars(sa.select(AuditEntry).order_by(AuditEntry.id))
    return [(e.thing_name, e.action, e.field, e.from_value, e.to_value) for e in found]


def fields(text: str) -> dict[str, Any]:
    """What a browser would send of a page's form as it stands."""
    form = text[text.index('class="lead') :]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = re.search(r'name="([^"]+)"', tag), re.search(r'value="([^"]*)"', tag)
        if name and ('type="checkbox"' not in tag or " checked" in tag):
            found[name[1]] = unescape(value[1]) if value else ""
    for name, body in re.findall(
        r'<textarea[^>]*name="([^"]+)"[^>]*>\r?\n?(.*?)</textarea>', form, re.S
    ):
        found[name] = unescape(body)
    for name, body in re.findall(r'<select[^>]*name="([^"]+)"[^>]*>(.*?)</select>', form, re.S):
        chosen = re.search(r'<option selected value="([^"]*)"', body)
        found[name] = unescape(chosen[1]) if chosen else ""
    return found

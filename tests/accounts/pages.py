"""What these tests read from pages and mails."""

from __future__ import annotations

import re

import sqlalchemy as sa
from flask.testing import FlaskClient

from app.core.db import db
from app.mail.models import OutboundEmail


def token_of(client: FlaskClient, path: str) -> str:
    """The CSRF token of a page."""
    page = client.get(path)
    assert page.status_code == 200, (path, page.status_code)
    found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert found, path
    return found[1]


def mails(kind: str) -> list[OutboundEmail]:
    """The outbox, oldest first."""
    found = sa.select(OutboundEmail).where(OutboundEmail.kind == kind).order_by(OutboundEmail.id)
    return list(db.session.scalars(found))

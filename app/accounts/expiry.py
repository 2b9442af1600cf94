"""What the worker tidies up: sessions and links that are over."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa

from app.accounts.models import LoginSession, OneTimeLink
from app.core.db import db

LINKS_KEPT = timedelta(days=7)  # a used link can be looked into for so long


def forget_expired(now: datetime) -> int:
    """Delete sessions past their end and links long over; how many rows."""
    sessions = sa.delete(LoginSession).where(LoginSession.expires_at <= now)
    links = sa.delete(OneTimeLink).where(OneTimeLink.expires_at <= now - LINKS_KEPT)
    return len(
        [
            *db.session.scalars(sessions.returning(LoginSession.id)),
            *db.session.scalars(links.returning(OneTimeLink.id)),
        ]
    )

"""What the API keeps for a while and a worker takes away: workers load none of its views."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.api.models import KEPT_FOR, IdempotencyKey
from app.core.db import begin_write, db

MOST_A_ROUND = 1_000


def forget_old(now: datetime) -> int:
    """Delete answers whose keys count no longer; how many went. Commits."""
    begin_write()
    key = sa.tuple_(IdempotencyKey.person_id, IdempotencyKey.key)
    old = (
        sa.select(IdempotencyKey.person_id, IdempotencyKey.key)
        .where(IdempotencyKey.created_at <= now - KEPT_FOR)
        .order_by(IdempotencyKey.created_at)
        .limit(MOST_A_ROUND)
    )
    gone = sa.delete(IdempotencyKey).where(key.in_(old)).returning(IdempotencyKey.key)
    count = len(db.session.execute(gone, execution_options={"synchronize_session": False}).all())
    db.session.commit()
    return count

"""What the API remembers between two requests."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base

KEPT_FOR = timedelta(days=1)


class IdempotencyKey(Base):
    """The answer to a POST, given again when the same key comes again within `KEPT_FOR`."""

    __tablename__ = "idempotency_key"
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int]
    body: Mapped[str] = mapped_column(sa.Text)
    location: Mapped[str | None] = mapped_column(sa.String(255))  # of what was made
    created_at: Mapped[datetime] = mapped_column(index=True)

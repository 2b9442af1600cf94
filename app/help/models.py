"""How far somebody has come with practising."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class PracticeProgress(Base):
    """What the history of tickets does not tell; made with the first step that needs it.

    ``put_away_at`` is set for whoever wants to see the checklist no more.
    """

    __tablename__ = "practice_progress"
    __reference__ = True  # every page of the desk asks who has put it away
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    )
    found_at: Mapped[datetime | None]  # the ticket of the search step
    put_away_at: Mapped[datetime | None]

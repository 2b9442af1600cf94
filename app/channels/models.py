"""Templates of automatic answers."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base


class AutoResponseTemplate(Base):
    """The automatic answer for a category in a language.

    Placeholders: ``{{ ticket.number }}``, ``{{ ticket.subject }}``, ``{{ requester.name }}`` and
    ``{{ due }}``, the first response's due time in words.
    """

    __tablename__ = "auto_response_template"
    __reference__ = True
    __table_args__ = (sa.UniqueConstraint("category_id", "language"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    category_id: Mapped[int] = mapped_column(sa.ForeignKey("category.id", ondelete="CASCADE"))
    language: Mapped[str] = mapped_column(sa.String(20), default="en")
    subject: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[str] = mapped_column(sa.Text)
    is_active: Mapped[bool] = mapped_column(default=True)

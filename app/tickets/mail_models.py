"""What ties mails to tickets: keys in them, their ids, and those that wait for a decision."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Base, partial_index
from app.tickets.words import HeldState


class TicketAccess(Base):
    """What a person's signed link and reply token for one ticket rest on."""

    __tablename__ = "ticket_access"
    __table_args__ = (sa.UniqueConstraint("ticket_id", "person_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    person_id: Mapped[int] = mapped_column(
        sa.ForeignKey("person.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime]  # 90 days after the last mail
    revoked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class TicketMessageId(Base):
    """Every Message-ID that was sent or received for a ticket: what replies refer to."""

    __tablename__ = "ticket_message_id"
    __table_args__ = ({"sqlite_with_rowid": False},)
    message_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    ticket_id: Mapped[int] = mapped_column(
        sa.ForeignKey("ticket.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    created_at: Mapped[datetime]


class HeldEmail(Base):
    """A mail from someone new that names a ticket; nobody hears of it until an agent decides."""

    __tablename__ = "held_email"
    __table_args__ = (
        sa.UniqueConstraint("ticket_id", "inbound_email_id"),
        partial_index(
            "ix_held_email_waiting",
            "ticket_id",
            where="state = 'waiting'",
        ),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(sa.ForeignKey("ticket.id", ondelete="CASCADE"))
    inbound_email_id: Mapped[int] = mapped_column(
        sa.ForeignKey("inbound_email.id", ondelete="CASCADE"), index=True
    )
    from_address: Mapped[str] = mapped_column(sa.String(254))
    from_name: Mapped[str] = mapped_column(sa.String(200), default="")
    reason: Mapped[str] = mapped_column(sa.Text)
    body: Mapped[str] = mapped_column(sa.Text)
    state: Mapped[HeldState] = mapped_column(default=HeldState.WAITING)
    decided_by_id: Mapped[int | None] = mapped_column(
        sa.ForeignKey("person.id", ondelete="SET NULL")
    )
    decided_at: Mapped[datetime | None]
    created_at: Mapped[datetime]

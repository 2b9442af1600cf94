"""Tickets as an agent may see them."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.core.db import db
from app.core.errors import NotFound
from app.tickets.models import Ticket

NUMBER = re.compile(r"TKT-[A-HJKMNP-Z2-9]{8}", re.IGNORECASE)


def get_visible(number: str, *, to: Person, lock: bool = False, deleted: bool = False) -> Ticket:
    """The ticket of *number*, with its people loaded.

    Args:
        to: the agent who asks; a private group's tickets are for its members and supervisors.
        lock: hold the row to the end of the transaction; for changes.
        deleted: also a deleted one (to restore it).
    Raises:
        NotFound: unknown, deleted and foreign alike.
    """
    ticket = None
    if NUMBER.fullmatch(number):
        statement = (
            sa.select(Ticket)
            .where(Ticket.number == number.upper(), visible_to(to))
            .execution_options(populate_existing=lock)
        )
        if not deleted:
            statement = statement.where(Ticket.deleted_at.is_(None))
        if lock:
            statement = statement.with_for_update(of=Ticket)
        else:
            statement = statement.join(Ticket.requester).options(
                contains_eager(Ticket.requester).joinedload(Person.organization),
                joinedload(Ticket.assignee),
                joinedload(Ticket.group),
            )
        ticket = db.session.scalar(statement)
    if ticket is None:
        raise NotFound("There is no such ticket, or it is not for you.")
    return ticket


def visible_to(agent: Person) -> sa.ColumnElement[bool]:
    """Condition: not in a private group that *agent* is no member of."""
    hidden = hidden_group_ids(agent)
    if not hidden:
        return sa.true()
    return sa.or_(Ticket.group_id.is_(None), Ticket.group_id.not_in(sorted(hidden)))

"""Tickets as an agent may see them."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, joinedload

from app.accounts.access import hidden_group_ids
from app.accounts.models import OrganizationAccess, Person
from app.core.clock import utcnow
from app.core.db import UTCDateTime, db
from app.core.errors import Conflict, Forbidden, NotFound
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.words import Visibility

NUMBER = re.compile(r"TKT-[A-HJKMNP-Z2-9]{8}", re.IGNORECASE)


class Merged(Conflict):
    """The ticket goes on as another one: that one can be changed."""

    def __init__(self, number: str, into: str) -> None:
        super().__init__(f"{number} was merged into {into}. Change that one.")
        self.into = into


# Condition on a comment: public, and no more to be taken back. Customers' statements all use it.
SHOWN_TO_CUSTOMERS = sa.and_(
    Comment.visibility == Visibility.PUBLIC,
    sa.or_(
        Comment.undo_until.is_(None),
        Comment.undo_until <= sa.bindparam("shown_at", callable_=utcnow, type_=UTCDateTime()),
    ),
)


def get_visible(number: str, *, to: Person, lock: bool = False, deleted: bool = False) -> Ticket:
    """The ticket of *number*, with its people loaded.

    Args:
        to: the agent who asks; a private group's tickets are for its members and supervisors.
        lock: hold the row to the end of the transaction; for changes.
        deleted: also a deleted one (to restore it).
    Raises:
        NotFound: unknown, deleted and foreign alike.
        Merged: it was merged into another, and is asked for to be changed.
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
    if lock and ticket.merged_into_id is not None:
        survivor = db.session.get_one(Ticket, ticket.merged_into_id)
        raise Merged(ticket.number, survivor.number)
    return ticket


def going_on(number: str) -> sa.ColumnElement[bool]:
    """Condition on a ticket: it has this number, or the one of this number was merged into it."""
    named = sa.orm.aliased(Ticket)
    its = sa.select(sa.func.coalesce(named.merged_into_id, named.id)).where(
        named.number == number.upper()
    )
    return Ticket.id == its.scalar_subquery()


def lock_going_on(ticket_id: int) -> Ticket:
    """The ticket with this id, or the one that it was merged into; its row is locked.

    One statement, unless it is merged at this moment.
    """
    while True:
        named = sa.orm.aliased(Ticket)
        its = sa.select(sa.func.coalesce(named.merged_into_id, named.id))
        survivor = its.where(named.id == ticket_id).scalar_subquery()
        locked = sa.select(Ticket).where(Ticket.id == survivor).with_for_update(of=Ticket)
        locked = locked.execution_options(populate_existing=True)
        ticket = db.session.scalars(locked).one()
        if ticket.merged_into_id is None:
            return ticket
        ticket_id = ticket.id


def visible_to(agent: Person) -> sa.ColumnElement[bool]:
    """Condition: not in a private group that *agent* is no member of."""
    hidden = hidden_group_ids(agent)
    if not hidden:
        return sa.true()
    return sa.or_(Ticket.group_id.is_(None), Ticket.group_id.not_in(sorted(hidden)))


def refuse_hidden(*customers: Person, by: Person) -> None:
    """Where their mail goes, and who they are, is not for agents who may not see all they ask.

    Mails of a private group's ticket go to the main address, and merged people read each other's,
    and what their organization shares. Few statements; none where no group is hidden from *by*.

    Raises:
        Forbidden: one of *customers* may read a ticket that *by* may not see.
    """
    hidden = sorted(hidden_group_ids(by))
    if not hidden:
        return
    ids = [customer.id for customer in customers]
    followed = sa.select(Participant.ticket_id).where(Participant.person_id.in_(ids))
    theirs = sa.or_(Ticket.requester_id.in_(ids), Ticket.id.in_(followed))
    companies = [customer.organization for customer in customers if customer.organization]
    if shared := [each.id for each in companies if each.access is OrganizationAccess.ALL]:
        colleagues = sa.select(Person.id).where(Person.organization_id.in_(shared))
        theirs = sa.or_(theirs, Ticket.requester_id.in_(colleagues))
    found = sa.select(Ticket.id).where(theirs, Ticket.group_id.in_(hidden)).limit(1)
    if db.session.scalar(found) is not None:
        raise Forbidden("This is for a supervisor: some of their tickets are not for you.")

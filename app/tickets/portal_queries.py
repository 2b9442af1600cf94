"""Tickets as a customer may see them. Every look-up starts from the one who looks.

No statement here reads history, decisions, held mail, tags, scores or internal notes, so that no
page made from them can show any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import (
    IS_THEIRS,
    Organization,
    OrganizationAccess,
    Person,
    PersonEmail,
    Role,
)
from app.core.db import db
from app.core.errors import NotFound
from app.tickets.mail_models import TicketAccess
from app.tickets.models import WAITING, Comment, Participant, SlaClock, Ticket
from app.tickets.notifications import Recipient
from app.tickets.queries import NUMBER, SHOWN_TO_CUSTOMERS, going_on
from app.tickets.words import AuthorKind, ClockState, Priority, Source, Status, Target

ROWS = 25
MOST_WAITING = 25
COMMENTS = 50


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: somebody signed in, or whoever came by a link to *ticket_id* and sees it alone."""

    person: Person
    ticket_id: int | None = None
    access: TicketAccess | None = None  # what the link stands for

    @classmethod
    def by_access(cls, access: TicketAccess) -> Viewer:
        """Whoever came by a link, once its key was found to be good; after merges, who and what
        these have become."""
        was = sa.orm.aliased(Person)
        is_now = sa.select(sa.func.coalesce(was.merged_into_id, was.id))
        is_now = is_now.where(was.id == access.person_id)
        found = (
            sa.select(Person, sa.func.coalesce(Ticket.merged_into_id, Ticket.id))
            .join(Ticket, Ticket.id == access.ticket_id)
            .where(Person.id == is_now.scalar_subquery())
        )
        return cls(*db.session.execute(found).one(), access)


@dataclass(frozen=True, slots=True)
class OwnTicket:
    """What a customer's page may know of a ticket."""

    id: int
    number: str
    subject: str
    description: str
    description_html: str | None
    description_quoted: str
    status: Status
    priority: Priority
    category_id: int
    subcategory_id: int | None
    custom_fields: dict[str, Any]
    source: Source
    requester_id: int
    requester_name: str
    assignee_id: int | None
    group_id: int | None
    created_at: datetime
    resolved_at: datetime | None
    closed_at: datetime | None
    answer_due_at: datetime | None  # of the running first or next response
    others: str | None  # names of customers who take part beside requester and viewer, in lines


@dataclass(frozen=True, slots=True)
class OwnComment:
    """A public comment."""

    id: int
    author_id: int | None
    author_kind: AuthorKind
    author_name: str | None
    body: str
    body_html: str | None
    quoted: str
    is_automatic: bool
    source: Source
    origin: str | None  # the number of the ticket that was merged into this one
    created_at: datetime


@dataclass(frozen=True, slots=True)
class OwnRow:
    """One line of a customer's list."""

    id: int
    number: str
    subject: str
    status: Status
    requester_id: int
    requester_name: str
    changed_at: datetime  # the newest that the customer knows of: no note, no change of a field


@dataclass(frozen=True, slots=True)
class SharedOrganization:
    """An organization whose members see each other's tickets."""

    id: int
    name: str


# When the newest public comment was written.
COMMENTED_AT = (
    sa.select(Comment.created_at)
    .where(Comment.ticket_id == Ticket.id, SHOWN_TO_CUSTOMERS)
    .order_by(Comment.created_at.desc(), Comment.id.desc())
    .limit(1)
    .correlate(Ticket)
    .scalar_subquery()
)
ANSWER_DUE = (
    sa.select(sa.func.min(SlaClock.due_at))
    .where(
        SlaClock.ticket_id == Ticket.id,
        SlaClock.state == ClockState.RUNNING,
        SlaClock.target.in_((Target.FIRST_RESPONSE, Target.NEXT_RESPONSE)),
    )
    .correlate(Ticket)
    .scalar_subquery()
)
_other = sa.orm.aliased(Person)
OTHERS = (
    sa.select(
        sa.func.aggregate_strings(
            sa.func.coalesce(sa.func.nullif(_other.name, ""), "Somebody"), "\n"
        )
    )
    .join(Participant, Participant.person_id == _other.id)
    .where(
        Participant.ticket_id == Ticket.id,
        _other.role == Role.CUSTOMER,  # agents who follow are not the customers' business
        _other.id.not_in((Ticket.requester_id, sa.bindparam("viewer_id", type_=sa.Integer))),
    )
    .correlate(Ticket)
    .scalar_subquery()
)
OWN_TICKET = sa.select(
    Ticket.id,
    Ticket.number,
    Ticket.subject,
    Ticket.description,
    Ticket.description_html,
    Ticket.description_quoted,
    Ticket.status,
    Ticket.priority,
    Ticket.category_id,
    Ticket.subcategory_id,
    Ticket.custom_fields,
    Ticket.source,
    Ticket.requester_id,
    Person.name.label("requester_name"),
    Ticket.assignee_id,
    Ticket.group_id,
    Ticket.created_at,
    Ticket.resolved_at,
    Ticket.closed_at,
    ANSWER_DUE.label("answer_due_at"),
    OTHERS.label("others"),
).join(Person, Person.id == Ticket.requester_id)
_origin = sa.orm.aliased(Ticket)
OWN_COMMENTS = (
    sa.select(
        Comment.id,
        Comment.author_id,
        Comment.author_kind,
        Person.name.label("author_name"),
        Comment.body,
        Comment.body_html,
        Comment.quoted,
        Comment.is_automatic,
        Comment.source,
        _origin.number.label("origin"),
        Comment.created_at,
    )
    .outerjoin(Person, Person.id == Comment.author_id)
    .outerjoin(_origin, _origin.id == Comment.origin_ticket_id)
    .where(Comment.ticket_id == sa.bindparam("ticket_id"), SHOWN_TO_CUSTOMERS)
    .order_by(Comment.created_at.desc(), Comment.id.desc())
    .limit(COMMENTS + 1)
)
OWN_ROWS = sa.select(
    Ticket.id,
    Ticket.number,
    Ticket.subject,
    Ticket.status,
    Ticket.requester_id,
    Person.name.label("requester_name"),
    Ticket.created_at,
    Ticket.resolved_at,
    Ticket.closed_at,
    COMMENTED_AT.label("commented_at"),
).join(Person, Person.id == Ticket.requester_id)


def seen_by(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Condition on a ticket: the viewer's own, one they take part in, or a colleague's.

    A colleague's ticket only where the organization shares them, and only for whoever has proven
    an address: an organization is never joined by a mere claim.
    """
    me = viewer.person.id
    takes_part = sa.or_(
        Ticket.requester_id == me,
        sa.exists().where(Participant.ticket_id == Ticket.id, Participant.person_id == me),
    )
    if viewer.ticket_id is not None:
        return sa.and_(Ticket.id == viewer.ticket_id, takes_part)
    colleague = sa.orm.aliased(Person)
    of_colleague = (
        sa.exists()
        .where(colleague.id == Ticket.requester_id)
        .where(colleague.organization_id == Organization.id, *_shared_with(viewer.person))
    )
    return sa.or_(takes_part, of_colleague)


def get_own(number: str, *, to: Viewer, lock: bool = False) -> Ticket:
    """The ticket of *number*; one statement.

    Args:
        lock: hold the row to the end of the transaction; for changes.
    Raises:
        NotFound: unknown, deleted and foreign alike.
    """
    own = sa.select(Ticket).where(*_is_own(number, to)).execution_options(populate_existing=lock)
    ticket = db.session.scalar(own.with_for_update(of=Ticket) if lock else own)
    if ticket is None:
        raise _no_such_ticket()
    return ticket


def show_own(number: str, *, to: Viewer) -> OwnTicket:
    """What the page of the ticket shows of it; one statement.

    Raises:
        NotFound: unknown, deleted and foreign alike.
    """
    its = OWN_TICKET.where(*_is_own(number, to))
    row = db.session.execute(its, {"viewer_id": to.person.id}).one_or_none()
    if row is None:
        raise _no_such_ticket()
    return OwnTicket(**row._mapping)


def comments(ticket_id: int, *, before: int | None = None) -> tuple[list[OwnComment], bool]:
    """The newest public comments (older than the one *before*), oldest first, and whether there
    are older ones; one statement."""
    wanted = OWN_COMMENTS
    if before is not None:
        # Of others, too, this would tell when they were written: notes, and other people's.
        shown = Comment.id == before, Comment.ticket_id == ticket_id, SHOWN_TO_CUSTOMERS
        older = sa.select(Comment.created_at, Comment.id).where(*shown)
        wanted = wanted.where(sa.tuple_(Comment.created_at, Comment.id) < older.scalar_subquery())
    rows = db.session.execute(wanted, {"ticket_id": ticket_id}).all()
    found = [OwnComment(**row._mapping) for row in rows[:COMMENTS]]
    return found[::-1], len(rows) > COMMENTS


def shared_organization(person: Person) -> SharedOrganization | None:
    """The person's organization, if its members see each other's tickets; one statement."""
    shared = sa.select(Organization.id, Organization.name).where(*_shared_with(person))
    row = db.session.execute(shared).one_or_none()
    return SharedOrganization(row.id, row.name) if row else None


def waiting(person: Person, organization: SharedOrganization | None) -> list[OwnRow]:
    """Tickets that wait for the customer, newest first, at most one more than `MOST_WAITING`."""
    # Spelled as its partial index is: SQLite uses it for nothing else.
    return _rows(person, organization, sa.text(WAITING), limit=MOST_WAITING + 1)


def page(
    person: Person,
    organization: SharedOrganization | None,
    *,
    before: int | None = None,
    after: int | None = None,
    with_waiting: bool,
) -> tuple[list[OwnRow], bool]:
    """One page of the customer's tickets, newest first, and whether more lie in that direction.

    One statement, whose parts each walk an index.

    Args:
        before: the ticket's id (they grow with time) that this page comes next to, going back.
        after: the same, going forward.
        with_waiting: also those that `waiting` lists.
    """
    only = sa.true() if with_waiting else Ticket.status != Status.PENDING
    forward = after is not None
    if forward:
        only = sa.and_(only, Ticket.id > after)
    elif before is not None:
        only = sa.and_(only, Ticket.id < before)
    rows = _rows(person, organization, only, limit=ROWS + 1, oldest_first=forward)
    found = rows[:ROWS]
    return (found[::-1] if forward else found), len(rows) > ROWS


def takes_part(ticket: Ticket, person: Person) -> bool:
    """True for the requester and the participants, who hear of what happens; one statement."""
    if ticket.requester_id == person.id:
        return True
    return db.session.get(Participant, (ticket.id, person.id)) is not None


def may_have_link(number: str, address: str) -> tuple[Ticket, Recipient] | None:
    """Ticket and person, if *address* is one of somebody who takes part in it; one statement.

    Of a private group's ticket only the main one, to which its mails go, or one that is shown to
    be theirs: an agent with whom it is not shared may have added any other.
    """
    private = [card.id for card in directory.groups().values() if card.is_private]
    may_read = sa.or_(
        PersonEmail.is_main,
        IS_THEIRS,
        Ticket.group_id.is_(None),
        Ticket.group_id.not_in(private),
    )
    takes_part = sa.or_(
        Ticket.requester_id == Person.id,
        sa.exists().where(Participant.ticket_id == Ticket.id, Participant.person_id == Person.id),
    )
    found = (
        sa.select(Ticket, Person.id, Person.name)
        .select_from(PersonEmail)
        .join(Person, sa.and_(Person.id == PersonEmail.person_id, Person.is_active))
        .join(Ticket, sa.and_(going_on(number), Ticket.deleted_at.is_(None)))
        .where(PersonEmail.address == address, may_read, takes_part)
    )
    row = db.session.execute(found).one_or_none()
    return (row[0], Recipient(row[1], row[2], address)) if row else None


def _shared_with(person: Person) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        Organization.id == person.organization_id,
        Organization.access == OrganizationAccess.ALL,
        sa.exists().where(PersonEmail.person_id == person.id, PersonEmail.proven_at.is_not(None)),
    )


def _is_own(number: str, viewer: Viewer) -> Sequence[sa.ColumnElement[bool]]:
    if not NUMBER.fullmatch(number):
        raise _no_such_ticket()
    return going_on(number), Ticket.deleted_at.is_(None), seen_by(viewer)


def _no_such_ticket() -> NotFound:
    return NotFound("There is no such ticket, or it is not for you.")


def _rows(
    person: Person,
    organization: SharedOrganization | None,
    only: sa.ColumnElement[bool] | sa.TextClause,
    *,
    limit: int,
    oldest_first: bool = False,
) -> list[OwnRow]:
    """Rows of the viewer's tickets. Each way to a ticket is walked by itself, up to *limit*:
    one condition over all ways would walk every ticket there is."""
    order = Ticket.id.asc() if oldest_first else Ticket.id.desc()
    mine = sa.select(Ticket.id).where(Ticket.requester_id == person.id)
    ways = [mine, sa.select(Ticket.id).join(Participant).where(Participant.person_id == person.id)]
    if organization is not None:
        colleagues = sa.select(Person.id).where(Person.organization_id == organization.id)
        ways.append(sa.select(Ticket.id).where(Ticket.requester_id.in_(colleagues)))
    narrowed = (
        way.where(Ticket.deleted_at.is_(None), Ticket.merged_into_id.is_(None), only)
        .order_by(order)
        .limit(limit)
        .subquery()
        for way in ways
    )
    ids = sa.union(*(sa.select(way.c.id) for way in narrowed))
    rows = db.session.execute(OWN_ROWS.where(Ticket.id.in_(ids)).order_by(order).limit(limit))
    return [_own_row(row) for row in rows]


def _own_row(row: Any) -> OwnRow:
    times = (row.created_at, row.resolved_at, row.closed_at, row.commented_at)
    return OwnRow(
        id=row.id,
        number=row.number,
        subject=row.subject,
        status=row.status,
        requester_id=row.requester_id,
        requester_name=row.requester_name,
        changed_at=max(then for then in times if then is not None),
    )

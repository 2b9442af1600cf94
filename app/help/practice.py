"""Practice on demo data: a checklist of the main moves that ticks itself.

What somebody has done stands in the history of the tickets, from the moment on in which the demo
data was made; only a search leaves no line there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.core.cache import reference
from app.core.db import db
from app.core.errors import Invalid, NotFound
from app.core.settings_store import change_setting, setting
from app.help.models import PracticeProgress
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.queries import NUMBER
from app.tickets.words import EventKind, Status

BEGAN = "practice_after_event"  # the setting: the last line of history of the demo data; 0: no demo


@dataclass(frozen=True, slots=True)
class Move:
    """Something to do once.

    Attributes:
        how: what to do, in one or two sentences.
        path: where to begin.
        chapter: of the handbook, where it is explained.
    """

    key: str
    title: str
    how: str
    path: str
    chapter: str


SEARCH = "search"
CANDIDATES = 50  # of which each person has another one to find
MOVES = (
    Move(
        "take",
        "Take a ticket",
        "Click the round sign of the assignee at the end of a row, and choose yourself.",
        "/desk/?view=unresolved",
        "desk#the-queue",
    ),
    Move(
        "priority",
        "Change a priority in the list",
        "Click the sign at the beginning of a row, and choose another priority.",
        "/desk/?view=mine",
        "assignment#priority",
    ),
    Move(
        "note",
        "Write an internal note",
        "Open a ticket, choose Note below the conversation, and write to your colleagues.",
        "/desk/?view=mine",
        "desk#answering",
    ),
    Move(
        "wait",
        "Reply, and wait",
        "Ask the customer something, and press Send and wait. The ticket is pending then.",
        "/desk/?view=mine",
        "desk#answering",
    ),
    Move(
        "undo",
        "Take a reply back",
        "Send a reply, and press Undo within ten seconds. No mail leaves.",
        "/desk/?view=mine",
        "desk#answering",
    ),
    Move(
        "macro",
        "Use a macro",
        "Press the lightning below a reply, and choose one that changes something.",
        "/desk/?view=mine",
        "desk#macros",
    ),
    Move(
        "tags",
        "Tag a ticket",
        "Open a ticket, click its tags on the right, and add one.",
        "/desk/?view=mine",
        "desk#a-ticket",
    ),
    Move(
        "held",
        "Decide about a held mail",
        "A stranger wrote about a ticket. Read the mail, and choose what becomes of it.",
        "/desk/?view=held",
        "desk#held-mail",
    ),
    Move(
        SEARCH,
        "Find a ticket",
        "Search for this one, and type its number below.",
        "/desk/search",
        "desk#search",
    ),
    Move(
        "call",
        "Open a ticket for a caller",
        "Somebody is on the phone. Write down who, and what they want.",
        "/desk/tickets/new",
        "desk#a-call",
    ),
    Move(
        "merge",
        "Merge two tickets",
        "Choose Merge in the menu of a ticket. It can be undone.",
        "/desk/?view=unresolved",
        "desk#merging",
    ),
    Move(
        "resolve",
        "Resolve a ticket",
        "Press Send and resolve, or choose the status.",
        "/desk/?view=mine",
        "workflow#in-short",
    ),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far somebody has come: which moves they have made, and the next one."""

    done: frozenset[str]

    @property
    def count(self) -> int:
        """How many are done."""
        return len(self.done)

    @property
    def next(self) -> Move | None:
        """The first that is not."""
        return next((move for move in MOVES if move.key not in self.done), None)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The ticket that is to be found by searching."""

    number: str
    subject: str
    requester_id: int
    requester: str


def is_on() -> bool:
    """True on a desk with demo data."""
    return bool(setting(BEGAN))


def is_shown_to(person: Person) -> bool:
    """True where the desk offers practice, and *person* has not put it away; no statement."""
    return is_on() and person.id not in reference("practice put away", _put_away)


def begin() -> None:
    """Let practice begin with what happens to tickets from now on; for the demo data."""
    last = sa.select(sa.func.coalesce(sa.func.max(TicketEvent.id), 0))
    change_setting(BEGAN, max(1, db.session.scalars(last).one()))


def progress(person: Person) -> Progress:
    """What *person* has done since practice began; one statement."""
    mine = (TicketEvent.actor_id == person.id, TicketEvent.id > setting(BEGAN))

    def was(kind: EventKind, *more: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
        return sa.exists().where(TicketEvent.kind == kind, *mine, *more)

    to_id = TicketEvent.details["to_id"].as_integer()
    to = TicketEvent.to_value
    reply = aliased(TicketEvent)
    replied_to_it = sa.exists().where(
        reply.ticket_id == TicketEvent.ticket_id,
        reply.actor_id == person.id,
        reply.kind == EventKind.COMMENT,
        reply.id > setting(BEGAN),
    )
    found = sa.exists().where(
        PracticeProgress.person_id == person.id, PracticeProgress.found_at.is_not(None)
    )
    asked = {
        "take": was(EventKind.ASSIGNED, to_id == person.id),
        "priority": was(EventKind.PRIORITY),
        "note": was(EventKind.NOTE),
        "wait": was(EventKind.STATUS, to == Status.PENDING.label, replied_to_it),
        "undo": was(EventKind.TAKEN_BACK),
        "macro": was(EventKind.MACRO),
        "tags": was(EventKind.TAGS),
        "held": was(EventKind.MAIL_DECIDED),
        SEARCH: found,
        "call": was(EventKind.CREATED),
        "merge": was(EventKind.MERGED),
        "resolve": was(EventKind.STATUS, to == Status.RESOLVED.label),
    }
    row = db.session.execute(sa.select(*(part.label(key) for key, part in asked.items()))).one()
    return Progress(frozenset(key for key, is_done in row._mapping.items() if is_done))


def wanted(person: Person) -> Wanted | None:
    """The ticket that *person* is to find; None where there is none for them. One statement."""
    visible: list[sa.ColumnElement[bool]] = [Ticket.deleted_at.is_(None)]
    if hidden := hidden_group_ids(person):
        visible.append(sa.or_(Ticket.group_id.is_(None), Ticket.group_id.not_in(hidden)))
    rows = (
        sa.select(Ticket.number, Ticket.subject, Person.id, Person.name)
        .join(Person, Person.id == Ticket.requester_id)
        .where(*visible, Person.name != "")
        .order_by(Ticket.id)
        .limit(CANDIDATES)
    )
    found = db.session.execute(rows).all()
    place = person.id % CANDIDATES if len(found) == CANDIDATES else 0
    return Wanted(*found[place]) if found else None


def answer(person: Person, text: str, *, now: datetime) -> None:
    """Tick the search, if *text* is the number of the wanted ticket, or of one just like it.

    Raises:
        NotFound: there is nothing to be found.
        Invalid: it is another ticket's number, or none.
    """
    goal = wanted(person)
    if goal is None:
        raise NotFound("There is no ticket to be found.")
    number = text.strip().upper()
    right = sa.select(Ticket.id).where(
        Ticket.number == number,
        Ticket.subject == goal.subject,
        Ticket.requester_id == goal.requester_id,
    )
    if not NUMBER.fullmatch(number):
        message = "A number looks like TKT-7K2M9QXA. It stands above the ticket's subject."
        raise Invalid(message, {"number": message})
    if db.session.scalar(right) is None:
        message = "That is another ticket. Look at the subject and at who asked."
        raise Invalid(message, {"number": message})
    _row(person).found_at = now


def put_away(person: Person, *, now: datetime | None) -> None:
    """Show the checklist on the desk no more; None: show it again."""
    _row(person).put_away_at = now


def _row(person: Person) -> PracticeProgress:
    row = db.session.get(PracticeProgress, person.id, with_for_update=True)
    if row is None:
        row = PracticeProgress(person_id=person.id)
        db.session.add(row)
    return row


def _put_away() -> frozenset[int]:
    gone = sa.select(PracticeProgress.person_id).where(PracticeProgress.put_away_at.is_not(None))
    return frozenset(db.session.scalars(gone))

"""Who takes part in a ticket beside its requester: added, removed, cc'd in a reply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from app.accounts import people
from app.accounts.models import MAIN_ADDRESS, Person, PersonEmail
from app.accounts.people import Requester
from app.core.db import db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.statements import Read
from app.mail import mailboxes, outbox
from app.mail.models import FailingAddress, OutboundEmail
from app.tickets import keys
from app.tickets.models import Participant, Ticket
from app.tickets.timeline import By, record
from app.tickets.words import EventKind, ParticipantKind

MOST = 50  # so many mails goes one reply out in, at most
FAILS = (  # mails to a person's main address came back
    sa.exists()
    .where(
        FailingAddress.address == PersonEmail.address,
        PersonEmail.person_id == Person.id,
        sa.text("person_email.is_main"),
    )
    .correlate(Person)
)


@dataclass(frozen=True, slots=True)
class TakesPart:
    """Somebody who takes part; ``kind`` None is the requester."""

    id: int
    name: str
    address: str
    kind: ParticipantKind | None
    is_active: bool
    is_failing: bool

    @property
    def display_name(self) -> str:
        """The name, or the address where no name is known."""
        return self.name or self.address or "Unknown"

    @property
    def gets_mail(self) -> bool:
        """False for whom no reply can reach."""
        return self.is_active and bool(self.address)


OTHERS = Read(
    sa.select(
        Person.id,
        Person.name,
        sa.func.coalesce(MAIN_ADDRESS, ""),
        Participant.kind,
        Person.is_active,
        FAILS,
    )
    .join(Participant, Participant.person_id == Person.id)
    .where(Participant.ticket_id == sa.bindparam("ticket_id"))
    .order_by(Participant.created_at, Person.id),
    TakesPart,
)


def others(ticket_id: int) -> list[TakesPart]:
    """Everybody but the requester, in the order in which they came; one statement."""
    return OTHERS.all(ticket_id=ticket_id)


def add(
    ticket: Ticket,
    address: str,
    *,
    by: By,
    now: datetime,
    name: str = "",
    kind: ParticipantKind = ParticipantKind.FOLLOWER,
) -> Requester:
    """Let the person of *address* take part; found, or made. Nothing if they do already.

    Raises:
        Invalid: no address, one of our own, or there are `MOST` already.
    """
    address = people.normal_address(address)
    if mailboxes.is_own(address):
        _refuse(f"{address} is an address of this desk itself.")
    person = people.find_or_make(address, name=name, now=now)
    if not person.is_active:
        _refuse(f"{address} belongs to somebody who was deactivated.")
    join(ticket, person.id, person.name or address, by=by, now=now, kind=kind)
    return person


def join(
    ticket: Ticket,
    person_id: int,
    called: str,
    *,
    by: By,
    now: datetime,
    kind: ParticipantKind = ParticipantKind.FOLLOWER,
) -> None:
    """The same for somebody who is known; *called* is how the history names them."""
    if person_id == ticket.requester_id:
        return
    if db.session.get(Participant, (ticket.id, person_id)) is not None:
        return
    count = sa.select(sa.func.count()).select_from(Participant)
    if (db.session.scalar(count.where(Participant.ticket_id == ticket.id)) or 0) >= MOST:
        _refuse(f"At most {MOST} people can follow a ticket.")
    row = Participant(ticket_id=ticket.id, person_id=person_id, kind=kind, created_at=now)
    db.session.add(row)
    db.session.flush()
    who = by.display_name if isinstance(by, Person) else by.name
    record(
        ticket,
        EventKind.PARTICIPANT,
        by=by,
        now=now,
        new=f"{who} added {called} to the conversation",
        details={"person": person_id},
    )


def remove(ticket: Ticket, person_id: int, *, by: Person, now: datetime) -> str:
    """Let somebody take part no more: what waits for them is not sent, and their links open
    nothing. Returns their name.

    Raises:
        Conflict: the requester cannot be left out.
        NotFound: they do not take part.
    """
    if person_id == ticket.requester_id:
        raise Conflict("The requester always takes part.")
    row = db.session.get(Participant, (ticket.id, person_id))
    if row is None:
        raise NotFound("They do not take part in this ticket. Reload the page.")
    name = row.person.display_name
    db.session.delete(row)
    keys.revoke(ticket.id, person_id, now=now)
    theirs = sa.select(PersonEmail.address).where(PersonEmail.person_id == person_id)
    outbox.discard_all(
        OutboundEmail.ticket_id == ticket.id,
        OutboundEmail.kind == "ticket_reply",  # agents who take part keep their notices
        OutboundEmail.recipient.in_(theirs),
        now=now,
    )
    record(
        ticket,
        EventKind.PARTICIPANT,
        by=by,
        now=now,
        new=f"{by.display_name} removed {name} from the conversation",
        details={"person": person_id},
    )
    return name


def addresses_of(text: str) -> list[str]:
    """The addresses of a line such as ``Ann <ann@x.example>, bob@x.example``.

    Raises:
        Invalid: with the part that is none.
    """
    found = []
    for part in text.replace(";", ",").replace("\n", ",").split(","):
        part = part.strip()
        if not part:
            continue
        bare = part[part.rfind("<") + 1 :].rstrip(">") if part.endswith(">") else part
        try:
            found.append(people.normal_address(bare))
        except Invalid:
            _refuse(f"“{part[:100]}” is no mail address.")
    if len(found) > MOST:
        _refuse(f"At most {MOST} people can follow a ticket.")
    return list(dict.fromkeys(found))


def in_words(names: Sequence[str]) -> str:
    """ "Anna", "Anna, cc Bob", "Anna, cc Bob, Carol and 3 more" for a reply's first line."""
    first, rest = names[:1], list(names[1:])
    shown = rest if len(rest) < 4 else [*rest[:2], f"{len(rest) - 2} more"]
    listed = ", ".join(shown[:-1]) + " and " + shown[-1] if len(shown) > 1 else "".join(shown)
    return ", cc ".join([*first, *([listed] if listed else [])])


def missing(wanted: Iterable[int], seen: Iterable[int] | None) -> set[int]:
    """Who gets a reply although its writer was not shown them; none where nobody was shown."""
    return set() if seen is None else set(wanted) - set(seen)


def _refuse(message: str) -> None:
    raise Invalid(message, {"cc": message})

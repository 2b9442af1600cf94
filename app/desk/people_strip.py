"""Who takes part in a ticket, as its page shows it: beside the conversation and above a reply."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.accounts import directory
from app.accounts.models import Person
from app.desk.ticket_reading import TicketFacts
from app.tickets import participants
from app.tickets.participants import TakesPart
from app.tickets.words import ParticipantKind

KINDS = {ParticipantKind.FOLLOWER: "Follows", ParticipantKind.CC: "Cc", None: "Requester"}


@dataclass(frozen=True, slots=True)
class PersonLine:
    """Somebody who takes part; ``is_chosen``: the reply goes to them too."""

    id: int
    name: str
    initials: str
    hue: int
    address: str
    how: str
    is_failing: bool
    is_chosen: bool
    gets_mail: bool


@dataclass(frozen=True, slots=True)
class PeopleStrip:
    """Requester first. ``summary`` is "Anna, cc Bob": who gets the reply as it stands."""

    lines: list[PersonLine]
    summary: str
    seen: str

    @property
    def recipients(self) -> list[PersonLine]:
        """Whom a reply can reach."""
        return [line for line in self.lines if line.gets_mail]


def people_strip(
    ticket: TicketFacts, viewer: Person, *, left_out: Collection[int] = ()
) -> PeopleStrip:
    """One statement where anybody but the requester takes part, else none.

    Args:
        left_out: who does not get the reply that is being written.
    """
    requester = TakesPart(
        ticket.requester_id,
        ticket.requester_name,
        ticket.email or "",
        None,
        True,
        ticket.is_failing,
    )
    others = participants.others(ticket.id) if ticket.has_people else []
    lines = [
        PersonLine(
            person.id,
            person.display_name,
            directory.initials(person.display_name),
            directory.hue(person.id),
            person.address,
            KINDS[person.kind],
            person.is_failing,
            person.id not in left_out,
            person.gets_mail and person.id != viewer.id,
        )
        for person in (requester, *(other for other in others if other.id != requester.id))
    ]
    reached = [line for line in lines if line.gets_mail]
    names = [line.name for line in reached if line.is_chosen]
    return PeopleStrip(
        lines, participants.in_words(names) or "nobody", ",".join(str(line.id) for line in reached)
    )

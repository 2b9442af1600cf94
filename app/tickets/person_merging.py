"""Two entries of one customer made into one, and undoing it.

The merged person keeps their row, inactive, since history names them; their addresses, tickets and
comments become the survivor's. ``Person.merged_into_id`` always names the last survivor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts import sign_in
from app.accounts.models import Person, PersonEmail, Role
from app.core import audit
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.tickets import holding
from app.tickets.merge_models import PersonMerge, below
from app.tickets.models import Comment, Participant, Ticket
from app.tickets.queries import refuse_hidden
from app.tickets.timeline import System, record
from app.tickets.words import ACTIVE_STATUSES, EventKind

UNDO_DAYS = 30
LATE = timedelta(hours=1)  # longer than reading a mail can take
FILLED = ("name", "phone", "organization_id", "external_id", "tier")  # where the survivor has none
_quietly = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Outlook:
    """What merging two people would move."""

    addresses: list[str]
    tickets: int
    comments: int
    followed: int


def outlook(merged: Person) -> Outlook:
    """Three statements, no change."""

    def count(model: Any, column: Any) -> int:
        rows = sa.select(sa.func.count()).select_from(model).where(column == merged.id)
        return db.session.scalar(rows) or 0

    return Outlook(
        [email.address for email in sorted(merged.emails, key=lambda e: not e.is_main)],
        count(Ticket, Ticket.requester_id),
        count(Comment, Comment.author_id),
        count(Participant, Participant.person_id),
    )


def lock_both(first_id: int, second_id: int) -> dict[int, Person]:
    """Both people by id, locked in the order of their ids.

    Raises:
        NotFound: there is nobody with one of the ids.
    """
    wanted = sa.select(Person).where(Person.id.in_((first_id, second_id))).order_by(Person.id)
    wanted = wanted.with_for_update(of=Person).execution_options(populate_existing=True)
    found = {person.id: person for person in db.session.scalars(wanted)}
    if first_id not in found or second_id not in found:
        raise NotFound("There is no such person.")
    return found


def refusal(merged: Person, survivor: Person) -> str:
    """Why these two cannot be merged, in words; "" where they can."""
    if merged.id == survivor.id:
        return "A person cannot be merged into themselves."
    for person in (merged, survivor):
        if person.role is not Role.CUSTOMER:
            # Whoever reads a mail at an address of theirs would sign in as them.
            return f"{person.display_name} works here. Only customers can be merged."
        if person.merged_into_id is not None:
            return f"{person.display_name} was merged into somebody already."
    if not survivor.is_active:
        return f"{survivor.display_name} was deactivated. Keep the other."
    return ""


def merge(merged: Person, survivor: Person, *, by: Person, now: datetime) -> PersonMerge:
    """Make one person of two. Both rows are locked (`lock_both`).

    Raises:
        Conflict: they cannot be merged; the message says why.
        Forbidden: one of them asked something that *by* may not see.
    """
    if reason := refusal(merged, survivor):
        raise Conflict(reason)
    refuse_hidden(merged, survivor, by=by)
    done = PersonMerge(
        person_id=merged.id, survivor_id=survivor.id, merged_by_id=by.id, merged_at=now
    )
    tier, own_tier, called = merged.effective_tier, survivor.effective_tier, merged.display_name
    own = _own_waiting(survivor)
    moved: dict[str, Any] = {
        "main": merged.email,
        "was_active": merged.is_active,
        "shown": _shown(merged),
        "addresses": _move_addresses(merged, survivor, by=by),
        "filled": _fill(merged, survivor),
        "tickets": _move_ids(Ticket.id, Ticket.requester_id, merged.id, survivor.id),
        "comments": _move_ids(Comment.id, Comment.author_id, merged.id, survivor.id),
        "followed": _move_participations(merged, survivor),
    }
    done.moved = moved
    sign_in.end_sessions(merged.id)
    merged.is_active, merged.merged_into_id = False, survivor.id
    _point(_merged_into(merged.id), to=survivor.id)
    db.session.add(done)
    db.session.flush()
    told = f"{by.display_name} merged {called} into {survivor.display_name}"
    _tell_tickets(moved["tickets"], told, rechoose=survivor.effective_tier != tier, by=by, now=now)
    if survivor.effective_tier != own_tier:  # of the other, where they had none
        holding.serve_again(own, by=by, now=now)
    _note("merged", merged, called, survivor, by=by, now=now)
    return done


def undo(done: PersonMerge, merged: Person, survivor: Person, *, by: Person, now: datetime) -> None:
    """Make two people of one again. Both rows are locked.

    What came since, from whichever address, stays with the survivor.

    Raises:
        Conflict: it cannot be undone (any more); the message says why.
    """
    if reason := cannot_undo(done, survivor, now=now):
        raise Conflict(reason)
    refuse_hidden(survivor, by=by)
    moved = done.moved
    tier, own = survivor.effective_tier, _own_waiting(survivor)
    _give_back_addresses(merged, survivor, moved)
    merged.merged_into_id, merged.is_active = None, moved["was_active"]
    for name, value in moved["filled"].items():
        if getattr(survivor, name) == value:
            setattr(survivor, name, "" if name in ("name", "phone") else None)
            db.session.flush()  # an external id is one person's
            if name == "external_id":
                merged.external_id = value
    _give_back(Ticket.id, Ticket.requester_id, moved["tickets"], survivor.id, merged.id)
    _give_back(Comment.id, Comment.author_id, moved["comments"], survivor.id, merged.id)
    _give_back_participations(merged, survivor, moved["followed"], now=now)
    _point(_merged_into(merged.id), to=merged.id)
    done.undone_at = now
    db.session.flush()
    db.session.expire(survivor, ["organization"])
    told = f"{by.display_name} undid the merge of {merged.display_name}"
    rechoose = merged.effective_tier != tier
    _tell_tickets(moved["tickets"], told, rechoose=rechoose, by=by, now=now)
    if survivor.effective_tier != tier:
        kept = [ticket_id for ticket_id in own if ticket_id not in set(moved["tickets"])]
        holding.serve_again(kept, by=by, now=now)
    _note("unmerged", merged, merged.display_name, survivor, by=by, now=now)


def gather_late(now: datetime) -> int:
    """Let tickets and comments follow that a mail made for the merged person at that very moment.

    On PostgreSQL a mail may have asked who its sender is just before a merge, and have been
    committed after it. Returns how many there were; one statement where nobody was merged lately.
    """
    lately = sa.select(PersonMerge).where(
        PersonMerge.merged_at >= now - LATE, PersonMerge.undone_at.is_(None)
    )
    count = 0
    for done in db.session.scalars(lately):
        survivor_id = db.session.get_one(Person, done.person_id).merged_into_id
        if survivor_id is None:
            continue
        tickets = _move_ids(Ticket.id, Ticket.requester_id, done.person_id, survivor_id)
        comments = _move_ids(Comment.id, Comment.author_id, done.person_id, survivor_id)
        holding.serve_again(tickets, by=System(), now=now)
        if tickets or comments:
            done.moved = {
                **done.moved,
                "tickets": [*done.moved["tickets"], *tickets],
                "comments": [*done.moved["comments"], *comments],
            }
            count += len(tickets) + len(comments)
    return count


def cannot_undo(done: PersonMerge, survivor: Person, *, now: datetime) -> str:
    """Why a merge cannot be undone, in words; "" where it can."""
    if done.undone_at is not None:
        return "This merge was undone already."
    if now - done.merged_at > timedelta(days=UNDO_DAYS):
        return f"A merge can be undone for {UNDO_DAYS} days."
    if survivor.merged_into_id is not None:
        return f"{survivor.display_name} was merged into somebody since. Undo that first."
    main = done.moved["main"]
    theirs = {email.address: email for email in survivor.emails}
    if main and main not in theirs:
        return f"{main} was given up or taken over since, so there is nothing to mail them at."
    if main and theirs[main].is_main:
        return f"{main} is the main address now. Choose another one first."
    return ""


def find(merge_id: int) -> tuple[PersonMerge, Person, Person]:
    """A merge with merged person and survivor, both locked.

    Raises:
        NotFound: there is none.
    """
    done = db.session.get(PersonMerge, merge_id)
    if done is None:
        raise NotFound("There is no such merge.")
    found = lock_both(done.person_id, done.survivor_id)
    db.session.refresh(done)
    return done, found[done.person_id], found[done.survivor_id]


def merges_into(person_id: int) -> list[tuple[PersonMerge, Person]]:
    """Merges into this person that are not undone, newest first; one statement."""
    found = (
        sa.select(PersonMerge, Person)
        .join(Person, Person.id == PersonMerge.person_id)
        .where(PersonMerge.survivor_id == person_id, PersonMerge.undone_at.is_(None))
        .order_by(PersonMerge.id.desc())
    )
    return [(row[0], row[1]) for row in db.session.execute(found)]


def _shown(person: Person) -> dict[str, list[Any]]:
    """Which addresses are theirs (`IS_THEIRS`), by what: when a link was used, and whether own."""
    return {
        email.address: [email.proven_at.isoformat() if email.proven_at else None, email.is_own]
        for email in person.emails
        if email.is_theirs
    }


def _move_addresses(merged: Person, survivor: Person, *, by: Person) -> list[str]:
    """Whoever reads them is let in by them only where the survivor has shown none as theirs:
    that the two are one person is what an agent says. A supervisor's word is enough, who may see
    everything as it is."""
    addresses = [email.address for email in merged.emails]
    keeps = by.is_supervisor or not any(email.is_theirs for email in survivor.emails)
    _hand_over(addresses, merged, survivor)
    if not keeps:
        moved = sa.update(PersonEmail).where(PersonEmail.address.in_(addresses))
        db.session.execute(moved.values(proven_at=None, is_own=False), execution_options=_quietly)
    return addresses


def _hand_over(addresses: list[str], giver: Person, taker: Person, main: str = "") -> None:
    """Let addresses be another person's; *main* becomes the taker's main one."""
    rows = sa.update(PersonEmail).where(
        PersonEmail.address.in_(addresses), PersonEmail.person_id == giver.id
    )
    rows = rows.values(person_id=taker.id, is_main=PersonEmail.address == main)
    db.session.execute(rows, execution_options=_quietly)
    for person in (giver, taker):
        db.session.expire(person, ["emails"])
    for row in db.session:
        if isinstance(row, PersonEmail):
            db.session.expire(row)


def _give_back_addresses(merged: Person, survivor: Person, moved: dict[str, Any]) -> None:
    _hand_over(moved["addresses"], survivor, merged, moved["main"])
    for row in merged.emails:
        if row.address in moved["shown"] and not row.is_theirs:
            at, row.is_own = moved["shown"][row.address]
            row.proven_at = datetime.fromisoformat(at) if at else None
    db.session.flush()


def _fill(merged: Person, survivor: Person) -> dict[str, Any]:
    """What the survivor has none of; an external id moves, since it is one person's."""
    filled = {}
    for name in FILLED:
        value = getattr(merged, name)
        if value and not getattr(survivor, name):
            filled[name] = value
    if "external_id" in filled:
        merged.external_id = None
        db.session.flush()
    for name, value in filled.items():
        setattr(survivor, name, value)
    db.session.flush()
    db.session.expire(survivor, ["organization"])
    return filled


def _move_ids(key: Any, column: Any, giver_id: int, taker_id: int) -> list[int]:
    ids = list(db.session.scalars(sa.select(key).where(column == giver_id)))
    move = sa.update(key.class_).where(column == giver_id).values({column: taker_id})
    db.session.execute(move, execution_options=_quietly)
    _expire(key.class_)
    return ids


def _give_back(key: Any, column: Any, ids: list[int], giver_id: int, taker_id: int) -> None:
    """Those of *ids* that are still the giver's."""
    back = sa.update(key.class_).where(key.in_(ids), column == giver_id)
    db.session.execute(back.values({column: taker_id}), execution_options=_quietly)
    _expire(key.class_)


def _expire(model: type[Any]) -> None:
    for row in db.session:
        if isinstance(row, model):
            db.session.expire(row)


def _move_participations(merged: Person, survivor: Person) -> list[list[Any]]:
    """What the merged person followed: [ticket, kind, whether the survivor did so before]."""
    rows = sa.select(Participant).where(Participant.person_id.in_((merged.id, survivor.id)))
    found = list(db.session.scalars(rows))
    both = {row.ticket_id for row in found if row.person_id == survivor.id}
    moved = []
    for row in found:
        if row.person_id == merged.id:
            moved.append([row.ticket_id, row.kind.value, row.ticket_id in both])
            db.session.delete(row)
    db.session.flush()
    for row in found:
        if row.person_id == merged.id and row.ticket_id not in both:
            db.session.add(
                Participant(
                    ticket_id=row.ticket_id,
                    person_id=survivor.id,
                    kind=row.kind,
                    created_at=row.created_at,
                )
            )
    db.session.flush()
    return moved


def _give_back_participations(
    merged: Person, survivor: Person, followed: list[list[Any]], *, now: datetime
) -> None:
    """Where the survivor still takes part, or did so apart from the merged person."""
    for ticket_id, kind, both in followed:
        row = db.session.get(Participant, (ticket_id, survivor.id))
        if row is None:
            continue
        if not both:
            db.session.delete(row)
        db.session.add(
            Participant(ticket_id=ticket_id, person_id=merged.id, kind=kind, created_at=now)
        )
    db.session.flush()


def _merged_into(person_id: int) -> list[int]:
    """Ids of all who were merged into this person, into those, and so on, and still are."""
    return below(PersonMerge.person_id, person_id)


def _point(ids: list[int], *, to: int) -> None:
    if ids:
        people = sa.update(Person).where(Person.id.in_(ids)).values(merged_into_id=to)
        db.session.execute(people, execution_options=_quietly)


def _tell_tickets(ids: list[int], told: str, *, rechoose: bool, by: Person, now: datetime) -> None:
    """A line on each ticket that somebody works on; another tier may mean another policy."""
    open_ones = sa.select(Ticket).where(Ticket.id.in_(ids), Ticket.status.in_(ACTIVE_STATUSES))
    for ticket in db.session.scalars(open_ones.order_by(Ticket.id).with_for_update(of=Ticket)):
        record(ticket, EventKind.REQUESTER, by=by, now=now, new=told)
        if rechoose:
            holding.rechoose_policy(ticket, now=now)


def _own_waiting(survivor: Person) -> list[int]:
    return holding.waiting_of(Person.id == survivor.id)


def _note(
    action: str, merged: Person, called: str, survivor: Person, *, by: Person, now: datetime
) -> None:
    into = f"{survivor.display_name} ({survivor.id})"
    audit.write(action, "person", merged.id, called, new=into, by=by, now=now)

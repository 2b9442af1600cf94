"""The several mail addresses of one person: adding, choosing the main one, giving one up."""

from __future__ import annotations

import sqlalchemy as sa

from app.accounts import people
from app.accounts.models import Person, PersonEmail
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid, NotFound

MOST = 20


class Taken(Conflict):
    """The address is another person's; ``owner_id`` is whose."""

    def __init__(self, address: str, owner: Person) -> None:
        super().__init__(
            f"{address} belongs to {owner.display_name}. If that is the same person, merge the two."
        )
        self.owner_id = owner.id


def add(person: Person, address: str, *, by: Person) -> PersonEmail:
    """One more address of *person*, not proven; twice is once.

    Raises:
        Invalid: it is none, or they have `MOST` already.
        Taken: it is somebody else's.
        Forbidden: *by* may not change this person.
    """
    may_change(person, by)
    address = people.normal_address(address)
    row = db.session.get(PersonEmail, address)
    if row is not None:
        if row.person_id == person.id:
            return row
        raise Taken(address, row.person)
    if len(person.emails) >= MOST:
        message = f"At most {MOST} addresses for one person."
        raise Invalid(message, {"address": message})
    row = PersonEmail(address=address, is_main=not person.emails)
    try:
        with db.session.begin_nested():
            person.emails.append(row)
            db.session.flush()
    except sa.exc.IntegrityError:  # a mail from there has just made somebody
        db.session.refresh(person, ["emails"])
        raise Taken(address, db.session.get_one(PersonEmail, address).person) from None
    return row


def make_main(person: Person, address: str, *, by: Person) -> None:
    """Mail *person* at this address from now on.

    Raises:
        NotFound: it is not theirs.
    """
    may_change(person, by)
    wanted = _own(person, address)
    for row in person.emails:
        row.is_main = False
    db.session.flush()  # at no moment two of them
    wanted.is_main = True
    db.session.flush()


def remove(person: Person, address: str, *, by: Person) -> None:
    """Give an address up; a mail from there is somebody new then.

    Raises:
        NotFound: it is not theirs.
        Conflict: it is the main one.
        Forbidden: it is the last that they have shown to be theirs, and *by* is an agent: whoever
            reads another would then be let in as them.
    """
    may_change(person, by)
    row = _own(person, address)
    if row.is_main:
        raise Conflict("Choose another main address first.")
    others = [one for one in person.emails if one is not row]
    if row.is_theirs and not any(one.is_theirs for one in others) and not by.is_supervisor:
        raise Forbidden("They sign in with this address. A supervisor can take it away.")
    person.emails.remove(row)
    db.session.flush()


def may_change(person: Person, by: Person) -> None:
    """Agents change customers; who works here is changed by admins, for an address lets one in.

    Raises:
        Forbidden: it is for an admin.
    """
    if person.is_agent and not by.is_admin:
        raise Forbidden("Addresses of people who work here are changed by an admin.")
    if person.merged_into_id is not None:
        raise Conflict("This person was merged into another one. Change that one.")


def _own(person: Person, address: str) -> PersonEmail:
    row = next((row for row in person.emails if row.address == address.lower()), None)
    if row is None:
        raise NotFound("This person has no such address. Reload the page.")
    return row

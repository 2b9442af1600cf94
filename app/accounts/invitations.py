"""How people come to work here: the first admin by a link on the terminal, others by mail."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from app.accounts import links, people
from app.accounts.models import (
    LINK_LIFETIME,
    LinkPurpose,
    OneTimeLink,
    Person,
    PersonEmail,
    Role,
)
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.mail import outbox


def first_admin_link() -> str | None:
    """A fresh link that makes the first admin, or None where there is an admin already.

    Earlier links of this kind stop working. To be called in a writing transaction.
    """
    if has_admin():
        return None
    db.session.execute(sa.delete(OneTimeLink).where(OneTimeLink.purpose == LinkPurpose.FIRST_ADMIN))
    return links.url(links.make(LinkPurpose.FIRST_ADMIN, now=utcnow()))


def has_admin() -> bool:
    """True once somebody can administer this desk."""
    admins = sa.exists().where(Person.role == Role.ADMIN, Person.is_active)
    return bool(db.session.scalar(sa.select(admins)))


def make_person(
    address: str, *, name: str, role: Role, password_hash: str | None = None, now: datetime
) -> Person:
    """Somebody with a role; a customer who is known already keeps tickets and gets the role, with
    this as the main address.

    Raises:
        Conflict: the address is an agent's; or it was added to a customer, who may be somebody
            else, and is let in by other addresses, too. Invalid: it is no address.
    """
    address = people.normal_address(address)
    row = db.session.get(PersonEmail, address, with_for_update=True)
    if row is None:
        person = Person(name=people.clean_line(name, people.NAME_LENGTH), created_at=now)
        person.emails = [PersonEmail(address=address, is_main=True)]
        db.session.add(person)
    else:
        person = row.person
        if person.is_agent or (role is Role.CUSTOMER and person.password_hash):
            raise Conflict(f"{address} is known already, as {person.role.value}.")
        if len(person.emails) > 1 and not row.is_theirs:
            raise Conflict(
                f"{address} was added to the customer {person.display_name}, who has not shown "
                "that it is theirs. Remove it there first."
            )
        for other in person.emails:
            other.is_main = False
        db.session.flush()  # at no moment two of them
        row.is_main = True
        person.name = people.clean_line(name, people.NAME_LENGTH) or person.name
    person.role = role
    person.is_active = True
    person.password_hash = password_hash or person.password_hash
    db.session.flush()
    return person


def invite(address: str, *, name: str, role: Role, by: Person | None, now: datetime) -> Person:
    """Make somebody an agent, supervisor or admin, and mail them a link to set a password.

    Whoever has not accepted yet gets a fresh link.

    Raises:
        Conflict: they work here already. Invalid: no address, or a customer's role.
    """
    if role is Role.CUSTOMER:
        raise Invalid("Customers need no invitation.", {"role": "Choose what they will do here."})
    address = people.normal_address(address)
    person = _waiting(address)
    if person is None:
        person = make_person(address, name=name, role=role, now=now)
    else:
        person.role = role
    db.session.execute(
        sa.delete(OneTimeLink).where(
            OneTimeLink.purpose == LinkPurpose.INVITATION, OneTimeLink.person_id == person.id
        )
    )
    path = links.make(LinkPurpose.INVITATION, person_id=person.id, address=address, now=now)
    context = {
        "path": path,
        "name": person.name,
        "role": role.value,
        "inviter": by.display_name if by else "",
        "days": LINK_LIFETIME[LinkPurpose.INVITATION].days,
    }
    outbox.queue([outbox.row("invitation", address, name=person.name, context=context, now=now)])
    return person


def _waiting(address: str) -> Person | None:
    """Who was invited under this address and has neither a password nor signed in since."""
    row = db.session.get(PersonEmail, address, with_for_update=True)
    if row is None or not row.person.is_agent:
        return None
    waits = row.person.password_hash is None and row.proven_at is None
    return row.person if waits else None

"""Customers as agents and other programs enter and change them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.accounts import addresses, people
from app.accounts.access import hidden_group_ids
from app.accounts.models import Organization, OrganizationAccess, Person, PersonEmail, Role, Tier
from app.core import audit
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.unique import unique

TAKEN = "Another person has this external id."


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerDraft:
    """A customer as they were entered; fields as in `models.Person`, *email* the main address."""

    email: str
    name: str
    phone: str
    external_id: str | None
    organization_id: int | None
    tier: Tier | None
    language: str
    time_zone: str


def facts(person: Person) -> Facts:
    """A customer in words."""
    return {
        "Name": person.name,
        "Mail": person.email,
        "Phone": person.phone,
        "External id": person.external_id or "",
        "Organization": person.organization.name if person.organization else "",
        "Tier": person.tier.value if person.tier else "",
        "Language": person.language,
        "Time zone": person.time_zone,
    }


def save(person: Person | None, draft: CustomerDraft, *, by: Person, now: datetime) -> Person:
    """Make a customer, or change one. A new main address is not proven; the old one stays theirs.

    Raises:
        Invalid: address, external id or organization will not do.
        Conflict: the address is another person's, or they were merged into another one.
        Forbidden: they would see tickets of their colleagues that *by* may not see.
    """
    before = facts(person) if person else {}
    if draft.organization_id is not None and not db.session.get(
        Organization, draft.organization_id
    ):
        message = "There is no such organization."
        raise Invalid(message, {"organization": message})
    if draft.organization_id != (person.organization_id if person else None):
        _refuse_insight(draft.organization_id, by=by)
    address = people.normal_address(draft.email) if draft.email else ""
    if person is None:
        person = _make(address, now=now)
    elif address != person.email:
        _change_address(person, address, by=by)
    with unique("external_id", TAKEN):
        person.external_id = draft.external_id
    person.name = draft.name
    person.phone = draft.phone
    person.organization_id = draft.organization_id
    person.tier = draft.tier
    person.language = draft.language
    person.time_zone = draft.time_zone
    db.session.flush()
    db.session.expire(person, ["organization"])
    thing = ("customer", person.id, person.display_name)
    audit.note(*thing, before=before, after=facts(person), by=by, now=now)
    return person


def by_address(address: str) -> Person | None:
    """Whose address this is.

    Raises:
        Invalid: it is no mail address.
    """
    row = db.session.get(PersonEmail, people.normal_address(address))
    return row.person if row else None


def _make(address: str, *, now: datetime) -> Person:
    if not address:
        raise Invalid(people.NO_ADDRESS, {"email": people.NO_ADDRESS})
    found = people.find_or_make(address, now=now)
    if not found.is_new:
        raise Conflict(f"{address} is known already, as person {found.id}.")
    return db.session.get_one(Person, found.id)


def _refuse_insight(organization_id: int | None, *, by: Person) -> None:
    """Some organizations let members see all their tickets, and private groups have some."""
    found = db.session.get(Organization, organization_id) if organization_id else None
    if found is not None and found.access is OrganizationAccess.ALL and hidden_group_ids(by):
        raise Forbidden(
            f"Members of {found.name} see all its tickets, of private groups too. Ask a supervisor."
        )


def _change_address(person: Person, address: str, *, by: Person) -> None:
    if not address:
        raise Invalid(people.NO_ADDRESS, {"email": people.NO_ADDRESS})
    addresses.add(person, address, by=by)
    addresses.make_main(person, address, by=by)


def refuse_others(person: Person) -> None:
    """Those who work here are members, not customers.

    Raises:
        Conflict: they do, or they were merged into another person.
    """
    if person.role is not Role.CUSTOMER:
        raise Conflict(f"{person.display_name} works here: an admin changes them.")
    if person.merged_into_id is not None:
        raise Conflict(f"They were merged into person {person.merged_into_id}: change that one.")

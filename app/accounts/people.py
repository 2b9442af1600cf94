"""Finding people by their addresses, and making them where nobody is known yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from app.accounts.models import (
    IS_THEIRS,
    Organization,
    OrganizationDomain,
    Person,
    PersonEmail,
    Role,
    Tier,
)
from app.core.db import Base, db
from app.core.errors import Conflict, Invalid
from app.core.mail_addresses import spelled_alike
from app.core.statements import Read, Write

NO_ADDRESS = "Enter a mail address such as name@example.com."
UNSYNCHRONIZED = {"synchronize_session": False}
NAME_LENGTH, PHONE_LENGTH, EXTERNAL_ID_LENGTH, ADDRESS_LENGTH = 200, 50, 255, 254
OnJoining = Callable[[Person, datetime], None]
_on_joining: list[OnJoining] = []


@dataclass(frozen=True, slots=True)
class Requester:
    """What the creation of a ticket needs to know of whoever asks."""

    id: int
    name: str
    email: str
    phone: str
    external_id: str | None
    role: Role
    is_active: bool
    language: str
    time_zone: str
    own_tier: Tier | None
    organization_id: int | None
    organization_name: str | None
    organization_tier: Tier | None
    is_proven: bool  # whoever uses this address has shown that it is theirs
    is_new: bool = False

    @property
    def tier(self) -> Tier:
        """The tier that counts: one's own, else the organization's, else standard."""
        return self.own_tier or self.organization_tier or Tier.STANDARD


REQUESTER = (
    sa.select(
        Person.id,
        Person.name,
        sa.func.coalesce(PersonEmail.address, "").label("email"),
        Person.phone,
        Person.external_id,
        Person.role,
        Person.is_active,
        Person.language,
        Person.time_zone,
        Person.tier.label("own_tier"),
        Person.organization_id,
        Organization.name.label("organization_name"),
        Organization.tier.label("organization_tier"),
        IS_THEIRS.label("is_proven"),
    )
    .select_from(Person)
    .outerjoin(Organization, Organization.id == Person.organization_id)
)
BY_ADDRESS = Read(
    REQUESTER.join(PersonEmail, PersonEmail.person_id == Person.id).where(
        PersonEmail.address == sa.bindparam("address")
    ),
    Requester,
)
BY_ID = Read(
    REQUESTER.outerjoin(
        PersonEmail, sa.and_(PersonEmail.person_id == Person.id, PersonEmail.is_main)
    ).where(Person.id == sa.bindparam("id")),
    Requester,
)
BY_EXTERNAL_ID = sa.select(Person.id).where(Person.external_id == sa.bindparam("external_id"))

INSERTS: dict[type[Base], Write] = {
    model: Write(
        {
            name: dialect.insert(model.__table__).on_conflict_do_nothing().returning(key)
            for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
        }
    )
    for model, key in ((Person, Person.id), (PersonEmail, PersonEmail.address))
}
# What a new customer has besides what was said of them.
NEWCOMER: dict[str, Any] = {
    "role": Role.CUSTOMER,
    "is_active": True,
    "language": "en",
    "time_zone": "",
    "own_tier": None,
    "organization_id": None,
    "organization_name": None,
    "organization_tier": None,
}


def find_or_make(
    email: str,
    *,
    name: str = "",
    phone: str = "",
    external_id: str | None = None,
    is_own: bool = False,
    now: datetime,
) -> Requester:
    """The person with this address, else with this external id, else a new customer.

    Someone known is never changed: a customer's blanks are filled, and an address that came with
    a known external id is added as one more, not proven. Safe in parallel: of two that make the
    same person, the second finds the first's. One statement for someone known.

    Args:
        is_own: they say so themselves, so the address of somebody new is theirs (`IS_THEIRS`).
    Raises:
        Invalid: *email* is no mail address.
    """
    address = normal_address(email)
    given = {
        "name": clean_line(name, NAME_LENGTH),
        "phone": clean_line(phone, PHONE_LENGTH),
        "external_id": clean_line(external_id or "", EXTERNAL_ID_LENGTH) or None,
    }
    found = find(address) or _make(address, given, is_own=is_own, now=now)
    if found.role is not Role.CUSTOMER:
        return found
    blanks = {key: value for key, value in given.items() if value and not getattr(found, key)}
    return _fill(found, blanks) if blanks else found


def find(address: str) -> Requester | None:
    """The person with this address (any of theirs), or None; one statement."""
    return BY_ADDRESS.one(address=address)


def requester_of(person_id: int) -> Requester | None:
    """The same for a person who is known already, with their main address ("" if none)."""
    return BY_ID.one(id=person_id)


def normal_address(text: str) -> str:
    """A mail address in the form in which it is stored and compared: lower case, IDN in Unicode.

    Lenient, since mail comes from addresses that break the rules (``a..b@`` of Japanese phone
    companies); forms check more strictly what people type.

    Raises:
        Invalid: it is none, or longer than RFC 5321 (section 4.5.3.1) allows.
    """
    address = spelled_alike(text)
    local, _, domain = address.rpartition("@")
    odd = any(not c.isprintable() or c.isspace() for c in address)
    if not local or not domain or odd or len(address) > ADDRESS_LENGTH:
        raise Invalid(NO_ADDRESS, {"email": NO_ADDRESS})
    return address


def clean_line(text: str, length: int) -> str:
    """One line of at most *length* characters, none of which a database refuses."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:length].strip()


def wrote_with_proof(sender: Requester) -> None:
    """Note that a customer uses the address which a mail of theirs came from, and was proven to.

    Not beside another address that is theirs: it shows who reads this one, not who they are.
    """
    if sender.is_proven or sender.role is not Role.CUSTOMER:
        return
    other = sa.orm.aliased(PersonEmail)
    has_theirs = sa.exists().where(
        other.person_id == sender.id, sa.or_(other.proven_at.is_not(None), other.is_own)
    )
    mine = sa.update(PersonEmail).where(
        PersonEmail.address == sender.email, PersonEmail.person_id == sender.id
    )
    db.session.execute(
        mine.where(sa.not_(has_theirs)).values(is_own=True), execution_options=UNSYNCHRONIZED
    )


def prove(address: str, *, person_id: int | None = None, now: datetime) -> None:
    """Note that an address was shown to belong to its person, by a link that went there.

    Only now may the address's domain say which organization the person belongs to.

    Args:
        person_id: whose it was when the link was made; nothing is shown if it is another's now.
    """
    row = db.session.get(PersonEmail, address, with_for_update=True)
    if row is None or person_id not in (None, row.person_id):
        return
    row.proven_at = row.proven_at or now
    person = row.person
    if person.organization_id is None and person.role is Role.CUSTOMER:
        domain = db.session.get(OrganizationDomain, address.rpartition("@")[2])
        if domain is not None:
            person.organization_id = domain.organization_id
            db.session.flush()
            db.session.expire(person, ["organization"])
            for do in _on_joining:
                do(person, now)


def when_joining(do: OnJoining) -> OnJoining:
    """Call *do* when a proven address has made somebody a member of an organization.

    What hangs on its tier lives in areas above this one, which it cannot call by name.
    """
    _on_joining.append(do)
    return do


def _make(address: str, given: dict[str, Any], *, is_own: bool, now: datetime) -> Requester:
    """A new customer, or who else has the address by now; or the external id's owner."""
    owner = None
    if given["external_id"]:
        owner = db.session.scalar(BY_EXTERNAL_ID, {"external_id": given["external_id"]})
    person_id = owner or _insert(Person, given | {"created_at": now})
    if person_id is None:  # the external id was taken at this moment, and stays theirs
        given["external_id"] = None
        person_id = _insert(Person, given | {"created_at": now})
    is_own = is_own and owner is None
    email = {"address": address, "person_id": person_id, "is_main": owner is None}
    email["is_own"] = is_own
    is_ours = _insert(PersonEmail, email) is not None
    if is_ours and owner is None:
        known = NEWCOMER | given
        return Requester(id=person_id, email=address, is_proven=is_own, is_new=True, **known)
    if not is_ours and owner is None:
        # Someone else has just made them; PostgreSQL waited for that commit before it said so.
        db.session.execute(sa.delete(Person).where(Person.id == person_id))
    found = find(address)
    if found is None:
        raise Conflict("This address was given up just now. Send it once more.")
    return found


def _insert(model: type[Base], values: dict[str, Any]) -> Any:
    """Insert one row; its key, or None where a unique value of it is taken."""
    return INSERTS[model].one(**values)


def _fill(found: Requester, blanks: dict[str, Any]) -> Requester:
    """Fill what is unknown of a customer, unless somebody else just did."""
    external_id = blanks.pop("external_id", None)
    person = sa.update(Person).where(Person.id == found.id)
    if blanks:
        filled = {
            key: sa.case((getattr(Person, key) == "", value), else_=getattr(Person, key))
            for key, value in blanks.items()
        }
        db.session.execute(person.values(filled), execution_options=UNSYNCHRONIZED)
    if external_id:
        try:
            with db.session.begin_nested():
                person = person.where(Person.external_id.is_(None))
                db.session.execute(
                    person.values(external_id=external_id), execution_options=UNSYNCHRONIZED
                )
            blanks["external_id"] = external_id
        except IntegrityError:  # another person's: an address says more than an id
            pass
    return replace(found, **blanks)

"""Requesters and organizations over the API, by our ids and by other programs'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from flask import jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError, fields, validate
from sqlalchemy.orm import joinedload, selectinload

from app.accounts import customers
from app.accounts.customers import CustomerDraft
from app.accounts.models import (
    Organization,
    OrganizationAccess,
    OrganizationDomain,
    Person,
    PersonEmail,
    Role,
    Tier,
)
from app.admin import replacing
from app.admin.organizations import ORGANIZATIONS as ORGANIZATION_PAGES
from app.admin.organizations import save as save_organization
from app.api.access import caller, token_required
from app.api.base import Schema
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.kinds import Data, Kind, ListQuery, Query, allowed, register, words_of
from app.api.v1.references import id_of
from app.api.v1.schemas import Line, Named, Text, in_part, key_in_path
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.tickets import holding
from app.tickets.queries import refuse_hidden

LANGUAGE = validate.Regexp(r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,2}$", error="Such as en or pt-BR.")
# Parts of a person, which go with them.
PARTS = {"person_email", "person_skill", "group_member", "login_session", "one_time_link"}
PARTS |= {"recovery_code", "api_token", "idempotency_key"}


def _is_zone(value: str) -> None:
    if value and value not in _zones():
        raise ValidationError("Such as Europe/Vienna; empty: the desk's.")


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())


def external_id(**options: Any) -> Line:
    """The id by which another program knows it."""
    return Line(allow_none=True, validate=validate.Length(1, 255), **options)


class Ref(Schema):
    """Something by its id and name."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)


class AddressOut(Schema):
    """A mail address of somebody."""

    address = fields.String(required=True)
    is_main = fields.Boolean(required=True)
    is_proven = fields.Boolean(required=True)


class RequesterOut(Schema):
    """A customer. What customers do not see of themselves is left out for them."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    emails = fields.List(fields.Nested(AddressOut), required=True)
    phone = fields.String(required=True)
    language = fields.String(required=True)
    time_zone = fields.String(required=True)
    organization = fields.Nested(Ref, allow_none=True, required=True)
    external_id = fields.String(allow_none=True)
    tier = fields.Enum(Tier, by_value=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class RequesterBase(Schema):
    """What is said of a customer; nothing of it has to be."""

    name = Line(load_default="", validate=validate.Length(max=200))
    phone = Line(load_default="", validate=validate.Length(max=50))
    organization = Named(load_default=None, allow_none=True)
    tier = fields.Enum(Tier, by_value=True, load_default=None, allow_none=True)
    language = Line(load_default="en", validate=LANGUAGE)
    time_zone = Line(load_default="", validate=_is_zone)


class RequesterNew(RequesterBase):
    """A customer to be made."""

    email = Line(required=True, validate=validate.Length(1, 254))
    external_id = external_id(load_default=None)


class RequesterPut(RequesterBase):
    """A customer whom another program knows; the address is needed where they are new."""

    email = Line(load_default="", validate=validate.Length(1, 254))


class RequesterQuery(ListQuery):
    """Which customers."""

    email = Line(load_default="", metadata={"description": "One of their addresses."})
    external_id = Line(load_default="", metadata={"description": "Another program's id."})
    organization = fields.Integer(
        load_default=None,
        validate=validate.Range(1, 2**31 - 1),
        metadata={"description": "Id of an organization."},
    )


class OrganizationOut(Schema):
    """A customer company."""

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    domains = fields.List(fields.String(), required=True)
    tier = fields.Enum(Tier, by_value=True, required=True)
    access = fields.Enum(OrganizationAccess, by_value=True, required=True)
    external_id = fields.String(allow_none=True, required=True)
    notes = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)


class OrganizationPut(Schema):
    """A company that another program knows; ``access`` is what its members see."""

    name = Line(required=True, validate=validate.Length(1, 200))
    domains = fields.List(
        Line(validate=validate.Length(1, 253)),
        load_default=list,
        validate=validate.Length(max=200),
    )
    tier = fields.Enum(Tier, by_value=True, load_default=Tier.STANDARD)
    access = fields.Enum(OrganizationAccess, by_value=True, load_default=OrganizationAccess.OWN)
    notes = Text(load_default="", validate=validate.Length(max=10_000))


class OrganizationNew(OrganizationPut):
    """A company to be made."""

    external_id = external_id(load_default=None)


class OrganizationQuery(ListQuery):
    """Which companies."""

    domain = Line(load_default="", metadata={"description": "One of its mail domains."})
    external_id = Line(load_default="", metadata={"description": "Another program's id."})


def _requesters(args: Data, viewer: Person) -> Query:
    found = (
        sa.select(Person)
        .where(Person.role == Role.CUSTOMER, Person.merged_into_id.is_(None))
        .options(selectinload(Person.emails), joinedload(Person.organization))
    )
    if not viewer.is_agent:
        found = found.where(Person.id == viewer.id)
    if args.get("email"):
        owner = sa.select(PersonEmail.person_id).where(PersonEmail.address == args["email"].lower())
        found = found.where(Person.id.in_(owner))
    if args.get("external_id"):
        found = found.where(Person.external_id == args["external_id"])
    if args.get("organization"):
        found = found.where(Person.organization_id == args["organization"])
    return found.where(*words_of((Person.name,), args))


def _show_requesters(rows: Sequence[Person], viewer: Person) -> list[Data]:
    return [_requester(row, viewer) for row in rows]


def _requester(row: Person, viewer: Person) -> Data:
    addresses = sorted(row.emails, key=lambda email: (not email.is_main, email.address))
    found: Data = {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "emails": [
            {
                "address": email.address,
                "is_main": email.is_main,
                "is_proven": email.proven_at is not None,
            }
            for email in addresses
        ],
        "phone": row.phone,
        "language": row.language,
        "time_zone": row.time_zone,
        "organization": (
            {"id": row.organization.id, "name": row.organization.name} if row.organization else None
        ),
        "created_at": row.created_at.isoformat(),
    }
    if viewer.is_agent:
        found["external_id"] = row.external_id
        found["tier"] = row.tier.value if row.tier else None
    return found


def _present_requester(row: Person) -> Data:
    return {
        "email": row.email,
        "name": row.name,
        "phone": row.phone,
        "external_id": row.external_id,
        "organization": row.organization_id,
        "tier": row.tier,
        "language": row.language,
        "time_zone": row.time_zone,
    }


def _save_requester(row: Person | None, data: Data, by: Person, now: datetime) -> Person:
    served = row.effective_tier if row else None
    draft = {**data, "organization_id": id_of(Organization, data["organization"], "organization")}
    del draft["organization"]
    if row is not None and data["email"].lower() != row.email:
        refuse_hidden(row, by=by)
    saved = customers.save(row, CustomerDraft(**draft), by=by, now=now)
    if served is not None and saved.effective_tier is not served:
        holding.tier_changed(Person.id == saved.id, by=by, now=now)
    return saved


def _remove_requester(row: Person, instead: int | None, by: Person, now: datetime) -> None:
    """Delete a customer who never asked anything."""
    for table, column in replacing.references(Person):
        if table.name not in PARTS and db.session.scalar(
            sa.select(sa.literal(1)).where(column == row.id).limit(1)
        ):
            raise Conflict("They have tickets, or a part in one. Merge them with another person.")
    audit.note(
        *("customer", row.id, row.display_name),
        before=customers.facts(row),
        after={},
        by=by,
        now=now,
    )
    db.session.delete(row)
    db.session.flush()


def _organizations(args: Data, viewer: Person) -> Query:
    found = sa.select(Organization).options(selectinload(Organization.domains))
    if args.get("domain"):
        theirs = sa.select(OrganizationDomain.organization_id)
        theirs = theirs.where(OrganizationDomain.domain == args["domain"].lower())
        found = found.where(Organization.id.in_(theirs))
    if args.get("external_id"):
        found = found.where(Organization.external_id == args["external_id"])
    return found.where(*words_of((Organization.name,), args))


def _show_organizations(rows: Sequence[Organization], viewer: Person) -> list[Data]:
    return [
        {
            "id": row.id,
            "name": row.name,
            "domains": sorted(domain.domain for domain in row.domains),
            "tier": row.tier.value,
            "access": row.access.value,
            "external_id": row.external_id,
            "notes": row.notes,
            "created_at": row.created_at.isoformat(),
        }
        for row in rows
    ]


def _present_organization(row: Organization) -> Data:
    return {
        "name": row.name,
        "domains": sorted(domain.domain for domain in row.domains),
        "tier": row.tier,
        "access": row.access,
        "external_id": row.external_id,
        "notes": row.notes,
    }


def _save_organization(
    row: Organization | None, data: Data, by: Person, now: datetime
) -> Organization:
    return save_organization(row, **data, by=by, now=now)


REQUESTER = {
    "id": 41,
    "name": "Johanna Leitner",
    "email": "johanna@backhaus.example",
    "emails": [{"address": "johanna@backhaus.example", "is_main": True, "is_proven": True}],
    "phone": "+43 1 555 01 00",
    "language": "de",
    "time_zone": "Europe/Vienna",
    "organization": {"id": 7, "name": "Backhaus Leitner"},
    "external_id": "crm-1041",
    "tier": "premium",
    "created_at": "2026-03-02T08:15:00+00:00",
}
ORGANIZATION = {
    "id": 7,
    "name": "Backhaus Leitner",
    "domains": ["backhaus.example"],
    "tier": "premium",
    "access": "own",
    "external_id": "crm-company-7",
    "notes": "Four bakeries, one contract.",
    "created_at": "2026-03-02T08:10:00+00:00",
}
REQUESTER_IN = {
    "name": "Johanna Leitner",
    "email": "johanna@backhaus.example",
    "phone": "+43 1 555 01 00",
    "organization": "Backhaus Leitner",
    "language": "de",
}
ORGANIZATION_IN = {
    "name": "Backhaus Leitner",
    "domains": ["backhaus.example"],
    "tier": "premium",
    "notes": "Four bakeries, one contract.",
}
REQUESTERS = Kind(
    path="requesters",
    one="requester",
    what="Customers. A customer's own token shows that customer alone.",
    model=Person,
    read=Role.CUSTOMER,
    write=Role.AGENT,
    shape=RequesterOut,
    new=RequesterNew,
    query=RequesterQuery,
    found=_requesters,
    show=_show_requesters,
    present=_present_requester,
    save=_save_requester,
    remove=_remove_requester,
    example=REQUESTER,
    example_in=REQUESTER_IN | {"external_id": "crm-1041"},
)
ORGANIZATIONS = Kind(
    path="organizations",
    one="organization",
    what="Customers' companies.",
    model=Organization,
    read=Role.AGENT,
    write=Role.ADMIN,
    shape=OrganizationOut,
    new=OrganizationNew,
    query=OrganizationQuery,
    found=_organizations,
    show=_show_organizations,
    present=_present_organization,
    save=_save_organization,
    admin=ORGANIZATION_PAGES,
    example=ORGANIZATION,
    example_in=ORGANIZATION_IN | {"external_id": "crm-company-7"},
)
register(REQUESTERS)
register(ORGANIZATIONS)


def _by_external_id(kind: Kind, value: str) -> Any | None:
    query = kind.found({"external_id": value}, caller()).with_for_update(of=kind.model)
    return db.session.scalars(query).unique().one_or_none()


def _known_by_address(value: str, data: Data) -> Person | None:
    """The customer whose address it is, to be known by this external id from now on."""
    person = customers.by_address(data["email"]) if data.get("email") else None
    if person is None:
        return None
    customers.refuse_others(person)
    if person.external_id not in (None, value):
        raise Conflict(f"{data['email']} belongs to person {person.id}, who has another id there.")
    return person


def _register_external(
    kind: Kind, schema: type[Schema], example: Data, known: Callable[[str, Data], Any | None]
) -> None:
    """GET and PUT under another program's id, which may hold slashes."""
    path, name = f"/{kind.path}/external/<path:value>", kind.key
    shown: type[Schema] = kind.shape

    @bp.route(path, endpoint=f"show_external_{name}", methods=["GET"], tags=[kind.tag])
    @bp.doc(summary=f"Find {kind.tag.lower()} by external id")
    @limited
    @token_required
    @bp.response(200, shown, example=kind.example)
    @documented(403, 404)
    def show(value: str) -> ResponseReturnValue:
        """By the id that another program knows."""
        person = allowed(max(kind.read, Role.AGENT, key=list(Role).index))
        found = _by_external_id(kind, value)
        if found is None:
            raise NotFound(f"There is no {kind.one} with this external id.")
        return jsonify(kind.show([found], person)[0])

    @bp.route(path, endpoint=f"put_external_{name}", methods=["PUT"], tags=[kind.tag])
    @bp.doc(summary=f"Make or change {kind.tag.lower()} by external id")
    @limited
    @token_required
    @bp.arguments(in_part(schema), example=example)
    @bp.response(200, shown, example=kind.example)
    @bp.alt_response(201, schema=shown, description="Made.", example=kind.example, success=True)
    @documented(400, 403, 404, 409)
    def put(data: Data, value: str) -> ResponseReturnValue:
        """The same request twice makes one, so that an import may be run again."""
        person = allowed(kind.write)
        key = key_in_path(value)
        found = _by_external_id(kind, key) or known(key, data)
        if found is not None:
            data = {**kind.present(found), **data, "external_id": key}
        else:
            whole = bp.ARGUMENTS_PARSER.parse(schema(), request, location="json")
            data = {**whole, "external_id": key}
        saved = kind.save(found, data, person, utcnow())
        db.session.commit()
        query = kind.found({}, person).where(kind.model.__table__.c.id == saved.id)
        row = db.session.scalars(query).unique().one()
        return jsonify(kind.show([row], person)[0]), 200 if found else 201


_register_external(REQUESTERS, RequesterPut, REQUESTER_IN, _known_by_address)
_register_external(ORGANIZATIONS, OrganizationPut, ORGANIZATION_IN, lambda value, data: None)

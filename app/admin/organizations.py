"""Customers' organizations."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from wtforms import RadioField, SelectField

from app.accounts import organizations
from app.accounts.access import admin_required
from app.accounts.models import (
    Organization,
    OrganizationAccess,
    OrganizationDomain,
    Person,
    Tier,
)
from app.admin.forms import AdminForm, line, options, text
from app.admin.resource import ListRow, Query, Resource
from app.tickets import holding


class OrganizationForm(AdminForm):
    """An organization."""

    name = line("Name", most=200)
    domains = text(
        "Mail domains",
        "One on each line, such as example.com. Whoever proves an address there belongs to it. "
        "Providers where anybody can have an address are refused.",
        most=5_000,
    )
    tier = SelectField(
        "Tier",
        choices=options((tier.value, tier.value.capitalize()) for tier in Tier),
        default=Tier.STANDARD.value,
        description="Of those who have none of their own. SLA policies and priorities know it.",
    )
    access = RadioField(
        "Its members see",
        choices=options((a.value, w[0].upper() + w[1:]) for a, w in organizations.ACCESS.items()),
        default=OrganizationAccess.OWN.value,
    )
    external_id = line("External id", "By which other programs know it.", most=255, needed=False)
    notes = text("Notes", "For agents alone.")


def _found(words: str) -> Query:
    members = (
        sa.select(sa.func.count())
        .where(Person.organization_id == Organization.id)
        .correlate(Organization)
        .scalar_subquery()
    )
    named = (
        sa.select(sa.func.min(OrganizationDomain.domain))
        .where(OrganizationDomain.organization_id == Organization.id)
        .correlate(Organization)
        .scalar_subquery()
    )
    found: Query = sa.select(
        Organization.id,
        Organization.name,
        Organization.tier,
        Organization.access,
        members.label("members"),
        named.label("domain"),
    )
    if words:
        domains = sa.exists().where(
            OrganizationDomain.organization_id == Organization.id,
            OrganizationDomain.domain.icontains(words, autoescape=True),
        )
        found = found.where(sa.or_(Organization.name.icontains(words, autoescape=True), domains))
    return found.order_by(sa.func.lower(Organization.name), Organization.id)


def _row(row: Any) -> ListRow:
    tags = [row.tier.value.capitalize()] if row.tier is not Tier.STANDARD else []
    if row.access is OrganizationAccess.ALL:
        tags.append("Members see all")
    side = "1 person" if row.members == 1 else f"{row.members:,} people"
    return ListRow(row.id, row.name, row.domain or "No mail domain", tuple(tags), side)


def _form(row: Organization | None) -> OrganizationForm:
    return OrganizationForm(
        data={
            "name": row.name,
            "domains": "\n".join(sorted(domain.domain for domain in row.domains)),
            "tier": row.tier.value,
            "access": row.access.value,
            "external_id": row.external_id or "",
            "notes": row.notes,
        }
        if row
        else None
    )


def _save(
    row: Organization | None, form: OrganizationForm, by: Person, now: datetime
) -> Organization:
    domains = (line.strip() for line in (form.domains.data or "").splitlines())
    return save(
        row,
        name=form.name.data,
        domains=[domain for domain in domains if domain],
        tier=Tier(form.tier.data),
        access=OrganizationAccess(form.access.data),
        external_id=form.external_id.data or None,
        notes=form.notes.data or "",
        by=by,
        now=now,
    )


def save(row: Organization | None, *, by: Person, now: datetime, **draft: Any) -> Organization:
    """As `accounts.organizations.save`; what its members wait for follows another tier.

    A new domain may have made members of people who had proven an address there.
    """
    before = _joins(row) if row else None
    saved = organizations.save(row, **draft, by=by, now=now)
    if _joins(saved) != before:
        theirs = sa.and_(Person.organization_id == saved.id, Person.tier.is_(None))
        holding.tier_changed(theirs, by=by, now=now)
    return saved


def _joins(row: Organization) -> tuple[Tier, set[str]]:
    return row.tier, {domain.domain for domain in row.domains}


ORGANIZATIONS = Resource(
    path="organizations",
    one="organization",
    many="Organizations",
    lead="Customers' companies: their mail domains, tier, and who sees what.",
    guard=admin_required,
    model=Organization,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda row: row.name,
    facts=organizations.facts,
)

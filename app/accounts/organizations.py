"""Mail domains of organizations: entered by an admin, and never one that anybody can get."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from app.accounts.models import (
    Organization,
    OrganizationAccess,
    OrganizationDomain,
    Person,
    PersonEmail,
    Role,
    Tier,
)
from app.core import audit
from app.core.audit import Actor, Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.unique import unique

# Whoever has an address there is not for that reason somebody's colleague.
PUBLIC_PROVIDERS = frozenset(
    """
    126.com 163.com aim.com aol.com att.net bigpond.com bluewin.ch bt.com btinternet.com
    centrum.cz comcast.net cox.net daum.net docomo.ne.jp duck.com earthlink.net email.cz
    ezweb.ne.jp fastmail.com fastmail.fm free.fr freemail.hu freenet.de gmail.com gmx.at gmx.ch
    gmx.com gmx.de gmx.net googlemail.com hanmail.net hey.com hotmail.co.uk hotmail.com hotmail.de
    hotmail.es hotmail.fr hotmail.it hushmail.com icloud.com inbox.lv inbox.ru interia.pl
    juno.com laposte.net libero.it list.ru live.co.uk live.com live.de live.fr live.nl mac.com
    mail.com mail.de mail.ru mailbox.org me.com msn.com naver.com o2.pl online.de onet.pl op.pl
    orange.fr outlook.com outlook.de outlook.es outlook.fr pm.me posteo.de posteo.net proton.me
    protonmail.ch protonmail.com qq.com rambler.ru rediffmail.com rogers.com sapo.pt sbcglobal.net
    seznam.cz sfr.fr shaw.ca sina.com sky.com softbank.ne.jp t-online.de talktalk.net telia.com
    tiscali.it tuta.com tutamail.com tutanota.com tutanota.de ukr.net uol.com.br verizon.net
    virgilio.it virginmedia.com wanadoo.fr web.de windowslive.com wp.pl xs4all.nl yahoo.ca
    yahoo.co.in yahoo.co.jp yahoo.co.uk yahoo.com yahoo.com.au yahoo.com.br yahoo.de yahoo.es
    yahoo.fr yahoo.it yandex.com yandex.ru ya.ru yeah.net ymail.com ziggo.nl zoho.com
    """.split()
)
ACCESS = {
    OrganizationAccess.OWN: "their own tickets",
    OrganizationAccess.ALL: "all tickets of their organization",
}
DOMAIN = re.compile(r"(?=.{4,253}$)(\w(?:[\w-]{0,61}\w)?\.)+\w(?:[\w-]{0,61}\w)?")


def add_domain(organization: Organization, text: str) -> OrganizationDomain:
    """Enter a mail domain; customers who have proven an address there and belong to nobody join.

    Raises:
        Invalid: it is no domain, or a public provider's.
        Conflict: it is another organization's.
    """
    domain = text.strip().lower().removeprefix("@").removesuffix(".")
    if not DOMAIN.fullmatch(domain):
        raise Invalid("Enter a domain such as example.com.", {"domain": "This is no domain."})
    if domain in PUBLIC_PROVIDERS:
        message = f"Anybody can have an address at {domain}."
        raise Invalid(message, {"domain": message})
    row = db.session.get(OrganizationDomain, domain)
    if row is not None:
        if row.organization_id != organization.id:
            raise Conflict(f"{domain} belongs to {row.organization.name} already.")
        return row
    row = OrganizationDomain(domain=domain, organization_id=organization.id)
    db.session.add(row)
    db.session.flush()
    proven = sa.select(PersonEmail.person_id).where(
        PersonEmail.address.endswith(f"@{domain}", autoescape=True),
        PersonEmail.proven_at.is_not(None),
    )
    joining = sa.update(Person).where(
        Person.organization_id.is_(None), Person.role == Role.CUSTOMER, Person.id.in_(proven)
    )
    db.session.execute(
        joining.values(organization_id=organization.id),
        execution_options={"synchronize_session": False},
    )
    return row


def facts(organization: Organization) -> Facts:
    """An organization in words."""
    return {
        "Name": organization.name,
        "Domains": ", ".join(sorted(row.domain for row in organization.domains)),
        "Tier": organization.tier.value,
        "Members see": ACCESS[organization.access],
        "External id": organization.external_id or "",
        "Notes": organization.notes,
    }


def save(
    organization: Organization | None,
    *,
    name: str,
    domains: Sequence[str],
    tier: Tier,
    access: OrganizationAccess,
    external_id: str | None,
    notes: str,
    by: Actor,
    now: datetime,
) -> Organization:
    """Make an organization, or change one; its domains are those of *domains* then.

    Raises:
        Invalid: name or external id are taken, or a domain will not do.
    """
    before = facts(organization) if organization else {}
    with unique("name", "Another organization has this name or external id."):
        if organization is None:
            organization = Organization(created_at=now)
            db.session.add(organization)
        organization.name = name
        organization.tier = tier
        organization.access = access
        organization.external_id = external_id
        organization.notes = notes
    kept = []
    for text in domains:
        try:
            kept.append(add_domain(organization, text))
        except (Invalid, Conflict) as error:
            message = next(iter(getattr(error, "errors", {}).values()), error.message)
            raise Invalid(message, {"domains": f"{text}: {message}"}) from None
    db.session.expire(organization, ["domains"])
    for row in list(organization.domains):
        if row not in kept:
            organization.domains.remove(row)
    db.session.flush()
    thing = ("organization", organization.id, organization.name)
    audit.note(*thing, before=before, after=facts(organization), by=by, now=now)
    return organization

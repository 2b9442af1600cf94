"""Who works at the demo's company, how it is organized, and who its customers are."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import sqlalchemy as sa

from app.accounts.models import (
    Distribution,
    Group,
    Organization,
    OrganizationAccess,
    OrganizationDomain,
    Person,
    PersonEmail,
    Presence,
    Role,
    Skill,
    Tier,
)
from app.core.db import db
from app.demo import articles
from app.demo.cases import CASES
from app.demo.names import ADMIN, AGENTS, ORGANIZATIONS, SUPERVISOR, somebody
from app.mail.models import Mailbox
from app.routing.models import AssignmentRule, RuleKind
from app.sla import queries
from app.sla.models import (
    Calendar,
    CalendarInterval,
    EscalationKind,
    Holiday,
    SlaEscalation,
    SlaPolicy,
)
from app.tickets.catalog_models import Category, CustomField, Macro, Subcategory, Tag, View
from app.tickets.filters import TicketFilters
from app.tickets.words import ACTIVE_STATUSES, WAITS_FOR_US, Priority, Source

DOMAIN = "demo.example"
CUSTOMERS = 500  # with a password
HISTORY = timedelta(days=730)
TIERS = (Tier.FREE, Tier.STANDARD, Tier.STANDARD, None, None, None, Tier.PREMIUM)

# Group: private, distribution, numbers of its agents (1 to 20).
GROUPS = {
    "Plant care": (False, Distribution.ROUND_ROBIN, (1, 2, 3, 4, 5, 6, 7)),
    "Technical service": (False, Distribution.LEAST_BUSY, (4, 5, 8, 9, 10, 11, 12, 13)),
    "App team": (False, Distribution.ROUND_ROBIN, (8, 10, 20)),
    "Orders and billing": (False, Distribution.ROUND_ROBIN, (12, 13, 14, 15, 16, 17)),
    "Business care": (False, Distribution.NONE, (9, 16, 17, 19, 20)),
    "Legal and privacy": (True, Distribution.NONE, (18, 19)),
}
SKILLS = {
    "Hydraulics": (4, 8, 9, 11, 13),
    "Electrics": (5, 9, 10, 11, 12),
    "Firmware": (8, 10, 20),
    "Botany": (1, 2, 3, 6, 7),
    "Bookkeeping": (13, 14, 15, 17),
}
# Category and subcategory: name, skills that it needs.
SUBCATEGORIES: dict[str, dict[str, tuple[str, tuple[str, ...]]]] = {
    "technical": {
        "pump": ("Pump and water", ("Hydraulics",)),
        "light": ("Light", ("Electrics",)),
        "leak": ("Leaks", ("Hydraulics",)),
        "sensor": ("Sensors", ("Electrics", "Firmware")),
        "connection": ("Connection", ("Firmware",)),
        "plants": ("Plants", ("Botany",)),
    },
    "bug": {"app": ("Companion app", ("Firmware",)), "firmware": ("Firmware", ("Firmware",))},
    "billing": {
        "invoice": ("Invoices", ("Bookkeeping",)),
        "subscription": ("Seedbox subscription", ()),
        "refund": ("Refunds", ("Bookkeeping",)),
    },
    "account": {"sign-in": ("Signing in", ()), "privacy": ("Privacy", ())},
    "general": {
        "order": ("Orders and delivery", ()),
        "advice": ("Advice", ()),
        "visit": ("Visits on site", ()),
    },
    "feature_request": {"app": ("Companion app", ()), "product": ("Products", ())},
}
# Position, category, subcategory, kind, group, number of the agent.
RULES: tuple[tuple[int, str, str, RuleKind, str, int], ...] = (
    (90, "account", "privacy", RuleKind.GROUP, "Legal and privacy", 0),
    (80, "general", "visit", RuleKind.GROUP, "Business care", 0),
    (75, "technical", "plants", RuleKind.SKILL_BASED, "Plant care", 0),
    (70, "technical", "", RuleKind.LEAST_BUSY, "Technical service", 0),
    (60, "bug", "", RuleKind.ROUND_ROBIN, "App team", 0),
    (55, "billing", "refund", RuleKind.SPECIFIC_AGENT, "", 15),
    (50, "billing", "", RuleKind.ROUND_ROBIN, "Orders and billing", 0),
    (45, "general", "order", RuleKind.LEAST_BUSY, "Orders and billing", 0),
    (40, "general", "", RuleKind.GROUP, "Plant care", 0),
)
TAGS = ("vip", "goodwill", "warranty", "replacement", "sent-parts", "late", "school", "press")
# Key: label, kind, choices, shown to customers, categories (none: all).
FIELDS: dict[str, tuple[str, str, list[str], bool, tuple[str, ...]]] = {
    "product": ("Product", "choice", ["Nook", "Alcove", "Atrium"], True, ()),
    "serial_number": ("Serial number", "text", [], True, ("technical", "bug")),
    "order_number": ("Order number", "text", [], True, ("billing", "general")),
    "water_hardness": ("Water hardness", "number", [], False, ("technical",)),
    "in_guarantee": ("In guarantee", "checkbox", [], False, ("technical",)),
    "visit_on": ("Visit on", "date", [], False, ("general",)),
}
MACROS: dict[str, tuple[str, dict[str, Any]]] = {
    "Ask for a picture": (
        "Could you send us a picture of the place, in daylight if possible?",
        {"status": "pending"},
    ),
    "Replacement is on its way": (
        "A replacement leaves us today and should be with you in two days. You can keep the old "
        "part.",
        {"status": "resolved", "tags": ["sent-parts"]},
    ),
    "To Business care": ("", {"group": "Business care"}),
}


@dataclass(frozen=True, slots=True)
class Company:
    """What tickets are made from, with everything that happened before them.

    Attributes:
        customers: by id, as `Customer`; those who write often come more than once in *writers*.
    """

    customers: dict[int, Customer]
    writers: list[int]
    mailbox_id: int


@dataclass(frozen=True, slots=True)
class Customer:
    """A customer as the stories need them."""

    id: int
    name: str
    first: str
    email: str
    language: str
    city: str
    tier: Tier
    organization_id: int | None


def found(rng: Random, *, password_hash: str, customers: int, now: datetime) -> Company:
    """Add the company to an empty desk and commit.

    Args:
        customers: how many there are besides those who can sign in.
    """
    began = now - HISTORY
    agents = _team(rng, password_hash, began, now)
    _groups(agents, began)
    _categories()
    _service(now)
    _everyday(agents)
    _articles(Random(1), agents, now)  # noqa: S311 - dice of their own, tickets stay the same
    organizations = [
        Organization(
            name=name,
            tier=tier,
            access=OrganizationAccess.ALL if is_open else OrganizationAccess.OWN,
            created_at=began,
            domains=[OrganizationDomain(domain=domain)],
        )
        for name, domain, tier, is_open in ORGANIZATIONS
    ]
    mailbox = Mailbox(address=f"support@{DOMAIN}", name="Greenlatch support", created_at=began)
    db.session.add_all([*organizations, mailbox, *_tags()])
    db.session.flush()
    company = _customers(rng, organizations, password_hash, customers, began, mailbox.id)
    db.session.commit()
    return company


def _person(email: str, name: str, proven_at: datetime, **columns: Any) -> Person:
    address = PersonEmail(address=email, is_main=True, proven_at=proven_at)
    return Person(name=name, emails=[address], created_at=proven_at, **columns)


def _team(rng: Random, password_hash: str, began: datetime, now: datetime) -> list[Person]:
    """Admin and supervisor, then the 20 agents. Who is away or busy chose so; more are offline."""
    states = [Presence.ONLINE] * 11 + [Presence.BUSY] * 2 + [Presence.AWAY] * 2
    states += [Presence.OFFLINE] * 5
    rng.shuffle(states)
    people = [
        _person(f"admin@{DOMAIN}", ADMIN, began, role=Role.ADMIN),
        _person(f"supervisor@{DOMAIN}", SUPERVISOR, began, role=Role.SUPERVISOR),
    ]
    for n, (name, state) in enumerate(zip(AGENTS, states, strict=True), start=1):
        agent = _person(f"agent{n}@{DOMAIN}", name, began, role=Role.AGENT, presence=state)
        agent.presence_is_chosen = state in (Presence.BUSY, Presence.AWAY)
        agent.last_active_at = now - timedelta(minutes=rng.randrange(9))
        people.append(agent)
    for person in people:
        person.password_hash = password_hash
        person.time_zone = "Europe/Berlin"
    db.session.add_all(people)
    db.session.flush()
    return people[2:]


def _groups(agents: Sequence[Person], began: datetime) -> None:
    for name, (is_private, distribution, numbers) in GROUPS.items():
        group = Group(name=name, is_private=is_private, distribution=distribution, created_at=began)
        group.members = [agents[n - 1] for n in numbers]
        db.session.add(group)
    for name, numbers in SKILLS.items():
        skill = Skill(name=name)
        db.session.add(skill)
        for n in numbers:
            agents[n - 1].skills.append(skill)
    db.session.flush()


def _categories() -> None:
    categories = {row.key: row for row in db.session.scalars(sa.select(Category))}
    skills = {row.name: row for row in db.session.scalars(sa.select(Skill))}
    for key, subs in SUBCATEGORIES.items():
        for position, (sub, (name, needs)) in enumerate(subs.items(), start=1):
            row = Subcategory(key=sub, name=name, position=position)
            row.skills = [skills[need] for need in needs]
            categories[key].subcategories.append(row)
    categories["technical"].skills = [skills["Hydraulics"], skills["Electrics"]]
    for position, (key, (label, kind, choices, is_public, on)) in enumerate(FIELDS.items(), 1):
        field = CustomField(key=key, label=label, kind=kind, choices=choices, position=position)
        field.is_public = is_public
        field.categories = [categories[name] for name in on]
        db.session.add(field)
    db.session.flush()


def _service(now: datetime) -> None:
    """Business hours, and policies that are asked before the shipped ones."""
    hours = _support_hours(now)
    always = db.session.scalars(sa.select(Calendar).where(Calendar.is_always)).first()
    db.session.add(hours)
    db.session.flush()
    for policy in db.session.scalars(sa.select(SlaPolicy)):
        policy.position += 10
    db.session.add_all(_policies(hours.id, (always or hours).id))
    db.session.flush()
    for known in queries.active_policies():
        queries.terms_id(known.terms)  # written now: making tickets changes no reference data


def _support_hours(now: datetime) -> Calendar:
    hours = [(day, 8 * 60, 18 * 60) for day in range(5)] + [(5, 9 * 60, 13 * 60)]
    return Calendar(
        name="Support hours",
        time_zone="Europe/Berlin",
        intervals=[CalendarInterval(weekday=d, start_minute=a, end_minute=b) for d, a, b in hours],
        holidays=[
            Holiday(day=date(year, month, day), name=name)
            for year in range(now.year - 2, now.year + 3)
            for month, day, name in (
                (1, 1, "New Year"),
                (5, 1, "May Day"),
                (12, 25, "Christmas Day"),
                (12, 26, "Boxing Day"),
            )
        ],
    )


def _policies(hours_id: int, always_id: int) -> list[SlaPolicy]:
    """One for contracts, at any hour, and two that count in support hours."""
    late = {"kind": EscalationKind.ADD_TAG, "value": "late"}
    contract = SlaPolicy(
        name="Business contract",
        description="For contracts of the tier enterprise, day and night.",
        position=1,
        calendar_id=always_id,
        tiers=[Tier.ENTERPRISE.value],
        priorities=[Priority.CRITICAL.value, Priority.HIGH.value],
        first_response_minutes=60,
        next_response_minutes=240,
        resolution_minutes=720,
        escalations=[
            SlaEscalation(position=1, kind=EscalationKind.RAISE_PRIORITY, target="resolution"),
            SlaEscalation(position=2, **late),
        ],
    )
    normal = SlaPolicy(
        name="Normal, in support hours",
        position=2,
        calendar_id=hours_id,
        priorities=[Priority.NORMAL.value],
        first_response_minutes=300,
        next_response_minutes=600,
        resolution_minutes=1_800,
        escalations=[SlaEscalation(position=1, **late)],
    )
    low = SlaPolicy(
        name="Low, in support hours",
        position=3,
        calendar_id=hours_id,
        priorities=[Priority.LOW.value],
        first_response_minutes=600,
        resolution_minutes=4_200,
    )
    return [contract, normal, low]


def _everyday(agents: Sequence[Person]) -> None:
    """Assignment rules, views, macros."""
    categories = {row.key: row for row in db.session.scalars(sa.select(Category))}
    groups = {row.name: row for row in db.session.scalars(sa.select(Group))}
    for position, key, sub, kind, group, agent in RULES:
        category = categories[key]
        subs = {row.key: row.id for row in category.subcategories}
        where = next((row.name for row in category.subcategories if row.key == sub), category.name)
        db.session.add(
            AssignmentRule(
                name=f"{where} to {group or agents[agent - 1].name}",
                position=position,
                category_id=category.id,
                subcategory_id=subs.get(sub),
                kind=kind,
                group_id=groups[group].id if group else None,
                agent_id=agents[agent - 1].id if agent else None,
            )
        )
    leaks = TicketFilters(tag=("leak",), status=ACTIVE_STATUSES, sort="priority")
    phone = TicketFilters(source=(Source.PHONE,), status=ACTIVE_STATUSES, sort="created_at")
    severe = TicketFilters(priority=(Priority.CRITICAL, Priority.HIGH), status=WAITS_FOR_US)
    db.session.add_all(
        [
            View(name="Leaks", filters=leaks.to_view(), position=1),
            View(name="Calls", filters=phone.to_view(), position=2),
            View(
                name="Severe",
                filters=severe.to_view(),
                position=3,
                group_id=groups["Technical service"].id,
            ),
        ]
    )
    for position, (name, (reply, changes)) in enumerate(MACROS.items(), start=1):
        if "group" in changes:
            changes = changes | {"group": groups[changes["group"]].id}
        db.session.add(Macro(name=name, reply=reply, changes=changes, position=position))


def _articles(rng: Random, agents: Sequence[Person], now: datetime) -> None:
    """The help centre."""
    own = sa.select(PersonEmail.person_id).where(PersonEmail.address == f"supervisor@{DOMAIN}")
    supervisor = db.session.get_one(Person, db.session.scalars(own).one())
    articles.write(rng, supervisor=supervisor, agents=agents[:7], now=now)


def _local_part(name: str) -> str:
    """ "Zoë Noël" -> "zoe.noel"; "guest" for names in other scripts."""
    plain = unicodedata.normalize("NFKD", name.lower()).encode("ascii", "ignore").decode()
    return ".".join(plain.split()) or "guest"


def _tags() -> list[Tag]:
    names = {*TAGS, *(tag for case in CASES for tag in case.tags)}
    return [Tag(name=name) for name in sorted(names)]


def _customers(
    rng: Random,
    organizations: Sequence[Organization],
    password_hash: str,
    others: int,
    began: datetime,
    mailbox_id: int,
) -> Company:
    next_id = (db.session.scalar(sa.select(sa.func.max(Person.id))) or 0) + 1
    people: list[dict[str, Any]] = []
    addresses: list[dict[str, Any]] = []
    customers: dict[int, Customer] = {}
    writers: list[int] = []
    for n in range(1, CUSTOMERS + others + 1):
        who, person_id = somebody(rng), next_id + n - 1
        can_sign_in = n <= CUSTOMERS
        organization = rng.choice(organizations) if rng.random() < 0.35 else None
        domain = organization.domains[0].domain if organization else "mail.example"
        email = f"customer{n}@{DOMAIN}" if can_sign_in else f"{_local_part(who.name)}{n}@{domain}"
        own = rng.choice(TIERS) if organization is None else None
        people.append(
            {
                "id": person_id,
                "name": who.name,
                "phone": f"+00 {rng.randrange(100, 999)} 55501{rng.randrange(10, 99)}"
                if rng.random() < 0.4
                else "",
                "organization_id": organization.id if organization else None,
                "role": Role.CUSTOMER,
                "tier": own,
                "language": who.language,
                "time_zone": who.zone,
                "password_hash": password_hash if can_sign_in else None,
                "created_at": began,
            }
        )
        addresses.append(
            {"address": email, "person_id": person_id, "is_main": True, "proven_at": began}
        )
        customers[person_id] = Customer(
            id=person_id,
            name=who.name,
            first=who.first,
            email=email,
            language=who.language,
            city=who.city,
            tier=own or (organization.tier if organization else Tier.STANDARD),
            organization_id=organization.id if organization else None,
        )
        writers += [person_id] * rng.choice((1, 1, 1, 2, 2, 4, 9) if can_sign_in else (1, 1, 2))
    connection = db.session.connection()
    connection.execute(sa.insert(Person), people)
    connection.execute(sa.insert(PersonEmail), addresses)
    return Company(customers, writers, mailbox_id)

"""What is decided about a new ticket: whose it is, how urgent, who gets it, until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts import directory, people
from app.channels.new_ticket import NewTicket
from app.core.errors import Invalid
from app.core.settings_store import setting, settings_of
from app.core.statements import Read
from app.mail.models import SenderCheck
from app.routing import assignment
from app.routing.rules import Choice
from app.sla.targets import Facts
from app.tickets import catalog, clocks, properties
from app.tickets.models import Ticket
from app.tickets.prioritising import Score, score
from app.tickets.timeline import By, System
from app.tickets.words import Priority, Source, Target

# Made once: the one writer's lock is held while a ticket is taken in.
EARLIER: Read[Any] = Read(
    sa.select(Ticket.created_at)
    .where(Ticket.requester_id == sa.bindparam("person_id"))
    .order_by(Ticket.id.desc())
    .limit(sa.bindparam("enough"))
)


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is decided about a ticket before its first row is written.

    Attributes:
        actor: who opens it.
        points: how the priority was computed; None where it was given.
        group, agent: whom *choice* names.
    """

    asker: people.Requester
    actor: By
    category: catalog.CategoryCard
    tags: list[str]
    custom_fields: dict[str, Any]
    priority: Priority
    points: Score | None
    choice: Choice
    group: directory.GroupCard | None
    agent: directory.AgentCard | None
    service: clocks.NewClocks

    @property
    def is_routed(self) -> bool:
        """True where somebody has it from the beginning: it is open, no longer new."""
        return self.agent is not None or self.group is not None

    @property
    def first_response_due_at(self) -> datetime | None:
        """Until when the requester is answered."""
        rows = (r for r in self.service.rows if r["target"] is Target.FIRST_RESPONSE)
        return next((r["due_at"] for r in rows), None)


def plan(new: NewTicket, *, now: datetime) -> Plan:
    """Decide all that; makes the requester where nobody knows them.

    Raises:
        Invalid: what only the database knows is wrong (unknown category, custom fields).
    """
    category = _category(new)
    fields = properties.clean_custom_fields(category.id, new.custom_fields, complete=False)
    tags = properties.clean_tags(new.tags)
    asker = _requester(new, now=now)
    priority, points = _priority(new, asker, category, now=now)
    choice = assignment.choose(
        category_id=category.id,
        subcategory_id=new.subcategory_id,
        group_id=new.group_id,
        now=now,
    )
    group = directory.groups().get(choice.group_id) if choice.group_id else None
    facts = Facts(
        priority=priority,
        category_id=category.id,
        tier=asker.tier,
        group_id=choice.group_id,
        source=new.source,
        category_name=category.name,
        group_name=group.name if group else "",
    )
    return Plan(
        asker=asker,
        actor=new.by or System(asker.name or asker.email, asker.id),
        category=category,
        tags=tags,
        custom_fields=fields,
        priority=priority,
        points=points,
        choice=choice,
        group=group,
        agent=directory.agents().get(choice.agent_id) if choice.agent_id else None,
        service=clocks.for_new_ticket(facts, start=now),
    )


def _requester(new: NewTicket, *, now: datetime) -> people.Requester:
    """The person who asks, found or made."""
    given = new.requester
    if given.person_id is None:
        asker = people.find_or_make(
            given.email,
            name=given.name,
            phone=given.phone,
            external_id=given.external_id,
            is_own=new.by is None and new.source in (Source.WEB, Source.EMAIL, Source.CHAT),
            now=now,
        )
        if new.source is Source.EMAIL and new.sender_check is SenderCheck.PASS:
            people.wrote_with_proof(asker)
        return asker
    found = people.requester_of(given.person_id)
    if found is None:
        raise Invalid("There is no such person.", {"requester": "Name somebody who is known."})
    return found


def _category(new: NewTicket) -> catalog.CategoryCard:
    if new.category_id is None:
        return catalog.default_category()
    card = catalog.categories().get(new.category_id)
    if card is None:
        raise Invalid("There is no such category.", {"category": "Choose one of the list."})
    if new.subcategory_id is not None and new.subcategory_id not in {
        sub.id for sub in card.subcategories
    }:
        message = f"Choose one of {card.name}, or none."
        raise Invalid("There is no such subcategory.", {"subcategory": message})
    return card


def _priority(
    new: NewTicket, asker: people.Requester, category: catalog.CategoryCard, *, now: datetime
) -> tuple[Priority, Score | None]:
    """The priority that was given, else the computed one with its points."""
    if new.priority is not None:
        return new.priority, None
    enough = int(setting("priority_regular_after")) + 1
    times: list[datetime] = []
    if not asker.is_new:
        times = [row.created_at for row in EARLIER.all(person_id=asker.id, enough=enough)]
    points = score(
        new.subject,
        new.description,
        tier=asker.tier,
        category_key=category.key,
        has_files=any(not file.is_inline for file in new.files),
        earlier=len(times),
        last_at=times[0] if times else None,
        now=now,
        weights=settings_of("priority_"),
    )
    return points.priority, points

"""The one way in for web form, mail, phone, chat and API: a ticket with all that follows."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.accounts import directory, people
from app.accounts.models import Person
from app.channels import auto_response
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.settings_store import setting, settings_of
from app.core.statements import Read, Write
from app.integrations import announcing
from app.mail import outbox
from app.mail.models import SenderCheck
from app.mail.tokens import reply_token
from app.routing import assignment
from app.routing.rules import Choice
from app.sla.targets import Facts
from app.tickets import attachments, catalog, clocks, decisions, keys, notifications, properties
from app.tickets.attachments import StoredFile
from app.tickets.catalog_models import ticket_tag
from app.tickets.conversation import preview_line
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Attachment, Comment, SlaClock, Ticket
from app.tickets.prioritising import Score, score
from app.tickets.timeline import By, System, row
from app.tickets.words import (
    AuthorKind,
    EventKind,
    Priority,
    Source,
    Status,
    Target,
    Visibility,
)

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without O, I, L, 0, 1

Decision = tuple[str, str, list[dict[str, Any]]]  # kind, summary, details: of a `DecisionRecord`

# Made once: the one writer's lock is held while a ticket is taken in.
_models: tuple[Any, ...] = (TicketEvent, SlaClock, Attachment, DecisionRecord)
INSERT = {model: Write(sa.insert(model.__table__)) for model in _models}
INSERT_TICKET = Write(
    {
        name: dialect.insert(Ticket.__table__)
        .on_conflict_do_nothing(index_elements=["number"])
        .returning(Ticket.id)
        for name, dialect in (("sqlite", sqlite), ("postgresql", postgresql))
    }
)
_comments: Any = Comment.__table__
INSERT_COMMENT = Write(sa.insert(_comments).returning(Comment.id))
EARLIER: Read[Any] = Read(
    sa.select(Ticket.created_at)
    .where(Ticket.requester_id == sa.bindparam("person_id"))
    .order_by(Ticket.id.desc())
    .limit(sa.bindparam("enough"))
)


@dataclass(frozen=True, slots=True)
class RequesterInput:
    """Who asks: a known person by id, or an address with what they say of themselves."""

    email: str = ""
    name: str = ""
    phone: str = ""
    external_id: str | None = None
    person_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewTicket:
    """A ticket to be; checked by its form or schema, cleaned, and with its files stored.

    Attributes:
        by: who opens it for the requester; None means the requester.
        automatic_reason: why the mail that opens it is automatic, else "".
        inbound_message_ids: Message-ID of that mail, and what it refers to.
        decisions: taken before, such as the threading match.
    """

    subject: str
    description: str
    requester: RequesterInput
    source: Source
    category_id: int | None = None
    subcategory_id: int | None = None
    priority: Priority | None = None
    group_id: int | None = None
    channel: str = ""
    tags: Sequence[str] = ()
    custom_fields: dict[str, Any] = field(default_factory=dict)
    files: Sequence[StoredFile] = ()
    external_id: str | None = None
    description_html: str | None = None
    description_quoted: str = ""
    mailbox_id: int | None = None
    follow_up_of_id: int | None = None
    automatic_reason: str = ""
    sender_check: SenderCheck = SenderCheck.UNKNOWN
    inbound_message_ids: Sequence[str] = ()
    by: Person | None = None
    decisions: Sequence[Decision] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """What became of it."""

    id: int
    number: str
    requester_id: int
    assignee_id: int | None
    group_id: int | None
    first_response_due_at: datetime | None


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


def take_in(new: NewTicket, *, now: datetime) -> Opened:
    """Open a ticket: requester, priority, SLA, assignment, history, answers, all or nothing.

    Runs inside the caller's transaction and never commits. Plain inserts: on SQLite the one
    writer's lock is held meanwhile, and units of work take four times as long.

    Raises:
        Invalid: what only the database knows is wrong (unknown category, custom fields).
        Conflict: the external id is taken.
    """
    plan = _plan(new, now=now)
    choice = plan.choice
    history = _history(new, plan, now=now)
    ticket_id, number = _insert_ticket(_columns(new, plan, version=len(history), now=now))
    INSERT[TicketEvent].many([{**line, "ticket_id": ticket_id} for line in history])
    announcing.announce(ticket_id, history)
    INSERT[SlaClock].many([{**r, "ticket_id": ticket_id} for r in plan.service.rows])
    _insert_parts(new, plan, ticket_id, now=now)
    if choice.agent_id is not None:
        assignment.take(choice)
    answered, answer = _answer(new, plan, ticket_id, number, now=now)
    INSERT[DecisionRecord].many(
        [
            decisions.explain(ticket_id, *decision, now=now)
            for decision in _reasons(new, plan, answered)
        ]
    )
    notices = _notices(new, plan, ticket_id, number, now=now)
    notifications.send(ticket_id, [*answer, *notices], now=now)
    due = plan.first_response_due_at
    return Opened(ticket_id, number, plan.asker.id, choice.agent_id, choice.group_id, due)


def _plan(new: NewTicket, *, now: datetime) -> Plan:
    """Whose ticket it is, how urgent, who gets it and until when it is answered."""
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


def _columns(new: NewTicket, plan: Plan, *, version: int, now: datetime) -> dict[str, Any]:
    """The ticket's row, but its number."""
    asker, points = plan.asker, plan.points
    return {
        "subject": new.subject,
        "description": new.description,
        "description_html": new.description_html,
        "description_quoted": new.description_quoted,
        "external_id": new.external_id,
        "status": Status.OPEN if plan.is_routed else Status.NEW,
        "priority": plan.priority,
        "priority_is_computed": points is not None,
        "priority_score": points.total if points else None,
        "category_id": plan.category.id,
        "subcategory_id": new.subcategory_id,
        "requester_id": asker.id,
        "assignee_id": plan.choice.agent_id,
        "group_id": plan.choice.group_id,
        "mailbox_id": new.mailbox_id,
        "follow_up_of_id": new.follow_up_of_id,
        "source": new.source,
        "channel": new.channel[:100],
        "sender_check": new.sender_check,
        "custom_fields": plan.custom_fields,
        "preview": preview_line(asker.name or asker.email, new.description),
        "created_at": now,
        "updated_at": now,
        "version": version,
        **plan.service.columns,
    }


def _insert_parts(new: NewTicket, plan: Plan, ticket_id: int, *, now: datetime) -> None:
    """What comes with it: tags, files, and the ids of the mail that opens it."""
    if plan.tags:
        found = properties.find_or_make_tags(plan.tags)
        tagged = [{"ticket_id": ticket_id, "tag_id": tag.id} for tag in found.values()]
        db.session.connection().execute(sa.insert(ticket_tag), tagged)
    files = attachments.rows(
        new.files, ticket_id=ticket_id, comment_id=None, uploader_id=plan.actor.id, now=now
    )
    INSERT[Attachment].many(files)
    notifications.MESSAGE_IDS.many(
        [
            {"message_id": message_id, "ticket_id": ticket_id, "created_at": now}
            for message_id in dict.fromkeys(new.inbound_message_ids)
        ]
    )


def _reasons(new: NewTicket, plan: Plan, answered: str) -> list[Decision]:
    """Why everything is as it is, for the Why tab."""
    points, choice, service = plan.points, plan.choice, plan.service
    return [
        *new.decisions,
        ("requester", _who(plan.asker), []),
        *([("priority", points.summary, points.details)] if points else []),
        ("rules", choice.summary, choice.explanation),
        ("sla", service.summary, service.details),
        ("auto_response", answered, []),
    ]


def make_number() -> str:
    """A public number: ``TKT-`` and 8 characters that are not mistaken for one another."""
    return "TKT-" + "".join(secrets.choice(ALPHABET) for _ in range(8))


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


def _who(asker: people.Requester) -> str:
    """How the requester was found, for the Why tab."""
    tier = f"tier {asker.tier.value}"
    if asker.own_tier is None and asker.organization_name:
        tier += f" of {asker.organization_name}"
    found = "made anew, nobody had this address" if asker.is_new else "known by this address"
    return f"{asker.name or asker.email}: {found}; {tier}."


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


def _history(new: NewTicket, plan: Plan, *, now: datetime) -> list[dict[str, Any]]:
    """Lines of history, each with the version that it made; the first is "created"."""
    choice, agent = plan.choice, plan.agent
    how = {
        Source.WEB: "in the portal",
        Source.EMAIL: "by mail",
        Source.CHAT: "by chat",
        Source.API: "through the API",
        Source.PHONE: "after a call",
    }[new.source]
    lines: list[tuple[EventKind, dict[str, Any]]] = [
        (EventKind.CREATED, {"by": plan.actor, "details": {"how": how, "source": new.source.value}})
    ]
    rule: By = System("Routing")
    if plan.group is not None:
        lines.append((EventKind.GROUP, {"by": rule, "field": "group", "new": plan.group.name}))
    if agent is not None:
        details = {"method": choice.method.value, "to_id": agent.id, "rule_id": choice.rule_id}
        lines.append(
            (
                EventKind.ASSIGNED,
                {"by": rule, "field": "assignee", "new": agent.name, "details": details},
            )
        )
    else:
        lines.append((EventKind.UNASSIGNABLE, {"by": rule, "new": choice.summary}))
    if plan.is_routed:
        words = {"old": Status.NEW.label, "new": Status.OPEN.label}
        lines.append((EventKind.STATUS, {"by": rule, "field": "status", **words}))
    return [
        row(0, kind, now=now, version=version, **columns)
        for version, (kind, columns) in enumerate(lines, start=1)
    ]


def _insert_ticket(values: dict[str, Any]) -> tuple[int, str]:
    """Insert under a fresh number; a number that is taken is tried again.

    Raises:
        Conflict: the external id is taken.
    """
    external_id = values["external_id"]
    if external_id is not None:
        taken = sa.select(Ticket.id).where(Ticket.external_id == external_id)
        if db.session.scalar(taken) is not None:  # whose it is, not everybody may know
            raise Conflict(f"The external id {external_id} belongs to another ticket already.")
    while True:
        number = make_number()
        ticket_id = INSERT_TICKET.one(**values, number=number)
        if ticket_id is not None:
            return ticket_id, number


def _answer(
    new: NewTicket, plan: Plan, ticket_id: int, number: str, *, now: datetime
) -> tuple[str, list[dict[str, Any]]]:
    """The automatic answer (else, for a guest's form, the bare link) as a row for the outbox.

    With the reason, for the Why tab. Never quotes the description.
    """
    asker = plan.asker
    zone = asker.time_zone or setting("time_zone")
    answer = auto_response.prepare(
        category_id=plan.category.id,
        language=asker.language,
        address=asker.email,
        automatic_reason=new.automatic_reason,
        values={
            "ticket.number": number,
            "ticket.subject": new.subject,
            "requester.name": asker.name or asker.email,
            "due": auto_response.due_words(plan.first_response_due_at, zone),
        },
        now=now,
    )
    comment_id = None
    if answer.body is not None:
        comment_id = INSERT_COMMENT.one(
            ticket_id=ticket_id,
            author_kind=AuthorKind.SYSTEM,
            visibility=Visibility.PUBLIC,
            body=answer.body,
            is_automatic=True,
            source=new.source,
            created_at=now,
        )
    by_form = new.source in (Source.WEB, Source.CHAT)
    is_guest_form = by_form and asker.email and not new.automatic_reason
    if answer.body is None and not is_guest_form:
        return answer.reason, []
    return answer.reason, [_first_mail(new, asker, ticket_id, number, answer, comment_id, now=now)]


def _first_mail(
    new: NewTicket,
    asker: people.Requester,
    ticket_id: int,
    number: str,
    answer: auto_response.Answer,
    comment_id: int | None,
    *,
    now: datetime,
) -> dict[str, Any]:
    """To the requester, with the link to the ticket and an address that replies go to."""
    access = keys.access_rows(ticket_id, [asker.id], now=now)[asker.id]
    # A chat's first message has an id as well, but no mail that could be answered.
    mails = new.inbound_message_ids[:1] if new.source is Source.EMAIL else ()
    return outbox.row(
        auto_response.KIND if answer.body is not None else "ticket_link",
        asker.email,
        name=asker.name,
        context={
            **notifications.common(number, new.subject),
            "recipient": asker.name,
            "key": keys.link_key(access),
            "title": answer.subject,
            "answers_mail": bool(mails),
            "body": answer.body or "",
        },
        now=now,
        mailbox_id=new.mailbox_id,
        ticket_id=ticket_id,
        comment_id=comment_id,
        in_reply_to="".join(mails),
        references=" ".join(mails),
        reply_token=reply_token(access),
        is_automatic=True,
    )


def _notices(
    new: NewTicket, plan: Plan, ticket_id: int, number: str, *, now: datetime
) -> list[dict[str, Any]]:
    """To the agent who has it now, else to the group that nobody could take it."""
    fresh = Ticket(
        id=ticket_id,
        number=number,
        subject=new.subject,
        priority=plan.priority,
        group_id=plan.choice.group_id,
        mailbox_id=new.mailbox_id,
    )
    if plan.choice.agent_id is None:
        return notifications.unassignable_rows(fresh, now=now)
    return notifications.assigned_rows(fresh, plan.choice.agent_id, by_id=plan.actor.id, now=now)

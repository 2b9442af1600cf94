"""The one way in for web form, mail, phone, chat and API: a ticket with all that follows."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from app.accounts import people
from app.channels import auto_response, planning
from app.channels.new_ticket import Decision, NewTicket, Opened
from app.channels.planning import Plan
from app.core.db import db
from app.core.errors import Conflict
from app.core.settings_store import setting
from app.core.statements import Write
from app.integrations import announcing
from app.mail import outbox
from app.mail.tokens import reply_token
from app.routing import assignment
from app.tickets import attachments, decisions, keys, notifications, properties
from app.tickets.catalog_models import ticket_tag
from app.tickets.conversation import preview_line
from app.tickets.history_models import DecisionRecord, TicketEvent
from app.tickets.models import Attachment, Comment, SlaClock, Ticket
from app.tickets.timeline import By, System, row
from app.tickets.words import AuthorKind, EventKind, Source, Status, Visibility

ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without O, I, L, 0, 1

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


def take_in(new: NewTicket, *, now: datetime) -> Opened:
    """Open a ticket: requester, priority, SLA, assignment, history, answers, all or nothing.

    Runs inside the caller's transaction and never commits. Plain inserts: on SQLite the one
    writer's lock is held meanwhile, and units of work take four times as long.

    Raises:
        Invalid: what only the database knows is wrong (unknown category, custom fields).
        Conflict: the external id is taken.
    """
    plan = planning.plan(new, now=now)
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


def _who(asker: people.Requester) -> str:
    """How the requester was found, for the Why tab."""
    tier = f"tier {asker.tier.value}"
    if asker.own_tier is None and asker.organization_name:
        tier += f" of {asker.organization_name}"
    found = "made anew, nobody had this address" if asker.is_new else "known by this address"
    return f"{asker.name or asker.email}: {found}; {tier}."


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

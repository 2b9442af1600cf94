"""What the ticket page shows: rows of the database turned into words, few statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from markupsafe import Markup

from app.accounts import directory
from app.accounts.models import Person, PersonEmail
from app.core.db import db
from app.core.html import text_to_html
from app.mail.models import InboundEmail
from app.sla import queries as sla_queries
from app.tickets import attachments, catalog, clocks, timeline
from app.tickets.attachments import FileChip
from app.tickets.decisions import TITLES
from app.tickets.models import (
    Comment,
    DecisionRecord,
    HeldEmail,
    SlaClock,
    Ticket,
    TicketEvent,
)
from app.tickets.queries import visible_to
from app.tickets.words import AuthorKind, ClockState, EventKind, HeldState, Source, Visibility
from app.web import words

NEWEST_COMMENTS = 50
HISTORY_LINES = 100


@dataclass(slots=True)
class PersonChip:
    """Somebody with an avatar."""

    name: str
    initials: str
    hue: int


@dataclass(slots=True)
class TicketView:
    """Header and properties of a ticket."""

    number: str
    path: str
    subject: str
    status: str
    priority: str
    version: int
    category_text: str
    source_text: str
    assignee: PersonChip | None
    group: str
    tags: list[str]
    fields: list[tuple[str, str]]
    created_text: str
    created_iso: str
    created_title: str
    due_text: str
    due_tone: str
    score_text: str
    is_deleted: bool
    can_delete: bool


@dataclass(slots=True)
class CommentView:
    """A message of the conversation."""

    kind: str
    id: int | str
    side: str
    author: str
    initials: str
    hue: int
    aside: str
    time_text: str
    time_iso: str
    time_title: str
    body_html: Markup
    quoted_html: Markup
    files: list[FileChip]
    folded: str
    at: datetime


@dataclass(slots=True)
class EventView:
    """A thin line between messages."""

    kind: str
    text: str
    icon: str
    time_text: str
    time_iso: str
    time_title: str
    at: datetime


@dataclass(slots=True)
class EventGroup:
    """Several lines by one actor at about the same time, folded together."""

    kind: str
    text: str
    icon: str
    time_text: str
    time_iso: str
    time_title: str
    events: list[EventView] = field(default_factory=list)


@dataclass(slots=True)
class ClockView:
    """One SLA clock as a bar."""

    label: str
    text: str
    tone: str
    value: int
    max: int


@dataclass(slots=True)
class HistoryLine:
    """One line of history in words."""

    time_text: str
    time_iso: str
    time_title: str
    text: str


@dataclass(slots=True)
class WhyEntry:
    """One automatic decision in words."""

    title: str
    time_text: str
    time_iso: str
    time_title: str
    lines: list[str]


@dataclass(slots=True)
class HeldMail:
    """A mail from someone new that waits for a decision."""

    id: int
    from_text: str
    subject: str
    excerpt: str
    time_text: str
    time_iso: str
    time_title: str
    reason: str
    can_decide: bool


@dataclass(slots=True)
class LinkedTicket:
    """Another ticket of the same requester."""

    path: str
    subject: str
    status: str
    age_text: str


@dataclass(slots=True)
class RequesterCard:
    """Who asks."""

    name: str
    initials: str
    hue: int
    tier_label: str
    organization: str
    place: str
    email: str
    phone: str
    others: list[LinkedTicket]
    all_path: str


ICONS = {
    EventKind.CREATED: "inbox",
    EventKind.ASSIGNED: "user",
    EventKind.GROUP: "users",
    EventKind.TAGS: "tag",
    EventKind.SLA_WARNED: "clock",
    EventKind.SLA_BREACHED: "triangle-alert",
    EventKind.SLA_MET: "check",
    EventKind.MAIL_HELD: "mail",
    EventKind.MAIL_DECIDED: "mail",
}
SOURCES = {
    Source.WEB: "in the portal",
    Source.EMAIL: "by mail",
    Source.CHAT: "by chat",
    Source.API: "through the API",
    Source.PHONE: "on the phone",
}
# Comments have their own place in the conversation; these would only repeat them.
NOT_SHOWN_BETWEEN = (EventKind.COMMENT, EventKind.NOTE, EventKind.AUTO_RESPONSE, EventKind.CREATED)


class TicketPage:
    """Builds the parts of one ticket's page for one viewer at one time."""

    def __init__(self, ticket: Ticket, viewer: Person, *, now: datetime, tz: ZoneInfo) -> None:
        self.ticket, self.viewer, self.now, self.tz = ticket, viewer, now, tz
        self.path = f"/desk/tickets/{ticket.number}"

    def view(self) -> TicketView:
        """Header and properties; one statement (tags)."""
        ticket = self.ticket
        due_text, due_tone = words.due_chip(
            ticket.next_due_at,
            ticket.next_warn_at,
            now=self.now,
            paused=ticket.status == "pending",
            active=ticket.is_active,
        )
        labels = {card.key: card.label for card in catalog.custom_fields()}
        agent = directory.agents().get(ticket.assignee_id or 0)
        group = directory.groups().get(ticket.group_id or 0)
        return TicketView(
            number=ticket.number,
            path=self.path,
            subject=ticket.subject,
            status=ticket.status.value,
            priority=ticket.priority.value,
            version=ticket.version,
            category_text=catalog.category_words(ticket.category_id, ticket.subcategory_id),
            source_text=SOURCES[ticket.source],
            assignee=PersonChip(agent.name, agent.initials, agent.hue) if agent else None,
            group=group.name if group else "",
            tags=[tag.name for tag in ticket.tags],
            fields=[(labels.get(k, k), str(v)) for k, v in ticket.custom_fields.items()],
            created_text=words.moment(ticket.created_at, self.now, self.tz),
            created_iso=words.iso(ticket.created_at),
            created_title=words.exact(ticket.created_at, self.tz),
            due_text=due_text,
            due_tone=due_tone,
            score_text=(
                f"{ticket.priority_score} points" if ticket.priority_score is not None else ""
            ),
            is_deleted=ticket.deleted_at is not None,
            can_delete=self.viewer.is_supervisor and ticket.deleted_at is None,
        )

    def entries(self, *, everything: bool = False) -> tuple[list[Any], bool]:
        """The conversation, oldest first, and whether older comments were left out.

        Three statements: comments with authors, files, events.
        """
        limit = 10_000 if everything else NEWEST_COMMENTS
        rows = db.session.execute(
            sa.select(
                Comment.id,
                Comment.author_id,
                Comment.author_kind,
                Comment.visibility,
                Comment.body,
                Comment.body_html,
                Comment.quoted,
                Comment.is_automatic,
                Comment.source,
                Comment.created_at,
                Person.name,
            )
            .outerjoin(Person, Person.id == Comment.author_id)
            .where(Comment.ticket_id == self.ticket.id)
            .order_by(Comment.id.desc())
            .limit(limit + 1)
        ).all()
        left_out = len(rows) > limit
        comments = list(reversed(rows[:limit]))
        files = attachments.chips(self.ticket.id, self.path, with_internal=True)
        views = [self._description(files.get(None, []))]
        views += [self._comment(row, files.get(row.id, [])) for row in comments]
        since = comments[0].created_at if left_out and comments else None
        return self._with_events(views, self._events(since)), left_out

    def clock_views(self) -> list[ClockView]:
        """The SLA clocks; one statement."""
        return [self._clock(clock) for clock in self.ticket.clocks]

    def sla_name(self) -> str:
        """The policy's name, "" without one."""
        policies = sla_queries.active_policies()
        wanted = self.ticket.sla_policy_id
        found = (p.terms.policy for p in policies if p.terms.policy_id == wanted)
        return next(found, "")

    def requester(self) -> RequesterCard:
        """Who asks, with their newest other tickets that the viewer may see; two statements."""
        person = self.ticket.requester
        emails = sa.select(PersonEmail.address).where(
            PersonEmail.person_id == person.id, PersonEmail.is_main
        )
        email = db.session.scalar(emails) or ""
        others = db.session.execute(
            sa.select(Ticket.number, Ticket.subject, Ticket.status, Ticket.created_at)
            .where(
                Ticket.requester_id == person.id,
                Ticket.id != self.ticket.id,
                Ticket.deleted_at.is_(None),
                visible_to(self.viewer),
            )
            .order_by(Ticket.id.desc())
            .limit(4)
        )
        name = person.name or email or "Unknown"
        return RequesterCard(
            name=name,
            initials=directory.initials(name),
            hue=directory.hue(person.id),
            tier_label=person.effective_tier.value.capitalize(),
            organization=person.organization.name if person.organization else "",
            place=self._place(person),
            email=email,
            phone=person.phone,
            others=[
                LinkedTicket(
                    f"/desk/tickets/{row.number}",
                    row.subject,
                    row.status.value,
                    words.ago(row.created_at, self.now),
                )
                for row in others
            ],
            all_path=f"/desk/?view=all&requester={person.id}",
        )

    def held(self) -> list[HeldMail]:
        """Mails that wait for a decision; one statement."""
        rows = db.session.execute(
            sa.select(HeldEmail, InboundEmail.subject)
            .join(InboundEmail, InboundEmail.id == HeldEmail.inbound_email_id)
            .where(HeldEmail.ticket_id == self.ticket.id, HeldEmail.state == HeldState.WAITING)
            .order_by(HeldEmail.id)
            .limit(20)
        )
        return [
            HeldMail(
                id=held.id,
                from_text=f"{held.from_name} <{held.from_address}>".strip(),
                subject=subject or "(no subject)",
                excerpt=held.body[:600],
                reason=held.reason,
                can_decide=True,
                **self._times(held.created_at),
            )
            for held, subject in rows
        ]

    def newest(self) -> HistoryLine | None:
        """The last line of history; one statement."""
        newest = (
            sa.select(TicketEvent)
            .where(TicketEvent.ticket_id == self.ticket.id)
            .order_by(TicketEvent.id.desc())
            .limit(1)
        )
        event = db.session.scalar(newest)
        return self._line(event) if event else None

    def history(self, before: int | None = None) -> tuple[list[HistoryLine], int | None]:
        """Lines of history, newest first, and where the next page begins."""
        statement = sa.select(TicketEvent).where(TicketEvent.ticket_id == self.ticket.id)
        if before is not None:
            statement = statement.where(TicketEvent.id < before)
        events = db.session.scalars(
            statement.order_by(TicketEvent.id.desc()).limit(HISTORY_LINES + 1)
        ).all()
        more = events[HISTORY_LINES - 1].id if len(events) > HISTORY_LINES else None
        return [self._line(event) for event in events[:HISTORY_LINES]], more

    def why(self) -> list[WhyEntry]:
        """Automatic decisions, newest first; one statement."""
        rows = db.session.scalars(
            sa.select(DecisionRecord)
            .where(DecisionRecord.ticket_id == self.ticket.id)
            .order_by(DecisionRecord.id.desc())
            .limit(100)
        )
        return [
            WhyEntry(
                title=TITLES.get(row.kind, row.kind.replace("_", " ").capitalize()),
                lines=[row.summary, *(self._detail(detail) for detail in row.details)],
                **self._times(row.created_at),
            )
            for row in rows
        ]

    def _detail(self, detail: dict[str, Any]) -> str:
        text = str(detail.get("text", ""))
        if detail.get("at"):
            text = f"{text}: {words.exact(datetime.fromisoformat(detail['at']), self.tz)}"
        return text

    def _times(self, then: datetime) -> dict[str, str]:
        return {
            "time_text": words.moment(then, self.now, self.tz),
            "time_iso": words.iso(then),
            "time_title": words.exact(then, self.tz),
        }

    def _line(self, event: TicketEvent) -> HistoryLine:
        return HistoryLine(text=timeline.describe(event), **self._times(event.created_at))

    def _place(self, person: Person) -> str:
        if not person.time_zone:
            return ""
        there = words.moment(self.now, self.now, words.zone(person.time_zone))
        city = person.time_zone.rpartition("/")[2].replace("_", " ")
        return f"{city}, {there} there"

    def _description(self, files: list[FileChip]) -> CommentView:
        ticket, person = self.ticket, self.ticket.requester
        name = person.name or "Unknown"
        return CommentView(
            kind="comment",
            id="description",
            side="requester",
            author=name,
            initials=directory.initials(name),
            hue=directory.hue(person.id),
            aside=SOURCES[ticket.source],
            body_html=Markup(text_to_html(ticket.description)),  # noqa: S704  (escaped there)
            quoted_html=_quoted(ticket.description_quoted),
            files=files,
            folded="",
            at=ticket.created_at,
            **self._times(ticket.created_at),
        )

    def _comment(self, row: Any, files: list[FileChip]) -> CommentView:
        name = row.name or ("Deskhand" if row.author_kind is AuthorKind.SYSTEM else "Unknown")
        side = row.author_kind.value
        aside = SOURCES[row.source] if side == "requester" else ""
        if row.visibility is Visibility.INTERNAL:
            side = "note"
        elif side == "agent":
            aside = f"to {self.ticket.requester.name or 'the customer'}"
        folded = ""
        if row.is_automatic:
            folded = "Automatic answer" if side == "system" else "Automatic reply"
        return CommentView(
            kind="comment",
            id=row.id,
            side=side,
            author=name,
            initials=directory.initials(name),
            hue=directory.hue(row.author_id or 0),
            aside=aside,
            body_html=Markup(text_to_html(row.body)),  # noqa: S704  (escaped there)
            quoted_html=_quoted(row.quoted),
            files=files,
            folded=folded,
            at=row.created_at,
            **self._times(row.created_at),
        )

    def _events(self, since: datetime | None) -> list[TicketEvent]:
        statement = sa.select(TicketEvent).where(
            TicketEvent.ticket_id == self.ticket.id, TicketEvent.kind.not_in(NOT_SHOWN_BETWEEN)
        )
        if since is not None:
            statement = statement.where(TicketEvent.created_at >= since)
        newest = db.session.scalars(statement.order_by(TicketEvent.id.desc()).limit(200))
        return list(reversed(newest.all()))

    def _with_events(self, views: list[CommentView], events: list[TicketEvent]) -> list[Any]:
        """Comments and events in order of time; a run of events by one actor is folded."""
        merged: list[Any] = []
        waiting: list[TicketEvent] = []

        def flush() -> None:
            for run in _runs(waiting):
                merged.append(self._event_entry(run))
            waiting.clear()

        position = 0
        for view in views:
            while position < len(events) and events[position].created_at < view.at:
                waiting.append(events[position])
                position += 1
            flush()
            merged.append(view)
        waiting.extend(events[position:])
        flush()
        return merged

    def _event_entry(self, run: list[TicketEvent]) -> EventView | EventGroup:
        lines = [
            EventView(
                kind="event",
                text=timeline.describe(event),
                icon=ICONS.get(event.kind, "zap"),
                at=event.created_at,
                **self._times(event.created_at),
            )
            for event in run
        ]
        if len(lines) == 1:
            return lines[0]
        names = list(dict.fromkeys((e.field or e.kind.value).replace("_", " ") for e in run))
        who = run[0].actor_name or "Deskhand"
        return EventGroup(
            kind="events",
            text=f"{len(run)} changes by {who}: {', '.join(names[:4])}",
            icon=lines[0].icon,
            events=lines,
            **self._times(run[0].created_at),
        )

    def _clock(self, clock: SlaClock) -> ClockView:
        """A bar of minutes used; calendar time is approximated by the span between the ends."""
        now = self.now
        state = clocks.shown_state(clock, now)
        total = max(1, clock.target_minutes)
        used = total
        if state is ClockState.MET:
            end = clock.stopped_at or now
            text, tone = f"met in {words.duration(end - clock.started_at)}", "resolved"
            used = min(total, int((end - clock.started_at).total_seconds() // 60))
        elif state is ClockState.BREACHED:
            end = clock.stopped_at or now
            late = end - clock.due_at if clock.due_at else timedelta(0)
            # Another policy may have moved the due time ahead; the breach stays one.
            text = f"overdue by {words.duration(late)}" if late > timedelta(0) else "was overdue"
            tone = "critical"
        elif state is ClockState.PAUSED:
            left = timedelta(seconds=clock.left_seconds or 0)
            text, tone = f"paused, {words.duration(left)} left", "closed"
            used = max(0, total - int(left.total_seconds() // 60))
        elif state is ClockState.VOID or clock.due_at is None:
            text, tone, used = "does not count", "closed", 0
        else:
            left = clock.due_at - now
            text = f"{words.duration(left)} left"
            near = clock.warn_at is not None and clock.warn_at <= now
            tone = "pending" if near else "normal"
            used = min(total, max(0, total - int(left.total_seconds() // 60)))
        return ClockView(clock.target.label, text, tone, used, total)


def _runs(events: list[TicketEvent]) -> list[list[TicketEvent]]:
    """Events split where the actor changes or two minutes pass."""
    runs: list[list[TicketEvent]] = []
    for event in events:
        last = runs[-1][-1] if runs else None
        if (
            last is not None
            and last.actor_name == event.actor_name
            and event.created_at - last.created_at < timedelta(minutes=2)
        ):
            runs[-1].append(event)
        else:
            runs.append([event])
    return runs


def _quoted(text: str) -> Markup:
    return Markup(text_to_html(text)) if text.strip() else Markup("")  # noqa: S704  (escaped there)

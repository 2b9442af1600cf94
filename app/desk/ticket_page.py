"""Turns what was read of a ticket into what its page shows."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.models import Person, Tier
from app.desk import ticket_reading
from app.desk.ticket_reading import TicketFacts
from app.desk.ticket_views import (
    ClockView,
    CommentView,
    Entry,
    EventGroup,
    EventView,
    HeldMail,
    HistoryLine,
    LinkedTicket,
    PersonChip,
    RequesterCard,
    TicketView,
    UndeliveredMail,
    UndoView,
    WhyEntry,
)
from app.mail.models import OutboundState, SenderCheck
from app.sla import queries as sla_queries
from app.tickets import attachments, catalog, clocks, merging, messages, timeline
from app.tickets.attachments import FileChip
from app.tickets.decisions import TITLES
from app.tickets.timeline import Line
from app.tickets.words import (
    ACTIVE_STATUSES,
    AuthorKind,
    ClockState,
    EventKind,
    Source,
    Status,
    Visibility,
)
from app.web import words

LATELY = 5  # comments among which a reply that can be taken back is looked for
NEWEST_COMMENTS = 50
EXCERPT = 600  # characters of a held mail that show at once
LARGE_MAIL = 100_000  # bytes from which there must be files in it
NEWEST_EVENTS = 300
HISTORY_LINES = 100

ICONS = {
    EventKind.CREATED: "inbox",
    EventKind.ASSIGNED: "user",
    EventKind.GROUP: "users",
    EventKind.TAGS: "tag",
    EventKind.MACRO: "zap",
    EventKind.TAKEN_BACK: "undo-2",
    EventKind.SLA_WARNED: "clock",
    EventKind.SLA_BREACHED: "triangle-alert",
    EventKind.SLA_MET: "check",
    EventKind.MAIL_HELD: "mail",
    EventKind.MAIL_DECIDED: "mail",
    EventKind.MAIL_BOUNCED: "mail-x",
    EventKind.MAIL_FLOOD: "triangle-alert",
    EventKind.ADDRESS_CLEARED: "mail",
    EventKind.REQUESTER: "user",
    EventKind.SPAM: "ban",
    EventKind.MAIL_RETRIED: "mail",
    EventKind.MERGED: "merge",
    EventKind.UNMERGED: "undo-2",
    EventKind.PARTICIPANT: "user-plus",
    EventKind.CHAT_SEEN: "message-circle",
}
SOURCES = {
    Source.WEB: "in the portal",
    Source.EMAIL: "by mail",
    Source.CHAT: "by chat, address not proven",
    Source.API: "through the API",
    Source.PHONE: "on the phone",
}
CHANGED = {  # in the word that stands for a folded run of lines
    EventKind.CUSTOM_FIELD: "field",
    EventKind.DUE: "due time",
    EventKind.TAKEN_BACK: "reply taken back",
    EventKind.SLA_STARTED: "clock",
    EventKind.SLA_MET: "answered in time",
    EventKind.SLA_WARNED: "due soon",
    EventKind.SLA_BREACHED: "overdue",
    EventKind.MAIL_HELD: "held mail",
    EventKind.MAIL_DECIDED: "held mail",
    EventKind.MAIL_BOUNCED: "mail came back",
    EventKind.MAIL_FLOOD: "too many mails",
    EventKind.ADDRESS_CLEARED: "address works",
    EventKind.MAIL_RETRIED: "mail not delivered",
    EventKind.FOLLOW_UP: "follow-up",
    EventKind.UNASSIGNABLE: "nobody free",
}
# Comments have their own place in the conversation; these would only repeat them.
NOT_SHOWN_BETWEEN = (EventKind.COMMENT, EventKind.NOTE, EventKind.AUTO_RESPONSE, EventKind.CREATED)


class TicketPage:
    """Builds the parts of one ticket's page for one viewer at one time."""

    def __init__(self, ticket: TicketFacts, viewer: Person, *, now: datetime, tz: ZoneInfo) -> None:
        self.ticket, self.viewer, self.now, self.tz = ticket, viewer, now, tz
        self.path = f"/desk/tickets/{ticket.number}"
        self._kept_lines: list[Line] | None = None
        self.undo: UndoView | None = None  # known once the conversation was read

    def view(self) -> TicketView:
        """Header and properties; no statement."""
        ticket = self.ticket
        due_text, due_tone = words.due_chip(
            ticket.next_due_at,
            ticket.next_warn_at,
            now=self.now,
            paused=ticket.status is Status.PENDING,
            active=ticket.status in ACTIVE_STATUSES,
        )
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
            source_text=SOURCES[ticket.source] + ticket.page_words,
            assignee=PersonChip(agent.name, agent.initials, agent.hue) if agent else None,
            group=group.name if group else "",
            tags=ticket.tag_names,
            fields=self._fields(),
            created_text=words.moment(ticket.created_at, self.now, self.tz),
            created_iso=words.iso(ticket.created_at),
            created_title=words.exact(ticket.created_at, self.tz),
            due_text=due_text,
            due_tone=due_tone,
            score_text=(
                f"{ticket.priority_score} points" if ticket.priority_score is not None else ""
            ),
            is_deleted=ticket.deleted_at is not None,
            merged_into=ticket.merged_into or "",
            can_change=ticket.deleted_at is None and not ticket.merged_into,
            can_delete=self.viewer.is_supervisor and ticket.deleted_at is None,
        )

    def _fields(self) -> list[tuple[str, str]]:
        """The custom fields of the category, and what is set of others: (label, value)."""
        values = self.ticket.custom_fields
        its = {card.key for card in catalog.custom_fields(self.ticket.category_id)}
        return [
            (card.label, catalog.field_words(values.get(card.key)))
            for card in catalog.custom_fields()
            if card.key in its or card.key in values
        ]

    def entries(self, *, everything: bool = False) -> tuple[list[Entry], bool]:
        """The conversation, oldest first, and whether older comments were left out.

        Comments in one statement, files in another where there are any.
        """
        limit = 10_000 if everything else NEWEST_COMMENTS
        rows = ticket_reading.COMMENTS.all(ticket_id=self.ticket.id, most=limit + 1)
        left_out = len(rows) > limit
        comments = rows[:limit][::-1]
        files: dict[int | None, list[FileChip]] = {}
        if self.ticket.has_files:
            files = attachments.chips(self.ticket.id, self.path, with_internal=True)
        views = [self._description(files.get(None, []))]
        views += [self._comment(row, files.get(row.id, [])) for row in comments]
        if not left_out:
            views.sort(key=lambda view: view.at)  # a merge may have brought what is older
        self.undo = next((undo for row in rows[:LATELY] if (undo := self._undo(row))), None)
        since = comments[0].created_at if left_out and comments else None
        shown = [
            line
            for line in self._lines()
            if line.kind not in NOT_SHOWN_BETWEEN and (since is None or line.created_at >= since)
        ]
        return self._with_events(views, shown[::-1]), left_out

    def _undo(self, row: Any) -> UndoView | None:
        """A reply of the viewer's own, while it can be taken back."""
        if row.undo_until is None or row.author_id != self.viewer.id:
            return None
        seconds = math.ceil((row.undo_until - self.now).total_seconds())
        path = f"{self.path}/comments/{row.id}/withdrawal"
        return UndoView(self.ticket.number, path, seconds) if seconds > 0 else None

    def clock_views(self) -> tuple[list[ClockView], str]:
        """The SLA clocks, and the label of the one that is due next ("" without); one statement."""
        rows = ticket_reading.CLOCKS.all(ticket_id=self.ticket.id)
        due_at = self.ticket.next_due_at
        runs = (row for row in rows if due_at and row.due_at == due_at and not row.stopped_at)
        following = next(runs, None)
        return [self._clock(clock) for clock in rows], following.target.label if following else ""

    def sla_name(self) -> str:
        """The policy's name, "" without one."""
        policies = sla_queries.active_policies()
        wanted = self.ticket.sla_policy_id
        found = (p.terms.policy for p in policies if p.terms.policy_id == wanted)
        return next(found, "")

    def requester(self) -> RequesterCard:
        """Who asks, with their newest other tickets that the viewer may see; one statement."""
        ticket = self.ticket
        others = ticket_reading.OTHER_TICKETS.all(
            person_id=ticket.requester_id,
            ticket_id=ticket.id,
            hidden=sorted(hidden_group_ids(self.viewer)),
        )
        name = ticket.requester_name or ticket.email or "Unknown"
        tier = ticket.tier or ticket.organization_tier or Tier.STANDARD
        return RequesterCard(
            name=name,
            initials=directory.initials(name),
            hue=directory.hue(ticket.requester_id),
            tier_label=tier.value.capitalize(),
            organization=ticket.organization or "",
            place=self._place(ticket.time_zone),
            email=ticket.email or "",
            phone=ticket.phone,
            others=[
                LinkedTicket(
                    f"/desk/tickets/{row.number}",
                    row.subject,
                    row.status.value,
                    words.ago(row.created_at, self.now),
                )
                for row in others
            ],
            path=f"/desk/people/{ticket.requester_id}",
            all_path=f"/desk/?view=all&requester={ticket.requester_id}",
        )

    def held(self) -> list[HeldMail]:
        """Mails that wait for a decision; one statement where there are any."""
        if not self.ticket.has_held_mail:
            return []
        return [
            HeldMail(
                id=row.id,
                from_text=f"{row.from_name} <{row.from_address}>".strip(),
                subject=row.subject or "(no subject)",
                excerpt=row.body[:EXCERPT],
                rest=row.body[EXCERPT:],
                reason=row.reason,
                may_be_forged=row.sender_check is SenderCheck.FAIL,
                size_text=words.filesize(row.size) if row.size > LARGE_MAIL else "",
                raw_path=self._raw_path(row.inbound_email_id),
                address=row.from_address,
                **self._times(row.created_at),
            )
            for row in ticket_reading.HELD.all(ticket_id=self.ticket.id)
        ]

    def undelivered(self) -> list[UndeliveredMail]:
        """Mails that did not arrive; one statement where there are any."""
        if not self.ticket.has_undelivered_mail:
            return []
        found = ticket_reading.UNDELIVERED_MAILS.all(ticket_id=self.ticket.id)
        return [self._undelivered(row) for row in found]

    def _undelivered(self, row: Any) -> UndeliveredMail:
        waits = ""
        if row.state is OutboundState.QUEUED:
            again = words.moment(row.due_at, self.now, self.tz)
            waits = f"tried {row.attempts} times, again {again}"
        return UndeliveredMail(
            path=f"{self.path}/mails/{row.id}/delivery",
            to=f"{row.recipient_name} <{row.recipient}>".strip(),
            reason=row.error,
            waits=waits,
            **self._times(row.created_at),
        )

    def newest(self) -> HistoryLine | None:
        """The last line of history; no statement after `entries`."""
        lines = self._lines()
        return self._line(lines[0]) if lines else None

    def history(self, before: int | None = None) -> tuple[list[HistoryLine], int | None]:
        """Lines of history, newest first, and where the next page begins."""
        lines = timeline.lines(self.ticket.id, most=HISTORY_LINES + 1, before=before)
        more = lines[HISTORY_LINES - 1].id if len(lines) > HISTORY_LINES else None
        lines = lines[:HISTORY_LINES]
        merges = [line.details.get("merge", 0) for line in lines if line.kind is EventKind.MERGED]
        undoable = merging.undoable(merges, now=self.now) if merges else set()
        shown = [self._line(line) for line in lines]
        for view, line in zip(shown, lines, strict=True):
            if line.kind is EventKind.MERGED and line.details.get("merge") in undoable:
                view.undo_path = f"{self.path}/merges/{line.details['merge']}/reversal"
        return shown, more

    def why(self) -> list[WhyEntry]:
        """Automatic decisions, newest first; one statement."""
        rows = ticket_reading.DECISIONS.all(ticket_id=self.ticket.id)
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

    def _line(self, event: Line) -> HistoryLine:
        return HistoryLine(text=timeline.describe(event, self.tz), **self._times(event.created_at))

    def _raw_path(self, email_id: int | None) -> str:
        """Where admins get a mail as it came; 0 is the one that opened the ticket."""
        is_shown = self.viewer.is_admin and email_id is not None
        return f"{self.path}/raw-mails/{email_id}" if is_shown else ""

    def _place(self, time_zone: str) -> str:
        if not time_zone:
            return ""
        there = words.moment(self.now, self.now, words.zone(time_zone))
        city = time_zone.rpartition("/")[2].replace("_", " ")
        return f"{city}, {there} there"

    def _description(self, files: list[FileChip]) -> CommentView:
        ticket = self.ticket
        name = ticket.requester_name or "Unknown"
        return CommentView(
            id="description",
            side="requester",
            author=name,
            initials=directory.initials(name),
            hue=directory.hue(ticket.requester_id),
            aside=SOURCES[ticket.source],
            body=ticket.description,
            quoted=ticket.description_quoted,
            html=ticket.description_html,
            pictures_path=self._pictures("description", ticket.description_html),
            files=tuple(files),
            folded="",
            may_be_forged=ticket.sender_check is SenderCheck.FAIL,
            is_quiet=False,
            raw_path=self._raw_path(0 if ticket.source is Source.EMAIL else None),
            at=ticket.created_at,
            **self._times(ticket.created_at),
        )

    def _pictures(self, comment_id: int | str, html: str | None) -> str:
        if not messages.has_more_to_load(html):
            return ""
        return f"{self.path}/comments/{comment_id}/pictures"

    def _comment(self, row: Any, files: list[FileChip]) -> CommentView:
        name = row.name or ("Deskhand" if row.author_kind is AuthorKind.SYSTEM else "Unknown")
        side = row.author_kind.value
        aside = SOURCES[row.source] if side == "requester" else ""
        if row.visibility is Visibility.INTERNAL:
            side = "note"
        elif side == "agent":
            aside = f"to {row.sent_to or self.ticket.requester_name or 'the customer'}"
        folded = ""
        if row.is_automatic:
            folded = "Automatic answer" if side == "system" else "Automatic reply"
        return CommentView(
            id=row.id,
            side=side,
            author=name,
            initials=directory.initials(name),
            hue=directory.hue(row.author_id or 0),
            aside=aside,
            body=row.body,
            quoted=row.quoted,
            html=row.body_html,
            pictures_path=self._pictures(row.id, row.body_html),
            files=tuple(files),
            folded=folded,
            origin=row.origin or "",
            raw_path=self._raw_path(row.inbound_email_id),
            may_be_forged=row.sender_check is SenderCheck.FAIL,
            is_quiet=row.is_quiet,
            at=row.created_at,
            **self._times(row.created_at),
        )

    def _lines(self) -> list[Line]:
        """The newest lines of history, newest first; one statement the first time."""
        if self._kept_lines is None:
            self._kept_lines = timeline.lines(self.ticket.id, most=NEWEST_EVENTS)
        return self._kept_lines

    def _with_events(self, views: list[CommentView], events: list[Line]) -> list[Entry]:
        """Comments and events in order of time; a run of events by one actor is folded."""
        merged: list[Entry] = []
        waiting: list[Line] = []

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

    def _event_entry(self, run: list[Line]) -> EventView | EventGroup:
        lines = [
            EventView(
                text=timeline.describe(event, self.tz),
                icon=ICONS.get(event.kind, "zap"),
                at=event.created_at,
                **self._times(event.created_at),
            )
            for event in run
        ]
        if len(lines) == 1:
            return lines[0]
        names = list(dict.fromkeys(CHANGED.get(e.kind, e.field or e.kind.value) for e in run))
        who = run[0].actor_name or "Deskhand"
        return EventGroup(
            text=f"{len(run)} changes by {who}: {', '.join(names[:4])}",
            icon=lines[0].icon,
            events=tuple(lines),
            **self._times(run[0].created_at),
        )

    def _clock(self, clock: Any) -> ClockView:
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
            text = f"{words.duration(clock.due_at - now)} left"
            near = clock.warn_at is not None and clock.warn_at <= now
            tone = "pending" if near else "normal"
            total = max(1, int((clock.due_at - clock.started_at).total_seconds() // 60))
            used = min(total, int((now - clock.started_at).total_seconds() // 60))
        return ClockView(clock.target.label, text, tone, used, total)


def _runs(events: list[Line]) -> list[list[Line]]:
    """Events split where the actor changes or two minutes pass."""
    runs: list[list[Line]] = []
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

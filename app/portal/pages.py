"""What the customers' pages show: rows turned into words, in the customer's terms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from app.accounts import directory
from app.accounts.models import Person
from app.channels import answers
from app.core.settings_store import setting
from app.tickets import catalog, messages
from app.tickets.attachments import FileChip
from app.tickets.messages import Message
from app.tickets.portal_queries import OwnComment, OwnRow, OwnTicket
from app.tickets.words import ACTIVE_STATUSES, WAITS_FOR_US, AuthorKind, Source, Status
from app.web import words

STATES = {
    Status.NEW: "We have it",
    Status.OPEN: "We are working on it",
    Status.IN_PROGRESS: "We are working on it",
    Status.PENDING: "We wait for your answer",
    Status.RESOLVED: "Solved",
    Status.CLOSED: "Closed",
    Status.CANCELLED: "Cancelled",
}
MOST_NAMES = 8
WAYS = {Source.EMAIL: "by mail", Source.PHONE: "on the phone", Source.CHAT: "by chat"}


@dataclass(slots=True)
class PortalRow:
    """One line of a list; ``requester`` is "" for the viewer's own."""

    number: str
    path: str
    subject: str
    status: str
    status_text: str
    changed_text: str
    changed_iso: str
    changed_title: str
    requester: str
    waiting: bool


@dataclass(slots=True)
class Step:
    """One of the three steps of a ticket: ``state`` is done, current or ""."""

    label: str
    text: str
    state: str


@dataclass(slots=True)
class PortalTicket:
    """What happens next, in the customer's words."""

    number: str
    path: str
    subject: str
    status: str
    state_title: str
    state_text: str
    state_by: str
    steps: list[Step]
    facts: list[tuple[str, str]]
    readers: str
    can_reply: bool
    can_solve: bool
    can_reopen: bool


@dataclass(slots=True)
class CommentView:
    """A message; ``side`` is you, requester, agent or system."""

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
    message: Message
    pictures_path: str
    folded: str
    origin: str  # the number of the ticket that was merged into this one


def row_view(row: OwnRow, viewer: Person, *, now: datetime, tz: ZoneInfo) -> PortalRow:
    """A ticket in a list."""
    is_mine = row.requester_id == viewer.id
    return PortalRow(
        number=row.number,
        path=f"/tickets/{row.number}",
        subject=row.subject,
        status=row.status.value,
        status_text=STATES[row.status],
        changed_text=words.moment(row.changed_at, now, tz),
        changed_iso=words.iso(row.changed_at),
        changed_title=words.exact(row.changed_at, tz),
        requester="" if is_mine else row.requester_name or "A colleague",
        waiting=row.status is Status.PENDING,
    )


class TicketPage:
    """Builds the parts of one ticket's page for one viewer at one time. No statements."""

    def __init__(self, own: OwnTicket, viewer: Person, *, now: datetime, tz: ZoneInfo) -> None:
        self.own, self.viewer, self.now, self.tz = own, viewer, now, tz
        self.path = f"/tickets/{own.number}"
        agent = directory.agents().get(own.assignee_id or 0)
        # A card without a name shows the address, which is not the customer's business.
        self.agent = agent.name if agent and agent.name != agent.email else ""
        group = directory.groups().get(own.group_id or 0)
        self.group = group.name if group and not group.is_private else ""

    def view(self) -> PortalTicket:
        """Header and what happens next."""
        own = self.own
        is_over = self.is_over
        due_at = own.answer_due_at
        is_promised = own.status in WAITS_FOR_US and due_at is not None and due_at > self.now
        return PortalTicket(
            number=own.number,
            path=self.path,
            subject=own.subject,
            status=own.status.value,
            state_title=STATES[own.status],
            state_text=self._state_text(),
            state_by=words.by_when(due_at, self.now, self.tz) if is_promised and due_at else "",
            steps=self._steps(),
            facts=self._facts(),
            readers="" if is_over else self._readers(),
            can_reply=True,
            can_solve=own.status in ACTIVE_STATUSES,
            can_reopen=own.status in (Status.RESOLVED, Status.CLOSED) and not is_over,
        )

    @property
    def is_over(self) -> bool:
        """True where a reply becomes a new ticket that follows up."""
        return answers.is_ended(self.own.status, self.own.closed_at, now=self.now)

    @property
    def reply_hint(self) -> str:
        """What stands in the empty field."""
        if self.is_over:
            return "Your message opens a new ticket that follows up this one"
        return f"Write to {_first(self.agent)}" if self.agent else "Write to us"

    def description(self, files: list[FileChip]) -> CommentView:
        """The first message."""
        own = self.own
        return self._message(
            "description",
            own.requester_id,
            own.requester_name,
            "requester",
            own.created_at,
            aside=WAYS.get(own.source, ""),
            body=own.description,
            quoted=own.description_quoted,
            html=own.description_html,
            files=files,
        )

    def comment(self, row: OwnComment, files: list[FileChip]) -> CommentView:
        """A public comment."""
        folded, aside = "", WAYS.get(row.source, "")
        if row.is_automatic:
            by_us = row.author_kind is AuthorKind.SYSTEM
            folded = "We have your ticket" if by_us else "Automatic reply"
        if row.author_kind is AuthorKind.AGENT:
            aside = self.group
        elif row.author_kind is AuthorKind.SYSTEM:
            aside = ""
        return self._message(
            row.id,
            row.author_id,
            row.author_name,
            row.author_kind.value,
            row.created_at,
            aside=aside,
            body=row.body,
            quoted=row.quoted,
            html=row.body_html,
            files=files,
            folded=folded,
            origin=row.origin or "",
        )

    def _message(
        self,
        comment_id: int | str,
        author_id: int | None,
        name: str | None,
        side: str,
        then: datetime,
        *,
        aside: str,
        body: str,
        quoted: str,
        html: str | None,
        files: list[FileChip],
        folded: str = "",
        origin: str = "",
    ) -> CommentView:
        is_me = author_id == self.viewer.id
        name = name or _NAMELESS[side]
        return CommentView(
            kind="comment",
            id=comment_id,
            side="you" if is_me else side,
            author="You" if is_me else name,
            initials=directory.initials(name),
            hue=directory.hue(author_id or 0),
            aside=aside,
            time_text=words.moment(then, self.now, self.tz),
            time_iso=words.iso(then),
            time_title=words.exact(then, self.tz),
            message=messages.message(body, quoted, html, files),
            pictures_path=(
                f"{self.path}/comments/{comment_id}/pictures"
                if messages.has_more_to_load(html)
                else ""
            ),
            folded=folded,
            origin=origin,
        )

    def _state_text(self) -> str:
        match self.own.status:
            case Status.PENDING:
                return "Read our last message below and answer it. We go on as soon as you do."
            case Status.RESOLVED:
                text = "If something is still wrong, write below or open it again."
                return f"{text} {self._closes()}".strip()
            case Status.CLOSED if not self.is_over:
                return "If it comes back, write below or open it again."
            case Status.CLOSED | Status.CANCELLED:
                return "What you write below opens a new ticket that follows up this one."
            case _ if self.agent:
                group = f" from {self.group}" if self.group else ""
                return f"{_first(self.agent)}{group} has your ticket. You need do nothing."
            case _:
                return "Somebody reads it and answers. You need do nothing."

    def _readers(self) -> str:
        """Who reads along, in words: everybody's answers go to all of them."""
        names = sorted(self.own.others.split("\n")) if self.own.others else []
        if self.own.requester_id != self.viewer.id:
            names.insert(0, self.own.requester_name or "whoever asked")
        if len(names) > MOST_NAMES:
            names = [*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} others"]
        return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))

    def _closes(self) -> str:
        if self.own.resolved_at is None:
            return ""
        closes_at = self.own.resolved_at + timedelta(days=int(setting("days_to_close")))
        if closes_at <= self.now:
            return ""
        day = closes_at.astimezone(self.tz)
        return f"Without word from you it closes on {day.day} {words.MONTHS[day.month - 1]}."

    def _steps(self) -> list[Step]:
        own = self.own
        received = words.moment(own.created_at, self.now, self.tz)
        with_whom = f"with {_first(self.agent)}" if self.agent else "a person answers"
        if own.status is Status.CANCELLED:
            return [Step("Received", received, "done"), Step("Cancelled", "", "current")]
        in_work = own.status is not Status.NEW
        solved_at = own.resolved_at if own.status in (Status.RESOLVED, Status.CLOSED) else None
        if own.status is Status.PENDING:
            with_whom = "your turn"
        return [
            Step("Received", received, "done" if in_work else "current"),
            Step("In work", with_whom, "done" if solved_at else "current" if in_work else ""),
            Step(
                "Solved",
                words.moment(solved_at, self.now, self.tz) if solved_at else "you confirm it",
                "current" if solved_at else "",
            ),
        ]

    def _facts(self) -> list[tuple[str, str]]:
        """Category and the custom fields that customers may see."""
        own = self.own
        facts = [("About", catalog.category_words(own.category_id, own.subcategory_id))]
        for card in catalog.custom_fields(own.category_id):
            value = own.custom_fields.get(card.key)
            if card.is_public and value not in (None, ""):
                facts.append((card.label, catalog.field_words(value)))
        return facts


_NAMELESS = {"requester": "Somebody", "agent": "Support", "system": "Automatic answer"}


def _first(name: str) -> str:
    return name.split(" ")[0]

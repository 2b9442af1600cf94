"""What the ticket page's template is given: everything in words, nothing left to look up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from app.desk.forms import ReplyForm
from app.tickets.attachments import FileChip
from app.tickets.kept_files import KeptFile, kept
from app.tickets.messages import Message, message
from app.tickets.words import Visibility


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
    merged_into: str
    can_change: bool
    can_delete: bool
    due_label: str = ""


class CommentView(NamedTuple):
    """A message of the conversation; its HTML is made from all that is in it, and kept."""

    id: int | str
    side: str
    author: str
    initials: str
    hue: int
    aside: str
    time_text: str
    time_iso: str
    time_title: str
    body: str
    quoted: str
    files: tuple[FileChip, ...]
    folded: str
    at: datetime
    kind: str = "comment"
    origin: str = ""
    raw_path: str = ""
    html: str | None = None
    pictures_path: str = ""  # of the page with what is not loaded here
    may_be_forged: bool = False
    is_quiet: bool = False

    @property
    def message(self) -> Message:
        """What is shown, what is folded away, and the files below."""
        return message(self.body, self.quoted, self.html, self.files)


class EventView(NamedTuple):
    """A thin line between messages."""

    text: str
    icon: str
    time_text: str
    time_iso: str
    time_title: str
    at: datetime
    kind: str = "event"


class EventGroup(NamedTuple):
    """Several lines by one actor at about the same time, folded together."""

    text: str
    icon: str
    time_text: str
    time_iso: str
    time_title: str
    events: tuple[EventView, ...]
    kind: str = "events"


Entry = CommentView | EventView | EventGroup


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
    undo_path: str = ""


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
    rest: str
    time_text: str
    time_iso: str
    time_title: str
    reason: str
    may_be_forged: bool
    size_text: str
    raw_path: str
    address: str


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
    path: str
    all_path: str


@dataclass(slots=True)
class UndeliveredMail:
    """A mail of the ticket that did not arrive, or (``waits``) has been tried in vain so far."""

    path: str
    to: str
    reason: str
    waits: str
    time_text: str
    time_iso: str
    time_title: str


@dataclass(slots=True)
class UndoView:
    """A reply that can be taken back for so many seconds more."""

    number: str
    path: str
    seconds: int


@dataclass(slots=True)
class ReplyView:
    """The composer: what was typed, and what is wrong with it."""

    body: str = ""
    is_internal: bool = False
    errors: list[str] = field(default_factory=list)
    files: list[KeptFile] = field(default_factory=list)
    has_focus: bool = False
    cc: str = ""
    left_out: Collection[int] = ()

    @classmethod
    def of_draft(cls, body: str, tokens: Sequence[str], *, focus: bool) -> ReplyView:
        """A reply that was taken back."""
        files = [file for token in tokens if (file := kept(token))]
        return cls(body, files=files, has_focus=focus)

    @classmethod
    def of(cls, form: ReplyForm, files: Sequence[KeptFile]) -> ReplyView:
        """A form that came back."""
        errors = (
            *form.body.errors,
            *form.attachments.errors,
            *form.visibility.errors,
            *form.cc.errors,
        )
        return cls(
            form.body.data or "",
            form.visibility.data == Visibility.INTERNAL.value,
            [str(error) for error in errors],
            list(files),
            True,
            form.cc.data or "",
            form.left_out,
        )

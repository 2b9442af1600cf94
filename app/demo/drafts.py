"""A ticket while its story is told, and what all stories share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from random import Random
from typing import Any

from app.channels.intake import ALPHABET
from app.demo.company import Company
from app.routing.rules import Desk
from app.sla.targets import Target
from app.tickets.attachments import StoredFile
from app.tickets.catalog import CategoryCard
from app.tickets.words import ClockState, Priority, Source, Status


@dataclass(slots=True)
class DraftClock:
    """What `clocks` and the table want of an `SlaClock`."""

    id: int
    ticket_id: int
    target: Target
    cycle: int
    state: ClockState
    terms_id: int
    target_minutes: int
    started_at: datetime
    due_at: datetime | None
    warn_at: datetime | None
    pauses: list[list[str]]
    left_seconds: int | None
    stopped_at: datetime | None
    paused_at: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None


CLOCK_COLUMNS = tuple(DraftClock.__slots__)


@dataclass(slots=True)
class Draft:
    """What `clocks` and the table want of a `Ticket`; the names are those of its columns."""

    id: int
    number: str
    subject: str
    description: str
    status: Status
    priority: Priority
    priority_is_computed: bool
    priority_score: int | None
    category_id: int
    subcategory_id: int
    requester_id: int
    assignee_id: int | None
    group_id: int | None
    mailbox_id: int | None
    source: Source
    custom_fields: dict[str, Any]
    preview: str
    created_at: datetime
    updated_at: datetime
    channel: str = ""
    version: int = 0
    sla_policy_id: int | None = None
    due_at: datetime | None = None
    due_at_is_manual: bool = False
    next_due_at: datetime | None = None
    next_warn_at: datetime | None = None
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    closed_at: datetime | None = None
    finished_at: datetime | None = None
    first_response_seconds: int | None = None
    first_response_business_seconds: int | None = None
    resolution_seconds: int | None = None
    resolution_business_seconds: int | None = None
    deleted_at: datetime | None = None
    deleted_by_id: int | None = None
    clocks: list[Any] = field(default_factory=list)


TICKET_COLUMNS = tuple(name for name in Draft.__slots__ if name != "clocks")


@dataclass(slots=True)
class World:
    """What all stories share.

    Attributes:
        colleagues: ids of customers by organization.
        desks: the desk as it may have been, with some agents away and loads of all kinds.
        tables: rows to be written, by table; whoever writes them empties the lists.
        earlier: how many tickets a customer has had, and when the last was made.
    """

    rng: Random
    now: datetime
    company: Company
    colleagues: dict[int | None, list[int]]
    categories: dict[str, CategoryCard]
    desks: Sequence[Desk]
    agent_names: dict[int, str]
    supervisor_id: int
    tags: dict[str, int]
    templates: dict[int, str]
    weights: dict[str, Any]
    pictures: Sequence[StoredFile]
    papers: Sequence[StoredFile]
    comment_ids: count[int]
    clock_ids: count[int]
    tables: dict[str, list[dict[str, Any]]]
    numbers: set[str] = field(default_factory=set)
    earlier: dict[int, tuple[int, datetime]] = field(default_factory=dict)

    def number(self) -> str:
        """A public number that no ticket has."""
        while (number := "TKT-" + "".join(self.rng.choices(ALPHABET, k=8))) in self.numbers:
            pass
        self.numbers.add(number)
        return number

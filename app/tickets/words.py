"""The words of a ticket: statuses and what may follow, priorities, sources, kinds of events."""

from __future__ import annotations

from enum import StrEnum

from app.sla.targets import Target as Target  # an area below knows it too


class Status(StrEnum):
    """Where a ticket stands."""

    NEW = "new"
    OPEN = "open"
    IN_PROGRESS = "in_progress"
    PENDING = "pending"
    RESOLVED = "resolved"
    CLOSED = "closed"
    CANCELLED = "cancelled"

    @classmethod
    def parse(cls, text: str) -> Status:
        """A status from any input; ``waiting`` and ``in-progress`` are known too. ValueError."""
        word = text.strip().lower()
        return cls({"waiting": "pending", "in-progress": "in_progress"}.get(word, word))

    @property
    def label(self) -> str:
        """For people: "In progress"."""
        return self.value.replace("_", " ").capitalize()


# Somebody has to do something about it: we, or the customer.
WAITS_FOR_US = (Status.NEW, Status.OPEN, Status.IN_PROGRESS)
ACTIVE_STATUSES = (*WAITS_FOR_US, Status.PENDING)
TRANSITIONS: dict[Status, tuple[Status, ...]] = {
    Status.NEW: (
        Status.OPEN,
        Status.IN_PROGRESS,
        Status.PENDING,
        Status.RESOLVED,
        Status.CLOSED,
        Status.CANCELLED,
    ),
    Status.OPEN: (
        Status.IN_PROGRESS,
        Status.PENDING,
        Status.RESOLVED,
        Status.CLOSED,
        Status.CANCELLED,
    ),
    Status.IN_PROGRESS: (
        Status.OPEN,
        Status.PENDING,
        Status.RESOLVED,
        Status.CLOSED,
        Status.CANCELLED,
    ),
    Status.PENDING: (
        Status.OPEN,
        Status.IN_PROGRESS,
        Status.RESOLVED,
        Status.CLOSED,
        Status.CANCELLED,
    ),
    Status.RESOLVED: (Status.OPEN, Status.CLOSED),
    Status.CLOSED: (Status.OPEN,),
    Status.CANCELLED: (Status.OPEN,),  # by a supervisor or admin
}


class Priority(StrEnum):
    """How much it matters; ``rank`` orders by severity, most severe first."""

    CRITICAL = "critical"
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """1 for critical to 4 for low: a queue walks it upwards."""
        return _RANKS[self]

    @classmethod
    def of_rank(cls, rank: int) -> Priority:
        """The priority of a rank from 1 to 4."""
        return _BY_RANK[rank]

    @classmethod
    def parse(cls, text: str) -> Priority:
        """A priority from any input; ``medium`` and ``urgent`` are known too. ValueError."""
        word = text.strip().lower()
        return cls({"medium": "normal", "urgent": "critical"}.get(word, word))

    @property
    def label(self) -> str:
        """For people."""
        return self.value.capitalize()


_BY_RANK = dict(enumerate(Priority, start=1))
_RANKS = {priority: rank for rank, priority in _BY_RANK.items()}


class Source(StrEnum):
    """The way in."""

    WEB = "web"
    EMAIL = "email"
    CHAT = "chat"
    API = "api"
    PHONE = "phone"


class Visibility(StrEnum):
    """Who reads a comment."""

    PUBLIC = "public"
    INTERNAL = "internal"


class AuthorKind(StrEnum):
    """On whose side a comment was written."""

    REQUESTER = "requester"
    AGENT = "agent"
    SYSTEM = "system"


class ParticipantKind(StrEnum):
    """How somebody came to take part."""

    FOLLOWER = "follower"
    CC = "cc"


class HeldState(StrEnum):
    """What an agent decided about a mail from someone new."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    ADDED = "added"
    ALIAS = "alias"  # another address of the requester
    SPLIT = "split"
    DISCARDED = "discarded"


class ClockState(StrEnum):
    """How a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    MET = "met"
    BREACHED = "breached"
    VOID = "void"


class AssignmentMethod(StrEnum):
    """How somebody came to hold a ticket."""

    SPECIFIC_AGENT = "specific_agent"
    GROUP = "group"
    SKILL_BASED = "skill_based"
    LEAST_BUSY = "least_busy"
    ROUND_ROBIN = "round_robin"
    MANUAL = "manual"


class EventKind(StrEnum):
    """Kinds of lines in a ticket's history."""

    CREATED = "created"
    STATUS = "status"
    PRIORITY = "priority"
    ASSIGNED = "assigned"
    GROUP = "group"
    CATEGORY = "category"
    SUBJECT = "subject"
    TAGS = "tags"
    CUSTOM_FIELD = "custom_field"
    DUE = "due"
    MACRO = "macro"
    COMMENT = "comment"
    TAKEN_BACK = "taken_back"
    NOTE = "note"
    AUTO_RESPONSE = "auto_response"
    MAIL_HELD = "mail_held"
    MAIL_DECIDED = "mail_decided"
    MAIL_BOUNCED = "mail_bounced"
    MAIL_FLOOD = "mail_flood"
    MAIL_RETRIED = "mail_retried"
    ADDRESS_CLEARED = "address_cleared"
    REQUESTER = "requester"
    SPAM = "spam"
    PARTICIPANT = "participant"
    FOLLOW_UP = "follow_up"
    MERGED = "merged"
    CHAT_SEEN = "chat_seen"
    UNMERGED = "unmerged"
    SLA_STARTED = "sla_started"
    SLA_MET = "sla_met"
    SLA_WARNED = "sla_warned"
    SLA_BREACHED = "sla_breached"
    ESCALATED = "escalated"
    UNASSIGNABLE = "unassignable"
    DELETED = "deleted"
    RESTORED = "restored"

"""Points, words and cut-offs by which new tickets get their priority, and what a change does."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from wtforms import Field

from app.accounts.models import Organization, Person, Tier
from app.admin.forms import AdminForm, number, text
from app.core.db import db
from app.core.settings_store import setting, settings_of
from app.tickets import catalog
from app.tickets.models import Attachment, Ticket
from app.tickets.prioritising import score
from app.tickets.words import Priority

PREFIX = "priority_"
SAMPLE = 200  # newest tickets whose priority is worked out again
MOST_SHOWN = 10
CUTS = (Priority.CRITICAL, Priority.HIGH, Priority.NORMAL)
LABELS = {
    "priority_tier_points": "Points by tier",
    "priority_category_points": "Points by category",
    "priority_other_category_points": "Points of other categories",
    "priority_words": "Urgent words",
    "priority_word_points": "Points of each urgent word",
    "priority_attachment_points": "Points of files",
    "priority_regular_points": "Points of many earlier tickets",
    "priority_regular_after": "Earlier tickets that are many",
    "priority_recent_points": "Points of a recent ticket",
    "priority_recent_hours": "Hours in which a ticket is recent",
    "priority_cut_offs": "Cut-offs",
}
HINTS = {
    "priority_regular_after": "More than so many count as many.",
    "priority_other_category_points": "Of a category that has none of its own above.",
}
PLAIN = tuple(key for key in LABELS if key.endswith(("_points", "_after", "_hours")))
NUMBERS = tuple(k for k in PLAIN if k not in ("priority_tier_points", "priority_category_points"))
MOST_POINTS = 1_000


class WeightsForm(AdminForm):
    """Its fields depend on the categories; `form` makes it."""

    def validate(self, extra_validators: Any = None) -> bool:
        """Each cut-off lies above the next one."""
        valid: bool = super().validate(extra_validators)  # type: ignore[no-untyped-call]
        cuts = [self[f"cut_{priority.value}"] for priority in CUTS]
        for higher, lower in pairwise(cuts):
            if valid and higher.data <= lower.data:
                higher.errors = (f"More than for {lower.label.text}.",)
                valid = False
        return valid


@dataclass(frozen=True, slots=True)
class Changed:
    """A ticket that would have another priority."""

    number: str
    subject: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What other weights would have made of the newest tickets.

    Attributes:
        counts: by priority, how many there are by the weights until now and by the others.
    """

    total: int
    counts: tuple[tuple[str, int, int], ...]
    changed: int
    examples: tuple[Changed, ...]


def form() -> AdminForm:
    """The form, filled with the weights as they are."""
    now = settings_of(PREFIX)
    fields: dict[str, Field] = {}
    shown: dict[str, Any] = {}
    for tier in reversed(Tier):
        fields[f"tier_{tier.value}"] = number(tier.value.capitalize(), most=MOST_POINTS)
        shown[f"tier_{tier.value}"] = now["priority_tier_points"].get(tier.value, 0)
    other = now["priority_other_category_points"]
    for card in catalog.categories().values():
        fields[f"category_{card.key}"] = number(card.name, most=MOST_POINTS)
        shown[f"category_{card.key}"] = now["priority_category_points"].get(card.key, other)
    for key in NUMBERS:
        label = LABELS[key].removeprefix("Points of ").capitalize()
        fields[key] = number(label, HINTS.get(key, ""), most=MOST_POINTS)
        shown[key] = now[key]
    fields["priority_words"] = text(
        "Urgent words", "One on each line; several words on a line are a phrase. Whole words count."
    )
    shown["priority_words"] = "\n".join(now["priority_words"])
    for priority in CUTS:
        fields[f"cut_{priority.value}"] = number(priority.label, least=1, most=10_000)
        shown[f"cut_{priority.value}"] = now["priority_cut_offs"].get(priority.value, 0)
    made: AdminForm = type("Weights", (WeightsForm,), fields)(data=shown)
    return made


def groups(shown: AdminForm) -> list[tuple[str, str, list[Field]]]:
    """Title, explanation and fields of each part of the form."""
    by_name = {field.name: field for field in shown.shown}

    def of(prefix: str) -> list[Field]:
        return [field for name, field in by_name.items() if name.startswith(prefix)]

    return [
        ("Points by tier", "Of the customer, else of their organization.", of("tier_")),
        (
            "Points by category",
            "What its tickets weigh before anybody has read them.",
            [*of("category_"), by_name["priority_other_category_points"]],
        ),
        (
            "Other points",
            "Each added once, but for urgent words: once for each different word.",
            [by_name[key] for key in NUMBERS if key != "priority_other_category_points"],
        ),
        (
            "Cut-offs",
            "A ticket with at least so many points has the priority; with fewer it is low.",
            of("cut_"),
        ),
    ]


def values(sent: AdminForm) -> dict[str, Any]:
    """The settings that a valid form says; what is as it was is told as it was."""
    other = sent["priority_other_category_points"].data
    tiers, known = setting("priority_tier_points"), setting("priority_category_points")
    words = [row.strip()[:100] for row in (sent["priority_words"].data or "").splitlines()]
    return {
        "priority_tier_points": {
            tier.value: points
            for tier in reversed(Tier)
            if (points := sent[f"tier_{tier.value}"].data) or tier.value in tiers
        },
        "priority_category_points": {
            card.key: points
            for card in catalog.categories().values()
            if (points := sent[f"category_{card.key}"].data) != other or card.key in known
        },
        **{key: sent[key].data for key in NUMBERS},
        "priority_words": list(dict.fromkeys(word for word in words if word)),
        "priority_cut_offs": {p.value: sent[f"cut_{p.value}"].data for p in CUTS},
    }


def effect(wanted: dict[str, Any]) -> Effect:
    """What *wanted* would make of the newest tickets; one statement."""
    now = settings_of(PREFIX)
    before: Counter[Priority] = Counter()
    after: Counter[Priority] = Counter()
    changed: list[Changed] = []
    rows = db.session.execute(_sample()).all()
    for row in rows:
        old, new = (_score(row, weights) for weights in (now, wanted))
        before[old] += 1
        after[new] += 1
        if old is not new:
            changed.append(Changed(row.number, row.subject, old.value, new.value))
    counts = tuple((priority.value, before[priority], after[priority]) for priority in Priority)
    return Effect(len(rows), counts, len(changed), tuple(changed[:MOST_SHOWN]))


def _score(row: Any, weights: dict[str, Any]) -> Priority:
    return score(
        row.subject,
        row.description,
        tier=(row.own_tier or row.organization_tier or Tier.STANDARD).value,
        category_key=catalog.categories()[row.category_id].key,
        has_files=row.has_files,
        earlier=row.earlier,
        last_at=row.last_at,
        now=row.created_at,
        weights=weights,
    ).priority


def _sample() -> Any:
    """The newest tickets with what their score is made from, as it was at their creation."""
    other = aliased(Ticket)
    earlier = sa.and_(other.requester_id == Ticket.requester_id, other.id < Ticket.id)

    def one(what: Any) -> Any:
        return sa.select(what).where(earlier).correlate(Ticket).scalar_subquery()

    files = sa.exists().where(
        Attachment.ticket_id == Ticket.id,
        Attachment.comment_id.is_(None),
        Attachment.is_inline.is_(False),
    )
    return (
        sa.select(
            Ticket.number,
            Ticket.subject,
            Ticket.description,
            Ticket.category_id,
            Ticket.created_at,
            Person.tier.label("own_tier"),
            Organization.tier.label("organization_tier"),
            files.label("has_files"),
            one(sa.func.count()).label("earlier"),
            one(sa.func.max(other.created_at)).label("last_at"),
        )
        .join(Person, Person.id == Ticket.requester_id)
        .outerjoin(Organization, Organization.id == Person.organization_id)
        .where(Ticket.deleted_at.is_(None))
        .order_by(Ticket.id.desc())
        .limit(SAMPLE)
    )

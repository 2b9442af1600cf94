"""By when an answer comes, as far as whoever asks may know it."""

from __future__ import annotations

from datetime import datetime

from app.accounts.models import Tier
from app.channels.new_ticket import NewTicket
from app.core.settings_store import setting, settings_of
from app.sla import queries
from app.sla.business_time import ALWAYS_OPEN
from app.sla.targets import Choice, Facts, Target, choose
from app.tickets import catalog
from app.tickets.prioritising import score
from app.tickets.words import Priority, Source


def promise(now: datetime) -> str:
    """ "A person answers, usually within 8 hours.", as for a normal ticket; "" without a policy."""
    choice = _choice(Priority.NORMAL, catalog.default_category(), now)
    if choice.terms is None:
        return ""
    minutes = choice.terms.minutes[Target.FIRST_RESPONSE]
    kind = "" if choice.terms.hours == ALWAYS_OPEN else "working "
    hours = round(minutes / 60)
    span = f"{minutes} {kind}minutes" if minutes < 90 else f"{hours} {kind}hours"
    return f"A person answers, usually within {span}."


def told_to_a_guest(new: NewTicket, due_at: datetime | None, *, now: datetime) -> datetime | None:
    """By when a guest is told to have an answer: never before it is really due, at *due_at*.

    The real time follows from the tier and the history of whoever has the address, and a guest may
    have typed somebody else's. So it is reckoned for a stranger with the same words.
    """
    category = catalog.categories().get(new.category_id or 0) or catalog.default_category()
    priority = new.priority or _stranger_priority(new, category, now)
    due = _choice(priority, category, now).due.get(Target.FIRST_RESPONSE)
    if due is None or due_at is None:
        return None
    return max(due_at, due.due_at)


def _stranger_priority(new: NewTicket, category: catalog.CategoryCard, now: datetime) -> Priority:
    weights = settings_of("priority_")
    return score(
        new.subject,
        new.description,
        tier=Tier.STANDARD,
        category_key=category.key,
        has_files=bool(new.files),
        earlier=0,
        last_at=None,
        now=now,
        weights=weights,
    ).priority


def _choice(priority: Priority, category: catalog.CategoryCard, now: datetime) -> Choice:
    facts = Facts(
        priority=priority,
        category_id=category.id,
        tier=Tier.STANDARD,
        group_id=None,
        source=Source.WEB,
    )
    percent = int(setting("sla_warning_percent"))
    return choose(queries.active_policies(), facts, start=now, warning_percent=percent)

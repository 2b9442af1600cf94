"""What tickets have is deleted, and something else takes its place: told in each one's history.

There may be very many of them, so they are read and written a thousand at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Group
from app.core.db import db
from app.integrations import announcing
from app.sla import queries
from app.tickets import catalog, holding, timeline
from app.tickets.catalog_models import Category, Subcategory, Tag, ticket_tag
from app.tickets.history_models import TicketEvent
from app.tickets.models import Ticket
from app.tickets.timeline import By
from app.tickets.words import ACTIVE_STATUSES, EventKind

AT_ONCE = 1_000
_events: Any = TicketEvent.__table__
HAVING: dict[type[Any], Any] = {
    Group: lambda old: Ticket.group_id == old.id,
    Category: lambda old: Ticket.category_id == old.id,
    Subcategory: lambda old: Ticket.subcategory_id == old.id,
    Tag: lambda old: Ticket.id.in_(
        sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id == old.id)
    ),
}
KINDS = {
    Group: (EventKind.GROUP, "group"),
    Category: (EventKind.CATEGORY, "category"),
    Subcategory: (EventKind.CATEGORY, "category"),
    Tag: (EventKind.TAGS, "tags"),
}


def tell(old: Any, new: Any | None, *, by: By, now: datetime) -> list[int]:
    """Write to each ticket that has *old* (a key of `HAVING`) that it gets *new* (None: nothing).

    Call it before they do. As with any change, their versions grow, so that forms that are open
    and ETags are of an older ticket.

    Returns:
        Ids of those that wait for somebody, if an SLA policy may hang on this: for `serve_again`.
    """
    kind, field = KINDS[type(old)]
    waiting: list[int] = []
    for rows in _having(old):
        words = _words(rows, old, new)
        lines = [
            timeline.row(
                row.id,
                kind,
                by=by,
                now=now,
                field=field,
                old=words[row.id][0] or None,
                new=words[row.id][1] or None,
                version=row.version + 1,
            )
            for row in rows
        ]
        changed = sa.update(Ticket).where(Ticket.id.in_([row.id for row in rows]))
        changed = changed.values(version=Ticket.version + 1, updated_at=now)
        db.session.execute(changed, execution_options={"synchronize_session": False})
        db.session.execute(sa.insert(_events), lines)
        announcing.announce_all(lines)
        waiting += [row.id for row in rows if row.status in ACTIVE_STATUSES]
    return waiting if _matters(type(old)) else []


def serve_again(ticket_ids: Sequence[int], *, now: datetime) -> None:
    """Choose the SLA policy of those tickets again, once they have what takes the place."""
    for ticket in holding.active(ticket_ids):
        holding.rechoose_policy(ticket, now=now)


def _having(old: Any) -> Iterator[Sequence[Any]]:
    found = sa.select(Ticket.id, Ticket.version, Ticket.status)
    found = found.add_columns(Ticket.category_id, Ticket.subcategory_id)
    found = found.where(HAVING[type(old)](old)).order_by(Ticket.id).limit(AT_ONCE)
    last = 0
    while rows := db.session.execute(
        found.where(Ticket.id > last).with_for_update(of=Ticket)
    ).all():
        yield rows
        last = rows[-1].id


def _words(rows: Sequence[Any], old: Any, new: Any | None) -> dict[int, tuple[str, str]]:
    """What each ticket has and gets, in words, by its id."""
    if isinstance(old, Tag):
        return _tags(rows, old, new)
    if isinstance(old, Group):
        return dict.fromkeys((row.id for row in rows), (old.name, new.name if new else ""))
    return {
        row.id: (
            catalog.category_words(row.category_id, row.subcategory_id),
            _category_after(row, old, new),
        )
        for row in rows
    }


def _category_after(row: Any, old: Any, new: Any | None) -> str:
    if isinstance(old, Subcategory):
        return catalog.category_words(row.category_id, new.id if new else None)
    # Its subcategories come along to the other category.
    subs = catalog.categories()[row.category_id].subcategories
    names = [sub.name for sub in subs if sub.id == row.subcategory_id]
    return ", ".join([new.name if new else "", *names])


def _tags(rows: Sequence[Any], old: Tag, new: Tag | None) -> dict[int, tuple[str, str]]:
    found = sa.select(ticket_tag.c.ticket_id, Tag.name).join(Tag, Tag.id == ticket_tag.c.tag_id)
    names: dict[int, set[str]] = defaultdict(set)
    for row in db.session.execute(
        found.where(ticket_tag.c.ticket_id.in_([row.id for row in rows]))
    ):
        names[row.ticket_id].add(row.name)
    gets = {new.name} if new else set()
    return {key: (_listed(have), _listed(have - {old.name} | gets)) for key, have in names.items()}


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _matters(kind: type[Any]) -> bool:
    """Whether some SLA policy asks for groups, or for categories."""
    policies = queries.active_policies()
    if kind is Group:
        return any(policy.groups for policy in policies)
    return kind is Category and any(policy.categories for policy in policies)

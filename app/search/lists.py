"""Lists of tickets: a page of rows, how many there are, statistics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.access import hidden_group_ids
from app.accounts.directory import zone_of
from app.accounts.models import MAIN_ADDRESS, Organization, Person
from app.core import paging
from app.core.db import db
from app.core.paging import Page
from app.core.statements import Read
from app.mail.models import UNDELIVERED, OutboundEmail
from app.search import conditions, query
from app.search.conditions import Selection, Shape, unindexed
from app.tickets import catalog
from app.tickets.catalog_models import Tag, ticket_tag
from app.tickets.filters import TicketFilters
from app.tickets.mail_models import HeldEmail
from app.tickets.models import GONE, Ticket
from app.tickets.words import ACTIVE_STATUSES, Priority, Status
from app.web import words

CAP = 1_000
PAGE = 25
TAGS_SHOWN = 3


class TicketRow(NamedTuple):
    """One line of a list, in words; ``due_tone`` as in `words.due_chip`.

    It holds all that its HTML is made from, and compares by it: equal rows look alike. A tuple,
    because 25 of them are made and compared for each page.
    """

    id: int
    version: int
    number: str
    path: str
    subject: str
    status: Status
    priority: Priority
    excerpt: str
    tags: tuple[str, ...]
    requester: str
    organization: str
    assignee: str
    initials: str
    hue: int
    due_text: str
    due_tone: str
    changed_text: str
    changed_iso: str
    changed_title: str
    held: int
    undelivered: bool


@dataclass(slots=True)
class TicketPage:
    """A page of the queue; ``total_text`` is "48" or "1,000+"."""

    rows: list[TicketRow]
    page: Page
    total_text: str


@dataclass(frozen=True, eq=False)
class Columns:
    """What a list selects for each ticket; *source* joins what it needs, never more rows."""

    columns: tuple[Any, ...]
    source: Any = Ticket


@dataclass(slots=True)
class Fetched:
    """Rows in the list's order, and the cursors (as text) of the pages beside; "" without."""

    rows: Sequence[Any]
    previous: str
    next: str
    position: int  # rows before the page, as far as known


BETWEEN_TAGS = "\n"  # in no tag's name
ITS_TAGS = (
    sa.select(sa.func.aggregate_strings(Tag.name, BETWEEN_TAGS))
    .join(ticket_tag, ticket_tag.c.tag_id == Tag.id)
    .where(ticket_tag.c.ticket_id == Ticket.id)
    .correlate(Ticket)
    .scalar_subquery()
)
ROW = Columns(
    (
        Ticket.id,
        Ticket.version,
        Ticket.number,
        Ticket.subject,
        Ticket.status,
        Ticket.priority,
        Ticket.preview,
        Ticket.next_due_at,
        Ticket.next_warn_at,
        Ticket.updated_at,
        Ticket.assignee_id,
        sa.func.coalesce(sa.func.nullif(Person.name, ""), MAIN_ADDRESS, "").label("requester"),
        sa.func.coalesce(Organization.name, "").label("organization"),
        sa.select(sa.func.count())
        .select_from(HeldEmail)
        .where(HeldEmail.ticket_id == Ticket.id, conditions.HELD)
        .scalar_subquery()
        .label("held"),
        ITS_TAGS.label("tags"),
        sa.exists()
        .where(OutboundEmail.ticket_id == Ticket.id, sa.text(UNDELIVERED))
        .label("undelivered"),
    ),
    # Outer joins keep SQLite from starting at the people.
    sa.outerjoin(
        sa.outerjoin(Ticket, Person, Person.id == Ticket.requester_id),
        Organization,
        Organization.id == Person.organization_id,
    ),
)
TAGS: Read[Any] = Read(
    sa.select(ticket_tag.c.ticket_id, Tag.name)
    .join(Tag, Tag.id == ticket_tag.c.tag_id)
    .where(ticket_tag.c.ticket_id.in_(sa.bindparam("ids", expanding=True)))
    .order_by(Tag.name)
)


def list_tickets(
    filters: TicketFilters,
    *,
    viewer: Person,
    now: datetime,
    path: str = "/desk/",
    base: TicketFilters | None = None,
    total: str | None = None,
) -> TicketPage:
    """A page of the desk's rows.

    Args:
        path, base: where links to other pages lead, and the view's filters that they leave out.
        total: how many there are, in words, where that is known already.
    Two statements; three where *total* is None, one or two more with rare filters.
    """
    selection = conditions.select_for(filters, viewer=viewer, now=now)
    found = fetch(ROW, filters, selection)
    rows = ticket_rows(found.rows, zone=zone_of(viewer), now=now)
    if total is None or not found.next:
        total = words.capped(_total(found, lambda: _count(selection, CAP)), CAP)
    page = Page(
        text=_page_text(found, total),
        previous=_link(path, filters, base, found.previous),
        next=_link(path, filters, base, found.next),
    )
    return TicketPage(rows, page, total)


def search_tickets(
    text: str,
    *,
    viewer: Person,
    now: datetime,
    order: str = "newest",
    cursor: str = "",
    path: str = "/desk/search",
) -> TicketPage:
    """A page of what an agent finds: "newest" ticket first, or "best" (among the newest 2,000).

    Five statements at most, whose cost does not grow with the desk.

    Raises:
        Invalid: the cursor is none of this list's.
    """
    words_found = query.expression(text)
    columns: tuple[Any, ...] = (Ticket.id,) if order == "newest" else ()
    at = paging.decode(cursor, order, columns) if cursor else paging.Cursor(())
    hidden = hidden_group_ids(viewer)
    if not words_found:
        return TicketPage([], Page("", None, None), "0")
    if order == "newest":
        mark = at.values[0] if at.values else None
        hits = query.newest(
            words_found, hidden=hidden, limit=PAGE, mark=mark, backwards=at.backwards
        )
    else:
        hits = query.best(words_found, hidden=hidden, limit=PAGE, offset=at.position)
    found = _found(hits, at, order)
    shown = ticket_rows(found.rows, zone=zone_of(viewer), now=now)
    count = _total(found, lambda: query.count(words_found, hidden=hidden, cap=CAP))
    total = words.capped(count, CAP)

    def link(cursor: str) -> str | None:
        values = {"q": text, "order": order, "cursor": cursor}
        return f"{path}?{urlencode(values)}" if cursor else None

    return TicketPage(
        shown, Page(_page_text(found, total), link(found.previous), link(found.next)), total
    )


def _found(hits: query.Hits, at: paging.Cursor, order: str) -> Fetched:
    """Rows of the tickets found, and the cursors beside; one statement."""
    ids = hits.ids[::-1] if at.backwards else hits.ids
    position = max(0, at.position - len(ids)) if at.backwards else at.position
    rows = _SEVERAL.all(ids=ids) if ids else []
    by_id = {row[0]: row for row in rows}
    has_previous = hits.has_more if at.backwards else position > 0
    has_next = at.backwards or hits.has_more

    def beside(ticket_id: int, *, before: bool) -> str:
        if order == "newest":
            beyond = position if before else position + len(ids)
            return paging.encode(paging.Cursor((ticket_id,), before, beyond), order)
        beyond = max(0, position - PAGE) if before else position + PAGE
        return paging.encode(paging.Cursor((), position=beyond), order)

    return Fetched(
        [by_id[n] for n in ids],
        previous=beside(ids[0], before=True) if ids and has_previous else "",
        next=beside(ids[-1], before=False) if ids and has_next else "",
        position=position,
    )


def _total(found: Fetched, count: Callable[[], int]) -> int:
    """How many rows there are; counts only where the page does not say it."""
    if found.next or not found.rows:
        return count() if found.next or found.position else 0
    return found.position + len(found.rows) if found.position < CAP else CAP + 1


def ticket_rows(rows: Sequence[Any], *, zone: ZoneInfo, now: datetime) -> list[TicketRow]:
    """Rows of `ROW` in words; no statement."""
    agents = directory.agents()
    shown = []
    for row in rows:
        columns: Any = row  # quicker than looking up twenty names
        id_, version, number, subject, status, priority, preview, due_at, warn_at = columns[:9]
        updated_at, assignee_id, requester, organization, held, tags, undelivered = columns[9:16]
        agent = agents.get(assignee_id)
        due_text, due_tone = words.due_chip(
            due_at,
            warn_at,
            now=now,
            paused=status is Status.PENDING,
            active=status in ACTIVE_STATUSES,
        )
        shown.append(
            TicketRow(
                id_,
                version,
                number,
                f"/desk/tickets/{number}",
                subject,
                status,
                priority,
                preview,
                tuple(sorted(tags.split(BETWEEN_TAGS))[:TAGS_SHOWN]) if tags else (),
                requester,
                organization,
                agent.name if agent else "Former agent" if assignee_id else "",
                agent.initials if agent else "?",
                agent.hue if agent else 1,
                due_text,
                due_tone,
                words.ago(updated_at, now),
                words.iso(updated_at),
                words.exact(updated_at, zone),
                held,
                undelivered,
            )
        )
    return shown


def row_of(ticket_id: int, *, viewer: Person, now: datetime) -> TicketRow:
    """One row anew, after a change; one statement. The caller has checked who may see it."""
    rows = _ONE.all(id=ticket_id)
    return ticket_rows(rows, zone=zone_of(viewer), now=now)[0]


_ROWS = sa.select(*ROW.columns).select_from(ROW.source)
_SEVERAL: Read[Any] = Read(_ROWS.where(Ticket.id.in_(sa.bindparam("ids", expanding=True))))
_ONE: Read[Any] = Read(_ROWS.where(Ticket.id == sa.bindparam("id")))


def tags_of(ticket_ids: Sequence[int]) -> dict[int, list[str]]:
    """Names of tags by ticket, sorted; one statement, none for no tickets."""
    tags: dict[int, list[str]] = {}
    if ticket_ids:
        for ticket_id, name in TAGS.all(ids=ticket_ids):
            tags.setdefault(ticket_id, []).append(name)
    return tags


def fetch(
    columns: Columns,
    filters: TicketFilters,
    selection: Selection,
) -> Fetched:
    """The page of *filters*, by its cursor or number; one statement.

    Raises:
        Invalid: the cursor is none of this list's.
    """
    order = conditions.order_of(filters)
    name = f"{filters.sort}.{filters.order}"
    values: dict[str, Any] = dict(selection.values, limit=filters.limit + 1)
    cursor = paging.decode(filters.cursor, name, order.columns) if filters.cursor else None
    kind = "page"
    if cursor is not None:
        values |= {f"mark{n}": value for n, value in enumerate(cursor.values)}
        kind = "before" if cursor.backwards else "after"
        kind += "_null" if cursor.values[0] is None else ""
        position = cursor.position
    else:
        position = values["offset"] = (filters.page - 1) * filters.limit
    statement = _statement(
        columns, selection.shape, selection.hint, selection.is_sorted, order, kind
    )
    rows: Sequence[Any] = statement.all(**values)
    has_more = len(rows) > filters.limit
    rows = rows[: filters.limit]
    backwards = cursor is not None and cursor.backwards
    if backwards:
        rows = rows[::-1]
        position = max(0, position - len(rows))
    keys = len(order.columns)

    def beside(place: int, *, before: bool) -> str:
        if not rows:
            return ""
        at = position if before else position + len(rows)
        return paging.encode(paging.Cursor(tuple(rows[place][-keys:]), before, at), name)

    has_previous = has_more if backwards else position > 0 or cursor is not None
    has_next = backwards or has_more
    return Fetched(
        rows,
        previous=beside(0, before=True) if has_previous else "",
        next=beside(-1, before=False) if has_next else "",
        position=position,
    )


@lru_cache(maxsize=512)
def _statement(
    columns: Columns, shape: Shape, hint: str, is_sorted: bool, order: paging.Order, kind: str
) -> Read[Any]:
    backwards = kind.startswith("before")
    keys = [column.label(f"key{n}") for n, column in enumerate(order.columns)]
    rows = sa.select(*columns.columns, *keys).select_from(columns.source)
    # What is sorted is sorted without the columns that are shown: most of it is never shown.
    found = sa.select(Ticket.id) if is_sorted else rows
    found = found.where(*conditions.where(shape))
    if hint:
        found = found.with_hint(Ticket, hint, "sqlite")
    if kind != "page":
        marks = [
            sa.bindparam(f"mark{n}", type_=column.type) for n, column in enumerate(order.columns)
        ]
        at_null = kind.endswith("_null")
        found = found.where(order.beyond(marks, backwards=backwards, at_null=at_null))
    else:
        found = found.offset(sa.bindparam("offset", type_=sa.Integer))
    limit = sa.bindparam("limit", type_=sa.Integer)
    if not is_sorted:
        return Read(found.order_by(*order.by(backwards=backwards)).limit(limit))
    apart = paging.Order(
        (unindexed(order.columns[0]), *order.columns[1:]), order.descending, order.has_nulls
    )
    ids = found.order_by(*apart.by(backwards=backwards)).limit(limit)
    return Read(rows.where(Ticket.id.in_(ids)).order_by(*apart.by(backwards=backwards)))


def count_capped(selection: Selection, *, cap: int = CAP) -> int:
    """How many tickets, or *cap* + 1 for more; one statement, two on very large desks."""
    if db.engine.dialect.name == "sqlite" and {"kept", "visible"}.issuperset(selection.names):
        every = _EVERYTHING.one(hidden=selection.values.get("hidden", []), short=SHORT)
        if every is not None:
            return min(every, cap + 1)
    return _count(selection, cap)


SHORT = 200_000  # tickets up to which an index is counted whole: it stays in the cache
_HIDDEN = Ticket.group_id.in_(sa.bindparam("hidden", expanding=True))


def _number(*where: Any, index: str) -> Any:
    found = sa.select(sa.func.count()).select_from(Ticket).where(*where)
    return found.with_hint(Ticket, f"INDEXED BY {index}", "sqlite").scalar_subquery()


# SQLite counts all rows of an index by its pages, twenty times quicker than those of a condition:
# what a list does not show is taken off.
_EVERYTHING: Read[int | None] = Read(
    sa.select(
        sa.case(
            (
                sa.select(sa.func.max(Ticket.id)).scalar_subquery() <= sa.bindparam("short"),
                _number(index="ix_ticket_group_id_id")
                - _number(_HIDDEN, index="ix_ticket_group_id_id")
                - _number(
                    sa.text(f"({GONE})"),
                    sa.or_(Ticket.group_id.is_(None), sa.not_(_HIDDEN)),
                    index="ix_ticket_gone",
                ),
            )
        )
    ),
    make=lambda number: number,
)


def _count(selection: Selection, cap: int) -> int:
    values = dict(selection.values, cap=cap + 1)
    statement = _counting(selection.counted_shape, selection.count_hint)
    return statement.one(**values) or 0


@lru_cache(maxsize=512)
def _counting(shape: Shape, hint: str) -> Read[int]:
    found = sa.select(sa.literal(1)).select_from(Ticket).where(*conditions.where(shape))
    if hint:
        found = found.with_hint(Ticket, hint, "sqlite")
    capped = found.limit(sa.bindparam("cap", type_=sa.Integer)).subquery()
    return Read(sa.select(sa.func.count()).select_from(capped), make=int)


@dataclass(slots=True)
class Statistics:
    """Exact counts; keys are values of status and priority, category keys, and agents' ids."""

    total: int = 0
    by_status: Mapping[str, int] = field(default_factory=dict)
    by_priority: Mapping[str, int] = field(default_factory=dict)
    by_category: Mapping[str, int] = field(default_factory=dict)
    by_assignee: Mapping[int | None, int] = field(default_factory=dict)


def statistics(filters: TicketFilters, *, viewer: Person, now: datetime) -> Statistics:
    """Counts under *filters*; one statement that reads every ticket they name."""
    selection = conditions.select_for(filters, viewer=viewer, now=now)
    by = (Ticket.status, Ticket.priority, Ticket.category_id, Ticket.assignee_id)
    statement = sa.select(*by, sa.func.count().label("found")).group_by(*by)
    statement = statement.where(*conditions.where(selection.shape))
    keys = {card.id: card.key for card in catalog.categories().values()}
    status, priority, category = Counter[str](), Counter[str](), Counter[str]()
    assignee = Counter[int | None]()
    for row in db.session.execute(statement, selection.values):
        status[row.status.value] += row.found
        priority[row.priority.value] += row.found
        category[keys[row.category_id]] += row.found
        assignee[row.assignee_id] += row.found
    return Statistics(sum(status.values()), status, priority, category, assignee)


def _page_text(found: Fetched, total: str) -> str:
    if not found.rows:
        return ""
    first, last = found.position + 1, found.position + len(found.rows)
    return f"{first:,} to {last:,} of {total}"


def _link(path: str, filters: TicketFilters, base: TicketFilters | None, cursor: str) -> str | None:
    query = filters.to_query(base, cursor=cursor)
    return f"{path}{'&' if '?' in path else '?'}{query}" if cursor else None

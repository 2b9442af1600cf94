"""Filters as SQL that stays quick at a million tickets.

A list either walks an index in the list's own order and skips what does not fit, or reads the few
tickets that one rare filter names and sorts these. SQLite keeps no statistics here and guesses
badly between the two, so a capped count decides, and the columns that shall not choose an index
are written as ``+column``, which SQLite calculates and PostgreSQL never sees.

Statements are built once for each shape of filters (building takes longer than running them).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from app.accounts.access import hidden_group_ids
from app.accounts.models import OrganizationAccess, Person, PersonEmail
from app.core.db import db
from app.core.paging import Order
from app.search import query
from app.tickets import catalog
from app.tickets.filters import ACTIVE_STATUSES, TicketFilters
from app.tickets.models import ACTIVE, HeldEmail, Tag, Ticket, ticket_tag

FEW = 1_000  # so many tickets are read and sorted in about a millisecond

Shape = tuple[tuple[str, ...], tuple[str, ...]]
Wrap = Callable[[Any], Any]
Build = Callable[[Wrap, str], sa.ColumnElement[bool]]


class unindexed(FunctionElement[Any]):  # noqa: N801  (reads as a function in statements)
    """A column whose index SQLite shall not use here."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _as_it_is(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(unindexed, "sqlite")
def _without_index(element: unindexed, compiler: SQLCompiler, **kw: Any) -> str:
    return "+" + compiler.process(element.clauses, **kw)


def _as_is(column: Any) -> Any:
    return column


def _bind(name: str, suffix: str, column: Any, *, expanding: bool = False) -> Any:
    return sa.bindparam(f"{name}{suffix}", type_=column.type, expanding=expanding)


def _one(name: str, column: Any) -> Build:
    return lambda wrap, suffix: wrap(column) == _bind(name, suffix, column)


def _any(name: str, column: Any) -> Build:
    return lambda wrap, suffix: wrap(column).in_(_bind(name, suffix, column, expanding=True))


def _none(column: Any) -> Build:
    return lambda wrap, suffix: wrap(column).is_(None)


def _from(name: str, column: Any) -> Build:
    return lambda wrap, suffix: wrap(column) >= _bind(name, suffix, column)


def _until(name: str, column: Any) -> Build:
    return lambda wrap, suffix: wrap(column) < _bind(name, suffix, column)


def _visible(wrap: Wrap, suffix: str) -> sa.ColumnElement[bool]:
    group = wrap(Ticket.group_id)
    hidden = _bind("hidden", suffix, Ticket.group_id, expanding=True)
    return sa.or_(group.is_(None), group.not_in(hidden))


def _of_organization(wrap: Wrap, suffix: str) -> sa.ColumnElement[bool]:
    own = Person.organization_id == _bind("organization", suffix, Person.organization_id)
    owned: sa.ColumnElement[bool] = wrap(Ticket.requester_id).in_(sa.select(Person.id).where(own))
    return owned


def _tag_ids(suffix: str) -> Any:
    names = _bind("tag", suffix, Tag.name, expanding=True)
    return sa.select(Tag.id).where(Tag.name.in_(names))


def _tagged(wrap: Wrap, suffix: str) -> sa.ColumnElement[bool]:
    """Few tickets have the tag: read them all."""
    ids = sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id.in_(_tag_ids(suffix)))
    found: sa.ColumnElement[bool] = wrap(Ticket.id).in_(ids)
    return found


def _tagged_each(wrap: Wrap, suffix: str) -> sa.ColumnElement[bool]:
    """Many tickets have the tag: look at each ticket's."""
    on = sa.and_(ticket_tag.c.ticket_id == Ticket.id, ticket_tag.c.tag_id.in_(_tag_ids(suffix)))
    return sa.exists().where(on)


def _words(found: type[query.FoundBy]) -> Build:
    return lambda wrap, suffix: found(wrap(Ticket.id), sa.bindparam(f"q{suffix}", type_=sa.Text))


HELD = sa.text("held_email.state = 'waiting'")  # as in the partial index
COLUMNS: dict[str, Any] = {
    "status": Ticket.status,
    "priority": Ticket.priority,
    "category": Ticket.category_id,
    "assignee": Ticket.assignee_id,
    "group": Ticket.group_id,
    "requester": Ticket.requester_id,
    "source": Ticket.source,
}
CONDITIONS: dict[str, Build] = {
    "active": lambda wrap, suffix: sa.text(ACTIVE),  # type: ignore[dict-item, return-value]
    "kept": lambda wrap, suffix: Ticket.deleted_at.is_(None),
    "nothing": lambda wrap, suffix: sa.false(),
    "visible": _visible,
    "own": _one("own", Ticket.requester_id),
    "organization": _of_organization,
    "created_after": _from("created_after", Ticket.created_at),
    "created_before": _until("created_before", Ticket.created_at),
    "due_after": _from("due_after", Ticket.due_at),
    "due_before": _until("due_before", Ticket.due_at),
    "overdue": _until("now", Ticket.next_due_at),
    "held": lambda wrap, suffix: wrap(Ticket.id).in_(sa.select(HeldEmail.ticket_id).where(HELD)),
    "tag": _tagged,
    "tag_each": _tagged_each,
    "q": _words(query.FoundBy),
    "q_each": _words(query.EachFoundBy),
    "q_notes": _words(query.FoundByNotesToo),
    "q_notes_each": _words(query.EachFoundByNotesToo),
}
for _name, _column in COLUMNS.items():
    CONDITIONS[_name] = _one(_name, _column)
    CONDITIONS[f"{_name}_in"] = _any(f"{_name}_in", _column)
    CONDITIONS[f"{_name}_none"] = _none(_column)


def _either(name: str) -> Build:
    some, none = CONDITIONS[f"{name}_in"], CONDITIONS[f"{name}_none"]
    return lambda wrap, suffix: sa.or_(some(wrap, suffix), none(wrap, suffix))


CONDITIONS["assignee_in_or_none"] = _either("assignee")
CONDITIONS["group_in_or_none"] = _either("group")


@dataclass(slots=True)
class Selection:
    """Filters for one viewer: names in `CONDITIONS`, and the values of their parameters.

    Attributes:
        names: conditions that may use an index.
        others: conditions that may not.
        is_sorted: few tickets are found and then sorted; no index is walked in the list's order.
    """

    names: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    is_sorted: bool = False

    @property
    def shape(self) -> Shape:
        """What a statement is built from; hashable."""
        return tuple(self.names), tuple(self.others)

    def put_last(self, *kept: str) -> None:
        """Only the *kept* conditions may use an index."""
        self.others += [name for name in self.names if name not in kept]
        self.names = [name for name in self.names if name in kept]


def select_for(filters: TicketFilters, *, viewer: Person, now: datetime) -> Selection:
    """What *viewer* may see of what *filters* name; at most two small statements of its own."""
    found = Selection()
    _add_scope(found, viewer)
    _add_columns(found, filters, _people(filters, viewer))
    for name in ("created_after", "created_before", "due_after", "due_before"):
        if moment := getattr(filters, name):
            found.names.append(name)
            found.values[name] = moment
    if filters.overdue:
        found.names.append("overdue")
        found.values["now"] = now
    if filters.held:
        found.names.append("held")
    if filters.tag:
        found.names.append("tag")
        found.values["tag"] = list(filters.tag)
    if filters.q:
        _add_words(found, filters.q, viewer)
    rare = _rarest(found) if db.engine.dialect.name == "sqlite" else ()
    if filters.is_active_only:
        _walk_active(found, filters, rare)
    else:
        _walk_all(found, filters, rare)
    return found


def _add_scope(found: Selection, viewer: Person) -> None:
    """Customers: their own tickets, or their organization's; agents: no foreign private group's."""
    if viewer.is_agent:
        if hidden := hidden_group_ids(viewer):
            found.others.append("visible")
            found.values["hidden"] = sorted(hidden)
    elif viewer.organization and viewer.organization.access is OrganizationAccess.ALL:
        found.names.append("organization")
        found.values["organization"] = viewer.organization_id
    else:
        found.names.append("own")
        found.values["own"] = viewer.id


def _people(filters: TicketFilters, viewer: Person) -> dict[str, int]:
    """Ids of ``me`` and of addresses; one statement, where there are addresses."""
    named = {*filters.assignee, *filters.requester}
    ids = {"me": viewer.id}
    if addresses := [name for name in named if "@" in name]:
        owned = sa.select(PersonEmail.address, PersonEmail.person_id)
        for row in db.session.execute(owned.where(PersonEmail.address.in_(addresses))):
            ids[row.address] = row.person_id
    return ids


def _add_columns(found: Selection, filters: TicketFilters, people: dict[str, int]) -> None:
    if filters.is_active_only:
        found.names.append("active")
    else:
        found.others.append("kept")
    if set(filters.status) != set(ACTIVE_STATUSES):
        _add(found, "status", filters.status)
    _add(found, "priority", filters.priority)
    _add(found, "source", filters.source)
    by_key = {card.key: card.id for card in catalog.categories().values()}
    _add(
        found,
        "category",
        [by_key[key] for key in filters.category if key in by_key],
        is_set=bool(filters.category),
    )
    for name in ("assignee", "requester", "group"):
        words = getattr(filters, name)
        ids = [people.get(w) or (int(w) if w.isdigit() else None) for w in words if w != "none"]
        found_ids = [person_id for person_id in ids if person_id]
        _add(found, name, found_ids, none="none" in words, is_set=bool(words))


def _add(
    found: Selection,
    name: str,
    values: Sequence[Any],
    *,
    none: bool = False,
    is_set: bool = False,
) -> None:
    if none and not values:
        found.names.append(f"{name}_none")
    elif none:
        found.others.append(f"{name}_in_or_none")
        found.values[f"{name}_in"] = list(values)
    elif len(values) == 1:
        found.names.append(name)
        found.values[name] = values[0]
    elif values or is_set:  # no value left of those asked for: nothing fits
        found.others.append(f"{name}_in")
        found.values[f"{name}_in"] = list(values)


def _add_words(found: Selection, text: str, viewer: Person) -> None:
    words = query.expression(text)
    if words:
        found.names.append("q_notes" if viewer.is_agent else "q")
        found.values["q"] = words
    else:
        found.others.append("nothing")


def _walk_active(found: Selection, filters: TicketFilters, rare: tuple[str, ...]) -> None:
    """Partial indexes hold what is active, by priority (of an assignee, group, status) or due."""
    if rare:
        found.put_last("active", *rare)
        found.is_sorted = True
    elif filters.sort == "next_due_at":
        found.put_last("active", "overdue")
    else:
        heads = ("assignee", "assignee_none", "group", "group_none", "status")
        head = next((name for name in heads if name in found.names), "")
        found.put_last("active", head)
        found.is_sorted = filters.sort != "priority"


def _walk_all(found: Selection, filters: TicketFilters, rare: tuple[str, ...]) -> None:
    if rare:
        found.put_last(*rare)
        found.is_sorted = True
    elif filters.sort in ("created_at", "due_at"):
        kind = filters.sort.removesuffix("_at")
        found.put_last(f"{kind}_after", f"{kind}_before")
    else:
        found.put_last()


# Conditions of which one may name few tickets, and the source that counts them by its index.
RARE: tuple[tuple[str, ...], ...] = (
    ("own",),
    ("organization",),
    ("requester",),
    ("held",),
    ("q",),
    ("q_notes",),
    ("tag",),
    ("assignee",),
    ("assignee_none",),
    ("group",),
    ("group_none",),
    ("category",),
    ("status",),
    ("created_after", "created_before"),
    ("due_after", "due_before"),
)
# What an index of the active tickets begins with is quick there without a count.
LED_BY = {"assignee", "assignee_none", "group", "group_none", "status", "category"}


def _rarest(found: Selection) -> tuple[str, ...]:
    """The conditions that name fewest tickets, where these are `FEW`; one statement or none."""
    is_active = "active" in found.names
    candidates = tuple(
        present
        for names in RARE
        if (present := tuple(name for name in names if name in found.names))
        and not (is_active and LED_BY & set(present))
    )
    if not candidates:
        return ()
    rows = db.session.execute(count_few(candidates), found.values)
    counts = {candidates[place]: count for place, count in rows}
    for name in ("tag", "q", "q_notes"):
        if counts.get((name,), 0) > FEW:
            found.names[found.names.index(name)] = f"{name}_each"
    rarest = min(counts, key=counts.__getitem__)
    return rarest if counts[rarest] <= FEW else ()


@lru_cache(maxsize=256)
def count_few(candidates: tuple[tuple[str, ...], ...]) -> sa.CompoundSelect[Any]:
    parts = []
    for place, names in enumerate(candidates):
        if names == ("tag",):
            rows = sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id.in_(_tag_ids("")))
        elif names[0].startswith("q"):
            rows = query.rows_of(notes=names == ("q_notes",))
        else:
            rows = sa.select(Ticket.id).where(*(CONDITIONS[name](_as_is, "") for name in names))
        few = rows.limit(FEW + 1).subquery()
        parts.append(sa.select(sa.literal(place), sa.func.count()).select_from(few))
    return sa.union_all(*parts)


def where(shape: Shape, suffix: str = "") -> list[sa.ColumnElement[bool]]:
    """The where clauses of a shape; *suffix* tells the parameters of several apart."""
    names, others = shape
    indexed = [CONDITIONS[name](_as_is, suffix) for name in names]
    return indexed + [CONDITIONS[name](unindexed, suffix) for name in others]


def order_of(filters: TicketFilters) -> Order:
    """The sort order: priority from critical, then oldest first; times with the id behind them."""
    sort = filters.sort
    if sort == "next_due_at" and not filters.is_active_only:
        sort = "due_at"  # only what is active has a clock that runs
    return _order(sort, filters.order == "desc")


@lru_cache
def _order(sort: str, descending: bool) -> Order:
    keys: tuple[Any, ...] = (SORT_COLUMNS[sort], Ticket.id)
    if sort == "priority":
        return Order(keys, descending=not descending)
    return Order(keys, descending=descending, has_nulls=sort.endswith("due_at"))


SORT_COLUMNS: dict[str, Any] = {
    "created_at": Ticket.created_at,
    "updated_at": Ticket.updated_at,
    "due_at": Ticket.due_at,
    "next_due_at": Ticket.next_due_at,
    # By rank: a cursor carries numbers.
    "priority": sa.type_coerce(Ticket.priority, sa.SmallInteger),
}

"""Filters as SQL that stays quick at a million tickets.

A list either walks an index in the list's own order and skips what does not fit, or reads the few
tickets that one rare filter names and sorts these. SQLite keeps no statistics here and guesses
badly between the two, so a capped count decides, and the index is named in the statement.
PostgreSQL keeps statistics, and decides for itself.

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
from app.accounts.models import Person, PersonEmail
from app.core.db import db
from app.core.paging import Order
from app.search import query
from app.tickets import catalog, portal_queries
from app.tickets.catalog_models import Tag, ticket_tag
from app.tickets.filters import TicketFilters
from app.tickets.mail_models import HeldEmail
from app.tickets.models import ACTIVE, Ticket
from app.tickets.words import ACTIVE_STATUSES

FEW = 1_000  # so many tickets are read and sorted in about a millisecond
MANY = 20_000  # ids beyond this are not gathered, each ticket is looked at instead

Shape = tuple[str, ...]
Build = Callable[[str], sa.ColumnElement[bool]]


class unindexed(FunctionElement[Any]):  # noqa: N801  (reads as a function in statements)
    """A column that SQLite shall neither seek nor sort by an index."""

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


def _bind(name: str, suffix: str, column: Any, *, expanding: bool = False) -> Any:
    return sa.bindparam(f"{name}{suffix}", type_=column.type, expanding=expanding)


def _one(name: str, column: Any) -> Build:
    return lambda suffix: column == _bind(name, suffix, column)


def _any(name: str, column: Any) -> Build:
    """Several values: skipped over while an index is walked, which keeps its order."""
    return lambda suffix: unindexed(column).in_(_bind(name, suffix, column, expanding=True))


def _none(column: Any) -> Build:
    return lambda suffix: column.is_(None)


def _either(name: str, column: Any) -> Build:
    some = _any(name, column)
    return lambda suffix: sa.or_(some(suffix), unindexed(column).is_(None))


def _from(name: str, column: Any) -> Build:
    return lambda suffix: column >= _bind(name, suffix, column)


def _until(name: str, column: Any) -> Build:
    return lambda suffix: column < _bind(name, suffix, column)


def _visible(suffix: str) -> sa.ColumnElement[bool]:
    group = unindexed(Ticket.group_id)
    hidden = _bind("hidden", suffix, Ticket.group_id, expanding=True)
    return sa.or_(group.is_(None), group.not_in(hidden))


def _of_organization(suffix: str) -> sa.ColumnElement[bool]:
    own = Person.organization_id == _bind("organization", suffix, Person.organization_id)
    return Ticket.requester_id.in_(sa.select(Person.id).where(own))


def _tag_ids(suffix: str) -> Any:
    names = _bind("tag", suffix, Tag.name, expanding=True)
    return sa.select(Tag.id).where(Tag.name.in_(names))


def _tagged(suffix: str) -> sa.ColumnElement[bool]:
    ids = sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id.in_(_tag_ids(suffix)))
    return Ticket.id.in_(ids)


def _tagged_each(suffix: str) -> sa.ColumnElement[bool]:
    """Very many tickets have the tag: look at each ticket's."""
    on = sa.and_(ticket_tag.c.ticket_id == Ticket.id, ticket_tag.c.tag_id.in_(_tag_ids(suffix)))
    return sa.exists().where(on)


def _newest_tagged(suffix: str) -> sa.ColumnElement[bool]:
    ids = sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id.in_(_tag_ids(suffix)))
    return Ticket.id.in_(ids.order_by(ticket_tag.c.ticket_id.desc()).limit(query.NEWEST))


def _words(how: str, *, notes: bool) -> Build:
    def build(suffix: str) -> sa.ColumnElement[bool]:
        return query.found(Ticket.id, sa.bindparam(f"q{suffix}", type_=sa.Text), how, notes=notes)

    return build


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
    "active": lambda suffix: sa.text(ACTIVE),  # type: ignore[dict-item, return-value]
    "kept": lambda suffix: sa.and_(Ticket.deleted_at.is_(None), Ticket.merged_into_id.is_(None)),
    "nothing": lambda suffix: sa.false(),
    "visible": _visible,
    "own": _one("own", Ticket.requester_id),
    "organization": _of_organization,
    "created_after": _from("created_after", Ticket.created_at),
    "created_before": _until("created_before", Ticket.created_at),
    "due_after": _from("due_after", Ticket.due_at),
    "due_before": _until("due_before", Ticket.due_at),
    "overdue": _until("now", Ticket.next_due_at),
    "held": lambda suffix: Ticket.id.in_(sa.select(HeldEmail.ticket_id).where(HELD)),
    "tag": _tagged,
    "tag_each": _tagged_each,
    "tag_newest": _newest_tagged,
    "q": _words("all", notes=False),
    "q_each": _words("each", notes=False),
    "q_newest": _words("newest", notes=False),
    "q_notes": _words("all", notes=True),
    "q_notes_each": _words("each", notes=True),
    "q_notes_newest": _words("newest", notes=True),
}
for _name, _column in COLUMNS.items():
    CONDITIONS[_name] = _one(_name, _column)
    CONDITIONS[f"{_name}_in"] = _any(f"{_name}_in", _column)
    CONDITIONS[f"{_name}_none"] = _none(_column)
    CONDITIONS[f"{_name}_in_or_none"] = _either(f"{_name}_in", _column)

# Conditions that may name few tickets, and how SQLite then finds these.
ROWS_THEMSELVES = "NOT INDEXED"  # by their ids
RARE: dict[tuple[str, ...], str] = {
    ("own",): "INDEXED BY ix_ticket_requester_id_id",
    ("organization",): "INDEXED BY ix_ticket_requester_id_id",
    ("requester",): "INDEXED BY ix_ticket_requester_id_id",
    ("held",): ROWS_THEMSELVES,
    ("q",): ROWS_THEMSELVES,
    ("q_notes",): ROWS_THEMSELVES,
    ("tag",): ROWS_THEMSELVES,
    ("assignee",): "INDEXED BY ix_ticket_assignee_id_id",
    ("assignee_none",): "INDEXED BY ix_ticket_assignee_id_id",
    ("group",): "INDEXED BY ix_ticket_group_id_id",
    ("group_none",): "INDEXED BY ix_ticket_group_id_id",
    ("category",): "INDEXED BY ix_ticket_category_id_id",
    ("status",): "INDEXED BY ix_ticket_status_id",
    ("created_after", "created_before"): "INDEXED BY ix_ticket_created_at_id",
    ("due_after", "due_before"): "INDEXED BY ix_ticket_due_at_id",
}
# Found by gathering ids; with very many of them each ticket is looked at.
GATHERED = ("q", "q_notes", "tag")
# The active tickets have indexes of their own, in the order of the queue, that begin with these.
ACTIVE_INDEXES = {
    "assignee": "INDEXED BY ix_ticket_active_assignee",
    "assignee_none": "INDEXED BY ix_ticket_active_assignee",
    "group": "INDEXED BY ix_ticket_active_group",
    "group_none": "INDEXED BY ix_ticket_active_group",
    "status": "INDEXED BY ix_ticket_active_status",
}


@dataclass(slots=True)
class Selection:
    """Filters for one viewer.

    Attributes:
        names: of conditions in `CONDITIONS`.
        values: of their parameters.
        hint: which index SQLite reads.
        is_sorted: few tickets are found and then sorted; no index is walked in the list's order.
    """

    names: list[str] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    hint: str = ""
    is_sorted: bool = False

    @property
    def shape(self) -> Shape:
        """What a statement is built from."""
        return tuple(self.names)

    @property
    def counted_shape(self) -> Shape:
        """The same for a count: of what very many tickets have, only the newest are looked at."""
        return tuple(name.replace("_each", "_newest") for name in self.names)

    @property
    def count_hint(self) -> str:
        """The index for a count: one that walks all tickets in some order helps it nothing."""
        return self.hint if self.is_sorted or "active" in self.names else ""


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
    if db.engine.dialect.name == "sqlite":
        _choose_index(found, filters)
    return found


def _add_scope(found: Selection, viewer: Person) -> None:
    """Customers: their own tickets, or their organization's; agents: no foreign private group's."""
    if viewer.is_agent:
        if hidden := hidden_group_ids(viewer):
            found.names.append("visible")
            found.values["hidden"] = sorted(hidden)
    elif viewer.organization_id is not None and portal_queries.shared_organization(viewer):
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
        found.names.append("kept")
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
        found.names.append(f"{name}_in_or_none")
        found.values[f"{name}_in"] = list(values)
    elif len(values) == 1:
        found.names.append(name)
        found.values[name] = values[0]
    elif values or is_set:  # no value left of those asked for: nothing fits
        found.names.append(f"{name}_in")
        found.values[f"{name}_in"] = list(values)


def _add_words(found: Selection, text: str, viewer: Person) -> None:
    words = query.expression(text)
    if words:
        found.names.append("q_notes" if viewer.is_agent else "q")
        found.values["q"] = words
    else:
        found.names.append("nothing")


def _choose_index(found: Selection, filters: TicketFilters) -> None:
    head = ""
    if filters.is_active_only:
        head = next((name for name in ACTIVE_INDEXES if name in found.names), "")
    if rare := _rarest(found):
        found.hint, found.is_sorted = RARE[rare], True
    elif not filters.is_active_only:
        found.hint = f"INDEXED BY ix_ticket_{sort_of(filters)}_id"
    elif filters.sort == "next_due_at" or (filters.overdue and not head):
        found.hint = "INDEXED BY ix_ticket_active_next_due"
        found.is_sorted = filters.sort != "next_due_at"
    else:
        found.hint = ACTIVE_INDEXES.get(head, "INDEXED BY ix_ticket_active")
        found.is_sorted = filters.sort != "priority"


def _rarest(found: Selection) -> tuple[str, ...]:
    """The conditions that name fewest tickets, where these are `FEW`; one statement or none."""
    # The active tickets have indexes for most of these: no need to count.
    candidates = {
        present: names
        for names in RARE
        if (present := tuple(name for name in names if name in found.names))
        and not ("active" in found.names and present[0] in (*ACTIVE_INDEXES, "category"))
    }
    if not candidates:
        return ()
    order = tuple(candidates)
    rows = db.session.execute(count_few(order), found.values | {"few": FEW + 1, "many": MANY + 1})
    counts = {order[place]: count for place, count in rows}
    for name in GATHERED:
        if (name,) in counts and counts[(name,)] > MANY:
            found.names[found.names.index(name)] = f"{name}_each"
    rarest = min(counts, key=counts.__getitem__)
    return candidates[rarest] if counts[rarest] <= FEW else ()


@lru_cache(maxsize=256)
def count_few(candidates: tuple[Shape, ...]) -> sa.CompoundSelect[Any]:
    """Counts, by place, of the tickets that conditions name; capped."""
    parts = []
    for place, names in enumerate(candidates):
        cap = sa.bindparam("many" if names[0] in GATHERED else "few", type_=sa.Integer)
        if names == ("tag",):
            rows = sa.select(ticket_tag.c.ticket_id).where(ticket_tag.c.tag_id.in_(_tag_ids("")))
        elif names[0] in GATHERED:
            rows = query.rows_of(notes=names == ("q_notes",))
        else:
            rows = sa.select(Ticket.id).where(*where(names))
        counted = rows.limit(cap).subquery()
        parts.append(sa.select(sa.literal(place), sa.func.count()).select_from(counted))
    return sa.union_all(*parts)


def where(shape: Shape, suffix: str = "") -> list[sa.ColumnElement[bool]]:
    """The where clauses of a shape; *suffix* tells the parameters of several apart."""
    return [CONDITIONS[name](suffix) for name in shape]


def sort_of(filters: TicketFilters) -> str:
    """The sort key that is used: only what is active has a clock that runs."""
    if filters.sort == "next_due_at" and not filters.is_active_only:
        return "due_at"
    return filters.sort


def order_of(filters: TicketFilters) -> Order:
    """The sort order: priority from critical, then oldest first; times with the id behind them."""
    return _order(sort_of(filters), filters.order == "desc")


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

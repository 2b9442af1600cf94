"""Deleting what is in use: by what it is used, and what takes its place there.

Foreign keys are found in the models themselves, so that a new table that points at a group is
counted and moved without a line here; what is named inside JSON is listed below.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Group, Organization, Person, Skill
from app.channels import templates
from app.channels.models import AutoResponseTemplate
from app.core import audit
from app.core.cache import bump_stamp
from app.core.db import Base, db
from app.core.errors import Conflict, Invalid
from app.sla.models import Calendar, EscalationKind, SlaEscalation, SlaPolicy
from app.tickets import holding, views
from app.tickets import replacing as tickets
from app.tickets.catalog_models import Category, CustomField, Macro, Subcategory, Tag, View

MOST = 1_000  # tickets counted; "1,000+" says enough
MOST_NAMES = 3  # of each kind of what is there in small numbers
MANY = {"ticket", "ticket_tag", "person", "person_skill", "article"}  # counted alone

WORDS = {
    "article": ("article", "articles"),
    "assignment_rule": ("assignment rule", "assignment rules"),
    "auto_response_template": ("automatic answer", "automatic answers"),
    "category_skill": ("category", "categories"),
    "custom_field_category": ("custom field", "custom fields"),
    "macro": ("macro", "macros"),
    "mailbox": ("mailbox", "mailboxes"),
    "person": ("person", "people"),
    "person_skill": ("agent", "agents"),
    "sla_escalation": ("escalation", "escalations"),
    "sla_policy": ("SLA policy", "SLA policies"),
    "subcategory": ("subcategory", "subcategories"),
    "subcategory_skill": ("subcategory", "subcategories"),
    "ticket": ("ticket", "tickets"),
    "ticket_tag": ("ticket", "tickets"),
    "view": ("saved view", "saved views"),
}
# Parts of the thing itself, which go with it.
PARTS = {
    Group: {"group_member"},
    Category: {"category_skill"},
    Subcategory: {"subcategory_skill"},
    Calendar: {"calendar_interval", "holiday"},
    Organization: {"organization_domain"},
    CustomField: {"custom_field_category"},
}
# Where nothing in its place will do, too: a ticket needs no tag, a person no organization.
LOOSE = {
    Skill: {"category_skill", "subcategory_skill", "person_skill"},
    Subcategory: {"ticket"},
    Tag: {"ticket_tag"},
    Organization: {"person"},
}


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in JSON where a thing is named.

    Attributes:
        model: whose rows are looked at, all of them: there are few.
        names: whether a row names *old*.
        swap: put *new* in its place.
    """

    model: type[Base]
    names: Callable[[Any, Any], bool]
    swap: Callable[[Any, Any, Any], None]


@dataclass(frozen=True, slots=True)
class Uses:
    """By what a thing is used.

    Attributes:
        text: "12 tickets and 1 assignment rule (Invoices)", "" where it is used by nothing.
        is_needed: something has to take its place before it can go.
    """

    text: str
    is_needed: bool


def uses(thing: Any) -> Uses:
    """Count and name what uses *thing*: two statements, and one for each kind of JSON."""
    kind = type(thing)
    parts = [
        sa.select(sa.literal(table.name).label("name"), _capped(column, thing.id).label("count"))
        for table, column in references(kind)
    ]
    counts: dict[str, int] = {}
    if parts:
        for name, count in db.session.execute(sa.union_all(*parts)):
            counts[name] = counts.get(name, 0) + count
    names = _names(thing)
    for mention in MENTIONS.get(kind, ()):
        name = mention.model.__tablename__
        rows = db.session.scalars(sa.select(mention.model))
        named = [row for row in rows if mention.names(row, thing)]
        counts[name] = max(counts.get(name, 0), len(named))  # often the same rows
        names[name] |= {getattr(row, "name", "") for row in named if not _is_own(row)} - {""}
    used = {name: count for name, count in counts.items() if count}
    order = sorted(
        used, key=lambda name: (name not in ("ticket", "ticket_tag"), WORDS[name][0].lower())
    )
    text = _listed([_counted(name, used[name], sorted(names[name])) for name in order])
    return Uses(text, bool(set(used) - LOOSE.get(kind, set())))


def replace(old: Any, new: Any | None, *, by: Person, now: datetime) -> None:
    """Put *new* (None: nothing) wherever *old* is used; *old* itself stays.

    The history of each ticket says so, and what waits is served as its new place asks for.

    Raises:
        Invalid: *new* is *old*, or something has to take its place.
        Conflict: both categories have a subcategory of one name.
    """
    if new is not None and new.id == old.id:
        raise _choose("Choose another one.")
    if new is None and uses(old).is_needed:
        raise _choose("It is in use: choose what takes its place.")
    _refuse_twins(old, new)
    moved = tickets.tell(old, new, by=by, now=now) if type(old) in tickets.HAVING else []
    members = sa.and_(Person.organization_id == old.id, Person.tier.is_(None))
    served = holding.waiting_of(members) if isinstance(old, Organization) else []
    if isinstance(old, Group) and new is not None:
        views.part_twins(old, new, by=by, now=now)
    if isinstance(old, Category) and new is not None:
        _drop_answers(old, new, by=by, now=now)
    for table, column in references(type(old)):
        _move(table, column, old.id, new.id if new else None)
    for mention in MENTIONS.get(type(old), ()):
        for row in db.session.scalars(sa.select(mention.model)):
            if mention.names(row, old):
                mention.swap(row, old, new)
    # Written past the session, which so cannot know.
    bump_stamp(db.session())
    db.session.flush()
    db.session.expire_all()
    tickets.serve_again(moved, now=now)
    holding.serve_again(served, by=by, now=now)


def delete(old: Any, new: Any | None = None, *, by: Person, now: datetime) -> None:
    """Delete *old*, with *new* in its place; see `replace`."""
    replace(old, new, by=by, now=now)
    db.session.delete(old)
    db.session.flush()


def rename(tag: Tag, name: str) -> None:
    """Give *tag* another name, also where it is named in JSON."""
    old, new = Tag(id=tag.id, name=tag.name), Tag(id=tag.id, name=name)
    for mention in MENTIONS[Tag]:
        for row in db.session.scalars(sa.select(mention.model)):
            if mention.names(row, old):
                mention.swap(row, old, new)
    tag.name = name
    db.session.flush()


def references(kind: type[Base]) -> list[tuple[sa.Table, sa.Column[Any]]]:
    """Every column that points at *kind*, but for the thing's own parts."""
    target, own = kind.__table__, PARTS.get(kind, set())
    return [
        (table, key.parent)
        for table in Base.metadata.sorted_tables
        for key in sorted(table.foreign_keys, key=lambda key: key.parent.name)
        if key.column.table is target and table.name not in own
    ]


def _capped(column: sa.Column[Any], value: int) -> sa.ScalarSelect[int]:
    found = sa.select(sa.literal(1)).where(column == value).limit(MOST + 1).subquery()
    return sa.select(sa.func.count()).select_from(found).scalar_subquery()


def _move(table: sa.Table, column: sa.Column[Any], old: int, new: int | None) -> None:
    """Let rows of *table* point at *new*; one that would then be there twice goes."""
    if new is None and not column.nullable:
        db.session.execute(sa.delete(table).where(column == old))
        return
    if new is not None:
        for others in _unique_beside(table, column):
            twin = table.alias()
            same = [twin.c[other.name] == other for other in others]
            already = sa.exists().where(twin.c[column.name] == new, *same)
            db.session.execute(sa.delete(table).where(column == old, already))
    db.session.execute(sa.update(table).where(column == old).values({column.name: new}))


def _unique_beside(table: sa.Table, column: sa.Column[Any]) -> list[list[sa.Column[Any]]]:
    """The other columns of each rule of uniqueness that *column* is part of."""
    rules = [list(table.primary_key.columns)]
    rules += [list(c.columns) for c in table.constraints if isinstance(c, sa.UniqueConstraint)]
    return [[c for c in rule if c is not column] for rule in rules if column in rule]


def _drop_answers(old: Category, new: Category, *, by: Person, now: datetime) -> None:
    """Delete the answers of *old* in languages in which *new* has its own, and write that down."""
    model = AutoResponseTemplate
    there = sa.select(model.language).where(model.category_id == new.id)
    mine = sa.select(model).where(model.category_id == old.id, model.language.in_(there))
    for row in db.session.scalars(mine):
        named = ("automatic answer", row.id, templates.label(row))
        audit.note(*named, before=templates.facts(row), after={}, by=by, now=now)
        db.session.delete(row)
    db.session.flush()


def _refuse_twins(old: Any, new: Any | None) -> None:
    if not isinstance(old, Category) or new is None:
        return
    twins = {sub.key for sub in old.subcategories} & {sub.key for sub in new.subcategories}
    if twins:
        names = _listed(sorted(sub.name for sub in old.subcategories if sub.key in twins))
        raise Conflict(f"Both categories have {names}. Delete one of each first.")


def _choose(message: str) -> Invalid:
    return Invalid(message, {"instead": message})


def _names(thing: Any) -> defaultdict[str, set[str]]:
    """What those are called that point at *thing*, by their table; one statement."""
    parts = []
    for table, column in references(type(thing)):
        if table.name in MANY:
            continue
        owner, rows = table, sa.select(sa.literal(table.name)).where(column == thing.id)
        if len(table.primary_key) > 1:  # it joins *thing* to what has a name
            [key] = [key for key in table.foreign_keys if key.parent is not column]
            owner = key.column.table
            rows = rows.where(key.parent == key.column)
        called = next(
            (owner.c[key] for key in ("address", "name", "label") if key in owner.c), None
        )
        if called is not None:
            parts.append(rows.add_columns(called).where(called != "").limit(MOST_NAMES + 1))
    found: defaultdict[str, set[str]] = defaultdict(set)
    if parts:
        each = [sa.select(part.subquery()) for part in parts]  # SQLite: a limit of each of them
        for table_name, name in db.session.execute(sa.union_all(*each)):
            found[table_name].add(name)
    return found


def _is_own(row: Any) -> bool:
    """Whether it is one person's, and so no business of others: a view of their own."""
    return getattr(row, "owner_id", None) is not None


def _counted(name: str, count: int, names: list[str]) -> str:
    one, many = WORDS[name]
    if count > MOST:
        return f"{MOST:,}+ {many}"
    more = ["…"] if names and count > len(names[:MOST_NAMES]) else []
    named = f" ({', '.join([*names[:MOST_NAMES], *more])})" if names else ""
    return f"{count:,} {one if count == 1 else many}{named}"


def _listed(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _swapped(values: Iterable[Any], old: Any, new: Any) -> list[Any]:
    """*values* with *new* (None: nothing) for *old*, each once."""
    found = [new if value == old else value for value in values]
    return [value for value in dict.fromkeys(found) if value is not None]


def _condition(name: str) -> Mention:
    """Ids in a condition of SLA policies."""

    def swap(policy: SlaPolicy, old: Any, new: Any) -> None:
        setattr(policy, name, _swapped(getattr(policy, name), old.id, new.id if new else None))

    return Mention(SlaPolicy, lambda policy, old: old.id in getattr(policy, name), swap)


def _filter(name: str, word: str) -> Mention:
    """Values of a filter of saved views, which name things by their attribute *word*."""

    def of(thing: Any) -> str | None:
        return None if thing is None else str(getattr(thing, word))

    def swap(view: View, old: Any, new: Any) -> None:
        view.filters = view.filters | {name: _swapped(view.filters[name], of(old), of(new))}

    return Mention(View, lambda view, old: of(old) in view.filters.get(name, ()), swap)


def _change(name: str, word: str) -> Mention:
    """A value, or one of several, among the changes of macros."""

    def of(thing: Any) -> Any:
        return None if thing is None else getattr(thing, word)

    def names(macro: Macro, old: Any) -> bool:
        value = macro.changes.get(name)
        return of(old) in value if isinstance(value, list) else value == of(old)

    def swap(macro: Macro, old: Any, new: Any) -> None:
        value = macro.changes[name]
        several = isinstance(value, list)
        macro.changes = macro.changes | {
            name: _swapped(value, of(old), of(new)) if several else of(new)
        }

    return Mention(Macro, names, swap)


def _step(kind: EscalationKind, word: str) -> Mention:
    """The value of an escalation's step."""

    def swap(step: SlaEscalation, old: Any, new: Any) -> None:
        step.value = str(getattr(new, word))

    def names(step: SlaEscalation, old: Any) -> bool:
        return step.kind is kind and step.value == str(getattr(old, word))

    return Mention(SlaEscalation, names, swap)


MENTIONS: dict[type[Base], tuple[Mention, ...]] = {
    Group: (
        _condition("groups"),
        _filter("group", "id"),
        _change("group", "id"),
        _step(EscalationKind.REASSIGN_GROUP, "id"),
    ),
    Category: (_condition("categories"), _filter("category", "key"), _change("category", "id")),
    Tag: (_filter("tag", "name"), _change("tags", "name"), _step(EscalationKind.ADD_TAG, "name")),
}

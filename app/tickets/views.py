"""Saved views: made from the queue's filters, for oneself, for a group, or for everybody.

One's own are one's own business; what the team shares, supervisors keep, like macros.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Group, Person
from app.core import audit, ordering
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Forbidden, Invalid, NotFound
from app.core.unique import unique
from app.tickets.catalog_models import View
from app.tickets.filters import TicketFilters

MINE, EVERYBODY = "me", "everybody"
MOST = 10  # of one's own, of a group, and for everybody: the rail counts each of them

IS_SHARED = View.owner_id.is_(None)


def key(view_id: int) -> str:
    """What `/desk/?view=` takes."""
    return f"saved-{view_id}"


def path(view_id: int) -> str:
    """Of its form."""
    return f"/desk/views/{view_id}"


def may_change(view: Any, person: Person) -> bool:
    """Whether *person* may change or delete it (a `View`, or a row with its owner)."""
    if view.owner_id is None:
        return person.is_supervisor
    return bool(view.owner_id == person.id)


def seen_by(person: Person) -> sa.Select[int, str, dict[str, Any], int | None, int | None]:
    """Their own, then those of their groups and everybody's."""
    groups = [card.id for card in directory.groups().values() if person.id in card.member_ids]
    for_all = sa.and_(IS_SHARED, View.group_id.is_(None))
    theirs = sa.or_(View.owner_id == person.id, View.group_id.in_(groups), for_all)
    return _rows().where(theirs)


def kept_by(person: Person) -> sa.Select[int, str, dict[str, Any], int | None, int | None]:
    """Those that they may see or change: of a supervisor also what groups have without them."""
    if not person.is_supervisor:
        return seen_by(person)
    return _rows().where(sa.or_(View.owner_id == person.id, IS_SHARED))


def get(view_id: int, *, to_change: Person) -> View:
    """One to change.

    Raises:
        NotFound: it is gone, or another's; which of the two nobody is told.
    """
    view = db.session.get(View, view_id)
    if view is None or not may_change(view, to_change):
        raise NotFound("This view is gone, or it is not yours to change.")
    return view


def audience(view: View) -> str:
    """For whom it is: `MINE`, `EVERYBODY`, or a group's id as text."""
    if view.owner_id is not None:
        return MINE
    return EVERYBODY if view.group_id is None else str(view.group_id)


def save(
    view: View | None,
    *,
    name: str,
    audience: str,
    filters: TicketFilters,
    by: Person,
    now: datetime,
) -> View:
    """Make a view, or change one.

    Args:
        view: one that *by* may change (`get`).
        audience: as `audience` gives it.
    Raises:
        Forbidden: the team's views are kept by supervisors.
        Invalid: the name is taken among those who see it, or there are enough of them.
        NotFound: the group is gone.
    """
    owner_id, group_id = _audience(audience, by)
    before = facts(view) if view else {}
    is_moved = view is None or (view.owner_id, view.group_id) != (owner_id, group_id)
    place = 0
    if is_moved:
        _refuse_more(owner_id, group_id)
        place = _last(owner_id) + 1
    whose = "You have" if owner_id else "The team has"
    with unique("name", f"{whose} a view of this name. Choose another one."):
        view = view or View()
        view.position = place or view.position
        view.name, view.owner_id, view.group_id = name, owner_id, group_id
        view.filters = filters.to_view()
        db.session.add(view)
    _note(view, before, facts(view), by=by, now=now)
    return view


def delete(view: View, *, by: Person, now: datetime) -> None:
    """Delete one that *by* may change (`get`)."""
    _note(view, facts(view), {}, by=by, now=now)
    db.session.delete(view)
    db.session.flush()


def part_twins(old: Group, new: Group, *, by: Person, now: datetime) -> None:
    """Give each view of *old* whose name *new* has, too, another one, so that both can stay."""
    found = db.session.scalars(sa.select(View).where(View.group_id.in_((old.id, new.id)))).all()
    names = {view.name for view in found}
    there = {view.name for view in found if view.group_id == new.id}
    for view in found:
        if view.group_id != old.id or view.name not in there:
            continue
        before, stem = facts(view), f"{view.name[:60]} ({old.name[:25]}"
        others = (f"{stem} {n})" if n > 1 else f"{stem})" for n in itertools.count(1))
        view.name = next(name for name in others if name not in names)
        names.add(view.name)
        _note(view, before, facts(view), by=by, now=now)
    db.session.flush()


def ids_in_order(*, own_of: Person | None) -> list[int]:
    """Of one's own views, or (None) of all that are shared, as the rail shows them."""
    return [view.id for view in _list(own_of)]


def put_in_order(ids: Sequence[int], *, own: bool, by: Person, now: datetime) -> None:
    """Show one's own views, or those that are shared, in the order of *ids*.

    Raises:
        Conflict: somebody has made or deleted one meanwhile.
        Forbidden: supervisors alone order what is shared.
    """
    if own:
        found = {view.id: view for view in _list(by)}
        if sorted(ids) != sorted(found):
            raise Conflict("The list has changed meanwhile. Here is how it stands now.")
        for position, view_id in enumerate(ids, start=1):
            found[view_id].position = position
        return
    if not by.is_supervisor:
        raise Forbidden("Supervisors keep the views of the team.")
    ordering.put_in_order(
        _list(None), ids, thing="view", name=lambda view: view.name, by=by, now=now
    )


def facts(view: View) -> Facts:
    """A shared view in words, for the audit log; one's own are not written down there."""
    if view.owner_id is not None:
        return {}
    card = directory.groups().get(view.group_id or 0)
    filters = "; ".join(
        f"{name}: {', '.join(value) if isinstance(value, list) else value}"
        for name, value in view.filters.items()
    )
    return {"Name": view.name, "For": card.name if card else "Everybody", "Filters": filters}


def _rows() -> sa.Select[int, str, dict[str, Any], int | None, int | None]:
    rows = sa.select(View.id, View.name, View.filters, View.owner_id, View.group_id)
    return rows.order_by(IS_SHARED, View.position, View.id)


def _list(own_of: Person | None) -> list[View]:
    whose = IS_SHARED if own_of is None else View.owner_id == own_of.id
    rows = sa.select(View).where(whose).order_by(View.position, View.id)
    return list(db.session.scalars(rows))


def _audience(text: str, by: Person) -> tuple[int | None, int | None]:
    """Owner and group of a view for *text*."""
    if text == MINE:
        return by.id, None
    if not by.is_supervisor:
        raise Forbidden("Supervisors make the views of the team. Save it for yourself.")
    if text == EVERYBODY:
        return None, None
    group = db.session.get(Group, int(text))
    if group is None:
        raise NotFound("This group is gone. Choose another one.")
    return None, group.id


def _refuse_more(owner_id: int | None, group_id: int | None) -> None:
    same = (View.owner_id.is_not_distinct_from(owner_id), View.group_id == group_id)
    if group_id is None:
        same = (same[0], View.group_id.is_(None))
    count = db.session.scalars(sa.select(sa.func.count()).select_from(View).where(*same)).one()
    if count >= MOST:
        whose = "You have" if owner_id else "The team has"
        raise Invalid(f"{whose} {MOST} views, which is the most there can be. Delete one first.")


def _last(owner_id: int | None) -> int:
    whose = View.owner_id.is_not_distinct_from(owner_id)
    last = sa.select(sa.func.coalesce(sa.func.max(View.position), 0)).where(whose)
    return db.session.scalars(last).one()


def _note(view: View, before: Facts, after: Facts, *, by: Person, now: datetime) -> None:
    """What the team shares is in the audit log; also where it becomes one's own, or ceases to."""
    if before or after:
        name = after.get("Name") or before["Name"]
        audit.note("view", view.id, name, before=before, after=after, by=by, now=now)

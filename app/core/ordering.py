"""Rows that people put in an order: rules, policies, categories, macros."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from app.core import audit
from app.core.audit import Actor
from app.core.errors import Conflict


def put_in_order(
    rows: Iterable[Any],
    ids: Sequence[int],
    *,
    thing: str,
    name: Callable[[Any], str],
    highest_first: bool = False,
    by: Actor,
    now: datetime,
) -> bool:
    """Set ``position`` of *rows* (all there are, as they stand) to the order of *ids*.

    Args:
        thing: what they are, for the audit log; *name* names one of them there.
        highest_first: the row with the highest position comes first.
    Returns:
        False where they stand so already.
    Raises:
        Conflict: somebody has made or deleted one meanwhile.
    """
    found = {row.id: row for row in rows}
    if sorted(ids) != sorted(found):
        raise Conflict("The list has changed meanwhile. Here is how it stands now.")
    if list(ids) == list(found):
        return False
    before = ", ".join(map(name, found.values()))
    for position, row_id in enumerate(reversed(ids) if highest_first else ids, start=1):
        found[row_id].position = position
    after = ", ".join(name(found[row_id]) for row_id in ids)
    audit.write(*("ordered", thing, None, ""), field="Order", old=before, new=after, by=by, now=now)
    return True

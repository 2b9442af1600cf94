"""Lists whose order people choose, by buttons or by dragging (static/js/order.js)."""

from __future__ import annotations

from flask import request

from app.core.errors import Invalid, NotFound


def asked_order(ids: list[int]) -> list[int]:
    """The new order of *ids* by the form: ``up`` or ``down`` an id, or all as ``order``.

    Raises:
        Invalid: anything else.
        NotFound: the moved one is not among *ids*.
    """
    whole = request.form.getlist("order")
    pressed = [(name, request.form[name]) for name in ("up", "down") if name in request.form]
    texts = [value for _, value in pressed] or whole
    if not texts or any(not t.isascii() or not t.isdigit() or len(t) > 10 for t in texts):
        raise Invalid("Use the buttons of the list.")
    if not pressed:
        return [int(value) for value in whole]
    name, moved = pressed[0][0], int(pressed[0][1])
    if moved not in ids:
        raise NotFound("This one is gone. Reload the page.")
    at = ids.index(moved)
    to = min(max(at + (-1 if name == "up" else 1), 0), len(ids) - 1)
    return _with(ids, at, to)


def _with(ids: list[int], at: int, to: int) -> list[int]:
    """*ids* with the one at one place moved to another."""
    rest = [*ids[:at], *ids[at + 1 :]]
    return [*rest[:to], ids[at], *rest[to:]]

"""HTML that is made once and kept in the process: rows of lists, entries of conversations, rails.

What is kept is a pure function of its key, so it is never stale: the key is a tuple of all that
stands in it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from flask import Flask, get_template_attribute
from markupsafe import Markup

from app.desk.frame import Rail
from app.desk.menus import Groups
from app.desk.ticket_views import CommentView, Entry, EventGroup
from app.search.lists import TicketRow

ROWS = 2_000  # of some two kilobytes
ENTRIES = 1_000
RAILS = 100
CHOICES = 100
LONGEST = 4_000  # characters of a comment that is kept


def init_kept_html(app: Flask) -> None:
    """Add the Jinja globals ``kept_row``, ``kept_entry``, ``kept_rail`` and ``kept_choices``.

    While templates are being written nothing is kept.
    """

    def keep(make: Callable[..., Markup], most: int) -> Callable[..., Markup]:
        return make if app.debug else lru_cache(most)(make)

    keep_entry = keep(_entry, ENTRIES)

    def entry(shown: Entry) -> Markup:
        return _entry(shown) if _is_long(shown) else keep_entry(shown)

    keep_choices = keep(_choices, CHOICES)

    def choices(kind: str, groups: Groups) -> Markup:
        return keep_choices((kind, tuple((f, head, tuple(found)) for f, head, found in groups)))

    app.jinja_env.globals.update(
        kept_row=keep(_row, ROWS),
        kept_entry=entry,
        kept_rail=keep(_rail, RAILS),
        kept_choices=choices,
    )


def _is_long(entry: Entry) -> bool:
    if not isinstance(entry, CommentView):
        return False
    return len(entry.body) + len(entry.quoted) + len(entry.html or "") > LONGEST


def _row(row: TicketRow) -> Markup:
    return _made("desk/_ticket_row.html", "ticket_row", row)


def _entry(entry: Entry) -> Markup:
    if isinstance(entry, CommentView):
        return _made("components/comment.html", "comment", entry)
    kind = "events" if isinstance(entry, EventGroup) else "event"
    return _made("components/event.html", kind, entry)


def _rail(rail: Rail, brand: str, logo: Any, has_practice: bool) -> Markup:
    return _made("components/rail.html", "rail", rail, brand, logo, has_practice)


def _choices(what: tuple[str, tuple[Any, ...]]) -> Markup:
    return _made("desk/_change.html", "choice_buttons", *what)


def _made(template: str, macro: str, *what: object) -> Markup:
    html: Markup = get_template_attribute(template, macro)(*what)
    return html

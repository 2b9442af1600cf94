"""HTML of rows that is made once and kept in the process.

What is kept is a pure function of its key, so it is never stale: a row holds all that stands in it.
"""

from __future__ import annotations

from functools import lru_cache

from flask import Flask, get_template_attribute
from markupsafe import Markup

from app.search.lists import TicketRow

MOST = 2_000  # rows, of some two kilobytes


def init_kept_html(app: Flask) -> None:
    """Add the Jinja global ``kept_row(row)``; keeps nothing while templates are being written."""
    app.jinja_env.globals["kept_row"] = _row if app.debug else lru_cache(MOST)(_row)


def _row(row: TicketRow) -> Markup:
    html: Markup = get_template_attribute("desk/_ticket_row.html", "ticket_row")(row)
    return html

"""The floor: a bare Flask page that runs one indexed query and renders 25 rows; and hello.

It reads the same database as Deskhand and is served by the same function with the same settings.
"""

from __future__ import annotations

import os
import sqlite3
import sys

from flask import Flask, render_template
from jinja2 import DictLoader

from app.process import web

ROWS = (
    "select number, subject, status, priority, updated_at from ticket indexed by ix_ticket_active"
    " where ticket.status in ('new', 'open', 'in_progress', 'pending')"
    " and ticket.deleted_at is null order by priority, id limit 25"
)
PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Tickets</title><link rel="stylesheet" href="/app.css"></head>
<body>
<h1>Tickets</h1>
<table>
<tr><th>Number</th><th>Subject</th><th>Status</th><th>Priority</th><th>Changed</th></tr>
{% for row in rows %}
<tr class="row p{{ row.priority }}">
<td><a href="/tickets/{{ row.number }}">{{ row.number }}</a></td>
<td><a class="subject" href="/tickets/{{ row.number }}">{{ row.subject }}</a></td>
<td><span class="badge {{ row.status }}">{{ row.status }}</span></td>
<td>{{ row.priority }}</td>
<td><time datetime="{{ row.updated_at }}">{{ row.updated_at }}</time></td>
</tr>
{% endfor %}
</table>
</body>
</html>
"""


def make_app() -> Flask:
    """The floor's application; one connection for each server process."""
    app = Flask(__name__)
    app.jinja_loader = DictLoader({"rows.html": PAGE})
    kept: dict[int, sqlite3.Connection] = {}

    def connection() -> sqlite3.Connection:
        found = kept.get(os.getpid())
        if found is None:
            path = os.environ["FLOOR_DATABASE"]
            found = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False)
            found.row_factory = sqlite3.Row
            kept[os.getpid()] = found
        return found

    @app.get("/hello")
    def hello() -> str:
        return "hello"

    @app.get("/")
    def rows() -> str:
        return render_template("rows.html", rows=connection().execute(ROWS).fetchall())

    return app


if __name__ == "__main__":
    web._load = make_app
    web.serve(host="127.0.0.1", port=int(sys.argv[1]))

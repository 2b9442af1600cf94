"""The audit log: searched, a page at a time, and exported as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import urlencode

import sqlalchemy as sa
from flask import Blueprint, Response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.wsgi import wrap_file
from wtforms import DateField, SearchField, SelectField
from wtforms.validators import Length, Optional

from app.accounts import directory
from app.accounts.access import admin_required
from app.admin import keyset
from app.admin.forms import AdminForm, options
from app.core import csv_export
from app.core.audit import AuditEntry
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Invalid
from app.web import words
from app.web.forms import one_line, stripped

bp = Blueprint("audit", __name__, url_prefix="/admin")

BATCH = 500
IN_MEMORY = 1_000_000
HEAD = (
    *("When (UTC)", "Who", "Action", "What", "Id", "Name", "Field", "From", "To"),
    *("IP address", "User agent"),
)
COLUMNS = (
    AuditEntry.id,
    AuditEntry.created_at,
    AuditEntry.actor_id,
    AuditEntry.actor_name,
    AuditEntry.action,
    AuditEntry.thing,
    AuditEntry.thing_id,
    AuditEntry.thing_name,
    AuditEntry.field,
    AuditEntry.from_value,
    AuditEntry.to_value,
    AuditEntry.ip_address,
    AuditEntry.user_agent,
)
SEARCHED = (
    *(AuditEntry.actor_name, AuditEntry.thing, AuditEntry.thing_name, AuditEntry.action),
    *(AuditEntry.field, AuditEntry.from_value, AuditEntry.to_value, AuditEntry.ip_address),
)


class SearchForm(AdminForm):
    """What of the log to show; by GET, so that a link says it all."""

    class Meta:
        """Nothing is changed, so there is nothing to forge."""

        csrf = False

    q = SearchField("Search", [Length(max=100), one_line], filters=[stripped])
    who = SelectField("Who", default="")
    since = DateField("From", [Optional()])
    until = DateField("Until", [Optional()])


@dataclass(frozen=True, slots=True)
class LogRow:
    """A line of the log in the viewer's words."""

    when_text: str
    when_iso: str
    when_title: str
    who: str
    what: str
    field: str
    old: str | None
    new: str | None
    place: str
    browser: str


@bp.get("/audit")
@admin_required
def index() -> ResponseReturnValue:
    """The newest lines that fit, or those before ``?before=`` an id."""
    form = _form()
    query, status = sa.select(*COLUMNS), 200
    if form.validate():  # type: ignore[no-untyped-call]
        query = _narrowed(query, form)
    else:
        query, status = query.where(sa.false()), 422
    shown, page = keyset.newest(query, AuditEntry.id, path="/admin/audit", one="line", many="lines")
    asked = {k: v for k, v in request.args.items() if k != "before" and v}
    body = render_template(
        "admin/audit.html",
        form=form,
        rows=[_row(row) for row in shown],
        page=page,
        export=f"/admin/audit.csv?{urlencode(asked)}",
        is_narrowed=bool(asked),
    )
    return body, status


@bp.get("/audit.csv")
@admin_required
def export() -> ResponseReturnValue:
    """Everything that fits, newest first; made a line at a time."""
    form = _form()
    if not form.validate():  # type: ignore[no-untyped-call]
        raise Invalid("There is no such day or person. Go back and have a look.")
    query = _narrowed(sa.select(*COLUMNS), form).order_by(AuditEntry.id.desc())
    # A file of its own: nobody who reads it slowly keeps the database's transaction open.
    file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (closed once it is sent)
    for line in csv_export.lines(HEAD, _cells(query)):
        file.write(line.encode())
    file.seek(0)
    response = Response(wrap_file(request.environ, file), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="audit-log.csv"'
    return response


def _cells(query: Any) -> Iterator[tuple[object, ...]]:
    found = db.session.execute(query, execution_options={"yield_per": BATCH})
    for row in found:
        yield (
            row.created_at.isoformat(timespec="seconds"),
            *(row.actor_name, row.action, row.thing, row.thing_id, row.thing_name, row.field),
            *(row.from_value, row.to_value, row.ip_address, row.user_agent),
        )


def _form() -> SearchForm:
    form = SearchForm(formdata=request.args)
    agents = ((card.id, card.name) for card in directory.agents().values())
    form.who.choices = options([("", "Everybody"), *agents])
    return form


def _narrowed(query: Any, form: SearchForm) -> Any:
    if form.q.data:
        found = (column.icontains(form.q.data, autoescape=True) for column in SEARCHED)
        query = query.where(sa.or_(*found))
    if form.who.data:
        query = query.where(AuditEntry.actor_id == int(form.who.data))
    if form.since.data:
        query = query.where(AuditEntry.created_at >= keyset.midnight(form.since.data))
    if form.until.data:
        query = query.where(AuditEntry.created_at < keyset.midnight(form.until.data, days_later=1))
    return query


def _row(row: Any) -> LogRow:
    now, zone = utcnow(), keyset.zone()
    return LogRow(
        when_text=words.moment(row.created_at, now, zone),
        when_iso=words.iso(row.created_at),
        when_title=words.exact(row.created_at, zone),
        who=row.actor_name,
        what=f"{row.action} {row.thing} {row.thing_name}".strip(),
        field=row.field,
        old=row.from_value,
        new=row.to_value,
        place=row.ip_address,
        browser=row.user_agent,
    )

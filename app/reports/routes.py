"""``/reports/``: how the desk is doing, and the tickets behind each number."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from flask import Blueprint, Flask, Response, render_template, request, stream_with_context
from flask.typing import ResponseReturnValue

from app.accounts.access import current_person, supervisor_required
from app.accounts.directory import zone_of
from app.core.clock import utcnow
from app.core.errors import Invalid
from app.core.paging import MOST_ID
from app.core.paging import Page as Pages
from app.reports import cuts, export, figures, periods, tickets
from app.reports.cuts import Cut
from app.reports.measures import LEFT_OUT, MEASURES, Measure
from app.reports.pages import (
    INDEX,
    Linker,
    Page,
    choices,
    definitions,
    narrowed,
)
from app.reports.periods import PRESETS, Period

bp = Blueprint("reports", __name__, url_prefix="/reports")
MOST_ORGANIZATIONS = 500


def init_reports(app: Flask) -> None:
    """Register the pages."""
    app.register_blueprint(bp)


@bp.get("/")
@supervisor_required
def index() -> ResponseReturnValue:
    """The report of a period; with wrong input the default one, which says what is wrong."""
    now, zone = utcnow(), zone_of(current_person())
    problem = ""
    try:
        period, cut = asked_period(now, zone), cuts.from_args(request.args)
    except Invalid as error:
        period, cut = periods.preset(periods.DEFAULT, now=now, zone=zone), Cut()
        problem = error.message
    page = Page(figures.report(period, cut, now=now))
    body = render_template(
        "reports/index.html",
        page=page,
        period=period,
        cut=cut,
        choices=choices(period, cut, now),
        narrowed=narrowed(cut),
        options={name: cuts.names(name) for name in ("agent", "group", "category")},
        organizations=list(cuts.organizations(MOST_ORGANIZATIONS)),
        organization=cuts.name_of("organization", cut.organization) if cut.organization else "",
        definitions=definitions(),
        left_out=LEFT_OUT,
        problem=problem,
        all_path=f"{INDEX}?{Linker(period, Cut()).query}",
        export_path=page.link.export("handled"),
    )
    return body, 400 if problem else 200


@bp.get("/tickets")
@supervisor_required
def listing() -> ResponseReturnValue:
    """What one number counts, newest first."""
    person, now = current_person(), utcnow()
    zone = zone_of(person)
    measure, period, cut = _asked(now, zone)
    before = _before()
    rows, further = tickets.page(measure, period, cut, before=before, zone=zone, now=now)
    link = Linker(period, cut)
    first = link.list(measure.key)
    total = tickets.count(measure, period, cut)
    return render_template(
        "reports/tickets.html",
        measure=measure,
        period=period,
        narrowed=narrowed(cut),
        rows=rows,
        total=total,
        left_out=LEFT_OUT,
        report_path=f"{INDEX}?{link.query}",
        export_path=link.export(measure.key),
        page=Pages(
            text=f"{len(rows):,} of {total:,}",
            previous=first if before else None,
            next=f"{first}&before={further}" if further else None,
        ),
    )


@bp.get("/tickets.csv")
@supervisor_required
def download() -> ResponseReturnValue:
    """The same tickets as CSV, one row each, sent while they are read."""
    measure, period, cut = _asked(utcnow(), zone_of(current_person()))
    name = f"tickets-{period.first}-{period.last}-{measure.key}.csv"
    lines = (line.encode() for line in export.lines(measure, period, cut))
    response = Response(stream_with_context(lines), content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def asked_period(now: datetime, zone: ZoneInfo) -> Period:
    """The period that the query string names: a preset, or two days.

    Raises:
        Invalid: it names none.
    """
    name = request.args.get("period", "")
    start, end = request.args.get("start", ""), request.args.get("end", "")
    if name in PRESETS or not (start or end):
        return periods.preset(name if name in PRESETS else periods.DEFAULT, now=now, zone=zone)
    return periods.between(start, end, zone=zone)


def _asked(now: datetime, zone: ZoneInfo) -> tuple[Measure, Period, Cut]:
    measure = MEASURES.get(request.args.get("measure", "handled"))
    if measure is None:
        raise Invalid("There is no such number in a report. Start from the report.")
    return measure, asked_period(now, zone), cuts.from_args(request.args)


def _before() -> int:
    text = request.args.get("before", "0")
    if not text.isascii() or not text.isdigit() or len(text) > 10 or int(text) > MOST_ID:
        raise Invalid("There is no such page of this list. Start from its first.")
    return int(text)

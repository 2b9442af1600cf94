"""``GET /api/v1/reports``: the numbers of a period, as the page of reports shows them."""

from __future__ import annotations

from typing import Any

from flask import jsonify, request
from flask.typing import ResponseReturnValue
from marshmallow import fields

from app.accounts.directory import zone_of
from app.api.access import caller, token_required
from app.api.base import Schema
from app.api.v1.blueprint import bp, documented, limited
from app.core.clock import utcnow
from app.core.errors import Forbidden
from app.reports import cuts, figures, periods
from app.reports.telling import as_json


class PeriodOut(Schema):
    """Whole days in a zone, both included."""

    start = fields.Date(required=True)
    end = fields.Date(required=True)
    time_zone = fields.String(required=True)


class MetricsOut(Schema):
    """Counts of tickets, average times in seconds, and rates from 0 to 1."""

    total = fields.Integer(required=True)
    new = fields.Integer(required=True)
    open = fields.Integer(required=True)
    pending = fields.Integer(required=True)
    resolved = fields.Integer(required=True)
    closed = fields.Integer(required=True)
    cancelled = fields.Integer(required=True)
    created_in_period = fields.Integer(required=True)
    resolved_in_period = fields.Integer(required=True)
    backlog_at_start = fields.Integer(required=True)
    backlog_at_end = fields.Integer(required=True)
    average_response_seconds = fields.Float(required=True, allow_none=True)
    average_resolution_seconds = fields.Float(required=True, allow_none=True)
    sla_compliance_rate = fields.Float(required=True, allow_none=True)
    solved = fields.Integer(required=True)
    reopened = fields.Integer(required=True)
    reopen_rate = fields.Float(required=True, allow_none=True)


class SpreadOut(Schema):
    """Seconds; null where nothing was measured."""

    mean_seconds = fields.Float(required=True, allow_none=True)
    median_seconds = fields.Integer(required=True, allow_none=True)
    percentile_90_seconds = fields.Integer(required=True, allow_none=True)


class TimesOut(Schema):
    """A time over so many tickets, as it passed and in business hours."""

    count = fields.Integer(required=True)
    calendar = fields.Nested(SpreadOut, required=True)
    business = fields.Nested(SpreadOut, required=True)


class ComplianceOut(Schema):
    """SLA clocks that were met and missed; null where there were none."""

    met = fields.Integer(required=True)
    missed = fields.Integer(required=True)
    rate = fields.Float(required=True, allow_none=True)


class TargetOut(ComplianceOut):
    """The same, with the tickets that had no target (null: not every ticket could have one)."""

    without_target = fields.Integer(required=True, allow_none=True)


class StepOut(Schema):
    """A day, week or month of the period."""

    start = fields.Date(required=True)
    end = fields.Date(required=True)
    created = fields.Integer(required=True)
    resolved = fields.Integer(required=True)
    backlog = fields.Integer(required=True)


class LineOut(Schema):
    """The numbers of one priority, category, agent, group or source."""

    key = fields.String(required=True)
    name = fields.String(required=True)
    total = fields.Integer(required=True)
    created = fields.Integer(required=True)
    resolved = fields.Integer(required=True)
    backlog = fields.Integer(required=True)
    average_response_seconds = fields.Float(required=True, allow_none=True)
    average_resolution_seconds = fields.Float(required=True, allow_none=True)
    sla_compliance_rate = fields.Float(required=True, allow_none=True)
    sla = fields.Dict(keys=fields.String(), values=fields.Nested(ComplianceOut), required=True)


class ReportOut(Schema):
    """A report; targets are first_response, next_response and resolution."""

    period = fields.Nested(PeriodOut, required=True)
    filters = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    metrics = fields.Nested(MetricsOut, required=True)
    by_status = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    first_response = fields.Nested(TimesOut, required=True)
    resolution = fields.Nested(TimesOut, required=True)
    sla = fields.Dict(keys=fields.String(), values=fields.Nested(TargetOut), required=True)
    steps = fields.List(fields.Nested(StepOut), required=True)
    by_priority = fields.List(fields.Nested(LineOut), required=True)
    by_category = fields.List(fields.Nested(LineOut), required=True)
    by_agent = fields.List(fields.Nested(LineOut), required=True)
    by_group = fields.List(fields.Nested(LineOut), required=True)
    by_source = fields.List(fields.Nested(LineOut), required=True)


SPREAD = {"mean_seconds": 5400.0, "median_seconds": 3600, "percentile_90_seconds": 9000}
TIMES = {"count": 2, "calendar": SPREAD, "business": SPREAD}
COMPLIANCE = {"met": 3, "missed": 1, "rate": 0.75}
TARGETS = ("first_response", "next_response", "resolution")
LINE = {
    "key": "high",
    "name": "High",
    "total": 3,
    "created": 2,
    "resolved": 2,
    "backlog": 1,
    "average_response_seconds": 5400.0,
    "average_resolution_seconds": 9000.0,
    "sla_compliance_rate": 0.75,
    "sla": dict.fromkeys(TARGETS, COMPLIANCE),
}
EXAMPLE: dict[str, Any] = {
    "period": {"start": "2026-10-01", "end": "2026-10-01", "time_zone": "Europe/Berlin"},
    "filters": {"agent": "12"},
    "metrics": {
        **dict.fromkeys(MetricsOut().fields, 1),
        "average_response_seconds": 5400.0,
        "average_resolution_seconds": 9000.0,
        "sla_compliance_rate": 0.75,
        "reopen_rate": 0.5,
    },
    "by_status": {"open": 1, "resolved": 2},
    "first_response": TIMES,
    "resolution": TIMES,
    "sla": dict.fromkeys(TARGETS, COMPLIANCE | {"without_target": 0}),
    "steps": [
        {"start": "2026-10-01", "end": "2026-10-01", "created": 2, "resolved": 2, "backlog": 1}
    ],
    "by_priority": [LINE],
    "by_category": [LINE | {"key": "technical", "name": "Technical problem"}],
    "by_agent": [LINE | {"key": "12", "name": "Priya Raman"}],
    "by_group": [LINE | {"key": "none", "name": "No group"}],
    "by_source": [LINE | {"key": "email", "name": "Mail"}],
}
QUERY = [
    {
        "in": "query",
        "name": name,
        "schema": {"type": "string"},
        "required": name in ("start", "end"),
        "description": text,
    }
    for name, text in (
        ("start", "The first day, such as 2026-10-01, where the caller is."),
        ("end", "The last day, included."),
        ("agent", "An id, a mail address, or none: only what this agent holds now."),
        ("group", "An id, a name, or none."),
        ("category", "The key of a category."),
        ("organization", "An id or a name: only what its people asked."),
        ("priority", "low, normal, high or critical."),
        ("source", "web, email, chat, api or phone."),
    )
]


@bp.route("/reports", methods=["GET"], tags=["Reports"])
@bp.doc(parameters=QUERY, summary="Report a period")
@bp.response(200, ReportOut, example=EXAMPLE)
@documented(400, 403)
@limited
@token_required
def report() -> ResponseReturnValue:
    """How a period went: tickets by state at its end, times, SLA compliance, and break-downs.

    For supervisors and admins.
    """
    person = caller()
    if not person.is_supervisor:
        raise Forbidden("Reports are for supervisors.")
    start, end = request.args.get("start", ""), request.args.get("end", "")
    period = periods.between(start, end, zone=zone_of(person))
    cut = cuts.from_args(request.args)
    return jsonify(as_json(figures.report(period, cut, now=utcnow())))

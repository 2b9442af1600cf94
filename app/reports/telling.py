"""A report for programs: plain JSON, the same from the API and the command."""

from __future__ import annotations

from typing import Any

from app.reports.figures import Compliance, Duration, Line, Report, Spread
from app.tickets.words import Status, Target


def as_json(report: Report) -> dict[str, Any]:
    """Everything of a report; times in seconds, rates from 0 to 1, null where there is nothing."""
    total, states = report.total, report.states
    return {
        "period": {
            "start": report.period.first.isoformat(),
            "end": report.period.last.isoformat(),
            "time_zone": report.period.zone.key,
        },
        "filters": dict(report.cut.pairs()),
        "metrics": {
            "total": total.handled,
            "new": states[Status.NEW],
            "open": states[Status.OPEN] + states[Status.IN_PROGRESS],
            "pending": states[Status.PENDING],
            "resolved": states[Status.RESOLVED],
            "closed": states[Status.CLOSED],
            "cancelled": states[Status.CANCELLED],
            "created_in_period": total.created,
            "resolved_in_period": total.resolved,
            "backlog_at_start": total.opening_backlog,
            "backlog_at_end": total.backlog,
            "average_response_seconds": total.first_response.mean,
            "average_resolution_seconds": total.resolution.mean,
            "sla_compliance_rate": total.compliance.rate,
            "solved": report.solved,
            "reopened": report.reopened,
            "reopen_rate": report.reopen_rate,
        },
        "by_status": {status.value: states[status] for status in Status},
        "first_response": _duration(total.first_response),
        "resolution": _duration(total.resolution),
        "sla": {
            target.value: _compliance(total.sla[target])
            | {"without_target": report.without_sla.get(target)}
            for target in Target
        },
        "steps": [
            {
                "start": moment.step.first.isoformat(),
                "end": moment.step.last.isoformat(),
                "created": moment.created,
                "resolved": moment.resolved,
                "backlog": moment.backlog,
            }
            for moment in report.steps
        ],
        **{
            f"by_{name}": [_line(line) for line in lines]
            for name, lines in report.breakdowns.items()
        },
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "key": line.key,
        "name": line.label,
        "total": line.handled,
        "created": line.created,
        "resolved": line.resolved,
        "backlog": line.backlog,
        "average_response_seconds": line.first_response.mean,
        "average_resolution_seconds": line.resolution.mean,
        "sla_compliance_rate": line.compliance.rate,
        "sla": {target.value: _compliance(line.sla[target]) for target in Target},
    }


def _duration(duration: Duration) -> dict[str, Any]:
    return {
        "count": duration.count,
        "calendar": _spread(duration.calendar),
        "business": _spread(duration.business),
    }


def _spread(spread: Spread) -> dict[str, Any]:
    return {
        "mean_seconds": spread.mean,
        "median_seconds": spread.median,
        "percentile_90_seconds": spread.percentile_90,
    }


def _compliance(compliance: Compliance) -> dict[str, Any]:
    return {"met": compliance.met, "missed": compliance.missed, "rate": compliance.rate}

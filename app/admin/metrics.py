"""``/metrics`` for Prometheus: numbers of the whole installation, whichever process answers.

They come from the database and from Redis; no process counts by itself. The text format is
https://prometheus.io/docs/instrumenting/exposition_formats/ (version 0.0.4).
"""

from __future__ import annotations

import hmac
import shutil
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, request
from flask.typing import ResponseReturnValue

from app.accounts.models import Person, Presence, Role
from app.admin import system
from app.automation import alarms, watches
from app.core.clock import utcnow
from app.core.db import Base, db
from app.core.jobs import last_runs, queue_state
from app.integrations.models import WebhookDelivery
from app.mail.models import InboundEmail, InboundState, OutboundEmail, OutboundState
from app.settings import Settings
from app.tickets.models import Comment, SlaClock, Ticket
from app.tickets.words import ACTIVE_STATUSES

bp = Blueprint("metrics", __name__)


class Number(NamedTuple):
    """One number, as a statement that yields it, under a name and, of several, a label."""

    name: str
    label: str
    value: sa.ScalarSelect[Any]


class Metric(NamedTuple):
    """A name, what it means, and its numbers by label (``state="failed"``, or "")."""

    name: str
    kind: str
    told: str
    numbers: dict[str, float]


# Name without "deskhand_": its kind and meaning.
TOLD = {
    "tickets": ("gauge", "Unresolved tickets by status, counted to 10,000."),
    "inbound_mails": ("gauge", "Mails that nobody has settled, counted to 10,000."),
    "outbound_mails": ("gauge", "Mails that did not leave, counted to 10,000."),
    "webhook_deliveries": ("gauge", "Deliveries that wait, counted to 10,000."),
    "untold_sla_clocks": ("gauge", "Clocks past due that no sweep has told, counted to 10,000."),
    "agents": ("gauge", "Agents by presence."),
    "rows_made_total": ("counter", "Rows ever made, by their numbers."),
}


@bp.get("/metrics")
def show() -> ResponseReturnValue:
    """Every number, for whoever has the token; where none is set there is no such page."""
    settings: Settings = current_app.extensions["settings"]
    if settings.metrics_token is None:
        abort(404)
    given = request.headers.get("Authorization", "").encode()
    if not hmac.compare_digest(given, f"Bearer {settings.metrics_token}".encode()):
        return Response(
            "Send the bearer token of DESKHAND_METRICS_TOKEN.\n",
            401,
            {"WWW-Authenticate": "Bearer"},
            content_type="text/plain; charset=utf-8",
        )
    now = utcnow()
    found = [*_rows(now), *_standstills(now), *_queue(), *_disk(settings)]
    text = "".join(line for metric in found for line in _lines(metric))
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


show.access = "token"  # type: ignore[attr-defined]


def _rows(now: datetime) -> Iterator[Metric]:
    """What the tables say, in one statement."""
    numbers = list(_numbers(now))
    values = db.session.execute(sa.select(*(number.value for number in numbers))).one()
    found: dict[str, dict[str, float]] = {name: {} for name in TOLD}
    for number, value in zip(numbers, values, strict=True):
        found[number.name][number.label] = value or 0
    for name, (kind, told) in TOLD.items():
        yield Metric(name, kind, told, found[name])


def _numbers(now: datetime) -> Iterator[Number]:
    for status in ACTIVE_STATUSES:
        held = _count(Ticket, Ticket.status == status, Ticket.deleted_at.is_(None))
        yield Number("tickets", f'status="{status}"', held)
    for state in (InboundState.WAITING, InboundState.QUARANTINED):
        resting = _count(InboundEmail, InboundEmail.state == state)
        yield Number("inbound_mails", f'state="{state}"', resting)
    for sent in (OutboundState.QUEUED, OutboundState.FAILED, OutboundState.HELD_BACK):
        unsent = _count(OutboundEmail, OutboundEmail.state == sent)
        yield Number("outbound_mails", f'state="{sent}"', unsent)
    # Both as their partial indexes spell it.
    waiting = _count(WebhookDelivery, sa.text("state = 'waiting'"))
    yield Number("webhook_deliveries", 'state="waiting"', waiting)
    late = sa.text("due_at is not null and breached_at is null"), SlaClock.due_at <= now
    yield Number("untold_sla_clocks", "", _count(SlaClock, *late))
    for presence in Presence:
        mine = Person.role != Role.CUSTOMER, Person.is_active, Person.presence == presence
        yield Number("agents", f'presence="{presence}"', _count(Person, *mine))
    for model in (Ticket, Comment, InboundEmail, OutboundEmail):
        last = sa.select(sa.func.max(model.id)).scalar_subquery()
        yield Number("rows_made_total", f'table="{model.__tablename__}"', last)


def _count(model: type[Base], *conditions: Any) -> sa.ScalarSelect[int]:
    """Rows that fit, counted no further than a page would tell."""
    some = sa.select(sa.literal(1)).select_from(model).where(*conditions)
    some = some.limit(system.COUNTED)
    return sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery()


def _standstills(now: datetime) -> Iterator[Metric]:
    """Alarms, by part."""
    standing = [alarm.part for alarm in alarms.recent(now)]
    parts = ("fetching", "reading", "sending", *watches.PARTS)
    told = "What stands still or is about to, by part."
    counts = {f'part="{part}"': float(standing.count(part)) for part in parts}
    yield Metric("standstills", "gauge", told, counts)


def _queue() -> Iterator[Metric]:
    """What Redis says; where it is away, only that."""
    queue, runs = queue_state(), last_runs()
    is_up = queue is not None and runs is not None
    yield Metric("redis_up", "gauge", "Whether Redis answers.", {"": float(is_up)})
    if queue is None or runs is None:
        return
    yield Metric("workers", "gauge", "Workers that live.", {"": queue["workers"]})
    yield Metric("jobs_waiting", "gauge", "Bells that nobody has answered.", {"": queue["waiting"]})
    yield Metric("jobs_failed", "gauge", "Jobs that failed within a day.", {"": queue["failed"]})
    started = {f'job="{job}"': at.timestamp() for job, at in runs.items()}
    told = "When a worker last started each job."
    yield Metric("job_started_timestamp_seconds", "gauge", told, started)


def _disk(settings: Settings) -> Iterator[Metric]:
    """Room, and what runs here."""
    disk = shutil.disk_usage(settings.data_dir)
    told = "Of the disk with the data folder."
    yield Metric("disk_bytes", "gauge", told, {"": disk.total})
    yield Metric("disk_free_bytes", "gauge", told, {"": disk.free})
    size = float(system.database_size())
    if last := watches.last_backup():
        told = "When deskhand backup last wrote a whole file."
        yield Metric("backup_timestamp_seconds", "gauge", told, {"": last.timestamp()})
    yield Metric("database_bytes", "gauge", "Size of the database.", {"": size})
    labels = f'version="{system.version_of("deskhand")}",database="{db.engine.dialect.name}"'
    yield Metric("info", "gauge", "What runs here.", {labels: 1})


def _lines(metric: Metric) -> Iterator[str]:
    yield f"# HELP deskhand_{metric.name} {metric.told}\n"
    yield f"# TYPE deskhand_{metric.name} {metric.kind}\n"
    for label, value in metric.numbers.items():
        labels = f"{{{label}}}" if label else ""
        yield f"deskhand_{metric.name}{labels} {value:.17g}\n"

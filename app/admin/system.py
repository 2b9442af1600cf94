"""How the installation is: workers, jobs, mail, disk, versions."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version

import sqlalchemy as sa
from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue
from redis.exceptions import RedisError
from rq import Worker

from app.accounts.access import admin_required
from app.admin import keyset
from app.automation import alarms, watches
from app.core.clock import utcnow
from app.core.db import db
from app.core.jobs import Job, bells, last_runs
from app.core.settings_store import setting
from app.core.storage import storage
from app.integrations import health
from app.integrations.models import EndpointHealth, Webhook, WebhookDelivery
from app.mail.alarms import Alarm
from app.mail.models import InboundEmail, InboundState, OutboundEmail, OutboundState
from app.settings import Settings
from app.web import words

bp = Blueprint("system", __name__, url_prefix="/admin")

JOBS = {
    Job.SEND_OUTBOX: "Send mail",
    Job.PROCESS_MAIL: "Read mail",
    Job.FETCH_MAIL: "Fetch mail",
    Job.HAND_OUT: "Hand out tickets",
    Job.SWEEP_SLA: "Watch SLA clocks",
    Job.HOUSEKEEPING: "Close, tidy and tell",
    Job.DELIVER_WEBHOOKS: "Send to webhooks",
    Job.FETCH_CONTEXT: "Fetch customer data",
}
LATE_SECONDS = 300  # each runs once a minute
PACKAGES = {
    "deskhand": "Deskhand",
    "flask": "Flask",
    "sqlalchemy": "SQLAlchemy",
    "rq": "RQ",
    "redis": "Redis, the client",
}
COUNTED = 10_000
IN_STATES = (InboundState.WAITING, InboundState.QUARANTINED)
OUT_STATES = (OutboundState.QUEUED, OutboundState.FAILED, OutboundState.HELD_BACK)


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a label, a value in words, and whether it wants a look; *path* leads there."""

    label: str
    value: str
    is_wrong: bool = False
    path: str = ""


@bp.get("/system")
@admin_required
def show() -> ResponseReturnValue:
    """Everything on one page."""
    now = utcnow()
    standing = alarms.standing(now)
    parts = (
        ("Workers and queue", _workers()),
        ("Jobs, last started", _jobs(now)),
        ("Mail and webhooks", [*_mail(), *_other_systems()]),
        ("Files, disks and backup", _machine(now, standing)),
        ("Versions", _versions()),
    )
    is_well = not any(fact.is_wrong for _, facts in parts for fact in facts)
    return render_template("admin/system.html", alarms=standing, is_well=is_well, parts=parts)


def _workers() -> list[Fact]:
    try:
        found = Worker.all(connection=bells().redis)
        waiting = len(bells().queue)
        failed = len(bells().queue.failed_job_registry)
    except RedisError as error:
        return [Fact("Redis", f"cannot be reached: {error}", is_wrong=True)]
    told = [Fact("Workers", str(len(found)), is_wrong=not found)]
    told += [Fact(f"Worker {one.name[:8]}", str(one.get_state())) for one in found[:20]]
    return [
        *told,
        Fact("Jobs waiting", str(waiting), is_wrong=waiting > 100),
        Fact("Jobs that failed today", str(failed), is_wrong=bool(failed)),
    ]


def _jobs(now: datetime) -> list[Fact]:
    runs = last_runs()
    if runs is None:
        return [Fact("Redis", "cannot be reached", is_wrong=True)]
    told = []
    for job, label in JOBS.items():
        at = runs.get(job)
        late = at is None or (now - at).total_seconds() > LATE_SECONDS
        text = words.moment(at, now, keyset.zone()) if at else "not within a week"
        told.append(Fact(label, text, is_wrong=late))
    return told


def _mail() -> list[Fact]:
    """Each count stops at ten thousand; one statement."""
    parts = [_count(InboundEmail, state) for state in IN_STATES]
    parts += [_count(OutboundEmail, state) for state in OUT_STATES]
    some = sa.select(WebhookDelivery.id).where(sa.text("state = 'waiting'")).limit(COUNTED + 1)
    parts.append(sa.select(sa.func.count()).select_from(some.subquery()).scalar_subquery())
    waiting, resting, queued, failed, held, events = (
        words.capped(count, COUNTED) for count in db.session.execute(sa.select(*parts)).one()
    )
    outbox = "/admin/mail/outbox?state="
    return [
        Fact("Waits to be read", waiting, path="/admin/mail/ledger?outcome=waiting"),
        Fact("In quarantine", resting, path="/admin/mail/quarantine"),
        Fact("Waits to be sent", queued, path=f"{outbox}queued"),
        Fact("Failed to be sent", failed, path=f"{outbox}failed"),
        Fact("Held back, since the address fails", held, path=f"{outbox}held_back"),
        Fact("Waits to go to webhooks", events, path="/admin/webhooks"),
    ]


def _count(
    model: type[InboundEmail | OutboundEmail], state: InboundState | OutboundState
) -> sa.ScalarSelect[int]:
    some = sa.select(model.id).where(model.state == state).limit(COUNTED + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()


def _other_systems() -> list[Fact]:
    """Webhooks and customer data; one statement."""
    failing = sa.select(sa.func.count()).where(
        EndpointHealth.failures > 0, EndpointHealth.key.startswith("webhook:")
    )
    stopped = sa.select(sa.func.count()).where(Webhook.stopped_because != "")
    trouble = sa.select(EndpointHealth.error).where(
        EndpointHealth.key == health.CONTEXT, EndpointHealth.failures > 0
    )
    parts = (failing, stopped, trouble)
    fails, stops, error = db.session.execute(
        sa.select(*(part.scalar_subquery() for part in parts))
    ).one()
    path = "/admin/webhooks"
    return [
        Fact("Webhooks that fail", str(fails), is_wrong=bool(fails), path=path),
        Fact("Webhooks that were stopped", str(stops), is_wrong=bool(stops), path=path),
        Fact("Customer data", error or "no trouble", is_wrong=bool(error), path="/admin/context"),
    ]


def _machine(now: datetime, standing: list[Alarm]) -> list[Fact]:
    """What this machine has, and the full disks of others."""
    settings: Settings = current_app.extensions["settings"]
    used, told = watches.fullness(settings.data_dir)
    wrong = {alarm.part for alarm in standing}
    here = watches.key_here(watches.DISK, settings.data_dir)
    full = [alarm for alarm in standing if alarm.part == watches.DISK and alarm.key != here]
    last = watches.last_backup()
    backup = words.moment(last, now, keyset.zone()) if last else "never by deskhand backup"
    return [
        Fact("Data folder", str(settings.data_dir)),
        Fact("Disk", told, is_wrong=used >= setting("disk_full_percent")),
        *(Fact("Another disk", alarm.text, is_wrong=True) for alarm in full),
        Fact("Attachments", storage().where, is_wrong=watches.FILES in wrong),
        Fact("Database", words.filesize(database_size())),
        Fact("Last backup", backup, is_wrong=watches.BACKUP in wrong),
    ]


def database_size() -> int:
    """Its bytes on the disk."""
    if db.engine.dialect.name == "postgresql":
        size = db.session.scalar(sa.text("select pg_database_size(current_database())"))
        return int(size or 0)
    pages = db.session.scalar(sa.text("pragma page_count")) or 0
    return int(pages) * int(db.session.scalar(sa.text("pragma page_size")) or 0)


def _versions() -> list[Fact]:
    told = [Fact(label, version_of(name)) for name, label in PACKAGES.items()]
    dialect = db.engine.dialect
    number = ".".join(map(str, dialect.server_version_info or ()))
    name = "PostgreSQL" if dialect.name == "postgresql" else "SQLite"
    told += [Fact("Python", platform.python_version()), Fact(name, number)]
    try:
        return [*told, Fact("Redis", bells().redis.info("server")["redis_version"])]
    except RedisError:
        return told  # said above


def version_of(package: str) -> str:
    """Of an installed package, or "unknown"."""
    try:
        return version(package)
    except PackageNotFoundError:  # run from its folder, not installed
        return "unknown"

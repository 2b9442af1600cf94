"""What ``deskhand doctor`` sees with the application: database, Redis, jobs, files, mail."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Worker
from sqlalchemy import make_url

from app import create_store
from app.admin.system import JOBS, LATE_SECONDS
from app.automation import watches
from app.core.clock import utcnow
from app.core.db import db
from app.core.jobs import bells, last_runs
from app.core.migrating import is_migrated
from app.core.places import ROOT
from app.core.sealing import Unreadable, unseal
from app.core.storage import storage
from app.integrations.models import Webhook
from app.mail import alarms, trying
from app.mail.credentials import imap_account
from app.mail.models import InboundEmail, InboundState, Mailbox, OutboundEmail, OutboundState
from app.process import doctor_dns
from app.process.findings import ANSWER_SECONDS, Finding, careful, fine, note, wrong
from app.settings import Settings
from app.tickets.history_models import TicketEvent
from app.tickets.models import Attachment

OLDEST_POSTGRES = 15
MOST_SECONDS_APART = 5.0  # between clocks
FILES_LOOKED_FOR = 20
COUNTED = 1_000
KEY_IS_ANOTHER = "Set DESKHAND_SECRET_KEY to the old key, or enter it again in /admin/mailboxes."


def look_at_desk(settings: Settings) -> Iterator[Finding]:
    """All findings here; what the database has to be there for comes after the database."""
    app = create_store(settings)
    with app.app_context():
        found = list(careful("Database", database, settings))
        yield from found
        yield from careful("Redis", redis, settings)
        yield from careful("Files", bucket_or_folder, settings)
        yield from careful("Mail server", mail_server, settings)
        yield from careful("Mail listener", mail_listener, settings)
        if all(finding.level != "wrong" for finding in found):
            yield from careful("Clock", clock, settings)
            yield from careful("Files", newest_files, settings)
            yield from careful("Mailboxes", mailboxes, settings)
            yield from careful("DNS", doctor_dns.mail_domains, settings)
            yield from careful("Mail", mail, settings)
            yield from careful("Webhooks", webhooks, settings)
            yield from careful("Machines", machines, settings)
            yield from careful("Backup", backups, settings)
        else:
            yield note("Mail and files", "not looked at", "See to the database first.")
        db.session.remove()
        db.engine.dispose()


def database(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, is of the right kind, whole, and migrated."""
    if settings.is_sqlite:
        path = Path(make_url(settings.database_url).database or "")
        if not path.exists():
            yield wrong("Database", f"there is none at {path}", "deskhand run makes it.")
            return
    try:
        connection = db.session.connection()
    except sa.exc.SQLAlchemyError as error:
        told = str(error).partition("\n")[0]
        yield wrong("Database", f"does not answer: {told}", "See DESKHAND_DATABASE_URL.")
        return
    if settings.is_sqlite:
        yield from _sqlite(connection)
    else:
        yield from _postgres(connection)
    if is_migrated(connection, ROOT / "migrations" / "versions"):
        yield fine("Database", "has every migration")
    else:
        yield wrong("Database", "migrations are missing", "deskhand db upgrade")


def _sqlite(connection: sa.Connection) -> Iterator[Finding]:
    told = list(connection.scalars(sa.text("PRAGMA quick_check(3)")))
    lost = connection.execute(sa.text("PRAGMA foreign_key_check")).first()
    if told != ["ok"] or lost is not None:
        what = told[0] if told != ["ok"] else f"rows of {lost[0] if lost else ''} point at nothing"
        mend = "Stop Deskhand, keep a copy of the data folder, and restore the last backup."
        yield wrong("Database", f"is damaged: {what}", mend)
    else:
        yield fine("Database", "SQLite answers and is whole")


def _postgres(connection: sa.Connection) -> Iterator[Finding]:
    version = int(connection.scalar(sa.text("SHOW server_version_num")) or 0) // 10_000
    encoding = connection.scalar(sa.text("SHOW server_encoding"))
    if version < OLDEST_POSTGRES:
        told = f"PostgreSQL {version} is too old"
        yield wrong("Database", told, f"Move to {OLDEST_POSTGRES} or newer.")
    elif encoding != "UTF8":
        told = f"is in {encoding}, which cannot hold every letter"
        yield wrong("Database", told, "Make one in UTF8 and restore a backup into it.")
    else:
        yield fine("Database", f"PostgreSQL {version} answers")


def redis(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, workers live, and jobs run."""
    server: Redis = bells().redis
    try:
        version = server.info("server")["redis_version"]
    except (OSError, RedisError) as error:
        mend = "See DESKHAND_REDIS_URL." if settings.redis_url else "Start deskhand run."
        yield wrong("Redis", f"does not answer: {error}", mend)
        return
    yield fine("Redis", f"{version} answers")
    count = len(Worker.all(connection=server))
    if not count:
        yield wrong("Workers", "none lives", "Start deskhand run, or deskhand worker.")
    else:
        yield fine("Workers", f"{count} live" if count > 1 else "one lives")
    now, runs = utcnow(), last_runs() or {}
    late = [
        label
        for job, label in JOBS.items()
        if job not in runs or (now - runs[job]).total_seconds() > LATE_SECONDS
    ]
    if late:
        told = f"did not run for {LATE_SECONDS // 60} minutes: {', '.join(late)}"
        yield wrong("Jobs", told, "See that a worker and the scheduler run, and read their log.")
    else:
        yield fine("Jobs", "all have run within minutes")
    if failed := len(bells().queue.failed_job_registry):
        yield note("Jobs", f"{failed} failed today", "Read the worker's log.")


def clock(settings: Settings) -> Iterator[Finding]:
    """Whether this machine's clock agrees with others and was not set back."""
    mend = "Let the machines keep time by NTP, for instance with chrony or systemd-timesyncd."
    if not settings.is_sqlite:
        told: datetime = db.session.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
        apart = abs((utcnow() - told).total_seconds())
        if apart > MOST_SECONDS_APART:
            yield wrong("Clock", f"is {apart:.0f} s off the database's", mend)
    newest = db.session.scalar(
        sa.select(TicketEvent.created_at).order_by(TicketEvent.id.desc()).limit(1)
    )
    if newest is not None and newest > utcnow() + timedelta(minutes=1):
        yield wrong("Clock", f"the newest event is of {newest:%Y-%m-%d %H:%M} (UTC)", mend)
    else:
        yield fine("Clock", f"{utcnow():%Y-%m-%d %H:%M} (UTC)")


def bucket_or_folder(settings: Settings) -> Iterator[Finding]:
    """Whether files can be written and read."""
    try:
        storage().probe()
    except OSError as error:
        mend = "See DESKHAND_STORAGE_URL, and who may write there."
        yield wrong("Files", f"cannot be kept: {error.strerror}", mend)
    else:
        where = "in a bucket" if (settings.storage_url or "").startswith("s3") else "in a folder"
        yield fine("Files", f"can be written and read {where}")


def newest_files(settings: Settings) -> Iterator[Finding]:
    """Whether the newest attachments are there: a folder may have been moved without them."""
    newest = sa.select(Attachment.sha256).order_by(Attachment.id.desc()).limit(FILES_LOOKED_FOR)
    digests = db.session.scalars(newest).all()
    missing = 0
    for digest in digests:
        try:
            storage().open(digest).close()
        except FileNotFoundError:
            missing += 1
    if missing:
        told = f"{missing} of the newest {len(digests)} attachments are missing"
        yield wrong("Files", told, "Copy them to where DESKHAND_STORAGE_URL says.")
    elif digests:
        yield fine("Files", f"the newest {len(digests)} attachments are there")


def mail_server(settings: Settings) -> Iterator[Finding]:
    """Whether mail can be handed to the installation's server."""
    if settings.smtp_url is None:
        mend = "Set DESKHAND_SMTP_URL, or give each mailbox a server."
        yield note("Mail server", "none is set: mails wait in the outbox", mend)
        return
    own_name = urlsplit(settings.base_url).hostname or "localhost"
    yield from _steps("Mail server", trying.try_sending(settings.smtp_url, own_name))


def mail_listener(settings: Settings) -> Iterator[Finding]:
    """Whether the one that was asked for listens."""
    if settings.lmtp_listen is None:
        return
    where = urlsplit(settings.lmtp_listen)
    try:
        if where.hostname and where.port:
            socket.create_connection((where.hostname, where.port), ANSWER_SECONDS).close()
        else:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(ANSWER_SECONDS)
                probe.connect(where.path)
    except OSError as error:
        told = f"{settings.lmtp_listen} does not answer: {error}"
        yield wrong("Mail listener", told, "Start deskhand run, or deskhand lmtp.")
    else:
        yield fine("Mail listener", f"{settings.lmtp_listen} answers")


def mailboxes(settings: Settings) -> Iterator[Finding]:
    """Whether each can be fetched from and sent by."""
    own_name = urlsplit(settings.base_url).hostname or "localhost"
    boxes = db.session.scalars(sa.select(Mailbox).where(Mailbox.is_active).order_by(Mailbox.id))
    accounts = [(box.address, imap_account(box), box.smtp_url) for box in boxes.all()]
    db.session.rollback()  # nobody waits for us while we wait for servers
    for name, account, sealed in accounts:
        if account is not None:
            yield from _steps(f"Mailbox {name}", trying.try_connection(account))
        if sealed:
            try:
                url = unseal(sealed)
            except Unreadable:
                yield wrong(f"Mailbox {name}", "its secret cannot be read", KEY_IS_ANOTHER)
                continue
            yield from _steps(f"Mailbox {name}", trying.try_sending(url, own_name))


def _steps(about: str, steps: list[trying.Step]) -> Iterator[Finding]:
    """The last step says it all: nothing is tried after one that fails."""
    last = steps[-1]
    if last.is_ok:
        yield fine(about, last.told)
    else:
        mend = "See name, port, encryption, user and password, and the firewall."
        yield wrong(about, f"{last.name}: {last.told}", mend)


def mail(settings: Settings) -> Iterator[Finding]:
    """Whether mail stands still, or wants a look."""
    standing = alarms.alarms(utcnow())
    for alarm in standing:
        where = f"{current_app.extensions['settings'].base_url}{alarm.path}"
        yield wrong("Mail", f"{alarm.title}: {alarm.text}", f"See {where}")
    failed = _count(OutboundEmail, OutboundState.FAILED)
    resting = _count(InboundEmail, InboundState.QUARANTINED)
    if failed:
        yield note("Outbox", f"{failed} mails could not be sent", "See /admin/mail/outbox.")
    if resting:
        yield note("Quarantine", f"{resting} mails rest there", "See /admin/mail/quarantine.")
    if not standing:
        yield fine("Mail", "nothing stands still")


def webhooks(settings: Settings) -> Iterator[Finding]:
    """Whether one was stopped, since nobody took what it sent."""
    stopped = sa.select(Webhook.name, Webhook.stopped_because).order_by(Webhook.id)
    for name, why in db.session.execute(stopped.where(Webhook.stopped_because != "")):
        yield note("Webhooks", f"{name} was stopped: {why}", "See /admin/webhooks.")


def machines(settings: Settings) -> Iterator[Finding]:
    """What workers have noted of disks and files, on whichever machine they run."""
    for alarm in watches.alarms(utcnow()):
        told = f"{alarm.title}: {alarm.text}"
        if alarm.part == watches.DISK:
            yield note("Machines", told, "Make room in time.")
        elif alarm.part == watches.FILES:
            yield wrong("Machines", told, "See DESKHAND_STORAGE_URL, and who may write there.")


def backups(settings: Settings) -> Iterator[Finding]:
    """Whether they are written, and when the last one was."""
    for alarm in watches.alarms(utcnow()):
        if alarm.part == watches.BACKUP:
            yield wrong("Backup", f"{alarm.title}: {alarm.text}", "Run deskhand backup by hand.")
            return
    last = watches.last_backup()
    if last is None:
        mend = "Run deskhand backup once a day, or be sure that something else keeps copies."
        yield note("Backup", "deskhand backup has never written one", mend)
    else:
        yield fine("Backup", f"the last was written on {last:%Y-%m-%d %H:%M} (UTC)")


def _count(
    model: type[InboundEmail | OutboundEmail], state: InboundState | OutboundState
) -> str | None:
    some = sa.select(model.id).where(model.state == state).limit(COUNTED).subquery()
    count = db.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0
    return None if not count else f"{count}{'' if count < COUNTED else ' or more'}"

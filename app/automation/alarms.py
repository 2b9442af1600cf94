"""Telling admins by mail what stands still, by a way that works, and when it is over."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog
from flask import current_app

from app.accounts import directory
from app.automation import watches
from app.core.db import begin_write, db
from app.core.sealing import Unreadable, unseal
from app.mail import alarms as of_mail
from app.mail import outbox
from app.mail.alarms import Alarm
from app.mail.models import Mailbox, OutboundEmail, OutboundState, SendingOutage, ToldAlarm
from app.mail.smtp import public_name
from app.settings import Settings
from app.web import words

log = structlog.get_logger(__name__)

KIND, OVER = "mail_alarm", "mail_works_again"
MACHINE_KIND, MACHINE_OVER = "machine_alarm", "machine_works_again"


def standing(now: datetime) -> list[Alarm]:
    """What stands still, or is about to; six small statements."""
    return of_mail.alarms(now) + watches.alarms(now)


def recent(now: datetime) -> list[Alarm]:
    """The same, asked anew every twenty seconds at most: for what many pages show."""
    return of_mail.recent(now) + watches.recent(now)


def tell(now: datetime) -> int:
    """Tell every admin of what stands still, or works again, since the last round.

    Once for each standstill and once for its end; whoever never heard of the first, since the mail
    could not leave meanwhile, hears of neither. Commits. Returns how many mails are queued.
    """
    begin_write()
    alarms = {alarm.key: alarm for alarm in standing(now)}
    told = {row.key: row for row in db.session.scalars(sa.select(ToldAlarm))}
    new = [alarm for key, alarm in alarms.items() if key not in told]
    over = [told[key] for key in sorted(told.keys() - alarms.keys())]
    if not new and not over:
        db.session.rollback()
        return 0
    unheard = _cancel_waiting({_kind(key) for key in told} - {_kind(key) for key in alarms})
    for row in over:
        db.session.delete(row)
    for alarm in new:
        log.error("alarm", what=alarm.title, why=alarm.text)
        title = alarm.title[:400]
        db.session.add(ToldAlarm(key=alarm.key, title=title, since=alarm.since, told_at=now))
    mailbox_id = _way_out()
    rows = []
    for admin in directory.admins():
        lines = defaultdict(list)
        for alarm in new:
            lines[_kind(alarm.key)].append(_told(alarm))
        for row in over:
            if row.key not in unheard.get(admin.email, ()):
                lines[_kind_of_end(row.key)].append(_ended(row, now))
        rows += [
            outbox.row(
                kind,
                admin.email,
                name=admin.name,
                context={"alarms": told_of},
                now=now,
                mailbox_id=mailbox_id,
                is_automatic=True,
            )
            for kind, told_of in lines.items()
        ]
    outbox.queue(rows)
    db.session.commit()
    return len(rows)


def _kind(key: str) -> str:
    """Of the mail that tells of an alarm."""
    return MACHINE_KIND if key.partition(":")[0] in watches.PARTS else KIND


def _kind_of_end(key: str) -> str:
    return MACHINE_OVER if _kind(key) == MACHINE_KIND else OVER


def _told(alarm: Alarm) -> dict[str, str]:
    since = words.iso(alarm.since)
    found = {"title": alarm.title, "text": alarm.text, "since": since, "at": alarm.path}
    return {"key": alarm.key, **found}


def _ended(row: ToldAlarm, now: datetime) -> dict[str, str]:
    return {"title": row.title, "since": words.iso(row.since), "until": words.iso(now)}


def _way_out() -> int | None:
    """A mailbox whose server is not known to be dead; None for the installation's own server."""
    settings: Settings = current_app.extensions["settings"]
    dead = set(db.session.scalars(sa.select(SendingOutage.server)))
    if settings.smtp_url is not None and public_name(settings.smtp_url) not in dead:
        return None
    boxes = sa.select(Mailbox.id, Mailbox.smtp_url).where(Mailbox.is_active, Mailbox.smtp_url != "")
    for row in db.session.execute(boxes.order_by(Mailbox.id)):
        try:
            url = unseal(row.smtp_url)
        except Unreadable:
            continue
        if urlsplit(url).hostname and public_name(url) not in dead:
            return int(row.id)
    return None


def _cancel_waiting(kinds: set[str]) -> dict[str, set[str]]:
    """They would only frighten, now that all is well. Returns what was not told, by address."""
    mine = OutboundEmail.kind.in_(kinds), OutboundEmail.state == OutboundState.QUEUED
    unheard: dict[str, set[str]] = defaultdict(set)
    for row in db.session.scalars(sa.select(OutboundEmail).where(*mine).with_for_update()):
        unheard[row.recipient].update(alarm["key"] for alarm in row.context["alarms"])
        row.state, row.context = OutboundState.CANCELLED, {}
    return unheard

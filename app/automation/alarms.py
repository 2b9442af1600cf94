"""Telling admins by mail that mail stands still, by a way that still works."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

import sqlalchemy as sa
import structlog
from flask import current_app

from app.accounts import directory
from app.accounts.models import Role
from app.core.db import begin_write, db
from app.core.sealing import Unreadable, unseal
from app.mail import outbox
from app.mail.alarms import Alarm, alarms
from app.mail.models import Mailbox, OutboundEmail, OutboundState, SendingOutage, ToldAlarm
from app.mail.smtp import public_name
from app.settings import Settings
from app.web import words

log = structlog.get_logger(__name__)

KIND = "mail_alarm"


def tell(now: datetime) -> int:
    """Tell every admin of what stands still since the last round; how many mails are queued.

    Once for each standstill. What is over is forgotten, and its mail, if it could not leave
    meanwhile, never does. Commits.
    """
    begin_write()
    standing = {alarm.key: alarm for alarm in alarms(now)}
    told = set(db.session.scalars(sa.select(ToldAlarm.key)))
    new = [alarm for key, alarm in standing.items() if key not in told]
    if over := told - standing.keys():
        db.session.execute(sa.delete(ToldAlarm).where(ToldAlarm.key.in_(sorted(over))))
    if told and not standing:
        _cancel_waiting()
    rows = []
    if new:
        db.session.add_all([ToldAlarm(key=alarm.key, told_at=now) for alarm in new])
        mailbox_id = _way_out()
        for alarm in new:
            log.error("mail stands still", what=alarm.title, why=alarm.text)
        rows = [
            outbox.row(
                KIND,
                card.email,
                name=card.name,
                context={"alarms": [_told(alarm) for alarm in new]},
                now=now,
                mailbox_id=mailbox_id,
                is_automatic=True,
            )
            for card in directory.agents().values()
            if card.role is Role.ADMIN and card.is_active and card.email
        ]
        outbox.queue(rows)
    db.session.commit()
    return len(rows)


def _told(alarm: Alarm) -> dict[str, str]:
    since = f"{words.iso(alarm.since)}"
    return {"title": alarm.title, "text": alarm.text, "since": since, "at": alarm.path}


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


def _cancel_waiting() -> None:
    """It would only frighten, now that all is well."""
    mine = OutboundEmail.kind == KIND, OutboundEmail.state == OutboundState.QUEUED
    gone = {"state": OutboundState.CANCELLED, "context": {}}
    db.session.execute(
        sa.update(OutboundEmail).where(*mine).values(**gone),
        execution_options={"synchronize_session": False},
    )

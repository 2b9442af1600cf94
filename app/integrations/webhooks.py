"""Webhooks as admins and the API set them up."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from app.accounts import directory
from app.accounts.models import Person
from app.core import audit, outgoing
from app.core.audit import Facts
from app.core.db import db
from app.core.errors import Conflict, Invalid
from app.core.jobs import Job, ring
from app.core.outgoing import Refused
from app.core.sealing import seal
from app.integrations import announcing, health, signing
from app.integrations.announcing import EVENTS
from app.integrations.models import DeliveryState, Webhook, WebhookDelivery
from app.mail import outbox

OLD_SECRET_FOR = timedelta(hours=24)
THING = "webhook"
_no_sync = {"synchronize_session": False}


@dataclass(frozen=True, slots=True)
class Desk:
    """Who acts where nobody does."""

    id: Any = None
    display_name: str = "Deskhand"


def facts(webhook: Webhook) -> Facts:
    """What the audit log tells of it."""
    return {
        "Name": webhook.name,
        "Address": webhook.url,
        "Events": ", ".join(webhook.events),
        "Internal notes": "yes" if webhook.with_notes else "no",
        "In use": "yes" if webhook.is_active else "no",
    }


def save(
    webhook: Webhook | None,
    *,
    name: str,
    url: str,
    events: Iterable[str],
    with_notes: bool,
    is_active: bool,
    secret: str = "",
    by: Person,
    now: datetime,
) -> Webhook:
    """Make one (with *secret*), or change it. Flushed, not committed.

    Raises:
        Invalid: what is wrong, by field.
    """
    chosen = [event for event in EVENTS if event in set(events)]
    errors = _problems(url, chosen, set(events) - set(EVENTS), with_notes=with_notes)
    if webhook is None and not signing.is_secret(secret):
        errors["secret"] = f"{signing.PREFIX} and 24 to 64 random bytes in base64."
    if errors:
        raise Invalid("Some of the input is wrong.", errors)
    before = facts(webhook) if webhook is not None else {}
    saved = webhook or Webhook(secret=seal(secret), created_at=now)
    begins_anew = webhook is None or webhook.url != url or (is_active and not webhook.is_active)
    if is_active:
        saved.stopped_because = ""
    saved.name, saved.url, saved.events = name, url, chosen
    saved.with_notes, saved.is_active = with_notes, is_active
    db.session.add(saved)
    db.session.flush()
    if begins_anew:
        health.forget(health.webhook_key(saved.id))
    if not is_active:
        _end_waiting(saved.id, "The webhook is not in use.")
    audit.note(THING, saved.id, saved.name, before=before, after=facts(saved), by=by, now=now)
    return saved


def _problems(
    url: str, events: list[str], unknown: set[str], *, with_notes: bool
) -> dict[str, str]:
    errors = {}
    try:
        outgoing.check_url(url)
    except Refused as error:
        errors["url"] = str(error)
    if unknown:
        errors["events"] = f"Unknown: {', '.join(sorted(unknown))}."
    elif not events:
        errors["events"] = "Choose at least one event."
    elif announcing.NOTES & set(events) and not with_notes:
        errors["events"] = "Notes go only to a webhook that may have internal notes."
    return errors


def rotate(webhook: Webhook, *, by: Person, now: datetime) -> str:
    """Give it a new secret, which is returned; the old one signs too for a day."""
    secret = signing.make_secret()
    webhook.old_secret, webhook.old_secret_until = webhook.secret, now + OLD_SECRET_FOR
    webhook.secret = seal(secret)
    audit.write("changed", THING, webhook.id, webhook.name, field="Secret", by=by, now=now)
    return secret


def send_test(webhook: Webhook, *, now: datetime) -> str:
    """Put a delivery on the way that tells of no ticket; returns its message id.

    Raises:
        Conflict: the webhook is not in use.
    """
    _refuse_unused(webhook)
    told = {
        "type": announcing.TEST,
        "timestamp": now.isoformat(),
        "data": {"webhook": {"id": webhook.id, "name": webhook.name}},
    }
    body = json.dumps(told, separators=(",", ":"))
    row = announcing.row(webhook.id, announcing.TEST, {}, None, now=now, body=body)
    db.session.connection().execute(announcing.INSERT, row)
    ring(Job.DELIVER_WEBHOOKS)
    return str(row["message_id"])


def resend(delivery: WebhookDelivery, *, by: Person, now: datetime) -> None:
    """Send one again: the same message, for three days from now.

    Raises:
        Conflict: it is on its way, or its webhook is not in use.
    """
    webhook = db.session.get_one(Webhook, delivery.webhook_id)
    _refuse_unused(webhook)
    if delivery.locked_until is not None and delivery.locked_until > now:
        raise Conflict("It is being sent at this moment.")
    delivery.state, delivery.error, delivery.attempts = DeliveryState.WAITING, "", 0
    delivery.due_at, delivery.give_up_at = now, now + announcing.GIVE_UP_AFTER
    delivery.locked_until = None
    name = f"{delivery.event} to {webhook.name}"
    audit.write("sent again", "delivery to a webhook", delivery.id, name, by=by, now=now)
    ring(Job.DELIVER_WEBHOOKS)


def _refuse_unused(webhook: Webhook) -> None:
    if not webhook.is_active:
        raise Conflict("This webhook is not in use. Put it into use first.")


def stop(webhook: Webhook, why: str, *, now: datetime) -> None:
    """Send there no more, and tell every admin by mail."""
    if not webhook.is_active:
        return
    before = facts(webhook)
    webhook.is_active, webhook.stopped_because = False, why
    _end_waiting(webhook.id, f"The webhook was stopped: {why}")
    audit.note(
        THING, webhook.id, webhook.name, before=before, after=facts(webhook), by=Desk(), now=now
    )
    outbox.queue(
        [
            outbox.row(
                "webhook_stopped",
                card.email,
                name=card.name,
                context={
                    "webhook": webhook.name,
                    "url": webhook.url,
                    "why": why,
                    "at": f"/admin/webhooks/{webhook.id}",
                },
                now=now,
                is_automatic=True,
            )
            for card in directory.admins()
        ]
    )


def _end_waiting(webhook_id: int, why: str) -> None:
    mine = (
        WebhookDelivery.webhook_id == webhook_id,
        WebhookDelivery.state == DeliveryState.WAITING,
    )
    ended = sa.update(WebhookDelivery).where(*mine)
    db.session.execute(
        ended.values(state=DeliveryState.FAILED, error=why, locked_until=None),
        execution_options=_no_sync,
    )

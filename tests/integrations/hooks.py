"""Webhooks for tests."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import count
from typing import Any

import sqlalchemy as sa

from app.accounts.models import Role
from app.api import payloads
from app.core.clock import utcnow
from app.core.db import db
from app.integrations import deliveries, signing, webhooks
from app.integrations.announcing import EVENTS
from app.integrations.deliveries import Round
from app.integrations.models import Webhook, WebhookDelivery
from tests.factories import make_agent

_serial = count(1)


def make_webhook(
    url: str, events: Iterable[str] = EVENTS, *, with_notes: bool = True, **more: Any
) -> Webhook:
    """A webhook in use; its secret is `secret_of` it."""
    hook = webhooks.save(
        None,
        name=f"Hook {next(_serial)}",
        url=url,
        events=events,
        with_notes=with_notes,
        is_active=True,
        secret=signing.make_secret(),
        by=make_agent(role=Role.ADMIN),
        now=utcnow(),
        **more,
    )
    db.session.commit()
    return hook


def deliver(now: datetime | None = None) -> Round:
    """One round as of a time."""
    db.session.commit()
    done = deliveries.deliver_due(payloads.make, lambda: now or utcnow())
    db.session.expire_all()
    return done


def rows(hook: Webhook) -> list[WebhookDelivery]:
    """What is on the way to a webhook, or was sent, oldest first."""
    its = sa.select(WebhookDelivery).where(WebhookDelivery.webhook_id == hook.id)
    fresh = {"populate_existing": True}
    return list(db.session.scalars(its.order_by(WebhookDelivery.id), execution_options=fresh))

"""Sending what waits for webhooks.

A row is claimed by a lease, its body is made, it is sent from a thread of its own, and marked; the
database is talked to by the calling thread alone. A receiver that hangs holds up nobody but itself:
others have their own threads, and one that failed has one at a time. Of one ticket and one webhook
only the oldest row that waits is ever claimed, so they arrive in order. Whoever dies leaves a lease
that runs out: a message can arrive twice, with the same id, and is never lost.
"""

from __future__ import annotations

import math
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import aliased

from app.core import cache
from app.core.clock import utcnow
from app.core.db import UTCDateTime, begin_write, db, is_busy, write_patiently
from app.core.errors import DomainError
from app.core.jobs import Job, bells, is_stopping
from app.core.outages import outage
from app.core.outgoing import Answer, NoAnswer, Outgoing, outgoing
from app.core.sealing import unseal
from app.core.text import printable
from app.integrations import health, signing, webhooks
from app.integrations.announcing import NOTES
from app.integrations.errands import Errands
from app.integrations.models import DeliveryState, EndpointHealth, Webhook, WebhookDelivery

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 15.0  # Standard Webhooks: 15 to 30
LEASE = timedelta(seconds=60)
AT_ONCE, AT_ONCE_TO_ONE = 16, 4
KEPT_BYTES = 1_024  # of an answer
KEPT_DAYS = timedelta(days=30)
KEPT_TRIES, KEPT_LETTERS = 10, 300  # of a delivery; of the error of each
MOST_A_ROUND = 1_000  # deleted
LOOK_SECONDS = 0.5  # between two looks for more, while some are on their way
WAITS = (
    *(timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10)),
    *(timedelta(minutes=30), timedelta(hours=1), timedelta(hours=3), timedelta(hours=6)),
    timedelta(hours=12),
)
LONGEST_WAIT_ASKED = timedelta(hours=1)
STOP_AFTER, STOP_AFTER_TRIES = timedelta(days=3), 5
SLOW_DOWN = (429, 502, 503, 504)
GONE = 410
_no_sync = {"synchronize_session": False}

Body = Callable[[WebhookDelivery, bool], str | None]
"""Makes what is sent, with internal notes or not; None: there is nothing to tell any more."""


@dataclass(slots=True)
class Round:
    """What one round did; ``put_off`` is tried again, ``failed`` is not."""

    delivered: int = 0
    put_off: int = 0
    failed: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Flight:
    """A message on its way."""

    delivery_id: int
    webhook_id: int
    message_id: str
    url: str
    body: bytes
    signed_by: tuple[str, ...]


def deliver_due(
    body: Body, clock: Callable[[], datetime] = utcnow, *, seconds: float = math.inf
) -> Round:
    """Send everything that is due, until nothing is or the *seconds* are over. Commits."""
    done = Round()
    until = time.monotonic() + seconds
    way, errands = outgoing(), Errands[_Flight]("webhook")
    flying: Counter[int] = Counter()
    while True:
        is_time = time.monotonic() < until and not is_stopping()
        while is_time and len(errands) < AT_ONCE:
            flight = _next(body, flying, done, clock)
            if flight is None:
                break
            flying[flight.webhook_id] += 1
            errands.send_off(flight, partial(_send, flight, way, clock()))
        if not errands:
            break
        if back := errands.next_back(LOOK_SECONDS):
            flight, answer = back
            flying[flight.webhook_id] -= 1
            _land(flight, answer, done, clock())
    if time.monotonic() >= until and _is_any_due(clock()):
        bells().ring(Job.DELIVER_WEBHOOKS)
    return done


def _send(flight: _Flight, way: Outgoing, now: datetime) -> Answer:
    signed = signing.headers(flight.message_id, flight.body, flight.signed_by, now=now)
    return way.send(
        "POST",
        flight.url,
        headers={"Content-Type": "application/json", **signed},
        body=flight.body,
        seconds=ANSWER_SECONDS,
        most=KEPT_BYTES,
    )


def _next(
    body: Body, flying: Counter[int], done: Round, clock: Callable[[], datetime]
) -> _Flight | None:
    """Claim a row of whichever webhook has fewest on their way, and make it ready."""
    db.session.rollback()
    cache.forget_stamp()
    now = clock()
    hooks = db.session.execute(_HOOKS, {"now": now}).all()
    db.session.rollback()
    for hook in sorted(hooks, key=lambda hook: flying[hook.id]):
        if flying[hook.id] >= (1 if hook.failures else AT_ONCE_TO_ONE):
            continue
        row = _claim(hook.id, now)
        while row is not None:
            if (flight := _ready(row, hook, body, done, now)) is not None:
                return flight
            row = _claim(hook.id, now)
    return None


def _claim(webhook_id: int, now: datetime) -> WebhookDelivery | None:
    """Lease the row of a webhook that is due longest; committed. None, too, while others write."""
    begin_write()
    try:
        row = db.session.scalar(
            _CLAIM,
            {"hook_id": webhook_id, "now": now, "lease": now + LEASE},
            execution_options={"populate_existing": True, **_no_sync},
        )
        db.session.commit()
    except sa.exc.OperationalError as error:
        db.session.rollback()
        if not is_busy(error):
            raise
        return None  # what is on its way still lands
    return row


def _ready(
    row: WebhookDelivery, hook: Any, body: Body, done: Round, now: datetime
) -> _Flight | None:
    """The message of a claimed row; None where it cannot be sent, which is marked."""
    delivery_id, message_id = row.id, row.message_id
    told = ""
    try:
        # What was tried before is kept; whether notes may go there is asked each time.
        if row.event in NOTES and not hook.with_notes:
            text = None
        else:
            text = row.body if row.body is not None else body(row, hook.with_notes)
        signed_by = [unseal(hook.secret)]
        if hook.old_secret and hook.old_secret_until > now:
            signed_by.append(unseal(hook.old_secret))
    except DomainError as error:
        told = error.message
    except Exception as error:
        if outage(error):
            raise  # not this row's fault; the lease runs out and it is tried again
        log.exception("message cannot be made", delivery=delivery_id)
        told = f"{type(error).__name__}: {error}"
    db.session.rollback()
    if told:
        _store(delivery_id, lambda row: _note_unmade(row, told, done, now))
        return None
    if text is None:
        _store(delivery_id, lambda row: _drop(row, done))
        return None
    return _Flight(delivery_id, hook.id, message_id, hook.url, text.encode(), tuple(signed_by))


def _land(flight: _Flight, answer: Answer | NoAnswer, done: Round, now: datetime) -> None:
    """Mark what came of a message."""
    status = answer.status if isinstance(answer, Answer) else None
    key = health.webhook_key(flight.webhook_id)

    def mark(row: WebhookDelivery) -> None:
        # Made anew by whoever tries it next, had we died on the way; from here on it stays.
        row.body = row.body or flight.body.decode()
        row.tried_at, row.status = now, status
        row.answer = _shown(answer.body) if isinstance(answer, Answer) else ""
        row.duration_ms = None if answer.seconds is None else round(answer.seconds * 1_000)
        if status is not None and 200 <= status < 300:
            _log_try(row, "")
            row.state, row.error, row.locked_until = DeliveryState.DELIVERED, "", None
            health.note_success(key, now=now)
            done.delivered += 1
            return
        error = str(answer) if status is None else f"It answered with HTTP status {status}."
        _log_try(row, error)
        wait = _wait_asked(answer, now) if isinstance(answer, Answer) else None
        since = health.note_failure(key, error, now=now, wait=wait)
        _put_off(row, error, done, now, wait=wait)
        if why := _is_to_stop(key, status, since, now):
            webhooks.stop(db.session.get_one(Webhook, row.webhook_id), why, now=now)

    _store(flight.delivery_id, mark)


def _note_unmade(row: WebhookDelivery, error: str, done: Round, now: datetime) -> None:
    row.tried_at, row.status, row.duration_ms, row.answer = now, None, None, ""
    _log_try(row, error)
    _put_off(row, error, done, now)


def _log_try(row: WebhookDelivery, error: str) -> None:
    """Keep the last few tries of a delivery; no more, since its line grows with each."""
    at = row.tried_at.isoformat() if row.tried_at else ""
    told = {"at": at, "status": row.status, "ms": row.duration_ms, "error": error[:KEPT_LETTERS]}
    row.tries = [*row.tries, told][-KEPT_TRIES:]


def _is_to_stop(key: str, status: int | None, since: datetime, now: datetime) -> str:
    """Why nothing more is sent there, else ""."""
    if status == GONE:
        return "It answered that it is gone for good (HTTP status 410)."
    health_of = health.find(key)
    if now - since >= STOP_AFTER and health_of and health_of.failures >= STOP_AFTER_TRIES:
        return f"It has not taken anything for three days. {health_of.error}"
    return ""


def _put_off(
    row: WebhookDelivery, error: str, done: Round, now: datetime, *, wait: timedelta | None = None
) -> None:
    row.error, row.locked_until = error[:1_000], None
    if now >= row.give_up_at:
        row.state = DeliveryState.FAILED
        done.failed += 1
        return
    pause = WAITS[min(row.attempts, len(WAITS)) - 1]
    pause *= 0.9 + secrets.randbelow(200) / 1_000  # not all at once, after an outage
    row.due_at = min(now + max(pause, wait or pause), row.give_up_at)
    done.put_off += 1


def _drop(row: WebhookDelivery, done: Round) -> None:
    row.state, row.locked_until = DeliveryState.DROPPED, None
    row.error = "What it would tell was taken back, or may not be told any more."
    done.dropped += 1


def _wait_asked(answer: Answer, now: datetime) -> timedelta | None:
    """How long it asks us to wait (``Retry-After``, RFC 9110, 10.2.3), within bounds."""
    asked = answer.headers.get("retry-after", "").strip()
    if answer.status not in SLOW_DOWN or not asked:
        return None
    if asked.isascii() and asked.isdigit():
        return min(timedelta(seconds=int(asked[:6])), LONGEST_WAIT_ASKED)
    try:
        until = parsedate_to_datetime(asked)
    except ValueError:
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_WAIT_ASKED)


def _shown(content: bytes) -> str:
    """The beginning of an answer as text that every database holds."""
    return printable(content.decode("utf-8", "replace"))[:KEPT_BYTES]


def _store(delivery_id: int, mark: Callable[[WebhookDelivery], None]) -> None:
    """Mark a row; patiently, since one that was sent and is not marked is sent twice."""
    mine = sa.select(WebhookDelivery).where(WebhookDelivery.id == delivery_id).with_for_update()

    def write() -> None:
        row = db.session.scalar(mine, execution_options={"populate_existing": True})
        if row is not None:  # else its webhook was deleted meanwhile
            mark(row)

    write_patiently(write)


def _is_any_due(now: datetime) -> bool:
    return db.session.execute(_HOOKS, {"now": now}).first() is not None


def forget_old(now: datetime) -> int:
    """Delete what was sent, or given up, more than thirty days ago; how many went. Commits."""
    begin_write()
    old = (
        sa.select(WebhookDelivery.id)
        .where(
            WebhookDelivery.created_at < now - KEPT_DAYS,
            WebhookDelivery.state != DeliveryState.WAITING,
        )
        .limit(MOST_A_ROUND)
    )
    gone = sa.delete(WebhookDelivery).where(WebhookDelivery.id.in_(old))
    ids = db.session.scalars(gone.returning(WebhookDelivery.id), execution_options=_no_sync).all()
    db.session.commit()
    return len(ids)


# Made once. The state is spelled as in the partial indexes.
_NOW = sa.bindparam("now", type_=UTCDateTime())
_earlier = aliased(WebhookDelivery, name="earlier")
_IS_DUE = (
    sa.text("webhook_delivery.state = 'waiting'"),
    WebhookDelivery.due_at <= _NOW,
    sa.or_(WebhookDelivery.locked_until.is_(None), WebhookDelivery.locked_until <= _NOW),
    ~sa.exists().where(  # the oldest that waits of its ticket for its webhook
        _earlier.ticket_id == WebhookDelivery.ticket_id,
        _earlier.webhook_id == WebhookDelivery.webhook_id,
        _earlier.id < WebhookDelivery.id,
        sa.text("earlier.state = 'waiting'"),
    ),
)
_HOOKS = (
    sa.select(
        Webhook.id,
        Webhook.url,
        Webhook.with_notes,
        Webhook.secret,
        Webhook.old_secret,
        Webhook.old_secret_until,
        sa.func.coalesce(EndpointHealth.failures, 0).label("failures"),
    )
    .outerjoin(
        EndpointHealth,
        EndpointHealth.key == sa.literal("webhook:").concat(sa.cast(Webhook.id, sa.String)),
    )
    .where(
        Webhook.is_active,
        sa.or_(EndpointHealth.rests_until.is_(None), EndpointHealth.rests_until <= _NOW),
        sa.exists().where(WebhookDelivery.webhook_id == Webhook.id, *_IS_DUE),
    )
    .order_by(Webhook.id)
)
_CLAIM = (
    sa.update(WebhookDelivery)
    .where(
        WebhookDelivery.id
        == sa.select(WebhookDelivery.id)
        .where(WebhookDelivery.webhook_id == sa.bindparam("hook_id"), *_IS_DUE)
        .order_by(WebhookDelivery.due_at, WebhookDelivery.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL: workers pass each other by
        .scalar_subquery(),
    )
    .values(
        locked_until=sa.bindparam("lease", type_=UTCDateTime()),
        attempts=WebhookDelivery.attempts + 1,
    )
    .returning(WebhookDelivery)
)

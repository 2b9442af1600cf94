"""Webhooks over the API: made, changed, tried, and what was sent, to be sent again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import jsonify
from flask.typing import ResponseReturnValue
from marshmallow import EXCLUDE, fields, validate

from app.accounts.models import Person, Role
from app.admin.webhooks import WEBHOOKS as WEBHOOK_PAGES
from app.api.access import token_required
from app.api.base import Schema
from app.api.v1.blueprint import bp, documented, limited
from app.api.v1.kinds import ID, LARGEST, Data, Kind, Query, allowed, register, thing_of, words_of
from app.api.v1.schemas import Line, Text
from app.core import paging
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.core.paging import MOST_ID
from app.integrations import health, signing, webhooks
from app.integrations.announcing import EVENTS
from app.integrations.models import DeliveryState, EndpointHealth, Webhook, WebhookDelivery

DELIVERY_ID = "<int:delivery_id>"
EVENT_NAMES = list(EVENTS)


class WebhookOut(Schema):
    """A program that hears of events on tickets.

    ``stopped_because`` says why we stopped sending by ourselves. ``failures`` are those in a row,
    ``error`` is the last one's.
    """

    id = fields.Integer(required=True)
    name = fields.String(required=True)
    url = fields.String(required=True)
    events = fields.List(fields.String(metadata={"enum": EVENT_NAMES}), required=True)
    with_notes = fields.Boolean(required=True)
    is_active = fields.Boolean(required=True)
    stopped_because = fields.String(required=True)
    failures = fields.Integer(required=True)
    error = fields.String(required=True)
    last_delivered_at = fields.AwareDateTime(required=True, allow_none=True)
    created_at = fields.AwareDateTime(required=True)


class WebhookChange(Schema):
    """Changes to a webhook. An address inside a private network is refused."""

    name = Line(required=True, validate=validate.Length(1, 100))
    url = Line(required=True, validate=validate.Length(1, 2_000))
    events = fields.List(
        fields.String(validate=validate.OneOf(EVENT_NAMES), metadata={"enum": EVENT_NAMES}),
        required=True,
        validate=validate.Length(1, len(EVENT_NAMES)),
    )
    with_notes = fields.Boolean(load_default=False)
    is_active = fields.Boolean(load_default=True)


class WebhookNew(WebhookChange):
    """A webhook to be made.

    Without a ``secret`` of yours (``whsec_`` and 24 to 64 bytes in base64) one is made up; ask for
    a new one to learn it.
    """

    secret = Line(load_default="", load_only=True, validate=validate.Length(max=200))


class SecretOut(Schema):
    """A signing secret. It is told this once."""

    secret = fields.String(required=True)


class DeliveryOut(Schema):
    """One event for one webhook: what came of the last try. ``message_id`` is its webhook-id."""

    id = fields.Integer(required=True)
    message_id = fields.String(required=True)
    event = fields.String(required=True)
    state = fields.Enum(DeliveryState, by_value=True, required=True)
    attempts = fields.Integer(required=True)
    status = fields.Integer(required=True, allow_none=True)
    duration_ms = fields.Integer(required=True, allow_none=True)
    answer = fields.String(required=True)
    error = fields.String(required=True)
    created_at = fields.AwareDateTime(required=True)
    tried_at = fields.AwareDateTime(required=True, allow_none=True)
    due_at = fields.AwareDateTime(required=True)


class DeliveryQuery(Schema):
    """Which deliveries."""

    class Meta:
        """Other words in an address are nobody's harm."""

        unknown = EXCLUDE

    state = fields.Enum(DeliveryState, by_value=True, load_default=None)
    limit = fields.Integer(load_default=20, validate=validate.Range(1, LARGEST))
    cursor = Text(load_default="", validate=validate.Length(max=500))


class DeliveryList(Schema):
    """A page of deliveries, newest first."""

    deliveries = fields.List(fields.Nested(DeliveryOut), required=True)
    next_cursor = fields.String(required=True, allow_none=True)


class OnItsWay(Schema):
    """A message that is sent by a worker."""

    message_id = fields.String(required=True)


EXAMPLE_IN = {
    "name": "Warehouse",
    "url": "https://warehouse.example.com/hooks/desk",
    "events": ["ticket.created", "comment.created"],
    "with_notes": False,
}
EXAMPLE = {
    "id": 3,
    **EXAMPLE_IN,
    "is_active": True,
    "stopped_because": "",
    "failures": 0,
    "error": "",
    "last_delivered_at": "2026-03-02T09:15:00+00:00",
    "created_at": "2026-03-01T12:00:00+00:00",
}
DELIVERY = {
    "id": 41,
    "message_id": "msg_76dfb0d87249d3e64be618b0dcec41e6",
    "event": "ticket.created",
    "state": "delivered",
    "attempts": 1,
    "status": 200,
    "duration_ms": 53,
    "answer": "ok",
    "error": "",
    "created_at": "2026-03-02T09:14:59+00:00",
    "tried_at": "2026-03-02T09:15:00+00:00",
    "due_at": "2026-03-02T09:14:59+00:00",
}


def _found(args: Data, by: Person) -> Query:
    return sa.select(Webhook).where(*words_of((Webhook.name, Webhook.url), args))


def _show(rows: Sequence[Webhook], by: Person) -> list[Data]:
    """One statement, for how all of them are."""
    keys = [health.webhook_key(row.id) for row in rows]
    states = sa.select(EndpointHealth).where(EndpointHealth.key.in_(keys))
    by_key = {state.key: state for state in db.session.scalars(states)}
    return [_shown(row, by_key.get(health.webhook_key(row.id))) for row in rows]


def _shown(row: Webhook, state: EndpointHealth | None) -> Data:
    return {
        "id": row.id,
        **_present(row),
        "stopped_because": row.stopped_because,
        "failures": state.failures if state else 0,
        "error": state.error if state else "",
        "last_delivered_at": _time(state.succeeded_at) if state else None,
        "created_at": row.created_at.isoformat(),
    }


def _present(row: Webhook) -> Data:
    return {
        "name": row.name,
        "url": row.url,
        "events": row.events,
        "with_notes": row.with_notes,
        "is_active": row.is_active,
    }


def _save(row: Webhook | None, data: Data, by: Person, now: datetime) -> Webhook:
    secret = data.pop("secret", "") or signing.make_secret()
    return webhooks.save(row, **data, secret=secret, by=by, now=now)


WEBHOOKS = Kind(
    path="webhooks",
    one="webhook",
    what="Programs that hear of events on tickets. With the token of an admin.",
    model=Webhook,
    read=Role.ADMIN,
    write=Role.ADMIN,
    shape=WebhookOut,
    new=WebhookNew,
    change=WebhookChange,
    found=_found,
    show=_show,
    present=_present,
    save=_save,
    admin=WEBHOOK_PAGES,
    example=EXAMPLE,
    example_in=EXAMPLE_IN,
)
register(WEBHOOKS)


@bp.route(f"/webhooks/{ID}/secret", methods=["POST"], tags=[WEBHOOKS.tag])
@bp.doc(summary="Make a new secret for a webhook")
@limited
@token_required
@bp.response(200, SecretOut, example={"secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"})
@documented(403, 404)
def rotate_secret(id: int) -> ResponseReturnValue:
    """It is told this once. For a day messages are signed with the old one, too."""
    person = allowed(Role.ADMIN)
    secret = webhooks.rotate(thing_of(WEBHOOKS, id, lock=True), by=person, now=utcnow())
    db.session.commit()
    return jsonify(secret=secret)


@bp.route(f"/webhooks/{ID}/test", methods=["POST"], tags=[WEBHOOKS.tag])
@bp.doc(summary="Send a test to a webhook")
@limited
@token_required
@bp.response(202, OnItsWay, example={"message_id": DELIVERY["message_id"]})
@documented(403, 404, 409)
def send_test(id: int) -> ResponseReturnValue:
    """An event ``webhook.test`` that tells of no ticket; a worker sends it."""
    allowed(Role.ADMIN)
    message_id = webhooks.send_test(thing_of(WEBHOOKS, id), now=utcnow())
    db.session.commit()
    return jsonify(message_id=message_id), 202


@bp.route(f"/webhooks/{ID}/deliveries", methods=["GET"], tags=[WEBHOOKS.tag])
@bp.doc(summary="List deliveries to a webhook")
@limited
@token_required
@bp.arguments(DeliveryQuery, location="query")
@bp.response(200, DeliveryList, example={"deliveries": [DELIVERY], "next_cursor": None})
@documented(400, 403, 404)
def list_deliveries(args: Data, id: int) -> ResponseReturnValue:
    """Newest first; kept for thirty days."""
    allowed(Role.ADMIN)
    thing_of(WEBHOOKS, id)
    query = sa.select(WebhookDelivery).where(WebhookDelivery.webhook_id == id)
    if args["state"] is not None:
        query = query.where(WebhookDelivery.state == args["state"])
    if args["cursor"]:
        ident: Any = WebhookDelivery.id
        at = paging.decode(args["cursor"], "deliveries", (ident,))
        query = query.where(WebhookDelivery.id < at.values[0])
    newest = query.order_by(WebhookDelivery.id.desc()).limit(args["limit"] + 1)
    rows = db.session.scalars(newest).all()
    shown = rows[: args["limit"]]
    cursor = None
    if len(rows) > len(shown):
        cursor = paging.encode(paging.Cursor((shown[-1].id,)), "deliveries")
    return jsonify(deliveries=[_delivery(row) for row in shown], next_cursor=cursor)


@bp.route(f"/webhooks/{ID}/deliveries/{DELIVERY_ID}/resend", methods=["POST"], tags=[WEBHOOKS.tag])
@bp.doc(summary="Send a delivery again")
@limited
@token_required
@bp.response(202, OnItsWay, example={"message_id": DELIVERY["message_id"]})
@documented(403, 404, 409)
def resend(id: int, delivery_id: int) -> ResponseReturnValue:
    """The same message with the same id, for three days from now."""
    person = allowed(Role.ADMIN)
    mine = sa.select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == id
    )
    row = None
    if max(id, delivery_id) <= MOST_ID:
        row = db.session.scalar(mine.with_for_update())
    if row is None:
        raise NotFound("There is no such delivery.")
    webhooks.resend(row, by=person, now=utcnow())
    db.session.commit()
    return jsonify(message_id=row.message_id), 202


def _delivery(row: WebhookDelivery) -> Data:
    return {
        "id": row.id,
        "message_id": row.message_id,
        "event": row.event,
        "state": row.state.value,
        "attempts": row.attempts,
        "status": row.status,
        "duration_ms": row.duration_ms,
        "answer": row.answer,
        "error": row.error,
        "created_at": row.created_at.isoformat(),
        "tried_at": _time(row.tried_at),
        "due_at": row.due_at.isoformat(),
    }


def _time(then: datetime | None) -> str | None:
    return then.isoformat() if then else None

"""Webhooks: who hears of what, how it goes, and each delivery, to be sent again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import SelectField

from app.accounts.access import admin_required, current_person
from app.accounts.models import Person
from app.admin import keyset
from app.admin.forms import AdminForm, checks, line, options, tick
from app.admin.resource import ID, ListRow, Query, Resource
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import NotFound
from app.core.paging import MOST_ID
from app.integrations import announcing, health, signing, webhooks
from app.integrations.models import DeliveryState, EndpointHealth, Webhook, WebhookDelivery
from app.tickets.models import Ticket
from app.web import words

bp = Blueprint("webhook_deliveries", __name__, url_prefix="/admin/webhooks")

STATES = {
    DeliveryState.WAITING: ("Waits", "pending"),
    DeliveryState.DELIVERED: ("Delivered", "resolved"),
    DeliveryState.FAILED: ("Failed", "critical"),
    DeliveryState.DROPPED: ("Dropped", "closed"),
}
DELIVERIES: Query = sa.select(
    WebhookDelivery.id,
    WebhookDelivery.message_id,
    WebhookDelivery.event,
    WebhookDelivery.state,
    WebhookDelivery.attempts,
    WebhookDelivery.created_at,
    WebhookDelivery.due_at,
    WebhookDelivery.tried_at,
    WebhookDelivery.tries,
    WebhookDelivery.status,
    WebhookDelivery.duration_ms,
    WebhookDelivery.answer,
    WebhookDelivery.error,
    Ticket.number,
).outerjoin(Ticket, Ticket.id == WebhookDelivery.ticket_id)


class WebhookForm(AdminForm):
    """A webhook; ``new_secret`` is shown once after it was made."""

    new_secret = ""

    name = line("Name", "What your team calls it.")
    url = line("Address", "Where we send to, such as https://example.com/hook.", most=2_000)
    events = checks("Events", "A delivery tells the event, and the ticket as the API shows it.")
    with_notes = tick("With internal notes", "Only for a program that your customers never see.")
    is_active = tick("In use", "Else nothing is told, and what waits is not sent.", default=True)
    secret = line(
        "Signing secret",
        "Copy it now: it is stored encrypted and never shown again. The other program checks with "
        "it that a message is ours.",
        most=200,
        needed=False,
    )


class SearchForm(AdminForm):
    """Which deliveries to show; by GET, so that a link says it all."""

    class Meta:
        """Nothing is changed, so there is nothing to forge."""

        csrf = False

    state = SelectField(
        "State",
        choices=options([("", "All"), *((s.value, told) for s, (told, _) in STATES.items())]),
        default="",
    )


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a delivery in words; ``error`` may be empty."""

    told: str
    error: str
    when_text: str
    when_iso: str
    when_title: str


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery in the viewer's words."""

    id: int
    event: str
    message_id: str
    number: str
    state: str
    tone: str
    told: str
    error: str
    answer: str
    tries: list[Try]
    may_resend: bool
    when_text: str
    when_iso: str
    when_title: str


def _found(asked: str) -> Query:
    found: Query = sa.select(
        Webhook.id,
        Webhook.name,
        Webhook.url,
        Webhook.is_active,
        Webhook.stopped_because,
        EndpointHealth.failures,
        EndpointHealth.succeeded_at,
    ).outerjoin(
        EndpointHealth,
        EndpointHealth.key == sa.literal("webhook:").concat(sa.cast(Webhook.id, sa.String)),
    )
    if asked:
        named = (Webhook.name, Webhook.url)
        found = found.where(sa.or_(*(c.icontains(asked, autoescape=True) for c in named)))
    return found.order_by(Webhook.name, Webhook.id)


def _row(row: Any) -> ListRow:
    tags: tuple[str, ...] = ()
    if not row.is_active:
        tags = ("Stopped",) if row.stopped_because else ("Not in use",)
    elif row.failures:
        tags = ("Fails",)
    side = ""
    if row.succeeded_at is not None:
        side = f"Delivered {words.moment(row.succeeded_at, utcnow(), keyset.zone())}"
    return ListRow(row.id, row.name, row.url, tags, side)


def _form(webhook: Webhook | None) -> WebhookForm:
    if webhook is None:
        shown = {"secret": signing.make_secret(), "is_active": True, "events": ["ticket.created"]}
    else:
        names = ("name", "url", "events", "with_notes", "is_active")
        shown = {name: getattr(webhook, name) for name in names}
    form = WebhookForm(data=shown)
    form.events.choices = options(
        (event, f"{told} ({event})") for event, told in announcing.EVENTS.items()
    )
    return form


def _save(webhook: Webhook | None, form: WebhookForm, by: Person, now: datetime) -> Webhook:
    return webhooks.save(
        webhook,
        name=form.name.data or "",
        url=form.url.data or "",
        events=form.events.data or (),
        with_notes=form.with_notes.data,
        is_active=form.is_active.data,
        secret=form.secret.data or "",
        by=by,
        now=now,
    )


def _press(press: str, webhook: Webhook | None, form: WebhookForm) -> str:
    """Send a test, or make a new secret; both at once, whatever the form says."""
    if webhook is None:
        raise NotFound("Save the webhook first.")
    if press == "secret":
        form.new_secret = webhooks.rotate(webhook, by=current_person(), now=utcnow())
        return ""
    webhooks.send_test(webhook, now=utcnow())
    return "A test is on its way. What came of it stands among the deliveries."


def _beside(webhook: Webhook | None, form: WebhookForm) -> dict[str, Any]:
    """How it goes; one statement."""
    state = health.find(health.webhook_key(webhook.id)) if webhook is not None else None
    told = ""
    if state is not None and state.failures and state.failing_since:
        times = "once" if state.failures == 1 else f"{state.failures} times in a row"
        since = words.exact(state.failing_since, keyset.zone())
        told = f"It failed {times}, since {since}: {state.error}"
    return {"new_secret": form.new_secret, "trouble": told}


WEBHOOKS = Resource(
    path="webhooks",
    one="webhook",
    many="Webhooks",
    lead="Other programs that hear at once of what happens to tickets.",
    guard=admin_required,
    model=Webhook,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda webhook: webhook.name,
    facts=webhooks.facts,
    is_replaceable=False,
    delete_words=lambda webhook: "Its deliveries go with it, those that wait as well.",
    press=_press,
    template="admin/webhook.html",
    beside=_beside,
)


@bp.get(f"/{ID}/deliveries")
@admin_required
def index(thing_id: int) -> ResponseReturnValue:
    """The newest deliveries that fit, or those before ``?before=`` an id."""
    webhook = _webhook(thing_id)
    form, query, status = SearchForm(formdata=request.args), DELIVERIES, 200
    query = query.where(WebhookDelivery.webhook_id == thing_id)
    if not form.validate():  # type: ignore[no-untyped-call]
        query, status = query.where(sa.false()), 422
    elif form.state.data:
        query = query.where(WebhookDelivery.state == DeliveryState(form.state.data))
    path = f"/admin/webhooks/{thing_id}/deliveries"
    found, page = keyset.newest(
        query, WebhookDelivery.id, path=path, one="delivery", many="deliveries"
    )
    body = render_template(
        "admin/deliveries.html",
        form=form,
        webhook=webhook,
        rows=[_delivery(row, webhook) for row in found],
        page=page,
        path=path,
    )
    return body, status


@bp.post(f"/{ID}/deliveries/<int(max={MOST_ID}):delivery_id>/resend")
@admin_required
def resend(thing_id: int, delivery_id: int) -> ResponseReturnValue:
    """Send one again, now: the same message with the same id."""
    mine = sa.select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == thing_id
    )
    delivery = db.session.scalar(mine.with_for_update())
    if delivery is None:
        raise NotFound("There is no such delivery.")
    webhooks.resend(delivery, by=current_person(), now=utcnow())
    db.session.commit()
    flash("It is sent again.", "success")
    return redirect(f"/admin/webhooks/{thing_id}/deliveries", 303)


def _webhook(webhook_id: int) -> Webhook:
    webhook = db.session.get(Webhook, webhook_id)
    if webhook is None:
        raise NotFound("This webhook is gone.")
    return webhook


def _delivery(row: Any, webhook: Webhook) -> DeliveryRow:
    now, zone = utcnow(), keyset.zone()
    state, tone = STATES[row.state]
    parts = []
    if row.status is not None:
        parts.append(_outcome(row.status, row.duration_ms))
    if row.attempts > 1:
        parts.append(f"tried {row.attempts} times")
    if row.state is DeliveryState.WAITING and row.attempts:
        parts.append(f"next try {words.moment(row.due_at, now, zone)}")
    told = ", ".join(parts)
    at = row.tried_at or row.created_at
    return DeliveryRow(
        id=row.id,
        event=row.event,
        message_id=row.message_id,
        number=row.number or "",
        state=state,
        tone=tone,
        told=told[:1].upper() + told[1:],
        error=row.error,
        answer=row.answer,
        tries=[_try(one, now, zone) for one in reversed(row.tries)] if len(row.tries) > 1 else [],
        may_resend=webhook.is_active and row.state is not DeliveryState.DROPPED,
        when_text=words.moment(at, now, zone),
        when_iso=words.iso(at),
        when_title=words.exact(at, zone),
    )


def _try(told: dict[str, Any], now: datetime, zone: ZoneInfo) -> Try:
    at = datetime.fromisoformat(told["at"])
    when = words.moment(at, now, zone), words.iso(at), words.exact(at, zone)
    # What an HTTP status says stands in the error again.
    error = told["error"] if told["status"] is None else ""
    return Try(_outcome(told["status"], told["ms"]), error, *when)


def _outcome(status: int | None, milliseconds: int | None) -> str:
    found = f"HTTP status {status}" if status is not None else "No answer"
    return found if milliseconds is None else f"{found} in {milliseconds:,} ms"

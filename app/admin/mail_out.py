"""Outgoing mail: the outbox, and addresses that fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, flash, redirect, render_template, request
from flask.typing import ResponseReturnValue
from wtforms import HiddenField, SearchField, SelectField
from wtforms.validators import InputRequired, Length

from app.accounts.access import admin_required, current_person
from app.admin import keyset
from app.admin.forms import AdminForm, options
from app.admin.resource import asked_words, paged
from app.core import audit
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.paging import MOST_ID
from app.mail import failing, outbox, servers
from app.mail.models import FailingAddress, OutboundEmail, OutboundState
from app.tickets.models import Ticket
from app.web import words
from app.web.forms import one_line, stripped

bp = Blueprint("mail_out", __name__, url_prefix="/admin/mail")

ID = f"<int(max={MOST_ID}):email_id>"
STATES = {
    OutboundState.QUEUED: ("Waits", "pending"),
    OutboundState.SENT: ("Sent", "resolved"),
    OutboundState.FAILED: ("Failed", "critical"),
    OutboundState.HELD_BACK: ("Held back", "pending"),
    OutboundState.CANCELLED: ("Cancelled", "closed"),
}
MAILS = sa.select(
    OutboundEmail.id,
    OutboundEmail.kind,
    OutboundEmail.recipient,
    OutboundEmail.subject,
    OutboundEmail.state,
    OutboundEmail.attempts,
    OutboundEmail.error,
    OutboundEmail.created_at,
    OutboundEmail.due_at,
    OutboundEmail.sent_at,
    Ticket.number,
).outerjoin(Ticket, Ticket.id == OutboundEmail.ticket_id)
MISSED = (
    sa.select(sa.func.count())
    .where(
        OutboundEmail.recipient == FailingAddress.address,
        OutboundEmail.state == OutboundState.HELD_BACK,
    )
    .correlate(FailingAddress)
    .scalar_subquery()
)


class SearchForm(AdminForm):
    """Which mails to show; by GET, so that a link says it all."""

    class Meta:
        """Nothing is changed, so there is nothing to forge."""

        csrf = False

    q = SearchField("Recipient", [Length(max=254), one_line])
    state = SelectField(
        "State",
        choices=options([("", "All"), *((s.value, told) for s, (told, _) in STATES.items())]),
        default="",
    )


class AddressForm(AdminForm):
    """The row whose button was pressed."""

    address = HiddenField(validators=[InputRequired(), Length(max=254)])


@dataclass(frozen=True, slots=True)
class MailRow:
    """A mail of the outbox in the viewer's words."""

    id: int
    recipient: str
    subject: str
    number: str
    state: str
    tone: str
    error: str
    told: str
    may_act: bool
    when_text: str
    when_iso: str
    when_title: str


@bp.get("/outbox")
@admin_required
def index() -> ResponseReturnValue:
    """The newest mails that fit, or those before ``?before=`` an id."""
    form, query, status = SearchForm(formdata=request.args), MAILS, 200
    if not form.validate():  # type: ignore[no-untyped-call]
        query, status = query.where(sa.false()), 422
    else:
        if asked := stripped(form.q.data):
            query = query.where(OutboundEmail.recipient.icontains(asked, autoescape=True))
        if form.state.data:
            query = query.where(OutboundEmail.state == OutboundState(form.state.data))
    found, page = keyset.newest(
        query, OutboundEmail.id, path="/admin/mail/outbox", one="mail", many="mails"
    )
    body = render_template(
        "admin/outbox.html",
        form=form,
        rows=[_row(row) for row in found],
        page=page,
        is_narrowed=any(v for k, v in request.args.items() if k != "before"),
        waiting=servers.waiting_count(),
        standstills=servers.standstills(utcnow()),
        zone=keyset.zone(),
        exact=words.exact,
    )
    return body, status


@bp.post(f"/outbox/{ID}/retry")
@admin_required
def retry(email_id: int) -> ResponseReturnValue:
    """Send it now: for two days from here, also to an address that failed."""
    now = utcnow()
    email = _mail(email_id)
    is_failing = failing.find(email.recipient) is not None
    done = failing.try_again(email, now=now) if is_failing else outbox.retry(email_id, now=now)
    if not done:
        raise Conflict("It was sent, taken back or is being sent at this moment.")
    _note("sent again", email)
    db.session.commit()
    flash(f"The mail to {email.recipient} is tried again.", "success")
    return redirect(_back(), 303)


@bp.post(f"/outbox/{ID}/discard")
@admin_required
def discard(email_id: int) -> ResponseReturnValue:
    """Never send it."""
    email = _mail(email_id)
    if not outbox.discard(email_id, now=utcnow()):
        raise Conflict("It was sent, taken back or is being sent at this moment.")
    _note("discarded", email)
    db.session.commit()
    flash(f"The mail to {email.recipient} is not sent any more.", "success")
    return redirect(_back(), 303)


@bp.get("/failing")
@admin_required
def failing_addresses() -> ResponseReturnValue:
    """Addresses that gave back what was sent there."""
    query: Any = sa.select(
        FailingAddress.address,
        FailingAddress.since,
        FailingAddress.status,
        FailingAddress.reason,
        MISSED.label("missed"),
    ).order_by(FailingAddress.since.desc(), FailingAddress.address)
    if asked := asked_words():
        query = query.where(FailingAddress.address.icontains(asked, autoescape=True))
    found, page = paged(query, "/admin/mail/failing")
    now, zone = utcnow(), keyset.zone()
    rows = [
        (
            row.address,
            words.moment(row.since, now, zone),
            failing.in_words(row.status, row.reason),
            row.missed,
        )
        for row in found
    ]
    return render_template("admin/failing.html", rows=rows, page=page, words=asked)


@bp.post("/failing")
@admin_required
def clear() -> ResponseReturnValue:
    """Mail an address again; with ``again`` what it missed goes out."""
    form = AddressForm()
    if not form.validate_on_submit() or failing.find(form.address.data) is None:
        raise NotFound("This address works again already.")
    address = form.address.data
    count = failing.clear(address, send_again="again" in request.form, now=utcnow())
    audit.write("cleared", "failing address", None, address, by=current_person(), now=utcnow())
    db.session.commit()
    told = f" {count} mails go out again." if count > 1 else " One mail goes out again."
    flash(f"{address} is mailed again.{told if count else ''}", "success")
    return redirect("/admin/mail/failing", 303)


def _mail(email_id: int) -> OutboundEmail:
    email = db.session.get(OutboundEmail, email_id)
    if email is None:
        raise NotFound("There is no such mail in the outbox.")
    return email


def _note(action: str, email: OutboundEmail) -> None:
    name = f"{email.subject or email.kind} to {email.recipient}"
    audit.write(action, "mail of the outbox", email.id, name, by=current_person(), now=utcnow())


def _back() -> str:
    """The list as it was narrowed; nothing but one of its states comes from the form."""
    state = request.form.get("state", "")
    known = state in {s.value for s in STATES}
    return f"/admin/mail/outbox?state={state}" if known else "/admin/mail/outbox"


def _row(row: Any) -> MailRow:
    now, zone = utcnow(), keyset.zone()
    state, tone = STATES[row.state]
    told = ""
    if row.state is OutboundState.QUEUED and row.attempts:
        times = "once" if row.attempts == 1 else f"{row.attempts} times"
        told = f"Tried {times}; next try {words.moment(row.due_at, now, zone)}."
    at = row.sent_at or row.created_at
    return MailRow(
        id=row.id,
        recipient=row.recipient,
        subject=row.subject or row.kind.replace("_", " ").capitalize(),
        number=row.number or "",
        state=state,
        tone=tone,
        error=row.error,
        told=told,
        may_act=row.state in outbox.AGAIN,
        when_text=words.moment(at, now, zone),
        when_iso=words.iso(at),
        when_title=words.exact(at, zone),
    )

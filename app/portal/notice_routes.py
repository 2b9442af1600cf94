"""Stopping a kind of mail by the link in it, without signing in (RFC 8058)."""

from __future__ import annotations

from contextlib import suppress

import sqlalchemy as sa
from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.accounts.access import everyone
from app.accounts.models import Person
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.mail import unsubscribing
from app.mail.unsubscribing import NOTICES, Subscription
from app.tickets import participants
from app.tickets.models import Ticket

bp = Blueprint("notices", __name__)


@bp.get("/notices/<token>")
@everyone
def show(token: str) -> ResponseReturnValue:
    """What the link stops, with a button: mail scanners open links too."""
    return _page(_read(token), done=False)


@bp.post("/notices/<token>")
@everyone
def stop(token: str) -> ResponseReturnValue:
    """Stop it; with the button or a mail client's one click. With ``again`` it goes on."""
    subscription, again = _read(token), "again" in request.form
    person = db.session.get(Person, subscription.person_id, with_for_update=True)
    if person is None:
        raise _unknown()
    if subscription.kind:
        others = [kind for kind in person.muted_notices if kind != subscription.kind]
        person.muted_notices = others if again else [*others, subscription.kind]
    else:
        its = sa.select(Ticket).where(Ticket.id == subscription.ticket_id).with_for_update()
        ticket = db.session.scalar(its)
        if ticket is not None:
            with suppress(Conflict, NotFound):  # they take part no more as it is
                participants.remove(ticket, person.id, by=person, now=utcnow())
    db.session.commit()
    return _page(subscription, done=not again)


def _read(token: str) -> Subscription:
    subscription = unsubscribing.read(token)
    if subscription is None or (subscription.kind and subscription.kind not in NOTICES):
        raise _unknown()
    return subscription


def _unknown() -> NotFound:
    return NotFound("This link stops nothing. Open the one in the mail again.")


def _page(subscription: Subscription, *, done: bool) -> ResponseReturnValue:
    number = ""
    if subscription.ticket_id:
        ticket = db.session.get(Ticket, subscription.ticket_id)
        number = ticket.number if ticket is not None else ""
    what = NOTICES.get(subscription.kind, "")
    return render_template("portal/notices.html", done=done, what=what, number=number)

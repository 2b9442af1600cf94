"""Senders whose mail is not read."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.accounts.access import supervisor_required
from app.accounts.models import Person
from app.admin.forms import AdminForm, line
from app.admin.resource import ListRow, Query, Resource
from app.core import audit
from app.core.db import db
from app.core.errors import Invalid
from app.mail import blocking
from app.mail.models import BlockedSender


class BlockedForm(AdminForm):
    """A blocked sender."""

    pattern = line(
        "Address or domain",
        "name@example.com, or example.com for everybody there and below it.",
        most=254,
    )
    reason = line("Reason", "For your team.", most=300, needed=False)


def _found(words: str) -> Query:
    found: Query = sa.select(
        BlockedSender.id, BlockedSender.pattern, BlockedSender.reason, Person.name
    ).outerjoin(Person, Person.id == BlockedSender.created_by_id)
    if words:
        found = found.where(BlockedSender.pattern.icontains(words, autoescape=True))
    return found.order_by(BlockedSender.pattern)


def _row(row: Any) -> ListRow:
    return ListRow(row.id, row.pattern, row.reason, side=f"by {row.name}" if row.name else "")


def _form(blocked: BlockedSender | None) -> BlockedForm:
    return BlockedForm(obj=blocked)


def _save(
    blocked: BlockedSender | None, form: BlockedForm, by: Person, now: datetime
) -> BlockedSender:
    pattern, reason = blocking.checked(form.pattern.data), form.reason.data or ""
    other = blocking.find(pattern)
    if other is not None and other is not blocked:
        message = f"{pattern} is blocked already."
        raise Invalid(message, {"pattern": message})
    if blocked is None:
        return blocking.block(pattern, reason=reason, by=by, now=now)
    before = blocking.facts(blocked)
    blocked.pattern, blocked.reason = pattern, reason
    db.session.flush()
    after = blocking.facts(blocked)
    audit.note(blocking.THING, blocked.id, pattern, before=before, after=after, by=by, now=now)
    return blocked


BLOCKED = Resource(
    path="blocked-senders",
    one=blocking.THING,
    many="Blocked senders",
    lead="Mail from these is kept in the ledger, but not read. To read it again, delete the line.",
    guard=supervisor_required,
    model=BlockedSender,
    found=_found,
    row=_row,
    form=_form,
    save=_save,
    name=lambda blocked: blocked.pattern,
    facts=blocking.facts,
    is_replaceable=False,
    delete_words=lambda blocked: f"Mail from {blocked.pattern} will be read again.",
)

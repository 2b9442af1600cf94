"""A ticket that an admin makes of a mail which could become none by itself."""

from __future__ import annotations

from datetime import datetime

from app.accounts.models import Person
from app.channels.held_mail import stored_files
from app.channels.intake import take_in
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.mail import parsing, receiving, resting
from app.mail.models import Mailbox
from app.tickets.attachments import StoredFile
from app.tickets.words import Source


def files_of(email_id: int, size: int) -> list[StoredFile]:
    """The mail's attachments, stored: to be called before any lock is taken."""
    if size > receiving.MAX_SIZE:
        return []
    return stored_files(parsing.parse(receiving.find(email_id).raw))


def open_ticket(
    email_id: int,
    *,
    requester: RequesterInput,
    subject: str,
    description: str,
    files: list[StoredFile],
    by: Person,
    now: datetime,
) -> str:
    """Make a ticket of a mail that rests; its number.

    Raises:
        NotFound, Conflict: there is no such mail, or it is on a ticket already.
    """
    email = resting.lock(email_id)
    resting.refuse_done(email)
    box = db.session.get_one(Mailbox, email.mailbox_id)
    opened = take_in(
        NewTicket(
            subject=subject,
            description=description,
            requester=requester,
            source=Source.EMAIL,
            category_id=box.category_id,
            group_id=box.group_id,
            channel=box.address,
            mailbox_id=box.id,
            files=files,
            inbound_message_ids=[email.message_id] if email.message_id else [],
            decisions=[("threading", f"Made by hand of a mail, by {by.display_name}.", [])],
            by=by,
        ),
        now=now,
    )
    resting.settle_by_hand(email, opened.number, by=by, now=now)
    return opened.number

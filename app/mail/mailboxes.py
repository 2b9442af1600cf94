"""Our own addresses: which mailbox a mail came to, and which senders are ourselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from flask import current_app

from app.core.cache import bump_stamp, reference
from app.core.db import db, insert_into
from app.core.settings_store import setting
from app.mail import tokens
from app.mail.models import Mailbox
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class MailboxCard:
    """A mailbox as mails need it."""

    id: int
    address: str
    group_id: int | None
    category_id: int | None


def mailboxes() -> dict[str, MailboxCard]:
    """Every active mailbox by its address in lower case, oldest first; cached."""
    return reference("mailboxes", _load)


def for_recipients(recipients: Iterable[str]) -> MailboxCard | None:
    """The first mailbox among the addresses that a mail was sent to, tokens left out."""
    known = mailboxes()
    for address in recipients:
        if found := known.get(address.lower()) or known.get(without_token(address)):
            return found
    return None


def default(*, now: datetime) -> MailboxCard:
    """The mailbox of ``DESKHAND_MAIL_FROM``, made where it is missing."""
    settings: Settings = current_app.extensions["settings"]
    address = settings.mail_from.lower()
    if address not in mailboxes():
        # No object of the ORM: it would need the tables that a mailbox refers to, and whoever
        # only stores mails does not load them.
        insert = insert_into(Mailbox).values(address=address, created_at=now, is_active=True)
        db.session.execute(
            insert.on_conflict_do_update(index_elements=["address"], set_={"is_active": True})
        )
        bump_stamp(db.session())
    return mailboxes()[address]


def is_own(address: str) -> bool:
    """True for an address of ours, with a reply token or without."""
    settings: Settings = current_app.extensions["settings"]
    own = {settings.mail_from.lower(), *mailboxes()}
    return address.lower() in own or without_token(address) in own


def without_token(address: str) -> str:
    """``support+anything@x`` and ``support<separator>TOKEN@x`` as ``support@x``; lower case."""
    local, _, domain = address.lower().rpartition("@")
    head, separator, tail = local.rpartition(str(setting("reply_separator")))
    if separator and len(tail) in (tokens.LENGTH, tokens.AGENT_LENGTH):
        local = head
    return f"{local.partition('+')[0]}@{domain}"


def access_ids(recipients: Iterable[str]) -> list[int]:
    """The ids in the reply tokens of these addresses; forged ones are passed over."""
    found = map(tokens.read_reply_token, _tails(recipients))
    return [access_id for access_id in found if access_id is not None]


def agent_ids(recipients: Iterable[str]) -> list[tuple[int, int]]:
    """The ids of ticket and agent in the tokens of agents among these addresses."""
    return [ids for ids in map(tokens.read_agent_token, _tails(recipients)) if ids is not None]


def returned_ids(recipients: Iterable[str]) -> list[int]:
    """The ids of mails of ours in the return tokens among these addresses."""
    found = map(tokens.read_return_token, _tails(recipients))
    return [email_id for email_id in found if email_id is not None]


def _tails(recipients: Iterable[str]) -> list[str]:
    separator = str(setting("reply_separator"))
    return [address.rpartition("@")[0].rpartition(separator)[2] for address in recipients]


def _load() -> dict[str, MailboxCard]:
    rows = sa.select(Mailbox.id, Mailbox.address, Mailbox.group_id, Mailbox.category_id)
    active = db.session.execute(rows.where(Mailbox.is_active).order_by(Mailbox.id))
    return {row.address.lower(): MailboxCard(*row) for row in active}

"""What time alone brings: resolved tickets close, idle agents are away, old records go."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog

from app.accounts import presence
from app.accounts.models import LoginSession, OneTimeLink
from app.automation import alarms, watches
from app.core.db import begin_write, db
from app.core.jobs import is_stopping
from app.core.outages import Outage, outage
from app.core.settings_store import setting
from app.integrations import context, deliveries
from app.mail.models import InboundEmail, InboundState, RawEmail
from app.search import upkeep
from app.tickets import attachments, lifecycle, person_merging, undoing
from app.tickets.history_models import DecisionRecord
from app.tickets.models import Ticket
from app.tickets.timeline import System
from app.tickets.words import Status

log = structlog.get_logger(__name__)

HOURLY_MINUTE = 17  # of what looks at more rows than a minute's round should
RAW_MAILS_AT_ONCE = 100  # deleted in one transaction
# What may still be read again, or be decided about, keeps its raw mail.
OVER = (InboundState.TICKET, InboundState.COMMENT, InboundState.BOUNCE, InboundState.IGNORED)
MOST_A_ROUND = 1000  # tickets closed, or records deleted, in one round


def tidy(now: datetime) -> None:
    """One round of everything here; each part commits by itself."""
    begin_write()
    presence.sweep(now)
    person_merging.gather_late(now)
    db.session.commit()
    close_resolved(now)
    forget_old(now)
    look_at_machine(now)
    alarms.tell(now)
    upkeep.merge()
    if now.minute == HOURLY_MINUTE:
        forget_raw_mails(now)
        deliveries.forget_old(now)
        context.forget_old(now)


def look_at_machine(now: datetime) -> None:
    """Sweep files, which asks the bucket each minute, and note how it and the disks are.

    A bucket that is away must not keep the rest of the round from being done. Commits.
    """
    trouble = ""
    try:
        attachments.sweep(now=now)
    except OSError as error:
        if outage(error) not in (Outage.DISK, Outage.STORAGE):
            raise
        trouble = error.strerror or type(error).__name__
        log.warning("files cannot be swept", error=trouble)
    begin_write()
    watches.note(watches.key_here(watches.FILES), trouble, now=now)
    watches.look_at_disks(now)
    db.session.commit()


def close_resolved(now: datetime) -> int:
    """Close tickets that nobody answered for seven days (a setting) since they were resolved.

    A customer's reply would have opened them. Commits each by itself; one that fails is logged
    and tried again in the next round. Returns how many were closed.
    """
    begin_write()
    ripe = (
        sa.text("ticket.status = 'resolved'"),  # as the partial index spells it
        Ticket.resolved_at <= now - timedelta(days=setting("days_to_close")),
        Ticket.deleted_at.is_(None),
    )
    ids = sa.select(Ticket.id).where(*ripe).order_by(Ticket.resolved_at).limit(MOST_A_ROUND)
    waiting = db.session.scalars(ids).all()
    db.session.rollback()
    closed = 0
    for ticket_id in waiting:
        if is_stopping():
            break
        begin_write()
        try:
            again = sa.select(Ticket).where(Ticket.id == ticket_id, *ripe)
            again = again.with_for_update(skip_locked=True, of=Ticket)
            ticket = db.session.scalar(again, execution_options={"populate_existing": True})
            if ticket is not None:
                lifecycle.change_status(ticket, Status.CLOSED, by=System(), now=now)
                closed += 1
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            if outage(error):
                raise
            log.exception("closing failed", ticket=ticket_id)
    return closed


def forget_old(now: datetime) -> None:
    """Delete decision records past their days (a setting), ended sessions and used-up links."""
    begin_write()
    last = now - timedelta(days=setting("days_to_keep_decisions"))
    # The oldest come first by their ids, too: an index on times would cost every new ticket.
    first = sa.select(DecisionRecord.id, DecisionRecord.created_at).order_by(DecisionRecord.id)
    oldest = first.limit(MOST_A_ROUND).subquery()
    old = sa.select(oldest.c.id).where(oldest.c.created_at < last)
    db.session.execute(sa.delete(DecisionRecord).where(DecisionRecord.id.in_(old)))
    db.session.execute(sa.delete(LoginSession).where(LoginSession.expires_at < now))
    db.session.execute(sa.delete(OneTimeLink).where(OneTimeLink.expires_at < now))
    undoing.forget_old(now)
    db.session.commit()


def forget_raw_mails(now: datetime) -> int:
    """Delete the bytes of mails past their days (a setting; 0 keeps them); how many went.

    The ledger keeps its lines. Commits every hundred.
    """
    days = setting("days_to_keep_raw_mails")
    if not days:
        return 0
    old = (
        sa.select(RawEmail.inbound_email_id)
        .join(InboundEmail, InboundEmail.id == RawEmail.inbound_email_id)
        .where(InboundEmail.received_at < now - timedelta(days=days), InboundEmail.state.in_(OVER))
        .order_by(RawEmail.inbound_email_id)
        .limit(MOST_A_ROUND)
    )
    ids = db.session.scalars(old).all()
    db.session.rollback()
    for start in range(0, len(ids), RAW_MAILS_AT_ONCE):
        begin_write()
        batch = ids[start : start + RAW_MAILS_AT_ONCE]
        db.session.execute(sa.delete(RawEmail).where(RawEmail.inbound_email_id.in_(batch)))
        db.session.commit()
    return len(ids)

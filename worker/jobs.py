"""One function for each `app.core.jobs.Job`: it drains what is due, and may run at any time."""

from __future__ import annotations

from app.api import housekeeping as kept_answers
from app.api import payloads
from app.automation import escalation
from app.automation import housekeeping as upkeep
from app.channels import inbound_email
from app.core.clock import utcnow
from app.core.jobs import Job, bells
from app.integrations import context, deliveries
from app.mail import delivery
from app.mail.credentials import imap_accounts
from app.routing import waiting
from worker import aside

ROUND_SECONDS = 20.0  # of mail at a time, so that a flood of it keeps no SLA clock waiting


def sweep_sla() -> None:
    """Tell the SLA warnings and breaches that are due."""
    bells().answered(Job.SWEEP_SLA)
    escalation.sweep(utcnow())


def housekeeping() -> None:
    """Close what stayed resolved, send idle agents away, delete what is kept no longer."""
    bells().answered(Job.HOUSEKEEPING)
    now = utcnow()
    upkeep.tidy(now)
    kept_answers.forget_old(now)


def process_mail() -> None:
    """Turn stored mails into tickets and comments."""
    bells().answered(Job.PROCESS_MAIL)
    inbound_email.process_due(seconds=ROUND_SECONDS)


def fetch_mail() -> None:
    """Fetch the mailboxes that nobody watches."""
    bells().answered(Job.FETCH_MAIL)
    if imap_accounts():
        # Loaded where it is needed: usually a process of its own fetches.
        from app.mail import fetching

        fetching.poll_overdue()


def send_outbox() -> None:
    """Send the mails that are due."""
    bells().answered(Job.SEND_OUTBOX)
    delivery.send_due(seconds=ROUND_SECONDS)


def hand_out() -> None:
    """Give tickets that wait to whoever has room."""
    bells().answered(Job.HAND_OUT)
    waiting.hand_out(utcnow())


def deliver_webhooks() -> None:
    """Send what waits for webhooks."""
    bells().answered(Job.DELIVER_WEBHOOKS)
    aside.do("webhooks", lambda: deliveries.deliver_due(payloads.make))


def fetch_context() -> None:
    """Ask for the customer data that pages of tickets want."""
    bells().answered(Job.FETCH_CONTEXT)
    aside.do("context", context.fetch_due)

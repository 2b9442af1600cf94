"""From a stored mail to a ticket, a comment, a held mail, or the reason for none of these."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog

from app.accounts import people
from app.accounts.models import Person, Role
from app.accounts.people import Requester
from app.channels import answers, matching, subject_marks
from app.channels.answers import Reply
from app.channels.held_mail import stored_files
from app.channels.intake import NewTicket, RequesterInput, take_in
from app.channels.matching import Match
from app.core import cache
from app.core.clock import utcnow
from app.core.db import begin_write, db, is_busy
from app.core.errors import DomainError
from app.core.jobs import Job, bells, is_stopping
from app.core.outages import outage
from app.core.settings_store import setting
from app.mail import automatic, mailboxes, parsing, receiving
from app.mail.automatic import MailKind, Verdict
from app.mail.mailboxes import MailboxCard
from app.mail.models import InboundEmail, InboundState
from app.mail.parsing import ParsedEmail
from app.tickets import catalog, decisions, notifications
from app.tickets.attachments import StoredFile
from app.tickets.models import HeldEmail, Participant, Ticket, TicketMessageId
from app.tickets.timeline import System, record
from app.tickets.words import EventKind, ParticipantKind, Priority, Source

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=5)  # longer than reading one mail can take
MOST_TRIES = 5
TRIES_WHILE_BUSY = 10
MOST_CC = 20  # people who take part because one mail was also sent to them
LONGEST_TEXT = 100_000  # characters shown of one mail; the raw mail is kept whole

Outcome = tuple[InboundState, str]


# Made once: every mail needs them.
_due = (sa.text("state = 'waiting'"), InboundEmail.due_at <= sa.bindparam("now"))  # as the index
_oldest = sa.select(InboundEmail.id).where(*_due)
_oldest = _oldest.order_by(InboundEmail.due_at, InboundEmail.id).limit(1)
_oldest = _oldest.with_for_update(skip_locked=True)  # PostgreSQL: workers pass each other by
_table: Any = InboundEmail.__table__
CLAIM = (
    sa.update(_table)
    .where(InboundEmail.id == _oldest.scalar_subquery(), *_due)
    .values(due_at=sa.bindparam("until"), attempts=InboundEmail.attempts + 1)
    .returning(InboundEmail.id, InboundEmail.attempts)
)
STILL_WAITS = (
    sa.select(InboundEmail.id)
    .where(InboundEmail.id == sa.bindparam("email_id"), InboundEmail.state == InboundState.WAITING)
    .with_for_update()
)
OUTCOME = (
    sa.update(_table)
    .where(InboundEmail.id == sa.bindparam("email_id"))
    .values(state=sa.bindparam("to"), reason=sa.bindparam("why"), done_at=sa.bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was read, before any lock is taken: all that the transaction needs."""

    id: int
    mailbox: MailboxCard | None
    parsed: ParsedEmail
    verdict: Verdict
    files: Sequence[StoredFile]

    @property
    def body(self) -> str:
        """What was written now; all there is, where that is nothing."""
        text = self.parsed.reply_text or self.parsed.text.strip()
        if not text and not self.files:
            text = "(no text)"
        return _shortened(text)

    @property
    def quoted(self) -> str:
        """The whole text, to be folded away, where there is more than the body shows."""
        text = self.parsed.text.strip()
        return "" if text.split() == self.parsed.reply_text.split() else _shortened(text)

    @property
    def ids(self) -> list[str]:
        """The Message-ID, if it has one."""
        return [self.parsed.message_id] if self.parsed.message_id else []


def process_due(clock: Callable[[], datetime] = utcnow, *, seconds: float = math.inf) -> int:
    """Read every stored mail that is due, oldest first. Returns how many.

    A mail that fails is tried again after 1, 2, 4... minutes; after five tries it rests in
    quarantine with its error. None holds up the rest. When the *seconds* are over, other jobs
    have their turn before the rest is read.
    """
    count = 0
    until = time.monotonic() + seconds
    while not is_stopping() and (claimed := _claim(clock())) is not None:
        count += 1
        email_id, attempts = claimed
        try:
            if attempts > MOST_TRIES:
                raise RuntimeError("reading it has ended the worker five times")
            _take(email_id, clock)
        except DomainError as error:
            # It will not get better by waiting.
            _settle(email_id, InboundState.QUARANTINED, error.message, now=clock())
        except Exception as error:
            if outage(error):  # not this mail's fault, so no try of its five
                _give_back(email_id, now=clock())
                raise
            log.exception("mail cannot be taken in", mail=email_id)
            told = f"{type(error).__name__}: {error}"[:2000]
            if attempts >= MOST_TRIES:
                _settle(email_id, InboundState.QUARANTINED, told, now=clock())
            else:
                _put_off(email_id, attempts, told, now=clock())
        if time.monotonic() > until:
            bells().ring(Job.PROCESS_MAIL)
            break
    return count


def _claim(now: datetime) -> tuple[int, int] | None:
    """Lease the oldest mail that is due, and count the try before anything can go wrong."""
    begin_write()
    cache.forget_stamp()
    row = db.session.connection().execute(CLAIM, {"now": now, "until": now + LEASE}).one_or_none()
    db.session.commit()
    return (row.id, row.attempts) if row else None


def _take(email_id: int, clock: Callable[[], datetime]) -> None:
    """Read one mail without any lock, then act on it in one transaction."""
    mail = _read(email_id)
    db.session.rollback()
    for left in reversed(range(TRIES_WHILE_BUSY)):
        begin_write()
        cache.forget_stamp()
        db.session.expire_all()  # what mails before have loaded may have changed since
        try:
            now = clock()
            if _still_waits(email_id):
                state, reason = ingest(mail, now=now)
                _write_outcome(email_id, state, reason, now=now)
            db.session.commit()
        except Exception as error:
            db.session.rollback()
            if not left or not is_busy(error):
                raise
            time.sleep(0.5)
        else:
            return


def _read(email_id: int) -> Mail:
    email = receiving.find(email_id)
    parsed = parsing.parse(email.raw)
    boxes = {box.id: box for box in mailboxes.mailboxes().values()}
    verdict = automatic.classify(
        parsed, return_path=email.return_path, is_own=mailboxes.is_own(parsed.from_email)
    )
    unread = verdict.kind in (MailKind.OWN, MailKind.BOUNCE)
    files = [] if unread else stored_files(parsed)
    return Mail(email_id, boxes.get(email.mailbox_id), parsed, verdict, files)


def _still_waits(email_id: int) -> bool:
    return db.session.connection().scalar(STILL_WAITS, {"email_id": email_id}) is not None


def ingest(mail: Mail, *, now: datetime) -> Outcome:
    """Do what a mail asks for, inside the caller's transaction; what became of it, in words.

    Raises:
        DomainError: it can never become anything; the message says why.
    """
    verdict = mail.verdict
    if verdict.kind is MailKind.OWN:
        return InboundState.IGNORED, f"Our own mail came back: {verdict.reason}."
    if verdict.kind is MailKind.BOUNCE:
        return InboundState.IGNORED, f"A report about a mail that we sent: {verdict.reason}."
    if not mail.parsed.from_email:
        return InboundState.QUARANTINED, "The mail names no sender's address."
    sender = people.find(people.normal_address(mail.parsed.from_email))
    match = matching.find_ticket(mail.parsed, sender_id=sender.id if sender else None)
    is_agent = sender is not None and sender.role is not Role.CUSTOMER
    if verdict.kind is MailKind.ANSWER and (match is None or is_agent):
        return InboundState.IGNORED, f"An automatic answer: {verdict.reason}."
    if match is None:
        return _open(mail, now=now)
    ticket = db.session.get_one(Ticket, match.ticket_id, with_for_update=True)
    if sender is not None and not is_agent and matching.takes_part(ticket, sender.id):
        return _join(mail, ticket, match, sender, now=now)
    if answers.is_over(ticket, now=now):
        # Held there it would be seen by nobody, and it must not lead a stranger to that ticket.
        return _open(mail, now=now, names_over=match)
    return _hold(mail, ticket, match, is_agent=is_agent, now=now)


def _open(mail: Mail, *, now: datetime, names_over: Match | None = None) -> Outcome:
    """Make a ticket of it."""
    parsed, box = mail.parsed, mail.mailbox
    active = [card for card in catalog.categories().values() if card.is_active]
    marks = subject_marks.read(
        parsed.subject,
        categories={w.lower(): c.id for c in reversed(active) for w in (c.name, c.key)},
        cap=Priority(setting("customer_mark_cap")),
    )
    why = "No ticket is named by a reply address, by the mails it answers or in its subject."
    if names_over is not None:
        why = f"Named a ticket that is over ({names_over.how}), from somebody not taking part."
    told: list[tuple[str, str, list[dict[str, Any]]]] = [("threading", why, [])]
    if marks.summary:
        told.append(("mark", f"{marks.summary}.", []))
    opened = take_in(
        NewTicket(
            subject=parsed.subject[:500] or "(no subject)",
            description=mail.body,
            description_html=parsed.html,
            description_quoted=mail.quoted,
            requester=RequesterInput(parsed.from_email, parsed.from_name),
            source=Source.EMAIL,
            category_id=marks.category_id or (box.category_id if box else None),
            priority=marks.priority,
            group_id=box.group_id if box else None,
            channel=box.address if box else "",
            mailbox_id=box.id if box else None,
            files=mail.files,
            automatic_reason=mail.verdict.reason,
            inbound_message_ids=mail.ids,
            decisions=told,
        ),
        now=now,
    )
    _add_cc(mail, opened.id, known={opened.requester_id}, now=now)
    return InboundState.TICKET, f"Opened {opened.number}."


def _join(mail: Mail, ticket: Ticket, match: Match, sender: Requester, *, now: datetime) -> Outcome:
    """Add it to the ticket's conversation, or to a follow-up where the ticket is over."""
    is_answer = mail.verdict.kind is MailKind.ANSWER
    if is_answer and answers.is_over(ticket, now=now):
        return InboundState.IGNORED, f"An automatic answer to {ticket.number}, which is over."
    received = answers.receive(
        ticket,
        Reply(
            body=mail.body,
            source=Source.EMAIL,
            files=mail.files,
            body_html=mail.parsed.html,
            quoted=mail.quoted,
            inbound_email_id=mail.id,
            message_ids=mail.ids,
            is_automatic=is_answer,
            automatic_reason=mail.verdict.reason,
        ),
        by=db.session.get_one(Person, sender.id),
        now=now,
    )
    if received.comment is None:
        return InboundState.TICKET, f"Opened {received.number}, a follow-up of {ticket.number}."
    _remember_ids(mail, ticket.id, now=now)
    if match.is_secret:  # else a number and a forged sender would let anybody in
        _add_cc(mail, ticket.id, known={ticket.requester_id, sender.id}, now=now)
    summary = f"A mail from {sender.name or sender.email} was joined: {match.how}."
    decisions.add(ticket.id, "threading", summary, now=now)
    return InboundState.COMMENT, f"Joined {ticket.number}: {match.how}."


def _hold(mail: Mail, ticket: Ticket, match: Match, *, is_agent: bool, now: datetime) -> Outcome:
    """Keep it on the ticket until an agent decides; nobody else hears of it."""
    parsed = mail.parsed
    why = "does not take part in this ticket"
    if is_agent:
        why = "is an agent's address, and a mail can be forged: agents answer on the desk"
    reason = f"{parsed.from_email} {why}. Named by {match.how}."
    held = HeldEmail(
        ticket_id=ticket.id,
        inbound_email_id=mail.id,
        from_address=people.normal_address(parsed.from_email),
        from_name=parsed.from_name[:200],
        reason=reason,
        body=mail.body,
        created_at=now,
    )
    db.session.add(held)
    db.session.flush()
    record(
        ticket,
        EventKind.MAIL_HELD,
        by=System("Mail"),
        now=now,
        new=f"Held a mail from {held.from_name or held.from_address}",
        details={"held": held.id},
    )
    decisions.add(ticket.id, "threading", f"A mail was held: {reason}", now=now)
    notifications.mail_held(ticket, held, now=now)
    return InboundState.HELD, f"Held on {ticket.number}: {reason}"


def _add_cc(mail: Mail, ticket_id: int, *, known: set[int], now: datetime) -> None:
    """Let people take part to whom an accepted mail was also sent; agents do so on the desk."""
    if mail.verdict.kind is not MailKind.PERSONAL:
        return
    others = [a for a in mail.parsed.to + mail.parsed.cc if not mailboxes.is_own(a.email)]
    for address in others[:MOST_CC]:
        try:
            person = people.find_or_make(address.email, name=address.name, now=now)
        except DomainError:
            continue  # no address that anything could be sent to
        if person.id in known or person.role is not Role.CUSTOMER:
            continue
        known.add(person.id)
        if db.session.get(Participant, (ticket_id, person.id)) is None:
            db.session.add(
                Participant(
                    ticket_id=ticket_id,
                    person_id=person.id,
                    kind=ParticipantKind.CC,
                    created_at=now,
                )
            )


def _remember_ids(mail: Mail, ticket_id: int, *, now: datetime) -> None:
    for message_id in mail.ids:
        if db.session.get(TicketMessageId, (message_id, ticket_id)) is None:
            db.session.add(
                TicketMessageId(message_id=message_id, ticket_id=ticket_id, created_at=now)
            )


def _settle(email_id: int, state: InboundState, reason: str, *, now: datetime) -> None:
    begin_write()
    _write_outcome(email_id, state, reason, now=now)
    db.session.commit()


def _write_outcome(email_id: int, state: InboundState, reason: str, *, now: datetime) -> None:
    outcome = {"email_id": email_id, "to": state, "why": reason, "now": now}
    db.session.connection().execute(OUTCOME, outcome)


def _put_off(email_id: int, attempts: int, error: str, *, now: datetime) -> None:
    begin_write()
    mine = sa.update(InboundEmail).where(InboundEmail.id == email_id)
    later = now + timedelta(minutes=2 ** (attempts - 1))
    db.session.execute(
        mine.values(due_at=later, reason=error),
        execution_options={"synchronize_session": False},
    )
    db.session.commit()


def _give_back(email_id: int, *, now: datetime) -> None:
    """Let it be tried again in a minute; where not even that can be written, after its lease."""
    begin_write()
    mine = sa.update(InboundEmail).where(InboundEmail.id == email_id)
    with suppress(sa.exc.DBAPIError):
        db.session.execute(
            mine.values(due_at=now + timedelta(minutes=1), attempts=InboundEmail.attempts - 1),
            execution_options={"synchronize_session": False},
        )
        db.session.commit()
    db.session.rollback()


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}\n\n(shortened: the mail has {len(text):,} characters)"

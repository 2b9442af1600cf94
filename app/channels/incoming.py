"""What an incoming mail means: a ticket, a comment, a held mail, or why none of these."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from flask import current_app

from app.accounts import people
from app.accounts.models import Person, Role
from app.accounts.people import Requester
from app.channels import (
    agent_mail,
    answers,
    contact_forms,
    forwarding,
    matching,
    returned_mail,
    subject_marks,
    thanks,
)
from app.channels.answers import Reply
from app.channels.forwarding import Content
from app.channels.held_mail import stored_files
from app.channels.intake import take_in
from app.channels.matching import Match
from app.channels.new_ticket import NewTicket, RequesterInput
from app.core.db import db
from app.core.errors import DomainError
from app.core.settings_store import setting
from app.core.statements import Read
from app.mail import (
    authenticity,
    automatic,
    blocking,
    forwarded,
    mailboxes,
    outbox,
    parsing,
    receiving,
    tokens,
)
from app.mail.authenticity import Proof
from app.mail.automatic import MailKind, Verdict
from app.mail.forwarded import Forwarded
from app.mail.mailboxes import MailboxCard
from app.mail.models import InboundState, SenderCheck
from app.mail.parsing import ParsedEmail
from app.settings import Settings
from app.tickets import catalog, decisions, notifications, participants
from app.tickets.attachments import StoredFile
from app.tickets.mail_models import HeldEmail, TicketMessageId
from app.tickets.models import Participant, Ticket
from app.tickets.queries import lock_going_on
from app.tickets.timeline import System, record
from app.tickets.words import EventKind, ParticipantKind, Priority, Source, Status

MOST_CC = 20  # people who take part because one mail was also sent to them
LONGEST_TEXT = 100_000  # characters shown of one mail; the raw mail is kept whole
NO_PROOF = Proof()

Outcome = tuple[InboundState, str]

_theirs = Ticket.requester_id == sa.bindparam("person_id")
NTH_NEWEST: Read[Any] = Read(
    sa.select(Ticket.created_at)
    .where(_theirs)
    .order_by(Ticket.id.desc())
    .limit(1)
    .offset(sa.bindparam("before"))
)
BY_MAIL = (
    sa.select(sa.func.count())
    .select_from(Ticket)
    .where(
        _theirs,
        Ticket.created_at > sa.bindparam("since", type_=Ticket.created_at.type),
        Ticket.source == Source.EMAIL,
    )
)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail that was read, before any lock is taken: all that the transaction needs."""

    id: int
    mailbox: MailboxCard | None
    parsed: ParsedEmail
    verdict: Verdict
    files: Sequence[StoredFile]
    proof: Proof = NO_PROOF
    is_released: bool = False
    forwarded: Forwarded | None = None

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


def read(email_id: int) -> Mail:
    """Read a stored mail, without any lock: it may take seconds, and ask the DNS."""
    email = receiving.find(email_id)
    parsed = parsing.parse_incoming(email.raw)
    boxes = {box.id: box for box in mailboxes.mailboxes().values()}
    is_own = mailboxes.is_own(parsed.from_email)
    verdict = automatic.classify(parsed, return_path=email.return_path, is_own=is_own)
    as_sent = parsed
    parsed, verdict = contact_forms.sent_for(as_sent, verdict) or (as_sent, verdict)
    db.session.rollback()  # from here on the network and the disk may be waited for
    if verdict.kind in (MailKind.OWN, MailKind.BOUNCE):
        return Mail(email_id, boxes.get(email.mailbox_id), parsed, verdict, [])
    proof = _proof(email.raw, as_sent)
    if parsed is not as_sent and proof.check is SenderCheck.PASS:
        proof = NO_PROOF  # of the site, not of whoever asks there
    told = _forwarded(parsed) if verdict.kind is MailKind.PERSONAL else None
    files = [*stored_files(parsed), *(stored_files(told.mail) if told and told.mail else [])]
    box = boxes.get(email.mailbox_id)
    return Mail(email_id, box, parsed, verdict, files, proof, email.is_released, told)


def _forwarded(mail: ParsedEmail) -> Forwarded | None:
    """The mail that an agent passes on; a statement only where something is passed on."""
    told = forwarded.read(mail)
    if told is None or not mail.from_email:
        return None
    try:
        sender = people.find(people.normal_address(mail.from_email))
    except DomainError:
        return None
    return told if sender is not None and sender.role is not Role.CUSTOMER else None


def _proof(raw: bytes, mail: ParsedEmail) -> Proof:
    """What is known of the sender: as our mail server says, else as we find out ourselves."""
    settings: Settings = current_app.extensions["settings"]
    if settings.authserv_id is not None:
        return authenticity.read(mail, settings.authserv_id)
    if settings.verify_senders and matching.names_something(mail):
        # Imported here: most desks never need it, and it brings the DNS along.
        from app.mail import sender_verification

        return sender_verification.verify(raw, mail)
    return Proof()


def ingest(mail: Mail, *, now: datetime) -> Outcome:
    """Do what a mail asks for, inside the caller's transaction; what became of it, in words.

    Raises:
        DomainError: it can never become anything; the message says why.
    """
    verdict = mail.verdict
    if verdict.kind is MailKind.OWN:
        return InboundState.IGNORED, f"Our own mail came back: {verdict.reason}."
    if verdict.kind is MailKind.BOUNCE:
        return returned_mail.take(mail.parsed, verdict.reason, now=now)
    if outbox.is_ours(mail.parsed.message_id):
        return InboundState.IGNORED, "Our own mail came back: we gave it its Message-ID."
    if mail.parsed.header("x-deskhand-desk").strip() == tokens.desk_id():
        return InboundState.IGNORED, "Our own mail came back: it bears the sign of this desk."
    if not mail.parsed.from_email:
        return InboundState.QUARANTINED, "The mail names no sender's address."
    blocked = "" if mail.is_released else blocking.blocked_by(mail.parsed.from_email)
    if blocked:
        return InboundState.IGNORED, f"{mail.parsed.from_email} is blocked, by {blocked}."
    sender = people.find(people.normal_address(mail.parsed.from_email))
    match = matching.find_ticket(mail.parsed, sender_id=sender.id if sender else None)
    is_agent = sender is not None and sender.role is not Role.CUSTOMER
    if verdict.kind is MailKind.ANSWER and (match is None or is_agent):
        return InboundState.IGNORED, f"An automatic answer: {verdict.reason}."
    spam = "" if mail.is_released else blocking.called_spam(mail.parsed)
    if spam and not (match and match.is_secret):
        return InboundState.QUARANTINED, f"The mail server calls it spam ({spam})."
    if match is None:
        if too_many := _too_many(mail, sender, now=now):
            return InboundState.QUARANTINED, too_many
        is_forged = mail.proof.check is SenderCheck.FAIL
        return _open(mail, sender if is_agent and not is_forged else None, now=now)
    ticket = lock_going_on(match.ticket_id)
    if sender is not None and not is_agent and matching.takes_part(ticket, sender.id):
        if mail.proof.check is not SenderCheck.FAIL:
            return _join(mail, ticket, match, sender, now=now)
        why = "takes part, but the check of the sender failed: the mail may be forged"
    elif sender is not None and is_agent:
        is_proven = mail.proof.check is SenderCheck.PASS and match.person_id == sender.id
        if is_proven and matching.takes_part(ticket, sender.id):  # who asks us, too
            return _join(mail, ticket, match, sender, now=now)
        person = db.session.get_one(Person, sender.id)
        why = agent_mail.refusal(mail.parsed, verdict, mail.proof.check, ticket, match, person)
        if not why:
            return _join_as_agent(mail, ticket, match, person, now=now)
    else:
        why = "does not take part in this ticket"
    if answers.is_over(ticket, now=now):
        if too_many := _too_many(mail, sender, now=now):
            return InboundState.QUARANTINED, too_many
        # Held there it would be seen by nobody, and it must not lead a stranger to that ticket.
        return _open(mail, None, now=now, names_over=match)
    if too_many := _too_many_held(mail, ticket, now=now):
        return InboundState.QUARANTINED, too_many
    return _hold(mail, ticket, match, why, now=now)


def _too_many(mail: Mail, sender: Requester | None, *, now: datetime) -> str:
    """Why a mail makes no further ticket of its sender for now; "" if it may.

    Somebody's broken machine would else make thousands. One seek in an index for a sender who is
    known, none for others; their tickets are looked at only where there are as many in the hour.
    """
    most = int(setting("tickets_an_hour"))
    if sender is None or mail.is_released or not most:
        return ""
    since = now - timedelta(hours=1)
    enough = NTH_NEWEST.one(person_id=sender.id, before=most - 1)
    if enough is None or enough.created_at <= since:
        return ""
    lately = db.session.scalar(BY_MAIL, {"person_id": sender.id, "since": since}) or 0
    if lately < most:
        return ""
    tickets = "1 ticket" if lately == 1 else f"{lately} tickets"
    return f"Mails of {sender.email} opened {tickets} within an hour, and may {most}."


def _too_many_held(mail: Mail, ticket: Ticket, *, now: datetime) -> str:
    """Why a ticket holds no further mail of strangers for now; "" if it may; one statement.

    Whoever knows a number could else have its whole group mailed without end, in any names.
    """
    most = int(setting("comments_an_hour"))
    lately = sa.select(HeldEmail.id).where(
        HeldEmail.ticket_id == ticket.id, HeldEmail.created_at > now - timedelta(hours=1)
    )
    if mail.is_released or len(db.session.scalars(lately.limit(most)).all()) < most:
        return ""
    return f"{ticket.number} holds {most} mails from people new to it within an hour already."


def _open(
    mail: Mail, agent: Requester | None, *, now: datetime, names_over: Match | None = None
) -> Outcome:
    """Make a ticket of it; of a customer's mail that an *agent* forwards, with what that says."""
    parsed, box = mail.parsed, mail.mailbox
    active = catalog.active_categories()
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
    forged = ""
    if mail.proof.check is SenderCheck.FAIL:
        forged = f"its sender may be forged, {mail.proof.told}"
        told.append(("threading", f"The sender may be forged: {mail.proof.told}.", []))
    passed_on = mail.forwarded if agent is not None else None
    if passed_on is not None:
        content = forwarding.content(passed_on, mail.ids)
    else:
        content = Content(
            parsed.subject, mail.body, mail.quoted, parsed.html, mail.ids, mail.verdict.reason
        )
    opened = take_in(
        NewTicket(
            subject=content.subject[:500] or "(no subject)",
            description=_shortened(content.body) or "(no text)",
            description_html=content.html,
            description_quoted=_shortened(content.quoted),
            requester=RequesterInput(parsed.from_email, parsed.from_name),
            source=Source.EMAIL,
            category_id=marks.category_id or (box.category_id if box else None),
            priority=marks.priority,
            group_id=box.group_id if box else None,
            channel=box.address if box else "",
            mailbox_id=box.id if box else None,
            files=mail.files,
            automatic_reason=content.automatic_reason or forged,
            sender_check=mail.proof.check,
            inbound_message_ids=content.message_ids,
            decisions=told,
        ),
        now=now,
    )
    if passed_on is not None:
        is_proven = mail.proof.check is SenderCheck.PASS
        forwarding.propose(opened.id, passed_on, is_proven=is_proven, now=now)
        return InboundState.TICKET, f"Opened {opened.number} of a mail that an agent forwarded."
    _add_cc(mail, opened.id, known={opened.requester_id}, now=now)
    return InboundState.TICKET, f"Opened {opened.number}."


def _join(mail: Mail, ticket: Ticket, match: Match, sender: Requester, *, now: datetime) -> Outcome:
    """Add it to the ticket's conversation, or to a follow-up where the ticket is over."""
    is_answer = mail.verdict.kind is MailKind.ANSWER
    if is_answer and answers.is_over(ticket, now=now):
        return InboundState.IGNORED, f"An automatic answer to {ticket.number}, which is over."
    if answers.is_over(ticket, now=now) and (too_many := _too_many(mail, sender, now=now)):
        return InboundState.QUARANTINED, too_many
    is_flood = not is_answer and answers.is_flood(ticket, sender.id, now=now)
    is_quiet = not is_answer and not is_flood and _is_quiet(mail, ticket, sender)
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
            is_automatic=is_answer or is_flood,
            automatic_reason=mail.verdict.reason,
            is_quiet=is_quiet,
            sender_check=mail.proof.check,
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
    if is_flood:
        told = f"More than {setting('comments_an_hour')} came from {sender.email} within an hour"
        summary += f" {told}: folded, and nobody is told."
        answers.tell_flood(ticket, f"{told}: they are folded, and nobody is told of them", now=now)
    elif is_quiet:
        summary += " It only says thank you, so the ticket stays as it is."
    decisions.add(ticket.id, "threading", summary, now=now)
    return InboundState.COMMENT, f"Joined {ticket.number}: {match.how}."


def _is_quiet(mail: Mail, ticket: Ticket, sender: Requester) -> bool:
    """True for a mere thank-you for a ticket that is solved."""
    if ticket.status not in (Status.RESOLVED, Status.CLOSED) or not setting("quiet_thanks"):
        return False
    has_files = any(not file.is_inline for file in mail.files)
    return not has_files and thanks.is_mere_thanks(mail.body, name=sender.name)


def _join_as_agent(
    mail: Mail, ticket: Ticket, match: Match, agent: Person, *, now: datetime
) -> Outcome:
    """An agent's reply, which goes to the customer."""
    comment = agent_mail.reply(
        ticket, mail.body, by=agent, files=mail.files, email_id=mail.id, now=now
    )
    comment.sender_check = mail.proof.check
    _remember_ids(mail, ticket.id, now=now)
    summary = f"{agent.display_name} replied by mail: {match.how}, {mail.proof.told}."
    decisions.add(ticket.id, "threading", summary, now=now)
    return InboundState.COMMENT, f"A reply of {agent.display_name} on {ticket.number}."


def _hold(mail: Mail, ticket: Ticket, match: Match, why: str, *, now: datetime) -> Outcome:
    """Keep it on the ticket until an agent decides; nobody else hears of it."""
    parsed = mail.parsed
    told = f" ({mail.proof.told})" if mail.proof.told else ""
    reason = f"{parsed.from_email} {why}{told}. Named by {match.how}."
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
    if mail.verdict.kind is not MailKind.PERSONAL or mail.proof.check is SenderCheck.FAIL:
        return
    others = [a for a in mail.parsed.to + mail.parsed.cc if not mailboxes.is_own(a.email)]
    if not others:
        return
    here = sa.select(sa.func.count()).select_from(Participant)
    count = db.session.scalar(here.where(Participant.ticket_id == ticket_id)) or 0
    for address in others[:MOST_CC]:
        if count >= participants.MOST:  # else mail after mail would send our answers to anybody
            return
        try:
            person = people.find_or_make(address.email, name=address.name, now=now)
        except DomainError:
            continue  # no address that anything could be sent to
        if person.id in known or person.role is not Role.CUSTOMER:
            continue
        known.add(person.id)
        if db.session.get(Participant, (ticket_id, person.id)) is None:
            count += 1
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


def _shortened(text: str) -> str:
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}\n\n(shortened: the mail has {len(text):,} characters)"

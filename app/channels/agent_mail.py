"""An agent answers a customer by mail: only where it is proven that it was this agent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from app.accounts.access import hidden_group_ids
from app.accounts.models import Person
from app.channels.matching import Match
from app.mail import automatic
from app.mail.automatic import MailKind, Verdict
from app.mail.models import SenderCheck
from app.mail.parsing import ParsedEmail
from app.tickets import conversation
from app.tickets.attachments import StoredFile
from app.tickets.models import Comment, Ticket
from app.tickets.words import Source, Status


def refusal(
    mail: ParsedEmail,
    verdict: Verdict,
    check: SenderCheck,
    ticket: Ticket,
    match: Match,
    agent: Person,
) -> str:
    """Why this mail does not act as *agent*, in words that follow the address; "" where it does.

    Anybody can write an agent's address into a mail, and whatever was said goes to a customer.
    """
    if check is SenderCheck.FAIL:
        return "is an agent's address, and the check of the sender failed: it may be forged"
    if match.agent_id != agent.id:
        return "is an agent's address, and answered to no address made for this agent"
    if check is not SenderCheck.PASS:
        return "is an agent's address, and nothing proves that the mail came from there"
    if not agent.is_active or ticket.group_id in hidden_group_ids(agent):
        return "is an agent's address who may not answer this ticket"
    if verdict.kind is not MailKind.PERSONAL or automatic.looks_like_an_answer(mail.subject):
        return "is an agent's address, and the mail seems to be an automatic one"
    if ticket.deleted_at is not None or ticket.status in (Status.CLOSED, Status.CANCELLED):
        return "is an agent's address, and a ticket that is over is reopened first"
    if not mail.reply_text.strip():
        return "is an agent's address, and nothing new is said in the mail"
    if "/desk/tickets/TKT-" in mail.reply_text:
        # Our notice, quoted in a way that nobody could tell from what the agent wrote.
        return "is an agent's address, and the mail quotes what customers must not read"
    return ""


def reply(
    ticket: Ticket,
    body: str,
    *,
    by: Person,
    files: Sequence[StoredFile],
    email_id: int,
    now: datetime,
) -> Comment:
    """A public reply, as if made on the desk; pictures of the signature stay behind.

    Args:
        email_id: of the stored mail.
    """
    kept = [file for file in files if not file.is_inline]
    comment = conversation.reply(ticket, body, by=by, now=now, files=kept, source=Source.EMAIL)
    comment.inbound_email_id = email_id
    return comment

"""Mails that a program sends for somebody, such as the contact form of a web site.

From names the site, often with our own address, and Reply-To whoever asks. To read them by From
alone would take a customer's question for a mail of ours that came back, and lose it.
"""

from __future__ import annotations

from dataclasses import replace

from app.channels import matching
from app.channels.auto_response import UNREAD
from app.mail import automatic, blocking, mailboxes
from app.mail.automatic import MailKind, Verdict
from app.mail.parsing import ParsedEmail


def sent_for(mail: ParsedEmail, verdict: Verdict) -> tuple[ParsedEmail, Verdict] | None:
    """*mail* as if from whom it is to be answered to; None for any other mail.

    Only where From is our own or an address that nobody reads, and no ticket is named: nothing
    proves who wrote it, so it opens a ticket at most, which no machine answers.
    """
    is_own = verdict.kind is MailKind.OWN
    if not is_own and not (verdict.kind is MailKind.PERSONAL and UNREAD.match(mail.from_email)):
        return None
    if is_own and automatic.classify(mail).kind in (MailKind.ANSWER, MailKind.BOUNCE):
        return None
    if len(mail.reply_to) != 1 or matching.names_something(mail):
        return None
    if blocking.blocked_by(mail.from_email):
        return None
    (asker,) = mail.reply_to
    if mailboxes.is_own(asker.email) or UNREAD.match(asker.email):
        return None
    why = Verdict(MailKind.BULK, f"sent by {mail.from_email} for {asker.email}")
    return replace(mail, from_email=asker.email, from_name=asker.name), why

"""``deskhand mail parse``, ``ingest`` and ``poll``, and ``deskhand outbox send``.

The database and what needs it are imported by the commands that use them: the parser starts alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import click
from flask import current_app
from flask.cli import ScriptInfo, with_appcontext

from app.mail import automatic, bounces, parsing
from app.settings import Settings

TRY_AGAIN, NEVER = 75, 65  # EX_TEMPFAIL and EX_DATAERR of sysexits.h, as mail servers know them


@click.group()
def mail() -> None:
    """Mail that comes in."""


@mail.command("parse")
def parse() -> None:
    """Read file names on standard input, write one JSON object a line (the parser alone)."""
    parse_files(sys.stdin, sys.stdout)


@mail.command("ingest")
@click.option("--mailbox", metavar="ADDRESS", help="Whose mail it is; else by its recipients.")
@click.pass_context
def ingest(context: click.Context, mailbox: str | None) -> None:
    """Store one message from standard input, for a pipe from a mail server.

    Ends with 0 once it is stored, with 75 where the mail server should try again, with 65 where
    it is stored but can never be read (it rests in quarantine).
    """
    try:
        raw = sys.stdin.buffer.read()
        info = context.ensure_object(ScriptInfo)
        # A process for each mail: it starts with no more than storing needs.
        with info.data.get("create_store", info.load_app)().app_context():
            reason = _store(raw, mailbox)
    except Exception as error:  # whatever it is: the mail server has the mail, and keeps it
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        click.echo(f"not stored, try again: {told}", err=True)
        raise SystemExit(TRY_AGAIN) from None
    if reason:
        click.echo(f"stored in quarantine: {reason}", err=True)
        raise SystemExit(NEVER)


@mail.command("poll")
@click.option("--mailbox", metavar="ADDRESS", help="This one alone.")
@with_appcontext
def poll(mailbox: str | None) -> None:
    """Look into every IMAP mailbox once, by hand; ends with 1 where one could not be read."""
    from app.core.clock import utcnow
    from app.core.db import begin_write, db
    from app.core.errors import NotFound
    from app.mail import fetching, imap
    from app.mail.credentials import imap_accounts, make_first_mailbox

    begin_write()
    make_first_mailbox(now=utcnow())
    db.session.commit()
    wanted = mailbox.lower() if mailbox else None
    accounts = [one for one in imap_accounts() if wanted in (None, one.address.lower())]
    db.session.rollback()
    if wanted and not accounts:
        raise NotFound(f"no mailbox {mailbox} is fetched by IMAP")
    troubled = False
    for account in accounts:
        try:
            done = fetching.poll(account)
            told = f"stored {done.stored}, had {done.copies} before, failed {done.failed}"
            troubled |= bool(done.failed or done.problem)
            click.echo(f"{account.address}: {told}. {done.problem}".rstrip(". ") + ".")
        except imap.TROUBLE as error:
            troubled = True
            click.echo(f"{account.address}: {imap.words(error)}", err=True)
    if troubled:
        raise SystemExit(1)


def _store(raw: bytes, address: str | None) -> str:
    """Store and commit; why it went to quarantine, or the empty string."""
    from app.core.clock import utcnow
    from app.core.db import begin_write, db
    from app.core.errors import NotFound
    from app.mail import mailboxes, receiving
    from app.mail.models import InboundState

    box = mailboxes.mailboxes().get(address.lower()) if address else None
    if address and box is None:
        raise NotFound(f"there is no mailbox {address}")
    begin_write()
    stored = receiving.store(raw, box, now=utcnow())
    db.session.commit()
    # A mail that came before is told as it came to us now: stored, whatever became of it.
    return stored.reason if stored.state is InboundState.QUARANTINED else ""


@click.group()
def outbox() -> None:
    """Mail that goes out."""


@outbox.command()
@with_appcontext
def send() -> None:
    """Send every mail that is due, once, and say how many there were."""
    from app.mail.delivery import send_due

    settings: Settings = current_app.extensions["settings"]
    if settings.smtp_url is None:
        raise click.ClickException("DESKHAND_SMTP_URL is not set: mails stay in the outbox")
    done = send_due()
    click.echo(f"sent {done.sent}, failed {done.failed}, to be tried again {done.put_off}")
    if done.failed or done.put_off:
        raise SystemExit(1)


def parse_files(paths: Iterable[str], out: TextIO) -> None:
    """Print one JSON object a line for each mail file named in *paths*, in order.

    The parser alone: no application, no database. A file that cannot be read gives ``error``.
    """
    for line in paths:
        if path := line.rstrip("\n"):
            print(json.dumps(_described(path)), file=out, flush=True)


def _bounced(mail: parsing.ParsedEmail, verdict: automatic.Verdict) -> list[str]:
    if verdict.kind is not automatic.MailKind.BOUNCE:
        return []
    return [recipient.address for recipient in bounces.read(mail).recipients]


def _described(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            mail = parsing.parse(file.read())
    except (OSError, ValueError) as error:
        return {"error": str(error)}
    verdict = automatic.classify(mail)
    return {
        "subject": mail.subject,
        "from_email": mail.from_email,
        "from_name": mail.from_name,
        "to": [address.email for address in mail.to],
        "cc": [address.email for address in mail.cc],
        "message_id": mail.message_id,
        "in_reply_to": list(mail.in_reply_to),
        "references": list(mail.references),
        "date": mail.date.isoformat() if mail.date else None,
        "text": mail.text,
        "reply_text": mail.reply_text,
        "html": mail.html,
        "attachments": [
            {
                "filename": attachment.filename,
                "content_type": attachment.content_type,
                "size": attachment.size,
                "inline": attachment.inline,
            }
            for attachment in mail.attachments
        ],
        "kind": verdict.kind.value,
        "is_auto_reply": verdict.kind is not automatic.MailKind.PERSONAL,
        "is_bounce": verdict.kind is automatic.MailKind.BOUNCE,
        "bounced_recipient": _bounced(mail, verdict),
        "error": None,
    }

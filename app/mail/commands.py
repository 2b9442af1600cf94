"""``deskhand mail parse`` and ``deskhand outbox send``.

The database and what needs it are imported by the commands that use them: the parser starts alone.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import click
from flask import current_app
from flask.cli import with_appcontext

from app.mail import automatic, parsing
from app.settings import Settings


@click.group()
def mail() -> None:
    """Mail that comes in."""


@mail.command("parse")
def parse() -> None:
    """Read file names on standard input, write one JSON object a line (the parser alone)."""
    parse_files(sys.stdin, sys.stdout)


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
        "error": None,
    }

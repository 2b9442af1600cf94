"""The ``deskhand`` command.

Each command lives with its area and is imported only when it is called: ``deskhand run`` must
start in a moment. A new one is a click command or group in its area and a line in the table.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from app.core.errors import DomainError
from app.settings import SettingsError

# Name: where the click command is. Those outside app.process find an application context with
# ``@flask.cli.with_appcontext``.
COMMANDS = {
    "run": "app.process.commands:run",
    "web": "app.process.commands:web",
    "worker": "app.process.commands:worker",
    "scheduler": "app.process.commands:scheduler",
    "lmtp": "app.process.commands:lmtp",
    "imap": "app.process.commands:imap",
    "prepare": "app.process.commands:prepare",
    "db": "flask_migrate.cli:db",
    "user": "app.accounts.commands:user",
    "token": "app.accounts.commands:token",
    "sla": "app.automation.commands:sla",
    "mail": "app.mail.commands:mail",
    "demo": "app.demo.commands:demo",
    "report": "app.reports.commands:report",
    "backup": "app.process.backup_commands:backup",
    "restore": "app.process.backup_commands:restore",
    "outbox": "app.mail.commands:outbox",
    "doctor": "app.process.doctor:doctor",
}


class Commands(click.Group):
    """Finds commands in the table, and tells what a person can mend in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import the command; give it the application if it may need one."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        if ctx.obj is None and not module.startswith("app.process"):
            from flask.cli import ScriptInfo

            from app import create_app, create_store

            ctx.obj = ScriptInfo(create_app=create_app)
            ctx.obj.data["create_store"] = create_store  # for commands that start very often
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; an expected error is one line and exit status 1."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if (line := _what_to_mend(error)) is None:
                raise
            raise click.ClickException(line) from None


def _what_to_mend(error: Exception) -> str | None:
    """One line for trouble outside the code: settings, rules, servers; None for anything else."""
    if isinstance(error, (SettingsError, DomainError)):
        return str(error)
    # A library that was never imported raised nothing; importing it would cost a second.
    if "sqlalchemy" in sys.modules:
        from sqlalchemy.exc import DatabaseError, OperationalError

        if isinstance(error, DatabaseError):
            told = str(error.orig).strip()
            # 42P01: PostgreSQL's undefined_table.
            if "no such table" in told or getattr(error.orig, "sqlstate", "") == "42P01":
                return "the database lacks a table: run deskhand db upgrade"
            # Not its other kin: those are faults of ours.
            if type(error) in (DatabaseError, OperationalError):
                return f"the database does not answer: {told.splitlines()[0]}"
    if "redis" in sys.modules:
        from redis.exceptions import ConnectionError as NoRedis

        if isinstance(error, NoRedis):
            return f"Redis does not answer: {error}"
    return None


@click.command(cls=Commands)
@click.version_option(package_name="deskhand")
def cli() -> None:
    """Deskhand: a self-hosted help desk."""


def main() -> None:
    """Run ``deskhand`` with the arguments of this process; what it writes is its user's alone."""
    os.umask(0o077)
    cli.main(prog_name="deskhand")

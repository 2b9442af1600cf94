"""``deskhand sla sweep``."""

from __future__ import annotations

import click
from flask.cli import with_appcontext

from app.automation import escalation
from app.core.clock import utcnow


@click.group()
def sla() -> None:
    """Watch the SLA clocks."""


@sla.command()
@with_appcontext
def sweep() -> None:
    """Tell every warning and breach that is due, once, and say how many there were."""
    swept = escalation.sweep(utcnow())
    click.echo(f"breaches {swept.breached}, warnings {swept.warned}, failed {swept.failed}")
    if swept.failed:
        raise SystemExit(1)

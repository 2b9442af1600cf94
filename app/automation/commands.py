"""``deskhand sla sweep``."""

from __future__ import annotations

import click


@click.group()
def sla() -> None:
    """Watch the SLA clocks."""


@sla.command()
def sweep() -> None:
    """Tell every warning and breach that is due, once, and say how many there were."""
    # Imported here: `deskhand run` loads the commands, but not the application.
    from app import create_app
    from app.automation import escalation
    from app.core.clock import utcnow

    with create_app().app_context():
        swept = escalation.sweep(utcnow())
    click.echo(f"breaches {swept.breached}, warnings {swept.warned}, failed {swept.failed}")
    if swept.failed:
        raise SystemExit(1)

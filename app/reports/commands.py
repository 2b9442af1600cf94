"""``deskhand report``."""

from __future__ import annotations

import json

import click
from flask.cli import with_appcontext

from app.core.clock import utcnow
from app.core.settings_store import setting
from app.reports import cuts, export, figures, periods
from app.reports.measures import MEASURES
from app.reports.telling import as_json
from app.web import words


@click.command()
@click.option("--start", required=True, help="First day, such as 2026-10-01.")
@click.option("--end", required=True, help="Last day, included.")
@click.option("--agent", default="", help="Only of this agent: a mail address, an id, or none.")
@click.option("--group", default="", help="Only of this group.")
@click.option("--category", default="", help="Only in this category.")
@click.option("--organization", default="", help="Only of this organization's people.")
@click.option("--priority", default="", help="Only of this priority.")
@click.option("--source", default="", help="Only what came in this way.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "csv"]),
    default="json",
    help="Numbers as JSON, or one row a ticket as CSV.",
)
@with_appcontext
def report(start: str, end: str, form: str, **cut: str) -> None:
    """Print the report of a period, in days of the desk's time zone."""
    period = periods.between(start, end, zone=words.zone(setting("time_zone")))
    chosen = cuts.from_args(cut)
    if form == "csv":
        for line in export.lines(MEASURES["handled"], period, chosen):
            click.echo(line, nl=False)
        return
    found = figures.report(period, chosen, now=utcnow())
    click.echo(json.dumps(as_json(found), indent=2, ensure_ascii=False))

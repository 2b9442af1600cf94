"""``deskhand demo``."""

from __future__ import annotations

import gc
import secrets
import time

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import with_appcontext

from app.accounts import passwords
from app.accounts.models import Group, Organization, PersonEmail
from app.core.clock import utcnow
from app.core.db import db
from app.core.errors import Conflict
from app.demo import filling
from app.demo.company import CUSTOMERS, DOMAIN
from app.settings import Settings
from app.tickets.models import Ticket

MOST = 2_000_000


@click.command()
@click.option(
    "--tickets",
    default=2_000,
    show_default=True,
    type=click.IntRange(1, MOST),
    help="How many tickets to make.",
)
@click.option(
    "--seed", default=1, show_default=True, type=int, help="The same seed, the same desk."
)
@with_appcontext
def demo(tickets: int, seed: int) -> None:
    """Fill an empty desk with an invented company and two years of its tickets."""
    _refuse_a_desk_in_use()
    settings: Settings = current_app.extensions["settings"]
    password = settings.demo_password or secrets.token_urlsafe(9)
    if not passwords.LEAST <= len(password) <= passwords.MOST:
        allowed = f"{passwords.LEAST} to {passwords.MOST} characters"
        raise click.ClickException(f"DESKHAND_DEMO_PASSWORD must have {allowed}")
    gc.freeze()  # else each collection walks everything that was imported
    gc.set_threshold(50_000, 20, 100)
    began = time.monotonic()
    written = filling.fill(
        tickets=tickets, seed=seed, password_hash=passwords.hash_password(password), now=utcnow()
    )
    took = time.monotonic() - began
    click.echo(f"{tickets:,} tickets with {written['comment']:,} comments in {took:.1f} s.")
    click.echo(
        f"Sign in as admin@{DOMAIN}, supervisor@{DOMAIN}, agent1@{DOMAIN} to agent20@{DOMAIN}, or"
        f" customer1@{DOMAIN} to customer{CUSTOMERS}@{DOMAIN}."
    )
    click.echo("“Practice”, in the rail of the desk, is a checklist of the main moves.")
    if settings.demo_password is None:
        click.echo(f"Their password is {password}")


def _refuse_a_desk_in_use() -> None:
    """Demo data is never mixed with what people have entered.

    Raises:
        Conflict: there are tickets, groups, organizations or people of the demo already.
    """
    demo_people = sa.select(PersonEmail.address).where(PersonEmail.address == f"admin@{DOMAIN}")
    for what, rows in (
        ("tickets", sa.select(Ticket.id)),
        ("groups", sa.select(Group.id)),
        ("organizations", sa.select(Organization.id)),
        ("demo people", demo_people),
    ):
        if db.session.scalar(sa.select(sa.exists(rows))):
            raise Conflict(f"this desk has {what} already; demo data needs an empty database")

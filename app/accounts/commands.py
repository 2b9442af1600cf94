"""``deskhand user create | invite`` and ``deskhand token create``."""

from __future__ import annotations

import sys

import click
import sqlalchemy as sa
from flask.cli import with_appcontext

from app.accounts import invitations, passwords, people, tokens
from app.accounts.models import Person, PersonEmail, Role
from app.core import audit
from app.core.clock import utcnow
from app.core.db import begin_write, db
from app.core.errors import Invalid, NotFound

EMAIL = click.option("--email", required=True, help="Mail address.")
NAME = click.option("--name", required=True, help="Name.")


@click.group()
def user() -> None:
    """Add people."""


@user.command("create")
@EMAIL
@NAME
@click.option(
    "--role", required=True, type=click.Choice([r.value for r in Role]), help="What they may do."
)
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@with_appcontext
def create_user(email: str, name: str, role: str, password_stdin: bool) -> None:
    """Add a person; without a password they sign in by a mailed link."""
    password_hash = _read_password() if password_stdin else None
    begin_write()
    person = invitations.make_person(
        email,
        name=_line(name, people.NAME_LENGTH),
        role=Role(role),
        password_hash=password_hash,
        now=utcnow(),
    )
    # Whoever may run this command vouches for the address.
    people.prove(people.normal_address(email), now=utcnow())
    _note("created", person)
    db.session.commit()
    click.echo(f"{people.normal_address(email)} is {person.role.value} now.")


@user.command("invite")
@EMAIL
@NAME
@click.option(
    "--role",
    required=True,
    type=click.Choice([r.value for r in Role if r is not Role.CUSTOMER]),
    help="What they will do.",
)
@with_appcontext
def invite_user(email: str, name: str, role: str) -> None:
    """Mail somebody a link to join the team."""
    begin_write()
    name = _line(name, people.NAME_LENGTH)
    _note("invited", invitations.invite(email, name=name, role=Role(role), by=None, now=utcnow()))
    db.session.commit()
    click.echo(f"An invitation to {people.normal_address(email)} is in the outbox.")


@click.group()
def token() -> None:
    """Make API tokens."""


@token.command("create")
@EMAIL
@click.option("--name", required=True, help="What the token is for.")
@with_appcontext
def create_token(email: str, name: str) -> None:
    """Print a new API token of a person; it is shown this once."""
    begin_write()
    address = people.normal_address(email)
    person = db.session.scalar(
        sa.select(Person).join(PersonEmail).where(PersonEmail.address == address, Person.is_active)
    )
    if person is None:
        raise NotFound(f"nobody active has the address {address}")
    made = tokens.make_token(person, _line(name, 100), now=utcnow())
    db.session.commit()
    click.echo(made)


def _note(action: str, person: Person) -> None:
    thing = (action, "person", person.id, person.display_name)
    audit.write(*thing, field="Role", new=person.role.value, by=None, now=utcnow())


def _read_password() -> str:
    password = sys.stdin.readline(passwords.MOST * 4).rstrip("\r\n")
    if not passwords.LEAST <= len(password) <= passwords.MOST:
        raise Invalid(f"a password has {passwords.LEAST} to {passwords.MOST} characters")
    return passwords.hash_password(password)


def _line(text: str, length: int) -> str:
    """*text* if it is one line of 1 to *length* characters.

    Raises:
        Invalid: it is not.
    """
    text = text.strip()
    if not text or len(text) > length or not text.isprintable():
        raise Invalid(f"a name has 1 to {length} characters on one line")
    return text

"""People and tokens from the command line."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from flask import Flask

from app.accounts import commands, passwords, tokens
from app.accounts.models import Person, Role
from app.cli import Commands
from app.core.audit import AuditEntry
from app.core.db import db
from tests.accounts.pages import mails
from tests.factories import make_agent, make_person

PASSWORD = "correct horse battery"


def run(*arguments: str, stdin: str = "") -> Result:
    """Run the command as the shell does, in the test's application."""
    group = Commands("deskhand", commands={})
    group.get_command = lambda ctx, name: getattr(commands, name)  # type: ignore[method-assign]
    result = CliRunner().invoke(group, arguments, input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def user(command: str = "create", stdin: str = "", **options: str | None) -> Result:
    """Run ``deskhand user``; an option without a value is a flag."""
    words = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", value)
        if word is not None
    ]
    return run("user", command, *words, stdin=stdin)


def test_a_person_is_made_with_role_and_password(app: Flask) -> None:
    result = user(
        email="Ada@desk.example",
        name="Ada",
        role="admin",
        password_stdin=None,
        stdin=PASSWORD + "\n",
    )
    assert (result.exit_code, result.output) == (0, "ada@desk.example is admin now.\n")
    ada = db.session.scalars(sa.select(Person)).one()
    assert (ada.role, ada.name, ada.email) == (Role.ADMIN, "Ada", "ada@desk.example")
    assert passwords.matches(ada.password_hash, PASSWORD)
    assert ada.emails[0].proven_at is not None
    line = db.session.scalars(sa.select(AuditEntry)).one()
    assert (line.actor_name, line.action, line.to_value) == ("Command line", "created", "admin")


def test_without_a_password_one_signs_in_by_mail(app: Flask) -> None:
    assert user(email="a@x.example", name="A", role="customer").exit_code == 0
    assert db.session.scalars(sa.select(Person)).one().password_hash is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": "nope"},
        {"email": "known@desk.example"},
        {"name": ""},
        {"name": "x" * 201},
        {"name": "a\nb"},
        {"role": "king"},
        {"password_stdin": None},
    ],
)
def test_a_wrong_argument_is_one_clear_line(app: Flask, wrong: dict[str, str | None]) -> None:
    make_agent("known@desk.example")
    db.session.commit()
    result = user(**({"email": "a@x.example", "name": "A", "role": "agent"} | wrong))
    assert result.exit_code != 0
    assert result.output.splitlines()[-1].startswith("Error: ")
    assert "Traceback" not in result.output
    assert db.session.scalar(sa.select(sa.func.count(Person.id))) == 1


def test_an_invitation_goes_out(app: Flask) -> None:
    assert user("invite", email="p@desk.example", name="P", role="agent").exit_code == 0
    assert [mail.recipient for mail in mails("invitation")] == ["p@desk.example"]


def test_a_token_is_printed_and_works(app: Flask) -> None:
    agent = make_agent("p@desk.example")
    make_person("gone@x.example", is_active=False)
    db.session.commit()
    result = run("token", "create", "--email", "P@desk.example", "--name", "report")
    assert result.exit_code == 0
    with app.test_request_context():
        person = tokens.person_of_token(f"Bearer {result.output.strip()}", writes=True)
        assert person is not None
        assert person.id == agent.id
    for email in ("gone@x.example", "stranger@x.example", "nope"):
        refused = run("token", "create", "--email", email, "--name", "x")
        assert (refused.exit_code, refused.output.count("\n")) == (1, 1)

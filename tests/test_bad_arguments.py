"""Nonsense in commands and settings: one line that says what is wrong, and no traceback."""

from __future__ import annotations

import os
from pathlib import Path

import click
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from flask import Flask

from app.cli import cli
from app.core.db import db
from app.settings import Settings, SettingsError, load

HUGE = "9" * 5_000

COMMANDS: tuple[tuple[str, ...], ...] = (
    ("nonsense",),
    ("run", "--port", "nonsense"),
    ("run", "--port", "-1"),
    ("run", "--port", "70000"),
    ("run", "--nonsense"),
    ("user", "create"),
    ("user", "create", "--email", "nonsense", "--name", "x", "--role", "admin"),
    ("user", "create", "--email", "a@b.example", "--name", "", "--role", "admin"),
    ("user", "create", "--email", "a@b.example", "--name", "x" * 500, "--role", "admin"),
    ("user", "create", "--email", "a@b.example", "--name", "a\nb", "--role", "admin"),
    ("user", "create", "--email", "a@b.example", "--name", "x", "--role", "king"),
    ("user", "create", "--email", "a\udcff@b.example", "--name", "\udcff", "--role", "agent"),
    ("user", "invite", "--email", "a@b.example", "--name", "x", "--role", "customer"),
    ("token", "create", "--email", "nobody@b.example", "--name", "x"),
    ("token", "create", "--email", "\udcff", "--name", "x"),
    ("demo", "--tickets", "-1"),
    ("demo", "--tickets", "many"),
    ("demo", "--seed", "x"),
    ("mail", "ingest", "--mailbox", "nobody@b.example"),
    ("mail", "ingest", "--mailbox", "\udcff"),
    ("outbox", "send"),
    ("sla", "nonsense"),
    ("report", "--start", "nonsense", "--end", "2026-02-30"),
    ("report", "--start", "2026-02-01", "--end", "2026-01-01"),
    ("report", "--start", "2026-01-01", "--end", "2026-02-01", "--agent", "\udcff"),
    ("backup", "/nowhere/there"),
)


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_commands(app: Flask, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """One line (or click's usage and one line), and no success."""
    environ: Settings = app.extensions["settings"]
    monkeypatch.setenv("DESKHAND_DATA_DIR", str(environ.data_dir))
    monkeypatch.setattr("app.create_app", lambda: app)
    result = CliRunner().invoke(cli, arguments, input="")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code != 0
    lines = [line for line in result.output.splitlines() if line.strip()]
    assert len([line for line in lines if not line.startswith(("Usage:", "Try "))]) == 1, lines


def test_a_database_without_tables(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to do is told, not what the database said; the same on both."""

    @click.command()
    def ask() -> None:
        db.session.execute(sa.text("select 1 from not_made_yet"))

    monkeypatch.setattr("app.accounts.commands.user", ask)
    monkeypatch.setattr("app.create_app", lambda: app)
    result = CliRunner().invoke(cli, ["user"])
    db.session.rollback()
    assert (result.exit_code, result.output) == (
        1,
        "Error: the database lacks a table: run deskhand db upgrade\n",
    )


SETTINGS = {
    "BASE_URL": ("nonsense", "http://", "http://[", "javascript:alert(1)", "http://a:99999999"),
    "DATABASE_URL": ("nonsense", "sqlite://", "mysql://a/b", "postgresql://a:b:c/d"),
    "REDIS_URL": ("nonsense", "http://a", "redis://[", "redis://a:port"),
    "SMTP_URL": ("nonsense", "http://a", "smtp://[", "smtp://a:port", "smtp://"),
    "IMAP_URL": ("nonsense", "imap://[", "imap://a:port"),
    "STORAGE_URL": ("nonsense", "s3://x", "file://["),
    "MAIL_FROM": ("nonsense", "a@", "@", "a@b@c", "a b@c.example"),
    "TRUSTED_PROXIES": ("-1", "many", "11", "1.5", "²"),
    "RATE_LIMITS": ("perhaps", "2"),
    "OUTBOUND_ALLOW": ("nonsense", "example.com", "10.0.0.1/8", "256.1.1.1", "10.0.0.0/33"),
    "FORM_MIN_SECONDS": ("soon", "-1", "nan", "inf", HUGE),
    "LOG_LEVEL": ("loud",),
    "SECRET_KEY": ("short",),
    "NONSENSE": ("1",),
    "DATA_DIR": ("/proc/nowhere", "/dev/null/x", "/" + "x" * 300),
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, v) for n, values in SETTINGS.items() for v in values]
)
def test_settings(name: str, value: str, tmp_path: Path) -> None:
    environ = {"DESKHAND_DATA_DIR": str(tmp_path), f"DESKHAND_{name}": value}
    with pytest.raises(SettingsError, match=f"DESKHAND_{name}") as told:
        load(environ)
    assert len(str(told.value).splitlines()) == 1
    assert "convert" not in str(told.value), "Python's words for itself"


def test_a_dotenv_that_is_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", {"DESKHAND_DATA_DIR": str(tmp_path)})
    (tmp_path / ".env").write_bytes(b"\xff\xfe\0DESKHAND_X")
    with pytest.raises(SettingsError, match=r"\.env"):
        load()

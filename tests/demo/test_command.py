"""``deskhand demo`` as people call it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.demo.commands import demo

ROOT = Path(__file__).resolve().parent.parent.parent


def _deskhand(folder: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    plain = {key: value for key, value in os.environ.items() if not key.startswith("DESKHAND_")}
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env=plain | {"DESKHAND_DATA_DIR": str(folder), "DESKHAND_LOG_LEVEL": "ERROR"} | environ,
        capture_output=True,
        text=True,
        timeout=300,
    )


def _tickets(folder: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(folder / "deskhand.db") as connection:
        return connection.execute("select number, subject from ticket order by id").fetchall()


@pytest.mark.slow
def test_same_seed_same_desk_and_never_into_a_desk_in_use(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert _deskhand(tmp_path / name, "db", "upgrade").returncode == 0
        done = _deskhand(tmp_path / name, "demo", "--tickets", "20", "--seed", "5")
        assert done.returncode == 0, done.stderr
        assert "Their password is " in done.stdout
    assert len(_tickets(tmp_path / "one")) == 20
    assert _tickets(tmp_path / "one") == _tickets(tmp_path / "two")

    again = _deskhand(tmp_path / "one", "demo", "--tickets", "20")
    assert again.returncode == 1
    assert again.stderr == (
        "Error: this desk has tickets already; demo data needs an empty database\n"
    )
    assert len(_tickets(tmp_path / "one")) == 20


@pytest.mark.slow
def test_password_comes_from_the_environment(tmp_path: Path) -> None:
    assert _deskhand(tmp_path, "db", "upgrade").returncode == 0
    short = _deskhand(tmp_path, "demo", "--tickets", "1", DESKHAND_DEMO_PASSWORD="short")
    assert short.returncode == 1
    assert "DESKHAND_DEMO_PASSWORD" in short.stderr
    done = _deskhand(tmp_path, "demo", "--tickets", "1", DESKHAND_DEMO_PASSWORD="long enough")
    assert done.returncode == 0
    assert "password" not in done.stdout


@pytest.mark.parametrize("count", ["0", "-3", "x", "99999999999"])
def test_number_of_tickets_is_checked(count: str) -> None:
    refused = CliRunner().invoke(demo, ["--tickets", count])
    assert refused.exit_code == 2
    assert "'--tickets'" in refused.output

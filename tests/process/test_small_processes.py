"""Processes that only store mails load no pages: one starts for each mail of a pipe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.conftest import own_app
from tests.process.test_run import environment
from tests.process.test_supervisor import ROOT

TELL = """
import atexit, sys
atexit.register(lambda: print("\\n".join(sys.modules)))
sys.argv = ["deskhand", "mail", "ingest"]
from app.cli import main
main()
"""
MAIL = b"From: ada@customer.example\r\nSubject: Help\r\nMessage-ID: <1@c.example>\r\n\r\nHelp\r\n"


@pytest.mark.real_commits
def test_a_pipe_loads_what_storing_needs(tmp_path: Path) -> None:
    with own_app(tmp_path):
        pass
    done = subprocess.run(
        [sys.executable, "-c", TELL],
        env=environment(tmp_path),
        cwd=ROOT,
        input=MAIL,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.decode().split())
    assert "app.mail.receiving" in loaded
    pages = {name for name in loaded if name.startswith(("app.desk", "app.tickets", "app.api"))}
    assert pages | (loaded & {"alembic", "flask_login", "wtforms", "marshmallow"}) == set()

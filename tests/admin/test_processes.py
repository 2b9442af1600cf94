"""What one process has changed, another one knows at its next request: caches are never stale."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVER = """
    import sys
    from app import create_app
    from app.core.settings_store import setting
    from app.accounts import directory
    from app.routing.rules import active_rules
    from app.sla.queries import active_policies
    from app.tickets import catalog, macros

    app = create_app()
    for line in sys.stdin:
        with app.app_context():
            print(eval(line), flush=True)
"""
CHANGE = """
    from app import create_app
    from app.accounts import directory, teams
    from app.accounts.models import Distribution, Person, Role
    from app.core.clock import utcnow
    from app.core.db import begin_write, db
    from app.core.settings_store import change_setting
    from app.admin import replacing
    from app.tickets.catalog_models import Category, Macro

    app = create_app()
    with app.app_context():
        begin_write()
        {}
        db.session.commit()
"""


class Server:
    """A process that has read everything, and answers with what it knows at each question."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SERVER)],
            cwd=ROOT,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, question: str) -> str:
        """The answer to a Python expression, in a request of its own."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    found = {key: value for key, value in os.environ.items() if not key.startswith("DESKHAND_")}
    found["DESKHAND_DATA_DIR"] = str(tmp_path)
    found["DESKHAND_REDIS_URL"] = "redis://127.0.0.1:1/0"
    command = [sys.executable, "-m", "app", "db", "upgrade"]
    subprocess.run(command, cwd=ROOT, env=found, check=True, capture_output=True)
    return found


@pytest.fixture
def server(environ: dict[str, str]) -> Iterator[Server]:
    found = Server(environ)
    yield found
    found.process.kill()
    found.process.wait()
    for stream in (found.process.stdin, found.process.stdout):
        assert stream
        stream.close()


def change(environ: dict[str, str], *lines: str) -> None:
    """Change something in another process, which then ends."""
    code = textwrap.dedent(CHANGE).format("\n        ".join(lines).replace("\n        ", "\n    "))
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environ, check=True)


@pytest.mark.requirement("R 13-4", "X59")
@pytest.mark.slow
def test_a_process_knows_at_once_what_another_has_changed(
    server: Server, environ: dict[str, str]
) -> None:
    name = "setting('site_name')"
    groups = "[(g.name, g.distribution.value) for g in directory.groups().values()]"
    categories = "[c.key for c in catalog.categories().values()]"
    policies = "[sorted(p.categories) for p in active_policies()][0]"
    shortcuts = "[m.name for m in macros.active()]"
    assert server.ask(name) == "Deskhand"
    assert server.ask(groups) == "[]"
    assert "'bug'" in server.ask(categories)
    assert server.ask(shortcuts) == "[]"
    change(environ, "change_setting('site_name', 'Ovens')", "db.session.add(Macro(name='Bye'))")
    assert server.ask(name) == "Ovens"
    assert server.ask(shortcuts) == "['Bye']"
    change(
        environ,
        "ada = Person(name='Ada', role=Role.ADMIN, created_at=utcnow())",
        "db.session.add(ada)",
        "db.session.flush()",
        "kind = dict(distribution=Distribution.NONE, is_private=False, member_ids=[ada.id])",
        "teams.save_group(None, name='Doors', by=ada, now=utcnow(), **kind)",
    )
    assert server.ask(groups) == "[('Doors', 'none')]"
    assert server.ask(policies) == "[]"
    change(
        environ,
        "from app.sla.models import SlaPolicy",
        "db.session.get_one(SlaPolicy, 1).categories = [6]",
        "db.session.flush()",
        "old, new = (db.session.get_one(Category, key) for key in (6, 1))",
        "ada = db.session.query(Person).filter_by(name='Ada').one()",
        "replacing.delete(old, new, by=ada, now=utcnow())",
    )
    assert "'bug'" not in server.ask(categories)
    assert server.ask(policies) == "[1]"

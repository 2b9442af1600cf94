"""Which migration a database must have before anything works with it."""

from __future__ import annotations

from pathlib import Path

from alembic.script import ScriptDirectory

from app.core.migrating import newest_migration
from app.core.places import ROOT


def test_the_newest_migration_is_found_as_alembic_finds_it(tmp_path: Path) -> None:
    folder = ROOT / "migrations"
    newest = ScriptDirectory(str(folder)).get_current_head()
    assert newest_migration(folder / "versions") == newest
    (tmp_path / "a.py").write_text('revision = "0001"\ndown_revision = None\n')
    (tmp_path / "b.py").write_text('revision: str = "ab12"\ndown_revision: str = "0001"\n')
    assert newest_migration(tmp_path) == "ab12"

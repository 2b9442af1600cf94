"""What set-up relies on: the locks, and what is copied for the pages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-npm.lock")


@pytest.mark.parametrize("name", [*PYTHON_LOCKS, "package-lock.json"])
def test_a_lock_names_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    if name == "package-lock.json":
        packages = json.loads(text)["packages"].values()
        assert not any("resolved" in package for package in packages)
    else:
        assert not re.search(r"https?://|--index|--find-links|--extra-index|file:", text)


@pytest.mark.parametrize("name", PYTHON_LOCKS)
def test_every_locked_package_has_a_hash(name: str) -> None:
    entries = re.split(r"\n(?=[a-z0-9])", (ROOT / name).read_text())
    assert entries
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []


def test_development_runs_the_versions_that_production_runs() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^([\w.-]+==[\w.]+)", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_the_locks_know_every_dependency() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    wanted = re.search(r"^dependencies = \[(.*?)^\]", project, re.DOTALL | re.MULTILINE)
    assert wanted
    names = re.findall(r'^\s+"([\w-]+)', wanted[1], re.MULTILINE)
    lock = (ROOT / "requirements.lock").read_text()
    assert [name for name in names if not re.search(rf"^{name}==", lock, re.MULTILINE)] == []


def test_every_listed_icon_is_in_the_sprite() -> None:
    lines = (ROOT / "static" / "icons.txt").read_text().splitlines()
    listed = {line.strip() for line in lines if line.strip() and not line.startswith("#")}
    sprite = (ROOT / "static" / "vendor" / "icons.svg").read_text()
    assert set(re.findall(r'<symbol id="([\w-]+)"', sprite)) == listed


def test_the_stylesheet_of_the_font_names_files_that_are_there() -> None:
    folder = ROOT / "static" / "vendor" / "inter"
    names = re.findall(r"url\(([\w.-]+)\)", (folder / "inter.css").read_text())
    assert "inter-latin-wght-normal.woff2" in names
    assert [name for name in names if not (folder / name).is_file()] == []


def test_the_supervisor_loads_neither_flask_nor_the_database() -> None:
    program = (
        "import sys, app.cli, app.process.commands\n"
        "print(sorted({'flask', 'sqlalchemy', 'redis', 'rq'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_a_wheel_carries_pages_front_end_packages_migrations_and_handbook(tmp_path: Path) -> None:
    source = tmp_path / "source"
    left_out = shutil.ignore_patterns(".*", "node_modules", "instance", "tests", "__pycache__")
    shutil.copytree(ROOT, source, ignore=left_out)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "--wheel-dir", tmp_path, source], check=True)
    (wheel,) = tmp_path.glob("deskhand-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
        archive.extractall(tmp_path / "installed")
    for folder in ("templates", "static", "migrations", "docs"):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file() and p.suffix != ".pyc"]
        files = [p for p in files if p.name != "screenshot.png"]  # the README's alone
        assert files
        assert {f"app/{path.relative_to(ROOT)}" for path in files} <= packed
    assert {"app/static/vendor/htmx.min.js", "worker/run.py", "wsgi.py"} <= packed
    program = "from app.help.contents import handbook; print(handbook().find('settings').title)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path / "installed",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "Settings\n"

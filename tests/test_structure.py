"""Rules about all routes, templates, jobs and settings."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import nodes

from app.core.jobs import Job
from app.settings import NAMES, PREFIX

ROOT = Path(__file__).resolve().parent.parent
ACCESS = {"everyone", "signed_in", "agent", "supervisor", "admin", "token"}
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PAGES = [path for path in TEMPLATES if "email" not in path.parts]


def test_every_route_declares_its_access(app: Flask) -> None:
    undeclared = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "access", None) not in ACCESS
        and rule.endpoint != "static"
    ]
    assert undeclared == []


def test_desk_routes_are_for_agents_alone(app: Flask) -> None:
    open_ones = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/desk")
        and app.view_functions[rule.endpoint].access not in {"agent", "supervisor", "admin"}  # type: ignore[attr-defined]
    ]
    assert open_ones == []


def test_paths_are_kebab_case(app: Flask) -> None:
    literal = [re.sub(r"<[^>]*>", "", rule.rule) for rule in app.url_map.iter_rules()]
    assert [path for path in literal if not re.fullmatch(r"[a-z0-9/.\-]*", path)] == []


def test_no_path_both_reads_and_changes_in_one_view(app: Flask) -> None:
    """GET never changes anything: a view that takes POST too must look at the method."""
    unsafe = {"POST", "PUT", "PATCH", "DELETE"}
    views: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        if not rule.endpoint.startswith("api"):
            views.setdefault(rule.endpoint, set()).update(rule.methods or ())
    mixed = {name for name, methods in views.items() if "GET" in methods and methods & unsafe}
    for name in mixed:
        function = app.view_functions[name]
        source = ast.unparse(ast.parse(_source(function)))
        assert "validate_on_submit" in source or "request.method" in source, name


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_template_keeps_to_the_content_security_policy(path: Path) -> None:
    text = path.read_text()
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>|\sstyle=|<style|\son[a-z]+=\"", text)
    assert inline == []
    assert re.findall(r"(?:src|href)=\"https?://", text) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_template_parses_and_its_blocks_import_what_they_use(app: Flask, path: Path) -> None:
    """A block rendered alone sees no import of its file's top level."""
    tree = app.jinja_env.parse(path.read_text())
    top = {
        name if isinstance(name, str) else name[1]
        for node in tree.body
        if isinstance(node, nodes.FromImport)
        for name in node.names
    }
    for block in tree.find_all(nodes.Block):
        inside = {
            name if isinstance(name, str) else name[1]
            for node in block.find_all(nodes.FromImport)
            for name in node.names
        }
        used = {node.name for node in block.find_all(nodes.Name) if node.ctx == "load"}
        assert not (used & top) - inside, f"{block.name} needs its own import"


def test_every_job_resolves() -> None:
    jobs = import_module("worker.jobs")
    assert [job.value for job in Job if not callable(getattr(jobs, job.value, None))] == []


def test_every_job_is_on_the_schedule() -> None:
    schedule = import_module("worker.schedule")
    assert set(schedule.SECONDS_BETWEEN) == {job.value for job in Job}


def test_the_table_in_the_readme_has_every_setting_and_no_other() -> None:
    lines = re.findall(rf"^\| `{PREFIX}(\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert sorted(lines) == sorted(NAMES)


def test_only_core_reads_the_clock() -> None:
    readers = [
        str(path.relative_to(ROOT))
        for path in [*(ROOT / "app").rglob("*.py"), *(ROOT / "worker").rglob("*.py")]
        if re.search(r"datetime\.(now|utcnow)\(|date\.today\(", path.read_text())
        and path.name != "clock.py"
    ]
    assert readers == []


def _source(function: object) -> str:
    import inspect
    import textwrap

    return textwrap.dedent(inspect.getsource(inspect.unwrap(function)))  # type: ignore[arg-type]

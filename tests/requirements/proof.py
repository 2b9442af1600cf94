"""The requirements, and the tests that show each of them.

``requirements.toml`` names every line once; a test says which lines it shows with
``@pytest.mark.requirement("R 4-5", "X1")``. Each run of pytest notes how its tests ended, and
``make requirements`` collects the marks, writes docs/requirements.md, and fails on a line that
nothing shows, on an unknown line, and, in the continuous integration, on a marked test that
passed in none of the runs made.
"""

from __future__ import annotations

import io
import os
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "requirements.md"
KEPT = "requirements/passed"
HEAD = """# Requirements and the tests that show them

Made by `make requirements` from `tests/requirements.toml` and from the marks on the tests. R lines
are what Deskhand is asked to do. X lines are faults that are easily made in doing so: each is
stated as the fault, and its tests show the opposite. *Here* says where Deskhand's rule differs.
"""


class Outcomes:
    """Adds the tests that passed to those of earlier runs; runs of many processes as well."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.passed: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and report.passed:
            self.passed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workerinput") or self.config.option.collectonly:
            return  # a worker's reports reach the process that started it
        assert self.config.cache is not None
        earlier = self.config.cache.get(KEPT, [])
        self.config.cache.set(KEPT, sorted(self.passed.union(earlier)))


class Marks:
    """Collects which tests are marked with which lines."""

    def __init__(self) -> None:
        self.lines_by_test: dict[str, set[str]] = {}
        self.beside: set[str] = set()  # tests that need what lies beside the project
        self.passed: set[str] = set()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            marks = [mark.args for mark in item.iter_markers("requirement")]
            if marks:
                self.lines_by_test[item.nodeid] = {line for args in marks for line in args}
                if "corpora" in getattr(item, "fixturenames", ()):
                    self.beside.add(item.nodeid)
        assert session.config.cache is not None
        self.passed.update(session.config.cache.get(KEPT, []))


def read_lines() -> dict[str, dict[str, str]]:
    """Return section -> line -> its words in Markdown."""
    with (ROOT / "tests" / "requirements.toml").open("rb") as file:
        sections: dict[str, dict[str, Any]] = tomllib.load(file)
    return {
        title: {
            line: words if isinstance(words, str) else f"{words['asked']} *Here: {words['here']}*"
            for line, words in lines.items()
        }
        for title, lines in sections.items()
    }


def write_page(sections: dict[str, dict[str, str]], tests_by_line: dict[str, set[str]]) -> str:
    """Return the page; its order depends on nothing but names."""
    parts = [HEAD]
    for title, lines in sections.items():
        parts.append(f"\n## {title}\n\n")
        for line, words in lines.items():
            parts.append(f"- **{line}** {words}\n")
            names: dict[str, set[str]] = defaultdict(set)
            for test in tests_by_line[line]:
                path, _, name = test.partition("::")
                names[path].add(name.partition("[")[0])
            for path in sorted(names):
                shown = ", ".join(f"`{name}`" for name in sorted(names[path]))
                parts.append(f"  - [{path}](../{path}): {shown}\n")
    return "".join(parts)


def tell(heading: str, things: Iterable[str]) -> bool:
    """Print what is wrong, if anything is."""
    found = list(things)
    if found:
        print(f"{heading}:\n  " + "\n  ".join(found), file=sys.stderr)  # noqa: T201
    return bool(found)


def main() -> int:
    """Write the page; return 0 if every line is shown."""
    in_ci = os.environ.get("CI") == "true"
    marks = Marks()
    with redirect_stdout(io.StringIO()) as printed:
        status = pytest.main(["--collect-only", "-qq"], plugins=[marks])
    if status:
        sys.stderr.write(printed.getvalue())
        return int(status)

    sections = read_lines()
    known = [line for lines in sections.values() for line in lines]
    tests_by_line: dict[str, set[str]] = {line: set() for line in known}
    unknown = set()
    for test, lines in marks.lines_by_test.items():
        for line in lines:
            if line in tests_by_line:
                tests_by_line[line].add(test)
            else:
                unknown.add(f"{line}  {test}")
    unproven = sorted(marks.lines_by_test.keys() - marks.passed)
    wrong = [
        tell("Lines that are not in tests/requirements.toml", sorted(unknown)),
        tell("Lines that no test shows", (line for line in known if not tests_by_line[line])),
        tell("Marked tests that need ../shared", sorted(marks.beside)),
        in_ci and tell("Marked tests that passed in none of the runs", unproven),
    ]
    page = write_page(sections, tests_by_line)
    if not PAGE.exists() or PAGE.read_text() != page:
        PAGE.write_text(page)
        wrong.append(in_ci and tell("Not as committed; run make requirements", [PAGE.name]))
    return int(any(wrong))


if __name__ == "__main__":
    sys.exit(main())

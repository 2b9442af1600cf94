"""What the handbook says of rules, as the code has them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.api.models import KEPT_FOR
from app.cli import COMMANDS
from app.core.settings_store import DEFAULTS
from app.integrations import context, deliveries
from app.integrations.announcing import EVENTS
from app.tickets import keys
from app.tickets.attachments import DAYS_WITHOUT_ROW
from app.tickets.words import TRANSITIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def tables(name: str) -> list[list[list[str]]]:
    """The tables of a document: lines of cells, without the head."""
    text = (DOCS / name).read_text("utf-8")
    found = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    cells = [[line.strip("|\n ").split(" | ") for line in block.splitlines()] for block in found]
    return [lines[2:] for lines in cells]


@pytest.mark.requirement("R 13-17")
def test_the_changes_of_status_are_those_that_the_desk_allows() -> None:
    told = next(lines for lines in tables("workflow.md") if len(lines) == 7 and len(lines[0]) == 2)
    expected = {old.label: [status.label for status in new] for old, new in TRANSITIONS.items()}
    expected["Cancelled"] = ["Open", "by a supervisor or an admin"]
    assert {old: new.split(", ") for old, new in told} == expected


def test_the_points_of_priority_are_those_of_the_settings() -> None:
    lines = tables("assignment.md")[0]
    points = dict(lines)
    named = next(what for what in points if what.startswith("each different urgent word"))
    assert named.partition(": ")[2].split(", ") == DEFAULTS["priority_words"]
    assert points[named] == str(DEFAULTS["priority_word_points"])
    tiers = DEFAULTS["priority_tier_points"].values()
    assert lines[0][1] == ", ".join(map(str, tiers))
    categories = DEFAULTS["priority_category_points"].values()
    assert lines[1][1] == ", ".join(map(str, categories))
    assert points["any other category"] == str(DEFAULTS["priority_other_category_points"])
    text = (DOCS / "assignment.md").read_text("utf-8")
    cut = DEFAULTS["priority_cut_offs"]
    assert f"{cut['critical']} points and more make it critical, {cut['high']} high" in text


def test_every_event_of_webhooks_is_told() -> None:
    text = (DOCS / "webhooks.md").read_text("utf-8")
    assert [event for event in EVENTS if f"`{event}`" not in text] == []


def test_what_is_kept_is_kept_as_long_as_told() -> None:
    told = dict(next(lines for lines in tables("operations.md") if lines[0][0].startswith("tick")))

    def days(*words: str) -> list[int]:
        [text] = [long for what, long in told.items() if all(word in what for word in words)]
        return [int(number) for number in re.findall(r"\d+", text)]

    assert days("files") == [DAYS_WITHOUT_ROW]
    assert days("why") == [DEFAULTS["days_to_keep_decisions"]]
    assert (days("bytes"), DEFAULTS["days_to_keep_raw_mails"]) == ([], 0)
    assert days("webhooks") == [deliveries.KEPT_DAYS.days]
    assert days("links to a ticket") == [keys.LIFETIME.days]
    assert days("another program") == [context.KEPT_FOR.total_seconds() / 3_600]
    assert days("API") == [KEPT_FOR.total_seconds() / 3_600]


def test_every_key_is_told_as_the_sheet_tells_it() -> None:
    script = (DOCS.parent / "static" / "js" / "shortcuts.js").read_text("utf-8")
    keys = re.findall(r'^ +\["(\S+)", "([^"]+)"(?:\]|, .*\]),$', script, re.MULTILINE)
    assert len(keys) > 10
    told = next(lines for lines in tables("desk.md") if lines[0][0] == "`j`")
    assert [tuple(line) for line in told] == [(f"`{key}`", does) for key, does in keys]


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_commands_that_are_shown_are_there(path: Path) -> None:
    shown = re.findall(
        r"(?:^|`|bin/)deskhand ([a-z]+)\b(?! - )", path.read_text("utf-8"), re.MULTILINE
    )
    assert {name for name in shown if name not in COMMANDS} == set()


def test_every_area_of_the_code_stands_in_the_architecture() -> None:
    areas = {path.parent.name for path in (DOCS.parent / "app").glob("*/__init__.py")}
    text = (DOCS / "architecture.md").read_text("utf-8")
    assert {area for area in areas if f"`app/{area}`" not in text} == set()

"""The priority score, part by part."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.core.settings_store import DEFAULTS
from app.tickets.prioritising import Score, find_words, score
from app.tickets.words import Priority

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WEIGHTS = {key: value for key, value in DEFAULTS.items() if key.startswith("priority_")}
WORDS = DEFAULTS["priority_words"]


def points(subject: str = "Hello", text: str = "", **facts: Any) -> Score:
    """The score of a quiet ticket of a free customer in a category of 10, plus *facts*."""
    quiet: dict[str, Any] = {
        "tier": "free",
        "category_key": "general",
        "has_files": False,
        "earlier": 0,
        "last_at": None,
        "now": NOW,
        "weights": WEIGHTS,
    }
    return score(subject, text, **(quiet | facts))


@pytest.mark.requirement("R 5-1")
@pytest.mark.parametrize(
    ("tier", "total"),
    [("enterprise", 30), ("premium", 20), ("standard", 10), ("free", 0), ("unheard of", 0)],
)
def test_tier_gives_points(tier: str, total: int) -> None:
    assert points(tier=tier).total == 10 + total


@pytest.mark.requirement("R 5-2")
@pytest.mark.parametrize(
    ("key", "total"),
    [
        ("billing", 50),
        ("technical", 40),
        ("account", 30),
        ("feature_request", 20),
        ("general", 10),
        ("bug", 10),
        ("one_of_our_own", 10),
    ],
)
def test_category_gives_points(key: str, total: int) -> None:
    assert points(category_key=key).total == total


@pytest.mark.requirement("R 5-4")
@pytest.mark.parametrize(
    ("facts", "extra"),
    [
        ({"has_files": True}, 5),
        ({"earlier": 5}, 0),
        ({"earlier": 6}, 10),
        ({"last_at": NOW - timedelta(hours=24)}, 0),
        ({"last_at": NOW - timedelta(hours=23, minutes=59)}, 5),
        ({"has_files": True, "earlier": 60, "last_at": NOW - timedelta(minutes=1)}, 20),
    ],
)
def test_files_and_earlier_tickets_give_points(facts: dict[str, Any], extra: int) -> None:
    assert points(**facts).total == 10 + extra


@pytest.mark.requirement("R 1-7", "R 5-5")
@pytest.mark.parametrize(
    ("total", "priority"),
    [
        (80, Priority.CRITICAL),
        (79, Priority.HIGH),
        (60, Priority.HIGH),
        (59, Priority.NORMAL),
        (40, Priority.NORMAL),
        (39, Priority.LOW),
        (0, Priority.LOW),
    ],
)
def test_cut_offs_are_reached_by_equal_points(total: int, priority: Priority) -> None:
    weights = WEIGHTS | {"priority_category_points": {"general": total}}
    assert points(weights=weights).priority is priority


@pytest.mark.requirement("X26")
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("URGENT!!! The printer is down.", ["urgent", "down"]),
        ("A breakdown, sheer terror, downstairs and criticality", []),
        ("down, down, Down and DOWN", ["down"]),
        ("It is not working", ["not working"]),
        ("It is not\r\n\t working", ["not working"]),
        ("It is not, working", []),
        ("It is notworking", []),
        ("I cannot\u00a0access it", ["cannot access"]),
        ("down_time and 2down", []),
        ("shut-down", ["down"]),
        ("«error»", ["error"]),
        ("errör erroré", []),
        ("error\u0301", []),
        ("the site is down", ["down"]),
        ("down", ["down"]),
        ("", []),
        ("\x00down\ud800", ["down"]),
    ],
)
def test_words_count_whole_and_once(text: str, found: list[str]) -> None:
    assert find_words(text, WORDS) == found


@pytest.mark.parametrize(
    ("text", "words", "found"),
    [
        ("Es ist GROSSES Pech", ["großes"], ["großes"]),
        ("cafe\u0301 zu", ["caf\u00e9"], ["caf\u00e9"]),
        ("срочно, пожалуйста", ["Срочно"], ["Срочно"]),
        ("несрочно", ["срочно"], []),
        ("これは緊急です", ["緊急"], ["緊急"]),
        ("ระบบล่มแล้ว", ["ล่ม"], ["ล่ม"]),
        ("not working hours", ["not working", "working hours"], ["not working", "working hours"]),
        ("the c++ build", ["c++"], ["c++"]),
        ("urgent", ["urgent", "URGENT", " ", ""], ["urgent"]),
    ],
)
def test_words_of_any_script_are_found(text: str, words: list[str], found: list[str]) -> None:
    assert find_words(text, words) == found


@pytest.mark.requirement("R 5-3")
def test_each_distinct_word_of_subject_and_text_gives_points() -> None:
    assert points("Urgent: down", "urgent, down, asap").total == 10 + 3 * 15


def test_no_phrase_spans_subject_and_text() -> None:
    assert points("We cannot", "access is fine").total == 10


@pytest.mark.requirement("X25")
def test_everything_is_told_in_parts_that_add_up() -> None:
    result = points(
        "Invoice error",
        tier="premium",
        category_key="billing",
        has_files=True,
        earlier=6,
        last_at=NOW - timedelta(hours=1),
    )
    assert result.parts == [
        ("Premium tier", 20),
        ("Category billing", 50),
        ("Urgent word “error”", 15),
        ("Files attached", 5),
        ("More than 5 earlier tickets", 10),
        ("Another ticket in the last 24 hours", 5),
    ]
    assert result.total == sum(count for _, count in result.parts) == 105
    assert result.summary == "Critical: 105 points, at least 80."
    assert result.details[0] == {"text": "Premium tier: 20 points", "points": 20}


def test_low_is_told_by_the_cut_off_that_was_missed() -> None:
    assert points().summary == "Low: 10 points, under 40."


@pytest.mark.requirement("R 5-6", "X25")
def test_weights_words_and_cut_offs_are_settings() -> None:
    weights = WEIGHTS | {
        "priority_words": ["kaputt"],
        "priority_word_points": 7,
        "priority_cut_offs": {"critical": 17, "high": 16, "normal": 15},
    }
    result = points("Kaputt", "urgent", weights=weights)
    assert (result.total, result.priority) == (17, Priority.CRITICAL)


@pytest.mark.parametrize(
    "text",
    [
        "downdown" * 125_000,
        "cannot " * 140_000,
        "e\u0301 " * 330_000,
        "\u0301\u0323" * 500_000,
        "x" * 1_000_000,
        " " * 1_000_000,
    ],
    ids=["inside words", "half phrases", "accents", "only accents", "one word", "blanks"],
)
def test_a_megabyte_takes_no_time(text: str) -> None:
    started = time.process_time()
    assert find_words(text, WORDS) == []
    assert time.process_time() - started < 1

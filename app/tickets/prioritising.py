"""The priority of a new ticket from points: pure, and told part by part."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from app.tickets.words import Priority


@dataclass(frozen=True, slots=True)
class Score:
    """Points and what they make.

    Attributes:
        parts: what gave how many points, in words.
        reason: how the sum became the priority, in words.
    """

    total: int
    parts: list[tuple[str, int]]
    priority: Priority
    reason: str

    @property
    def summary(self) -> str:
        """One line for the Why tab."""
        return f"{self.priority.label}: {_points(self.total)}, {self.reason}."

    @property
    def details(self) -> list[dict[str, Any]]:
        """The parts for the Why tab."""
        return [
            {"text": f"{label}: {_points(points)}", "points": points}
            for label, points in self.parts
        ]


def score(
    subject: str,
    text: str,
    *,
    tier: str,
    category_key: str,
    has_files: bool,
    earlier: int,
    last_at: datetime | None,
    now: datetime,
    weights: Mapping[str, Any],
) -> Score:
    """Add up the points of a new ticket. Linear in the length of the texts.

    Args:
        text: what was written now, without quotes and signature.
        tier: of the requester; one that *weights* does not know gives nothing.
        has_files: whether files came along, not counting images shown in the text.
        earlier: how many tickets the requester has had; counting may stop above the limit.
        last_at: when the latest of them was made.
        weights: the settings named ``priority_...``.
    """
    parts = [
        (f"{_words(tier)} tier", int(weights["priority_tier_points"].get(tier, 0))),
        (
            f"Category {_words(category_key).lower()}",
            int(
                weights["priority_category_points"].get(
                    category_key, weights["priority_other_category_points"]
                )
            ),
        ),
    ]
    # A full stop between the two, so that no phrase begins in one and ends in the other.
    for word in find_words(f"{subject} . {text}", weights["priority_words"]):
        parts.append((f"Urgent word “{word}”", int(weights["priority_word_points"])))
    if has_files:
        parts.append(("Files attached", int(weights["priority_attachment_points"])))
    if earlier > weights["priority_regular_after"]:
        label = f"More than {weights['priority_regular_after']} earlier tickets"
        parts.append((label, int(weights["priority_regular_points"])))
    hours = weights["priority_recent_hours"]
    if last_at is not None and now - last_at < timedelta(hours=hours):
        parts.append(
            (f"Another ticket in the last {hours} hours", int(weights["priority_recent_points"]))
        )
    total = sum(points for _, points in parts)
    return Score(total, parts, *_cut(total, weights["priority_cut_offs"]))


def _cut(total: int, cut_offs: Mapping[str, int]) -> tuple[Priority, str]:
    """The highest priority whose cut-off is reached, and why; below all of them it is low."""
    for priority in (Priority.CRITICAL, Priority.HIGH, Priority.NORMAL):
        least = cut_offs.get(priority.value)
        if least is not None and total >= least:
            return priority, f"at least {least}"
    return Priority.LOW, f"under {min(cut_offs.values(), default=0)}"


def find_words(text: str, words: Iterable[str]) -> list[str]:
    """Which of *words* stand in *text*, each once, in their own order and spelling.

    Whole words without regard to case; the words of a phrase may be parted by any white space. In
    scripts that write no blanks between words, a word is found wherever it stands.
    """
    haystack = _normal(text)
    found: dict[str, str] = {}
    for word in words:
        needle = _normal(word)
        if needle and needle not in found and _stands_in(haystack, needle):
            found[needle] = word
    return list(found.values())


def _stands_in(haystack: str, needle: str) -> bool:
    """True where *needle* occurs and neither end of it is inside a longer word."""
    at = haystack.find(needle)
    while at >= 0:
        end = at + len(needle)
        if not _joins(haystack[at - 1 : at], needle[0]) and not _joins(
            needle[-1], haystack[end : end + 1]
        ):
            return True
        at = haystack.find(needle, at + 1)
    return False


# Thai, Lao, Tibetan, Burmese, Khmer, kana, bopomofo, han: no blanks between words.
_NO_BLANKS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def _joins(left: str, right: str) -> bool:
    """True where two neighbouring characters (or "" at an end) belong to one word."""
    return _is_letter(left) and _is_letter(right)


@lru_cache(maxsize=4096)
def _is_letter(character: str) -> bool:
    """True for letters, digits, "_" and accents that stand on their own."""
    if not character or _NO_BLANKS.match(character):
        return False
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _normal(text: str) -> str:
    """One spelling for what reads alike: composed accents, no case, single blanks."""
    text = text.casefold()
    words = text.split()
    if not text.isascii():
        # Composing takes the square of the time for a long run of accents, so no long word is.
        words = [unicodedata.normalize("NFC", w) if len(w) < 100 else w for w in words]
    return " ".join(words)


def _words(key: str) -> str:
    """ "feature_request" -> "Feature request"."""
    return key.replace("_", " ").strip().capitalize()


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"

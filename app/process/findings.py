"""What ``deskhand doctor`` says of one thing that it looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from app.settings import Settings

ANSWER_SECONDS = 5.0  # that a server may take


class Level(StrEnum):
    """How much a finding wants somebody."""

    FINE = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at, how it is, and what to do about it."""

    level: Level
    about: str
    told: str
    mend: str = ""


Check = Callable[[Settings], Iterable[Finding]]


def fine(about: str, told: str) -> Finding:
    """All is well."""
    return Finding(Level.FINE, about, told)


def note(about: str, told: str, mend: str) -> Finding:
    """It works, and might be better."""
    return Finding(Level.NOTE, about, told, mend)


def wrong(about: str, told: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(Level.WRONG, about, told, mend)


def careful(about: str, check: Check, settings: Settings) -> Iterator[Finding]:
    """The findings of *check*; whatever breaks it is one more. The one boundary of its kind."""
    try:
        yield from check(settings)
    except Exception as error:
        told = str(error).strip().partition("\n")[0] or type(error).__name__
        yield wrong(about, f"cannot be looked at: {told}", "See to that first, then ask again.")

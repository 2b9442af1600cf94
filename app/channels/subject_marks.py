"""Marks that a customer sets in brackets at a subject's start: ``[urgent] [billing] Help``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.tickets.words import Priority

_run = re.compile(r"\s*(?:\[[^\[\]]{0,60}\]\s*){1,10}")
_mark = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Marks:
    """What the marks set; None where they set nothing. ``summary`` is for the Why tab."""

    priority: Priority | None = None
    category_id: int | None = None
    summary: str = ""


def read(subject: str, *, categories: Mapping[str, int], cap: Priority) -> Marks:
    """The first mark of each sort counts; others, such as ``[EXTERNAL]``, mean nothing.

    Args:
        categories: id by key or name, in lower case.
        cap: the highest priority that a customer's mark may set.
    """
    run = _run.match(subject)
    if run is None:
        return Marks()
    priority, category_id, told = None, None, []
    for mark in _mark.findall(run[0]):
        word = mark.strip().lower()
        if priority is None and (asked := _priority(word)) is not None:
            priority = max(asked, cap, key=lambda p: p.rank)
            told.append(f"[{mark}] asks for {asked.label}" + _capped(asked, priority))
        elif category_id is None and word in categories:
            category_id = categories[word]
            told.append(f"[{mark}] names the category")
    return Marks(priority, category_id, "; ".join(told))


def _priority(word: str) -> Priority | None:
    try:
        return Priority.parse(word)
    except ValueError:
        return None


def _capped(asked: Priority, given: Priority) -> str:
    return "" if asked is given else f", customers' marks set at most {given.label}"

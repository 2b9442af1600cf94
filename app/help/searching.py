"""Full text search in the handbook: some hundred sections, kept in memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from app.help.contents import Handbook

MOST_WORDS = 10
MOST_FOUND = 20
EXCERPT = 200  # characters


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of an excerpt; one of the words that were looked for, or what stands around them."""

    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A section that has all the words."""

    chapter: str
    title: str
    path: str
    excerpt: tuple[Piece, ...]


def search(handbook: Handbook, text: str) -> list[Found]:
    """Sections in which a word begins with each word of *text*; those that name it first."""
    words = [word.casefold() for word in re.findall(r"\w+", text)][:MOST_WORDS]
    if not words:
        return []
    patterns = [re.compile(rf"(?<!\w){re.escape(word)}", re.IGNORECASE) for word in words]
    found: list[tuple[int, Found]] = []
    for chapter in handbook.chapters:
        for section in chapter.sections:
            title = section.title or chapter.title
            own = f"{title}\n{section.text}"
            all_there = all(p.search(f"{own}\n{chapter.title}") for p in patterns)
            if not all_there or not any(p.search(own) for p in patterns):
                continue
            named = sum(bool(p.search(title)) for p in patterns)
            around = sum(bool(p.search(chapter.title)) for p in patterns)
            times = sum(len(p.findall(section.text)) for p in patterns)
            path = f"{chapter.path}#{section.anchor}" if section.anchor else chapter.path
            hit = Found(chapter.title, title, path, tuple(_excerpt(section.text, words)))
            found.append((100 * named + 20 * around + min(times, 15), hit))
    found.sort(key=lambda pair: -pair[0])
    return [hit for _, hit in found[:MOST_FOUND]]


def _excerpt(text: str, words: list[str]) -> Iterator[Piece]:
    """The text around the first hit, in pieces."""
    any_word = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})\w*", re.IGNORECASE)
    text = " ".join(text.split())
    first = any_word.search(text)
    start = max(0, first.start() - EXCERPT // 3) if first else 0
    start = text.rfind(" ", 0, start) + 1 if start else 0
    end = start + EXCERPT
    end = len(text) if end >= len(text) else text.rfind(" ", 0, end)
    position = start
    if start:
        yield Piece("… ", False)
    for hit in any_word.finditer(text, start, end):
        yield Piece(text[position : hit.start()], False)
        yield Piece(hit[0], True)
        position = hit.end()
    yield Piece(text[position:end] + (" …" if end < len(text) else ""), False)

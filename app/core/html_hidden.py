"""Foreign HTML without what nobody was meant to see (pure, linear).

Newsletters and notices begin with a hidden line for the list of the reader's mail program, and
keep a second page for phones. The cleaner drops their styles, so they would stand in the open.
"""

from __future__ import annotations

import re

MOST = 1_000_000  # characters of a document that are looked at

_maybe = re.compile(r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden|\shidden\b", re.I)
_hides = re.compile(
    r"\bstyle\s?=\s?(?:\"[^\"]*?|'[^']*?)(?<![-\w])(?:display\s{0,9}:\s{0,9}none"
    r"|visibility\s{0,9}:\s{0,9}hidden)|\shidden(?:\s|/|=|$)",
    re.IGNORECASE,
)
_ELEMENTS = ("div", "span", "p", "table", "tr", "td")
_start = re.compile(
    rf"<({'|'.join((*_ELEMENTS, 'img'))})\b((?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*')*+)>", re.IGNORECASE
)
_tags = {name: re.compile(rf"<(/?){name}\b[^<>]*>", re.IGNORECASE) for name in _ELEMENTS}
_comment_end = re.compile(r"^-?>|--!?>")


def visible(html: str) -> str:
    """*html* without elements that their own style hides; one that is never closed stays."""
    if len(html) > MOST or not _maybe.search(html):
        return html
    html = _without_comments(html)
    out: list[str] = []
    kept = position = 0
    unclosed: set[str] = set()
    while tag := _start.search(html, position):
        position, name = tag.end(), tag[1].lower()
        if name in unclosed or not _hides.search(tag[2]):
            continue
        if end := position if name == "img" else _end(html, name, position):
            out.append(html[kept : tag.start()])
            kept = position = end
        else:
            unclosed.add(name)
    return "".join(out) + html[kept:]


def _end(html: str, name: str, position: int) -> int:
    """Where the element *name*, opened before *position*, has ended; 0 where it never does."""
    depth = 1
    for tag in _tags[name].finditer(html, position):
        depth += -1 if tag[1] else 1
        if not depth:
            return tag.end()
    return 0


def _without_comments(html: str) -> str:
    """The same without comments, whose tags count for nothing (HTML standard, 13.2.5.43)."""
    first, *rest = html.split("<!--")
    out, is_inside = [first], False
    for piece in rest:
        end = _comment_end.search(piece)
        is_inside = end is None
        if end:
            out.append(piece[end.end() :])
    return "".join(out) if not is_inside else html

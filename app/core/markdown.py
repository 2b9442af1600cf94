"""Markdown (CommonMark, with tables) as safe HTML, and as sections of plain text to search."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what follows it up to the next one, as plain text.

    ``level`` is 0 and the title empty for what stands before the first heading. ``anchor`` is
    the heading's id in the HTML.
    """

    level: int
    anchor: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """A rendered text."""

    html: str
    sections: tuple[Section, ...]


def render(
    text: str,
    *,
    link: Callable[[str], str | None] | None = None,
    image: Callable[[str], str | None] | None = None,
    top: int = 1,
) -> Document:
    """*text* as HTML. HTML in it is shown as it is written; no address but harmless ones links.

    Args:
        link: the address that a link gets in place of its own; None leaves only its words.
        image: the address that an image gets in place of its own; None leaves only its words.
        top: the level of the highest headings: 2 where the page has its own ``<h1>``.
    """
    parser = _parser()
    tokens = parser.parse(text)
    seen: Counter[str] = Counter()
    for place, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{max(int(token.tag[1]), top)}"
            if token.nesting == 1:
                token.attrSet("id", _unique(slug(_plain(tokens[place + 1])), seen))
        elif token.tag in ("td", "th") and "style" in token.attrs:
            # Alignment as a class: our policy refuses styles in the page.
            style = str(token.attrs.pop("style"))
            token.attrSet("class", style.replace("text-align:", "align-"))
        elif token.children:
            if image is not None:
                token.children = [_with_image(child, image) for child in token.children]
            if link is not None:
                token.children = list(_with_links(token.children, link))
    html = str(parser.renderer.render(tokens, parser.options, {}))
    return Document(html, tuple(_sections(tokens)))


def slug(title: str) -> str:
    """The anchor that code hosts give a heading: links work there as they do here."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


@lru_cache(1)
def _parser() -> MarkdownIt:
    # Imported here: a few pages of the web server need it, the other processes never do.
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


def _unique(anchor: str, seen: Counter[str]) -> str:
    seen[anchor] += 1
    return anchor if seen[anchor] == 1 else f"{anchor}-{seen[anchor] - 1}"


def _with_image(token: Token, image: Callable[[str], str | None]) -> Token:
    if token.type != "image":
        return token
    source = image(str(token.attrs["src"]))
    if source is None:
        token.type, token.tag = "text", ""
    else:
        token.attrSet("src", source)
    return token


def _with_links(children: list[Token], link: Callable[[str], str | None]) -> Iterator[Token]:
    is_dropped = False  # links do not nest
    for token in children:
        if token.type == "link_open":
            target = link(str(token.attrs["href"]))
            is_dropped = target is None
            if target is None:
                continue
            token.attrSet("href", target)
        elif token.type == "link_close" and is_dropped:
            is_dropped = False
            continue
        yield token


def _sections(tokens: list[Token]) -> Iterator[Section]:
    level, anchor, title = 0, "", ""
    lines: list[str] = []
    is_heading = False
    for token in tokens:
        if token.type == "heading_open":
            if level or lines:
                yield Section(level, anchor, title, "\n".join(lines))
            level, anchor, lines = int(token.tag[1]), str(token.attrs["id"]), []
            is_heading = True
        elif token.type == "inline" and is_heading:
            title, is_heading = _plain(token), False
        elif token.type == "inline":
            lines.append(_plain(token))
        elif token.type in ("fence", "code_block"):
            lines.append(token.content.rstrip())
    if level or lines:
        yield Section(level, anchor, title, "\n".join(lines))


def _plain(token: Token) -> str:
    """The words of a line of text."""
    parts = (
        " " if child.type in ("softbreak", "hardbreak") else child.content
        for child in token.children or ()
    )
    return "".join(parts)

"""An article's Markdown as HTML that may stand on our pages, and as words to search."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import NamedTuple
from urllib.parse import unquote

from markupsafe import Markup

from app.core.html import TAG, sanitize_rendered
from app.core.text import printable

PLACE = "part-"  # before the ids of headings, so that none is mistaken for a part of the page
LEAST_PARTS = 3  # headings from which an article has a list of them
SUMMARY = 160  # characters
TABLE = '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>'

_heading = re.compile(rf'<h2 id="{PLACE}([^"]+)">(.*?)</h2>')
_sign = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """``html`` is safe; ``text`` has the words alone."""

    html: str
    text: str


class Part(NamedTuple):
    """A heading to go to."""

    anchor: str
    title: str


def render(body: str, pictures: Mapping[str, str]) -> Rendered:
    """An article's text.

    Args:
        pictures: where the article's own are served, by name. Of any other its words are left:
            our pages load nothing from elsewhere.
    """
    # Imported here: it brings the parser along, which a few pages need.
    from app.core.markdown import render as render_markdown

    body = printable(body)
    image = _places(pictures)
    document = render_markdown(body, link=_target, image=image, top=2)
    html = document.html.replace(' id="', f' id="{PLACE}')
    html = sanitize_rendered(html).replace("<table>", TABLE).replace("</table>", "</table></div>")
    words = (f"{section.title}\n{section.text}" for section in document.sections)
    return Rendered(html, "\n".join(words).strip())


def parts(html: str) -> list[Part]:
    """The headings of a rendered article, where there are enough of them to choose from."""
    found = [
        Part(f"{PLACE}{unescape(anchor)}", unescape(TAG.sub("", title)))
        for anchor, title in _heading.findall(html)
    ]
    return found if len(found) >= LEAST_PARTS else []


def safe(html: str) -> Markup:
    """A rendered article for a page."""
    return Markup(html)  # noqa: S704  (sanitised by `render`, before it was stored)


def slug(title: str) -> str:
    """The words of a title for an address: "How do I …?" is "how-do-i"; letters of any script."""
    plain = unicodedata.normalize("NFKC", title).lower()
    return _sign.sub("-", plain).strip("-")[:100].rstrip("-") or "article"


def excerpt(text: str) -> str:
    """The first words, for an article without a summary."""
    text = " ".join(text[: 2 * SUMMARY].split())
    return text if len(text) <= SUMMARY else f"{text[:SUMMARY].rsplit(' ', 1)[0]} …"


def _target(address: str) -> str:
    return f"#{PLACE}{address[1:]}" if address.startswith("#") else address


def _places(pictures: Mapping[str, str]) -> Callable[[str], str | None]:
    return lambda source: pictures.get(unquote(source))

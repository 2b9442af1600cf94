"""Foreign HTML made safe, and the way between HTML and plain text. All linear in the input."""

from __future__ import annotations

import html as stdlib_html
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

import nh3

from app.core import html_styles
from app.core.text import printable

MAX_HTML = 1_000_000  # characters of one document that are looked at; no person reads more
MAX_ESCAPES = 20_000  # of one text
MAX_TAGS = 3_000  # cleaned at once: the HTML parser walks the open tags for every tag

BLOCKS = {"address", "article", "aside", "blockquote", "center", "dd", "div", "dl", "dt"} | {
    *("figcaption", "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr"),
    *("li", "main", "nav", "ol", "p", "pre", "section", "table", "tr", "ul"),
}
_INLINE = {"a", "abbr", "b", "bdi", "bdo", "big", "br", "cite", "code", "del", "dfn", "em"} | {
    *(
        "font",
        "i",
        "img",
        "ins",
        "kbd",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
    ),
    *("sub", "sup", "time", "tt", "u", "var", "wbr"),
}
_TABLE_PARTS = {"caption", "col", "colgroup", "tbody", "td", "tfoot", "th", "thead"}
# Their content is no text for people, or is text only to a browser that runs what we do not.
_DROPPED_WHOLE = {"script", "style", "title", "iframe", "noembed", "noframes", "noscript"} | {
    *("object", "svg", "math", "template", "select", "audio", "video", "canvas"),
}


_language = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")


def _kept_value(tag: str, name: str, value: str) -> str | None:
    """What stays of an attribute's value; None drops the attribute."""
    if name == "style":
        return html_styles.classes_of(value) or None
    if name == "class":
        return " ".join(sorted(set(value.split()) & html_styles.CLASSES)) or None
    if name == "color":
        ink = html_styles.ink(value)
        return f"ink-{ink}" if ink else None
    if name == "lang":
        return value if _language.fullmatch(value) else None
    if name == "dir":
        return value if value.lower() in ("ltr", "rtl", "auto") else None
    if name == "role":
        return value if value == "presentation" else None
    if name == "src":
        return value if value.startswith(("cid:", "https://", "http://")) else None
    if name == "data-src":
        return value if value.startswith(("https://", "http://")) else None
    return value


_cleaner = nh3.Cleaner(
    tags=BLOCKS | _INLINE | _TABLE_PARTS,
    clean_content_tags=_DROPPED_WHOLE,
    attributes={
        "*": {"dir", "lang", "title", "style", "class"},
        "a": {"href"},
        "font": {"color"},
        "img": {"alt", "src", "data-cid", "data-src", "width", "height"},
        "ol": {"start", "type", "reversed"},
        "table": {"role"},
        "td": {"colspan", "rowspan"},
        "th": {"colspan", "rowspan"},
    },
    attribute_filter=_kept_value,
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto", "tel", "cid"},
    url_relative="deny",
)


def _kept_of_our_own(tag: str, name: str, value: str) -> str | None:
    """The same for HTML that we made of Markdown: pictures from here, places to link to."""
    if name == "src":
        return value if value.startswith("/") and not value.startswith("//") else None
    if name == "class":
        return value if value in ("align-left", "align-center", "align-right") else None
    return value


_rendered_cleaner = nh3.Cleaner(
    tags=BLOCKS | _INLINE | _TABLE_PARTS,
    clean_content_tags=_DROPPED_WHOLE,
    attributes={
        **{f"h{level}": {"id"} for level in range(1, 7)},
        "td": {"class"},
        "th": {"class"},
        "a": {"href", "title"},
        "img": {"src", "alt", "title"},
        "ol": {"start"},
    },
    attribute_filter=_kept_of_our_own,
    link_rel="noopener noreferrer nofollow",
    url_schemes={"http", "https", "mailto", "tel"},
    url_relative="pass_through",
)
# The cleaner writes canonical tags: every value in double quotes, with `"` inside it escaped.
_attribute = re.compile(r" ([a-z-]+)=\"([^\"]*)\"")
_image = re.compile(r"<img((?: [a-z-]+=\"[^\"]*\")*)>")
_empty_link = re.compile(r"<a(?: [a-z-]+=\"[^\"]*\")*>\s*</a>")
_cid_link = re.compile(r"(<a(?: [a-z-]+=\"[^\"]*\")*?) href=\"cid:[^\"]*\"")


def sanitize(html: str) -> str:
    """*html* with nothing in it that could run, load, style or be mistaken for our own page.

    No image is loaded: those inside the mail get ``data-cid`` (the Content-ID) in place of
    ``src``, remote ones ``data-src``; `with_images` shows them. Of styles a few classes of our own
    are left. Links open without an opener. The result is stable: cleaning it again changes nothing.
    """
    clean = "".join(map(_cleaner.clean, _pieces(html)))
    clean = _image.sub(_without_source, clean)
    if ' style="' in clean or ' color="' in clean:
        clean = _styled.sub(_with_classes, clean)
    return _cid_link.sub(r"\1", clean) if "cid:" in clean else clean


def sanitize_rendered(html: str) -> str:
    """What a Markdown renderer made, with nothing in it that could run, load from elsewhere or
    style: whatever the renderer lets through by a fault of its own ends here.

    Unlike a mail's, its links may lead to our own pages, and its headings keep their ids.
    """
    return "".join(map(_rendered_cleaner.clean, _pieces(html)))


_any_attribute = r"(?: [a-z-]+=\"[^\"]*\")*"
_styled = re.compile(rf"<[a-z0-9]+{_any_attribute}? (?:style|color)=\"[^\"]*\"{_any_attribute}>")


def _with_classes(tag: re.Match[str]) -> str:
    """The tag with the classes that the cleaner left as values of ``style`` and ``color``."""
    classes: set[str] = set()

    def take(attribute: re.Match[str]) -> str:
        if attribute[1] not in ("style", "color", "class"):
            return attribute[0]
        classes.update(attribute[2].split())
        return ""

    rest = _attribute.sub(take, tag[0])
    return f'{rest[:-1]} class="{" ".join(sorted(classes))}">'


def _without_source(image: re.Match[str]) -> str:
    attributes = dict(_attribute.findall(image[1]))
    source = attributes.pop("src", "")
    if source:
        name = "data-cid" if source.startswith("cid:") else "data-src"
        attributes[name] = source.removeprefix("cid:")
    if {attributes.get("width"), attributes.get("height")} & {"0", "1", "2"}:
        return ""  # a tracking pixel
    attributes.setdefault("alt", "")
    if not attributes["alt"] and not attributes.keys() & {"data-cid", "data-src"}:
        return ""
    return "<img" + "".join(f' {name}="{value}"' for name, value in attributes.items()) + ">"


def has_remote_images(clean: str) -> bool:
    """True where sanitised HTML names images of other servers."""
    return ' data-src="' in clean and any(
        ' data-src="' in image[1] for image in _image.finditer(clean)
    )


def with_images(clean: str, paths: Mapping[str, str], *, remote: bool = False) -> str:
    """Sanitised HTML with the images that may be loaded; of the others their words are left.

    Args:
        paths: where an image inside the mail is served, by Content-ID.
        remote: also those of other servers, over HTTPS.
    """

    def shown(image: re.Match[str]) -> str:
        attributes = dict(_attribute.findall(image[1]))
        content_id = stdlib_html.unescape(attributes.pop("data-cid", ""))
        elsewhere = attributes.pop("data-src", "")
        source = paths.get(content_id) or paths.get(unquote(content_id))
        if source:
            source = stdlib_html.escape(source)
        elif remote and elsewhere:
            source = elsewhere.replace("http://", "https://", 1)
        if not source:
            alt = attributes.get("alt", "")
            return f'<span class="no-picture">{alt}</span>' if alt else ""
        rest = "".join(f' {name}="{value}"' for name, value in attributes.items())
        return f'<img src="{source}" loading="lazy"{rest}>'

    if "<img" not in clean:
        return clean
    return _empty_link.sub("", _image.sub(shown, clean))


# Between what was written now and what is folded away: quoted mails, signatures. The cleaner
# drops comments, so that no mail can bring one of its own.
FOLD = "<!--fold-->"


def cut(clean: str, position: int) -> tuple[str, str]:
    """Sanitised HTML in two at a *position* between its tags; both are whole.

    Elements that end there are left to the first.
    """
    ends = _ends.match(clean, position)
    position = ends.end() if ends else position
    open_tags: list[tuple[str, str]] = []
    for tag in TAG.finditer(clean, 0, position):
        if tag[2] in _VOID:
            continue
        if not tag[1]:
            open_tags.append((tag[2], tag[0]))
        elif open_tags and open_tags[-1][0] == tag[2]:
            open_tags.pop()
    closing = "".join(f"</{name}>" for name, _ in reversed(open_tags))
    opening = "".join(tag for _, tag in open_tags)
    return clean[:position] + closing, opening + clean[position:]


_ends = re.compile(r"(?:\s*</[a-z0-9]+>)*")
_VOID = {"br", "col", "hr", "img", "wbr"}


# An image written into the mark-up is dropped like a remote one, before it fills the limit.
_data_url = re.compile(r"\bdata:[\w/+.-]{0,80}(?:;[\w=-]{1,40}){0,3};base64,[A-Za-z0-9+/=\s]*+")
_long_tag = re.compile(r"(<[a-zA-Z][^<>]{20000})[^<>]*+")  # its attributes are compared pairwise
_tag_start = re.compile(r"<(?=[/a-zA-Z])")
# Longer than a tag can be by now; from its first character alone, else a shorter one takes long.
_long_text = re.compile(r"(?<![^<>])[^<>]{20002,}")


def _pieces(html: str) -> Iterator[str]:
    """*html* in pieces so small that nothing senseless in them takes quadratic time."""
    html = printable(_data_url.sub("", html) if "data:" in html else html)[:MAX_HTML]
    html = _long_tag.sub(r"\1", html)
    for part in _long_text.sub(_cut, html).split("\0"):  # `printable` has left no NUL
        yield from _with_few_tags(part)


def _cut(run: re.Match[str]) -> str:
    """A text with NULs where it is cut: each character that is escaped costs more than the last."""
    text = run[0]
    if text.count("&") + text.count("\u00a0") <= MAX_ESCAPES:
        return text
    return "\0".join(
        text[start : start + MAX_ESCAPES] for start in range(0, len(text), MAX_ESCAPES)
    )


def _with_few_tags(html: str) -> Iterator[str]:
    if html.count("<") <= MAX_TAGS:
        yield html
        return
    start = 0
    for count, tag in enumerate(_tag_start.finditer(html), 1):
        if count % MAX_TAGS == 0:
            yield html[start : tag.start()]
            start = tag.start()
    yield html[start:]


_outline = nh3.Cleaner(
    tags=BLOCKS | {"a", "br", "td", "th", "img"},
    clean_content_tags=_DROPPED_WHOLE,
    attributes={"a": {"href"}, "img": {"alt"}},
    link_rel=None,
    url_schemes={"http", "https", "mailto"},
    url_relative="deny",
)
# A tag as the cleaner writes it: slash, name, attributes.
TAG = re.compile(r"<(/?)([a-z0-9]+)((?: [a-z-]+=\"[^\"]*\")*)>")
_value = re.compile(r"=\"([^\"]*)\"")
_PARAGRAPHS = {"p", "h1", "h2", "h3", "h4", "h5", "h6", "table", "ul", "ol", "dl", "hr"} | {
    *("blockquote", "pre"),
}
_white = re.compile(r"[ \t\r\n\u00a0\u200b\ufeff]+")


class _TextWriter:
    """Lines of plain text, with pending line ends and quotation marks."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.blank_due = False
        self.quoted = 0
        self.last_quoted = 0

    def add(self, text: str) -> None:
        if self.blank_due and text.strip():
            if self.lines and self.lines[-1].strip("> "):
                self.lines.append(">" * min(self.quoted, self.last_quoted, 5))
            self.blank_due = False
        self.line.append(text)

    def end_line(self, *, always: bool = False) -> None:
        text = "".join(self.line).rstrip(" ")
        self.line.clear()
        if text or always:
            prefix = ">" * min(self.quoted, 5)
            self.lines.append(f"{prefix} {text}" if prefix and text else prefix or text)
            self.last_quoted = self.quoted

    def tag(self, name: str, *, closing: bool) -> None:
        if name == "br":
            self.end_line(always=True)
        elif name in ("td", "th"):
            if self.line and not self.line[-1].endswith(" "):
                self.add(" ")
        elif name in BLOCKS:
            self.end_line()
            if name in _PARAGRAPHS:
                self.blank_due = True
            if name == "blockquote":
                self.quoted = max(0, self.quoted + (-1 if closing else 1))
            elif name == "li" and not closing:
                self.add("- ")
            elif name == "hr":
                self.add("---")
                self.end_line()


def html_to_text(html: str) -> str:
    """*html* as plain text: blocks as lines, quotations behind ``>``, links with their target."""
    outline = "".join(map(_outline.clean, _pieces(html)))
    out = _TextWriter()
    position, preformatted = 0, 0
    label_from, href = 0, ""
    for match in TAG.finditer(outline):
        _text(out, outline[position : match.start()], preformatted=preformatted > 0)
        position = match.end()
        closing, name, attributes = match[1] == "/", match[2], match[3]
        value = _value.search(attributes)
        if name == "a" and not closing:
            label_from, href = position, stdlib_html.unescape(value[1]) if value else ""
        elif name == "a":
            label = TAG.sub("", outline[label_from : match.start()])
            if href.startswith("http") and _names_another_target(label, href):
                out.add(f" <{href}>")
            href = ""
        elif name == "img":
            out.add(_white.sub(" ", stdlib_html.unescape(value[1])) if value else "")
        else:
            preformatted = max(0, preformatted + (-1 if closing else 1) * (name == "pre"))
            out.tag(name, closing=closing)
    _text(out, outline[position:], preformatted=False)
    out.end_line()
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out.lines)).strip()


def _text(out: _TextWriter, escaped: str, *, preformatted: bool) -> None:
    if not escaped:
        return
    text = stdlib_html.unescape(escaped)
    if not preformatted:
        text = _white.sub(" ", text)
        # One space between two pieces is enough, and none begins a line.
        if text.startswith(" ") and (not out.line or out.line[-1].endswith(" ")):
            text = text[1:]
        if text:
            out.add(text)
        return
    first, *more = text.split("\n")
    out.add(first)
    for line in more:
        out.end_line(always=True)
        out.add(line)


def _names_another_target(label: str, href: str) -> bool:
    """True where the words of a link do not already spell its target."""
    words = stdlib_html.unescape(label).strip().rstrip("/").lower()
    target = href.rstrip("/").lower()
    return bool(words) and words not in (target, target.partition("://")[2])


_link = re.compile(
    r"(?P<url>\b(?:https?://|www\.)[^\s<>\"]{1,2000})"
    r"|(?P<mail>(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8})"
)
_paragraph_end = re.compile(r"\n(?:[ \t]*\n)+")


def text_to_html(text: str) -> str:
    """Plain *text* as HTML: paragraphs, line ends, addresses as links; everything escaped."""
    text = printable(text.replace("\r\n", "\n").replace("\r", "\n"))
    paragraphs = (part.strip("\n") for part in _paragraph_end.split(text))
    return "\n".join(
        "<p>" + _linked(part).replace("\n", "<br>\n") + "</p>"
        for part in paragraphs
        if part.strip()
    )


def _linked(text: str) -> str:
    out, position = [], 0
    for match in _link.finditer(text):
        found = match[0]
        if match["url"]:
            found = _without_closing_marks(found)
        href = found if found.lower().startswith("http") else f"http://{found}"
        if match["mail"]:
            href = f"mailto:{found}"
        out.append(stdlib_html.escape(text[position : match.start()]))
        target = stdlib_html.escape(href)
        out.append(
            f'<a href="{target}" rel="noopener noreferrer nofollow">{stdlib_html.escape(found)}</a>'
        )
        position = match.start() + len(found)
    out.append(stdlib_html.escape(text[position:]))
    return "".join(out)


def _without_closing_marks(url: str) -> str:
    """A sentence's end is no part of the address in it; a closing bracket is, if it was opened."""
    while url and url[-1] in ".,;:!?'*_)]}>":
        opener = {")": "(", "]": "[", "}": "{"}.get(url[-1])
        if opener and url.count(opener) >= url.count(url[-1]):
            break
        url = url[:-1]
    return url

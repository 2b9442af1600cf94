"""The HTML of a mail, made safe, with the place where quotations and signatures begin (pure).

Mail clients mark what they quote by classes and ids, which the cleaner drops: so they are marked
in the text first. What no client marked is found by the same rules as in plain text.
"""

from __future__ import annotations

import html as stdlib_html
import re

from app.core.html import BLOCKS, FOLD, MAX_HTML, TAG, cut, sanitize
from app.mail import quoting

MAX_DEPTH = 200  # open elements that are followed

# Private characters, which mean nothing to anybody else; foreign ones are taken out before.
_OLD_ELEMENT, _OLD_FROM_HERE = "\ue0f1", "\ue0f2"
_private = re.compile("[\ue0f1\ue0f2]")
_old_element = re.compile(
    r"<(?:div|p|pre|span|blockquote|table|section|cite)\b(?=[^<>]{0,500}?\b(?:class|id|name|type)\s?=\s?"
    r"[\"']?[^\"'<>=]{0,200}(?:gmail_attr|gmail_signature|yahoo_quoted|ymail_android_signature"
    r"|moz-cite-prefix|moz-signature|protonmail_(?:quote|signature_block)|tutanota_quote|zmail_extra"
    r"|AppleMailSignature|ms-outlook-mobile-signature|mail_quote_header|cite\b|Signature\b"
    r"|airmail_ext_on|bloop_original_html|replyIntroduction))",
    re.IGNORECASE,
)
_old_from_here = re.compile(
    r"<(?:div|hr|span|table|a|p)\b(?=[^<>]{0,500}?(?:\b(?:id|class|name)\s?=\s?[\"']?[^\"'<>=]{0,200}"
    r"(?:divRplyFwdMsg|appendonsend|OutlookMessageHeader|OLK_SRC_BODY_SECTION|zwchr|isReplyContent"
    r"|ms-outlook-mobile-reference-message|mail-editor-reference-message-container|stopSpelling"
    r"|replySplit|history_container|mailcontent-quote|_MailOriginal)"
    r"|border-top:\s?solid\s#(?:e1e1e1|b5c4df)))",
    re.IGNORECASE,
)
_white = re.compile(r"[\s\u00a0\u200b]+")


def shown_html(html: str, *, passes_on: bool = False) -> str:
    """*html* sanitised; `FOLD` stands once in it where everything below is old or a signature.

    Whatever is on one side of it is whole HTML by itself. *passes_on* as in `quoting.new_text`.
    """
    html = _private.sub("", html[: 2 * MAX_HTML])
    if not passes_on:  # mail programs mark a mail that they quote and one that they pass on alike
        html = _old_element.sub(lambda tag: _OLD_ELEMENT + tag[0], html)
        html = _old_from_here.sub(lambda tag: _OLD_FROM_HERE + tag[0], html)
    clean = sanitize(html)
    lines, ends = _Lines(clean).read()
    last = quoting.end_of_new_text(lines, passes_on=passes_on)
    has_more = any(line.strip() for line in lines[last:])
    if not last or not has_more:
        return _private.sub("", clean)
    new, old = cut(clean, ends[last - 1])
    return f"{_private.sub('', new)}{FOLD}{_private.sub('', old)}"


class _Lines:
    """Reads sanitised HTML as lines of text, quoted ones behind ``>``, and where each ends."""

    def __init__(self, clean: str) -> None:
        self.clean = clean
        self.lines: list[str] = []
        self.ends: list[int] = []
        self.line: list[str] = []
        self.line_end = 0
        self.is_line_old = False
        self.open: list[tuple[str, bool]] = []  # elements, and whether they are quotations
        self.old_depth = 0
        self.is_next_old = self.is_rest_old = False

    def read(self) -> tuple[list[str], list[int]]:
        """The lines, and for each the position in the HTML behind its last character."""
        position = 0
        for tag in TAG.finditer(self.clean):
            self._text(position, tag.start())
            position = tag.end()
            self._tag(tag[2], tag[3], position, closing=tag[1] == "/")
        self._text(position, len(self.clean))
        self._end_line()
        return self.lines, self.ends

    def _text(self, start: int, end: int) -> None:
        text = self.clean[start:end]
        if _OLD_FROM_HERE in text:
            self._end_line()
            self.is_rest_old = True
        if _OLD_ELEMENT in text:
            self.is_next_old = True
        if "\n" in text and any(name == "pre" for name, _ in self.open):
            for line in text.splitlines(keepends=True):
                start += len(line)
                self._words(line, start)
                if line.endswith("\n"):
                    self._end_line()
        else:
            self._words(text, end)

    def _words(self, text: str, end: int) -> None:
        text = _private.sub("", text)
        if text.strip():
            self._add(stdlib_html.unescape(text), end)
        elif text and self.line:
            self.line.append(" ")

    def _add(self, text: str, end: int) -> None:
        self.line.append(text)
        self.line_end = end
        self.is_line_old = self.is_line_old or self.old_depth > 0 or self.is_rest_old

    def _tag(self, name: str, attributes: str, end: int, *, closing: bool) -> None:
        if name == "br" or name in BLOCKS:
            self._end_line()
        if name == "img":
            self._add("[image]" if "data-cid" in attributes else "", end)
        elif name in ("td", "th"):
            self.line.append(" ")
        if name in ("br", "hr", "img", "wbr", "col"):
            self.is_next_old = False
        elif closing:
            self._close(name)
        elif len(self.open) < MAX_DEPTH:
            is_old = self.is_next_old or name == "blockquote"
            self.is_next_old = False
            self.open.append((name, is_old))
            self.old_depth += is_old

    def _close(self, name: str) -> None:
        if self.open and self.open[-1][0] == name:
            if self.open[-1][1]:
                self._end_line()
                self.old_depth -= 1
            self.open.pop()

    def _end_line(self) -> None:
        text = _white.sub(" ", "".join(self.line)).strip()
        if text or (self.lines and self.lines[-1]):
            self.lines.append(f"> {text}" if text and self.is_line_old else text)
            self.ends.append(self.line_end)
        self.line.clear()
        self.is_line_old = False

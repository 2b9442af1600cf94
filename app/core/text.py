"""Characters: which of them are kept, and which are looked for."""

from __future__ import annotations

import re
import unicodedata

MOST_SOUGHT = 200  # characters

# What no column, header or page may carry: NUL (PostgreSQL refuses it), lone surrogates (they
# cannot be encoded), other control characters, and overrides of the reading direction that
# forge file names and addresses.
_unprintable = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\ufffe\uffff\ud800-\udfff]")


def printable(text: str) -> str:
    """*text* without characters that cannot be stored or that forge what is shown."""
    if text.isascii() and text.isprintable():
        return text
    return _unprintable.sub("", text)


def search_words(text: str) -> str:
    """Words to look for: without control characters and halves of surrogate pairs, cut."""
    text = text[: 4 * MOST_SOUGHT]
    kept = (c if unicodedata.category(c) not in ("Cc", "Cs", "Cn") else " " for c in text)
    return " ".join("".join(kept).split())[:MOST_SOUGHT]

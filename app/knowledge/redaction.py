"""Leaving people out of a text that others will read (pure).

A help for whoever writes, who reads it over: names that nobody told us stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LEAST_NAME = 3  # letters of a part of a name that is looked for; "Al" is in too many words

_mail = re.compile(r"(?:mailto:)?[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
_address_tail = re.compile(r"(https?://[^\s<>?#\"]{1,2000})[?#][^\s<>\"]*")
_ticket = re.compile(r"\[?\bTKT-[A-Z2-9]{8}\b\]?", re.IGNORECASE)
_ip = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")
_date = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}[./]\d{1,2}[./]\d{2,4}")
_digits = re.compile(r"(?<![\w.])\+?\(?\d[\d ()/.-]{5,30}\d(?!\w)")
_code = re.compile(r"\b(?=[A-Z0-9-]{0,32}\d{5})[A-Z]{1,6}-?[A-Z0-9-]{4,30}\b")
_greeting = re.compile(
    r"(?:hi|hey|hello|dear|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)"
    r"|moin|liebe[rs]?|sehr geehrte[rs]?|bonjour|bonsoir|salut|cher|chère|hola|buenos días"
    r"|buenas tardes|ciao|buongiorno|beste|geachte)\b[^\n,.!?]{0,60}[,.!]?",
    re.IGNORECASE,
)
_closing = re.compile(
    r"(?:(?:many |kind |best |warm |with )?(?:kind |best |warm )?(?:regards|wishes|greetings)"
    r"|thanks(?: again| a lot)?|many thanks|thank you|cheers|sincerely|yours[^\n]{0,20}|best"
    r"|(?:mit )?(?:freundliche[nr]?|viele[n]?|liebe[n]?|beste[n]?|herzliche[n]?) grü(?:ße|ßen|sse)"
    r"|danke|cordialement|merci|saludos|gracias|saluti|grazie|groeten)\b[^\n]{0,40}",
    re.IGNORECASE,
)
_salute = re.compile(
    r"(?:hi|hey|hello|good (?:morning|afternoon|evening|day)|hallo|guten (?:tag|morgen|abend)|moin"
    r"|bonjour|bonsoir|salut|hola|buenos días|buenas tardes|ciao|buongiorno)"
    r"(?: (?!\[)[^\s,!.]{1,30}){0,3}[,!.] +(?=\w)",
    re.IGNORECASE,
)
_signed = re.compile(r"\n\s*\[name\][^\n]{0,40}$")  # a name by itself at the end
MOST_BELOW = 4  # lines of a signature


def without_people(text: str, *, names: Iterable[str] = (), codes: Iterable[str] = ()) -> str:
    """*text* without greeting and signature, names, addresses, numbers of people and things.

    Args:
        names: of people and companies who take part.
        codes: what only belongs to this case: an order number.
    """
    text = _between(text.replace("\r\n", "\n"))
    text = _address_tail.sub(r"\1", text)
    text = _mail.sub("[mail address]", text)
    text = _ticket.sub("[ticket]", text)
    for code in sorted({code.strip() for code in codes}, key=len, reverse=True):
        if len(code) >= LEAST_NAME:
            text = _whole(code).sub("[number]", text)
    for name in _names(names):
        text = name.sub("[name]", text)
    text = _ip.sub("[IP address]", text)
    text = _digits.sub(_number, text)
    text = _code.sub("[number]", text)
    text = re.sub(r"\[name\](?:[ ,]+\[name\])+", "[name]", text).strip()
    return _signed.sub("", text).strip()


def _between(text: str) -> str:
    """What stands between the greeting and the end."""
    lines = text.strip().split("\n")
    if len(lines) > 1 and _greeting.fullmatch(lines[0].strip()):
        lines = lines[1:]
    for place in range(max(1, len(lines) - MOST_BELOW - 1), len(lines)):
        below = [line for line in lines[place + 1 :] if line.strip()]
        short = all(len(line) < 60 for line in below)
        if short and _closing.fullmatch(lines[place].strip(" ,.!")):
            lines = lines[:place]
            break
    text = "\n".join(lines).strip()
    salute = _salute.match(text)
    if salute:
        text = text[salute.end() :]
        text = text[:1].upper() + text[1:]
    return text


def _names(names: Iterable[str]) -> list[re.Pattern[str]]:
    """Whole names first, whatever their case; then their parts, written as names are."""
    whole = sorted({" ".join(name.split()) for name in names if name.strip()}, key=len)
    parts = sorted(
        {part for name in whole for part in re.split(r"[\s,.]+", name) if len(part) >= LEAST_NAME},
        key=len,
    )
    found = [_whole(name, re.IGNORECASE) for name in reversed(whole) if len(name) >= LEAST_NAME]
    return found + [_whole(part) for part in reversed(parts)]


def _whole(words: str, flags: int = 0) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(words)}(?:'s|’s)?(?!\w)", flags)


def _number(found: re.Match[str]) -> str:
    """Telephone and account numbers; a date or a year's span is none."""
    text = found[0]
    if _date.fullmatch(text.strip()) or sum(c.isdigit() for c in text) < 7:
        return text
    return "[number]"

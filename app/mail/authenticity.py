"""Is a mail from whom it says? What our own mail server found out (RFC 8601; pure).

Anybody can write an Authentication-Results field. One is believed only if it bears the name that
our server gives itself, and only the topmost of these: servers add theirs at the top, and should
(section 5) but may not take out what a sender put there in their name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import idna

from app.mail import headers
from app.mail.models import SenderCheck
from app.mail.parsing import ParsedEmail

FIELD = "authentication-results"
MAX_FIELD = 10_000  # characters of one field that are read
MAX_TOLD = 300


@dataclass(frozen=True, slots=True)
class Proof:
    """Whether a mail is from whom it says, and what told it, for people to read."""

    check: SenderCheck = SenderCheck.UNKNOWN
    told: str = ""


ODD_SENDER = Proof(SenderCheck.FAIL, "it names several senders, or none in From")


def read(mail: ParsedEmail, authserv_id: str) -> Proof:
    """What the server of that name says about DMARC, in its topmost field; else unknown.

    Of a mail with several senders, or with none in From, it may have checked one that nobody sees:
    such a mail fails (RFC 7489, section 6.6.1).
    """
    if has_odd_sender(mail):
        return ODD_SENDER
    for value in mail.fields.get(FIELD, ()):
        server, results = _parse(value[:MAX_FIELD])
        if server == authserv_id.lower():
            return _proof(mail, results, server)
    return Proof()


@dataclass(frozen=True, slots=True)
class _Result:
    """``dmarc=pass header.from=x.example`` as method, result and properties; in lower case."""

    method: str
    result: str
    properties: dict[str, str]


def _proof(mail: ParsedEmail, results: list[_Result], server: str) -> Proof:
    words = ", ".join(f"{one.method}={one.result}" for one in results)
    told = f"{words or 'nothing'}, said by {server}"[:MAX_TOLD]
    dmarc = [one for one in results if one.method == "dmarc"]
    if any(one.result == "fail" for one in dmarc):
        return Proof(SenderCheck.FAIL, told)
    is_about = [_is_about(one.properties.get("header.from", ""), mail) for one in dmarc]
    if not dmarc or any(one.result != "pass" for one in dmarc):
        return Proof(SenderCheck.UNKNOWN, told)
    if not all(is_about) or not has_one_sender(mail):
        return Proof(SenderCheck.UNKNOWN, f"{told}, but of another sender"[:MAX_TOLD])
    return Proof(SenderCheck.PASS, told)


def has_one_sender(mail: ParsedEmail) -> bool:
    """True for one From field with one address: else it is not told whose proof it would be.

    Of two in brackets, or of an address in an address or a name, others may read another one.
    """
    fields = mail.fields.get("from", ())
    if len(fields) != 1 or fields[0].count("<") > 1:
        return False
    is_one = fields[0].rpartition("<")[2].count("@") == 1
    domains = {name.lower() for name in _domain.findall(_quoted.sub(" ", fields[0]))}
    return is_one and len(domains) == 1 and len(headers.addresses(fields[0])) == 1


def has_odd_sender(mail: ParsedEmail) -> bool:
    """True for several From fields or addresses, and for none."""
    fields = [_quoted.sub(" ", value) for value in mail.fields.get("from", ())]
    return len(fields) != 1 or fields[0].count("<") > 1 or len(headers.addresses(fields[0])) != 1


def from_domain(mail: ParsedEmail) -> str:
    """The domain of the sender's address as the DNS knows it."""
    return as_ascii(mail.from_email.rpartition("@")[2])


def as_ascii(domain: str) -> str:
    """A domain in its ASCII form, in lower case; unchanged where there is none."""
    domain = domain.lower().rstrip(".")
    if domain.isascii():
        return domain
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain


def _is_about(named: str, mail: ParsedEmail) -> bool:
    return not named or as_ascii(named.rpartition("@")[2]) == from_domain(mail)


def _parse(value: str) -> tuple[str, list[_Result]]:
    """The server's name and its results; what is not understood is left out."""
    first, *rest = _statements(value)
    words = first.split()
    return (words[0].lower() if words else ""), list(_results(rest))


_quoted = re.compile(r'"(?:[^"\\]|\\.)*+"')
_domain = re.compile(r"@([^\s@<>()\",;:?=]+)")
_pair = re.compile(r"([a-z0-9._-]{1,60}(?:/\d+)?)\s*=\s*(\S{1,255})", re.IGNORECASE)


def _results(statements: list[str]) -> Iterator[_Result]:
    for statement in statements:
        pairs = [(m[1].lower(), m[2].lower()) for m in _pair.finditer(statement)]
        if pairs:
            method, result = pairs[0]
            yield _Result(method.partition("/")[0], result, dict(pairs[1:]))


def _statements(value: str) -> list[str]:
    """*value* without comments (they nest), cut at semicolons outside of quotes."""
    out: list[str] = []
    depth = position = 0
    while position < len(value):
        quoted = _quoted.match(value, position) if value[position] == '"' else None
        if quoted:
            # What is quoted is a reason for people, or a local part: no property that counts.
            out.append('""' if depth == 0 else "")
            position = quoted.end()
            continue
        char = value[position]
        if char == "\\" and depth:
            position += 1
        elif char == "(":
            depth += 1
        elif char == ")" and depth:
            depth -= 1
            out.append(" ")
        elif not depth:
            out.append(char)
        position += 1
    return "".join(out).split(";")

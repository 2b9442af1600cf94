"""Hostile values, and every route that they can be sent to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask
from werkzeug.routing import AnyConverter, Rule

from app.portal.viewing import COOKIE
from tests.intruders import (
    Intruder,
    World,
)

HUGE = "9" * 5_000
TEXTS = {
    "empty": "",
    "nul": "a\0b",
    "replaced": "a�b",
    "lines": "a\r\nBcc: x@y.example\r\n\r\nb",
    "negative": "-1",
    "no number": "1e9999",
    "other digits": "٣²",  # isdigit() is true for both, int() takes the first alone
    "too large": str(2**63),
    "far too large": HUGE,
    "long": "x" * 70_000,
    "mark-up": "\"'><script>alert(1)</script>{{7*7}}${7*7}%s%n",
    "sql": "1' or '1'='1' -- \\",
    "path": "../../../../etc/passwd",
    "other site": "//evil.example/\\evil.example",
    "overridden": "‮gpj.exe\U0010ffff￾",
    "list": "1,2,,none,me," * 40,
}
RAW = ("%ff%fe", "%00", "%ed%a0%80", "%2e%2e%2f", "%C0%AF", "%", "a%0d%0aSet-Cookie:%20x=1")
JSON_VALUES: tuple[Any, ...] = (
    *(None, True, -1, 2**70, 1e308, "", "a\0b", "\ud800", "x" * 70_000, [], ["\ud800", [[]]]),
    {"\ud800": "\ud800", "a": {"b": []}},
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "public",
)
BODIES = {
    "not json": b"{",
    "not utf-8": b'{"subject": "\xff\xfe"}',
    "utf-16": '{"subject": "x"}'.encode("utf-16"),
    "deep": b"[" * 200_000,
    "deep and whole": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "many digits": b'{"version": ' + b"1" * 5_000 + b"}",
    "not a number": b'{"version": NaN, "subject": Infinity}',
    "a list": b"[1, 2]",
    "a word": b'"x"',
    "nothing": b"",
    "null": b"null",
    "doubled": b'{"subject": "a", "subject": {"b": "c"}}',
}
HEADERS: tuple[dict[str, str], ...] = (
    {"Cookie": "deskhand=forged.forged.forged"},
    {"Cookie": "deskhand=" + "e" * 20_000},
    {"Cookie": "remember_token=1|\xe9; deskhand=\xff\xfe; =; ;;;"},
    {"Cookie": f"{COOKIE}=\xe9\xe9; {COOKIE}=" + "x" * 5_000},
    {"Authorization": "Bearer " + "x" * 20_000},
    {"Authorization": "Bearer \xff\xfe"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer"},
    {"Host": "evil.example"},
    {"Host": "a b\"'<>"},
    {"X-Forwarded-For": "not an address, ''", "X-Forwarded-Proto": "javascript"},
    {"X-Forwarded-Host": "evil.example"},
    {"HX-Request": "true", "HX-Current-URL": "http://[::1", "HX-Boosted": "\xff"},
    {"HX-Request": "true", "HX-Current-URL": "//evil.example\\x"},
    {"Accept-Encoding": "gzip;q=nonsense", "Accept": "*" * 5_000},
    {"Range": "bytes=9-1,-,9999999999999999999999-", "If-None-Match": "\xff"},
    {"If-Modified-Since": "Thu, 99 Xxx 99999 99:99:99"},
    {"Content-Type": "multipart/form-data", "Content-Length": "-1"},
    {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"},
    {"Idempotency-Key": "\xff" * 300},
    {"X-CSRFToken": "\xe9", "Referer": "http://["},
)


def rules(app: Flask) -> list[Rule]:
    """Every route but the files of the front end."""
    return [rule for rule in app.url_map.iter_rules() if rule.endpoint != "static"]


def paths(rule: Rule, world: World) -> Iterator[str]:
    """The route's path for each ticket there is, and for some that there are not."""
    for number in (*world.numbers, "TKT-AAAAAAAA", "0", "-1"):
        values = {
            "number": number,
            "attachment_id": world.file_ids.get(number, 2**31 - 1),
            "held_id": world.held_id,
            "kind": "status",
            "name": "x",
            "version": "x",
        }
        for name, converter in rule._converters.items():
            if isinstance(converter, AnyConverter):
                values[name] = min(converter.items)
        values |= rule.defaults or {}
        built = rule.build({name: values.get(name, 1) for name in rule.arguments})
        assert built is not None
        yield built[1]
        if not rule.arguments:
            return


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})


def token(intruder: Intruder, method: str) -> dict[str, str]:
    return {"X-CSRFToken": intruder.csrf_token} if method != "GET" else {}

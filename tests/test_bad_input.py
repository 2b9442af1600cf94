"""Whatever anybody sends to any route: no fault of ours, and nothing that is not for them.

Every attack asks as nobody, as a guest with a ticket's cookie, as a customer, an agent and an
admin; `tests.intruders` checks each answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.routing import AnyConverter, Rule

from app.accounts import tokens
from app.core.clock import utcnow
from app.core.db import db
from app.portal.viewing import COOKIE
from app.tickets import keys
from app.tickets.models import TicketAccess
from tests.intruders import (
    DELETED,
    FOREIGN,
    INTERNAL,
    PRIVATE,
    Intruder,
    World,
    forms_of,
    long_ago,
    make_world,
    undone,
)

# Werkzeug leaves a file of a form that it cannot read to Python to close, and HEAD's of a download.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

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


@pytest.fixture
def world(app: Flask) -> World:
    return make_world(app)


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


def test_every_route_for_every_ticket(app: Flask, world: World) -> None:
    """Foreign, private and deleted tickets look like unknown ones, whatever is asked."""
    for rule in rules(app):
        for path in paths(rule, world):
            for method in methods(rule):
                for intruder in world.intruders:
                    with undone():
                        seen = intruder.open(path, method=method, headers=token(intruder, method))
                    is_foreign = any(number in path for number in world.numbers[1:])
                    if is_foreign and intruder.name in ("nobody", "guest", "customer"):
                        assert seen.status_code not in (200, 201, 204) or path.endswith("/link")


def token(intruder: Intruder, method: str) -> dict[str, str]:
    return {"X-CSRFToken": intruder.csrf_token} if method != "GET" else {}


def test_path_parameters(app: Flask, world: World) -> None:
    values = [*RAW, "%20", "x" * 3_000, "TKT-", "tkt-aaaaaaaa", HUGE, "-1", "0", "%F0%9F%98%80"]
    for rule in rules(app):
        if not rule.arguments:
            continue
        for value in values:
            path = "".join(value if is_dynamic else part for is_dynamic, part in rule._trace)
            path = path.partition("|")[2].replace("//", f"/{value}/")
            for intruder in world.intruders[1:4]:
                with undone():
                    method = methods(rule)[0]
                    intruder.open(
                        "/" + path.lstrip("/"), method=method, headers=token(intruder, method)
                    )


QUERY = (
    *("key", "next", "before", "after", "page", "limit", "cursor", "sort", "order", "q", "view"),
    *("status", "priority", "category", "assignee", "group", "requester", "tag", "source"),
    *("created_after", "created_before", "due_after", "due_before", "overdue", "held", "tab"),
    *("all", "part", "back", "subcategory", "field_count"),
)


@pytest.mark.requirement("X52")
def test_query_parameters(app: Flask, world: World) -> None:
    """All parameters at once with one value, and each by itself where that value counts."""
    for rule in rules(app):
        if "GET" not in (rule.methods or ()):
            continue
        path = next(paths(rule, world))
        for intruder in world.intruders[1:4]:
            for value in TEXTS.values():
                intruder.open(path, query_string=dict.fromkeys(QUERY, value[:3_000]))
            for value in RAW:
                raw = "&".join(f"{name}={value}" for name in QUERY)
                intruder.open(path.partition("?")[0], query_string=raw)


def test_each_query_parameter_of_lists(world: World) -> None:
    """One by one: filters that are refused hide those that come after."""
    for path in ("/desk/", "/desk/search", "/tickets", "/api/v1/tickets"):
        intruder = world.of("customer" if path == "/tickets" else "agent")
        for name in QUERY if path != "/tickets" else ("before", "after"):
            for value in TEXTS.values():
                intruder.open(path, query_string={"q": "a", name: value[:3_000]})


def test_searching_for_what_is_hidden(world: World) -> None:
    """By the beginnings of the secret words: pages repeat what was looked for."""
    lists = ("/desk/search", "/desk/", "/desk/?view=all", "/api/v1/tickets", "/tickets", "/")
    for secret in (INTERNAL, FOREIGN, PRIVATE, DELETED):
        for name in ("q", "tag", "requester", "group", "assignee"):
            for path in lists:
                for intruder in world.intruders[1:]:
                    path, _, view = path.partition("?view=")
                    asked = {"q": secret[:-2], name: secret[:-2], "view": view}
                    intruder.open(path, query_string=asked)
    agent, admin = world.of("agent"), world.of("admin")
    admin.forbidden = (DELETED,)  # a deleted ticket is nowhere but at its own address
    for path in lists:
        admin.open(path)
        admin.open("/desk/search", query_string={"q": DELETED[:-2]})
    seen = [who.open("/api/v1/statistics").json["total"] for who in (agent, admin)]  # type: ignore[index]
    assert seen == [2, 3]
    for word, totals in ((PRIVATE, [0, 1]), (FOREIGN, [1, 2]), (DELETED, [0, 0])):
        for path in ("/api/v1/statistics", "/api/v1/tickets"):
            asked = {"q": word}
            for who, total in zip((agent, admin), totals, strict=True):
                who.forbidden = ()
                assert who.open(path, query_string=asked).json["total"] == total  # type: ignore[index]


def test_headers(app: Flask, world: World) -> None:
    wanted = ("/", "/desk/", "/tickets", "/api/v1/tickets", f"/tickets/{world.own}")
    files = f"/desk/tickets/{world.own}/attachments/{world.file_ids[world.own]}"
    for path in (*wanted, "/login", files):
        for intruder in world.intruders[1:4]:
            with undone():
                for headers in HEADERS:
                    intruder.open(path, headers=headers)
                    intruder.open(path, method="POST", headers=headers)
                for method in ("HEAD", "PUT", "OPTIONS", "TRACE", "PROPFIND", "x"):
                    intruder.open(path, method=method)


def test_every_field_of_every_form(app: Flask, world: World) -> None:
    """Forms as they are rendered; one field is hostile, the others as the page has them."""
    done = set()
    for name in ("guest", "customer", "agent", "nobody", "admin"):  # each form once
        intruder = world.of(name)
        for rule in rules(app):
            if "GET" not in (rule.methods or ()) or rule.rule.startswith("/api"):
                continue
            path = next(paths(rule, world))
            page = intruder.open(path)
            for form in forms_of(path, page.text) if page.mimetype == "text/html" else ():
                wanted = (form.action, tuple(sorted(form.fields)))
                if wanted in done or not form.action.startswith("/"):
                    continue
                done.add(wanted)
                _attack(intruder, form.action, form.method, form.fields)
    assert len(done) > 20


# What a person types, so that the one hostile field is not passed over for others that lack.
TYPED = dict(
    [
        *(("name", "Ann"), ("subject", "Help"), ("description", "It broke"), ("body", "Thanks")),
        *(("email", "ann@b.example"), ("category", "general"), ("label", "CI"), ("role", "agent")),
        *(("visibility", "public"), ("then", "keep"), ("decision", "accepted"), ("language", "en")),
        *(("password", "four words of mine"), ("again", "four words of mine")),
    ]
)


def _attack(intruder: Intruder, action: str, method: str, fields: dict[str, str]) -> None:
    usual = {name: value or TYPED.get(name, "") for name, value in fields.items()}
    usual |= {"csrf_token": intruder.csrf_token} if method == "post" else {}
    kind = {"data": usual} if method == "post" else {"query_string": usual}
    with undone():
        intruder.open(action, method=method.upper(), **kind)
    for name in fields:
        if name == "csrf_token":
            continue
        with undone():
            for value in TEXTS.values():
                sent = {**usual, name: [value, value] if len(value) < 9 else value}
                if method == "post":
                    intruder.open(action, method="POST", data=sent)
                else:
                    intruder.open(action, query_string={**usual, name: value[:3_000]})


@pytest.mark.requirement("X13")
def test_json(app: Flask, world: World) -> None:
    """Each field of each operation with each value; unknown fields too."""
    fields = (
        *("subject", "description", "category", "subcategory", "priority", "requester", "source"),
        *("channel", "tags", "custom_fields", "external_id", "version", "status", "assignee"),
        *("group", "agent", "due_at", "body", "visibility", "attachments", "id", "deleted_at"),
    )
    needed = {"/tickets": {"subject": "x", "description": "y"}, "/comments": {"body": "z"}}
    for rule in rules(app):
        unsafe = [m for m in methods(rule) if m != "GET"]
        if not rule.rule.startswith("/api/") or not unsafe:
            continue
        path = next(paths(rule, world))
        usual = next((given for end, given in needed.items() if path.endswith(end)), {})
        for intruder in (world.of("customer"), world.of("agent")):
            for name in fields if usual or unsafe != ["POST"] else ("agent", "group", "id"):
                with undone():
                    for value in JSON_VALUES:
                        sent = json.dumps({**usual, name: value})
                        answer = intruder.open(
                            path, method=unsafe[-1], data=sent, content_type="application/json"
                        )
                        assert answer.status_code != 401


NESTED: dict[str, tuple[str, ...]] = {
    "requester": ("email", "name", "phone", "external_id", "id", "role", "person_id"),
    "custom_fields": ("serial", "count", "day", "sort", "margin", "nothing", "\ud800"),
}


def test_nested_json(world: World) -> None:
    agent, usual = world.of("agent"), {"subject": "x", "description": "y"}
    number = world.own
    for outer, names in NESTED.items():
        for name in names:
            for value in (*JSON_VALUES, "a@b.example"):
                inner = {name: value} | ({"email": "a@b.example"} if outer == "requester" else {})
                inner[name] = value
                for method, path in (("POST", "tickets"), ("PATCH", f"tickets/{number}")):
                    body = (
                        {outer: inner, "version": 1}
                        if method == "PATCH"
                        else usual | {outer: inner}
                    )
                    if method == "PATCH" and outer == "requester":
                        continue
                    with undone():
                        answer = agent.open(
                            f"/api/v1/{path}",
                            method=method,
                            data=json.dumps(body),
                            content_type="application/json",
                        )
                        if answer.status_code < 400:  # what was taken can be shown
                            agent.open(f"/desk/tickets/{answer.json['number']}")
                            agent.open("/api/v1/tickets")


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_broken_bodies(app: Flask, world: World, body: bytes) -> None:
    kinds = (
        *("application/json", "application/json; charset=nonsense", "text/plain", "\xff", ""),
        *(
            "multipart/form-data",
            "multipart/form-data; boundary=",
            "multipart/form-data; boundary=x",
        ),
        "application/x-www-form-urlencoded; charset=utf-16",
    )
    for rule in rules(app):
        unsafe = [m for m in methods(rule) if m != "GET"]
        if not unsafe:
            continue
        path = next(paths(rule, world))
        for kind in kinds if rule.rule.startswith("/api") else kinds[-4:]:
            intruder = world.of("agent")
            with undone():
                intruder.open(
                    path,
                    method=unsafe[0],
                    data=body,
                    content_type=kind,
                    headers=token(intruder, "POST"),
                )


MULTIPART = {
    "cut short": b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\nabc',
    "no names": b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n",
    "no header": b"--x\r\n\r\nabc\r\n--x--\r\n",
    "many": b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 2_000 + b"--x--\r\n",
    "long header": b"--x\r\nX: " + b"y" * 500_000 + b"\r\n\r\nabc\r\n--x--\r\n",
    "odd name": b'--x\r\nContent-Disposition: form-data; name="attachments"; filename="\xff\x00../'
    b'a\\b\r\n\tc"\r\nContent-Type: a/b; \xff\r\n\r\nabc\r\n--x--\r\n',
    "no end": b"--x\r\n" * 50_000,
}


@pytest.mark.parametrize("body", MULTIPART.values(), ids=MULTIPART)
def test_broken_multipart(world: World, body: bytes) -> None:
    number = world.own
    kind = "multipart/form-data; boundary=x"
    for name, path in (
        ("nobody", "/tickets/new"),
        ("guest", f"/tickets/{number}/comments"),
        ("customer", f"/tickets/{number}/resolution"),
        ("agent", f"/desk/tickets/{number}/comments"),
        ("agent", "/desk/tickets/new"),
    ):
        intruder = world.of(name)
        with undone():
            headers = {"X-CSRFToken": intruder.csrf_token}
            intruder.open(path, method="POST", data=body, content_type=kind, headers=headers)


def test_names_of_files(world: World) -> None:
    """A hostile name is stored as a name, and stays one in headers and pages."""
    agent, number = world.of("agent"), world.own
    for name in TEXTS.values():
        file = (BytesIO(b"<script>alert(1)</script>"), name[:3_000] or "x", "text/html")
        data = {"csrf_token": agent.csrf_token, "body": "b", "attachments": file}
        with undone():
            posted = agent.open(f"/desk/tickets/{number}/comments", method="POST", data=data)
            assert posted.status_code == 303
            page = agent.open(f"/desk/tickets/{number}").text
            assert "<script>alert" not in page
            links = [part for part in page.split('"') if "/attachments/" in part]
            for link in links:
                answer = agent.open(link)
                assert answer.status_code == 200
                assert answer.headers["Content-Disposition"].startswith("attachment")
                assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_forged_and_expired_keys(app: Flask, world: World) -> None:
    access = db.session.scalars(db.select(TicketAccess)).one()
    good, number = keys.link_key(access.id), world.own
    nobody = world.of("nobody")
    forged = [
        good[:-1],
        good + "A",
        good.swapcase(),
        good[::-1],
        keys.cookie_value(access, now=utcnow()),
    ]
    for key in (*forged, *TEXTS.values()):
        answer = nobody.open(f"/tickets/{number}", query_string={"key": key[:3_000]})
        assert "Set-Cookie" not in answer.headers
        nobody.cookies[COOKIE] = (
            key.encode("ascii", "ignore")
            .decode()[:3_000]
            .translate({0: "", 13: "", 10: "", 59: ""})
        )
        if key != forged[-1]:
            assert nobody.open(f"/tickets/{number}").status_code == 404
    for other in world.numbers[1:]:
        nobody.cookies[COOKIE] = ""
        assert "Set-Cookie" not in nobody.open(f"/tickets/{other}?key={good}").headers
    access.expires_at = utcnow()
    db.session.commit()
    assert "Set-Cookie" not in nobody.open(f"/tickets/{number}?key={good}").headers


def test_forged_and_expired_tokens(app: Flask, world: World) -> None:
    agent, good = world.of("agent"), world.of("agent").bearer
    agent.cookies = {}
    for bearer in (good[:-1], good + "x", good.lower(), good[4:], "dsk_", *TEXTS.values()):
        agent.bearer = bearer.replace("\r\n", " ")[:3_000].encode("ascii", "ignore").decode()
        assert agent.open("/api/v1/tickets").status_code == 401
    agent.bearer = good
    assert agent.open("/api/v1/tickets").status_code == 200
    row = db.session.scalars(db.select(tokens.ApiToken).order_by(tokens.ApiToken.id)).all()[1]
    row.expires_at = utcnow() - long_ago()
    db.session.commit()
    assert agent.open("/api/v1/tickets").status_code == 401


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(
    path=st.text(st.characters(codec="latin-1"), max_size=60),
    query=st.text(st.characters(codec="latin-1"), max_size=60),
    prefix=st.sampled_from(["/", "/tickets/", "/desk/tickets/", "/api/v1/tickets/", "/assets/"]),
)
def test_any_address(world: World, path: str, query: str, prefix: str) -> None:
    raw = {"PATH_INFO": prefix + path, "QUERY_STRING": query}
    for name in ("nobody", "agent"):
        world.of(name).open("/", environ_overrides=raw)

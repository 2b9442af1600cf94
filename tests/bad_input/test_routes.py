"""Whatever anybody sends to any route: no fault of ours, and nothing that is not for them.

Every attack asks as nobody, as a guest with a ticket's cookie, as a customer, an agent and an
admin; `tests.intruders` checks each answer.
"""

from __future__ import annotations

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.accounts import tokens
from app.core.clock import utcnow
from app.core.db import db
from app.portal.viewing import COOKIE
from app.tickets import keys
from app.tickets.mail_models import TicketAccess
from tests.bad_input.inputs import (
    HEADERS,
    HUGE,
    RAW,
    TEXTS,
    methods,
    paths,
    rules,
    token,
)
from tests.intruders import (
    DELETED,
    FOREIGN,
    INTERNAL,
    PRIVATE,
    World,
    long_ago,
    undone,
)

# Werkzeug leaves a file of a form that it cannot read to Python to close, and HEAD's of a download.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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

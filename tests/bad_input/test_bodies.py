"""JSON of every kind, and bodies that are broken."""

from __future__ import annotations

import json

import pytest
from flask import Flask

from tests.bad_input.inputs import (
    BODIES,
    JSON_VALUES,
    methods,
    paths,
    rules,
    token,
)
from tests.intruders import (
    World,
    undone,
)

# Werkzeug leaves a file of a form that it cannot read to Python to close, and HEAD's of a download.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


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

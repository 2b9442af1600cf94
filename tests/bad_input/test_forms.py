"""Every form as it is rendered, with one hostile field after the other; hostile names of files."""

from __future__ import annotations

from io import BytesIO

import pytest
from flask import Flask

from tests.bad_input.inputs import (
    TEXTS,
    paths,
    rules,
)
from tests.intruders import (
    Intruder,
    World,
    forms_of,
    undone,
)

# Werkzeug leaves a file of a form that it cannot read to Python to close, and HEAD's of a download.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def test_every_field_of_every_form(app: Flask, world: World) -> None:
    """Forms as they are rendered; one field is hostile, the others as the page has them.

    Hostile are texts, a file where text is asked for, and JSON where a form is.
    """
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
            if method == "post":
                file = (BytesIO(b"a file, no text"), "a.txt")
                intruder.open(action, method="POST", data={**usual, name: file})
    if method == "post":
        with undone():
            for body in (dict.fromkeys(fields, 5), {name: [{}] for name in fields}, [1], 5):
                token = {"X-CSRFToken": intruder.csrf_token}
                intruder.open(action, method="POST", json=body, headers=token)


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

"""The OpenAPI description and its pages: whole, with examples that hold, from nowhere else."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Role
from app.api.description import operations
from app.channels.models import AutoResponseTemplate
from app.core.db import db
from app.knowledge.models import ArticleCategory
from app.sla.models import Calendar
from app.tickets.catalog_models import Subcategory
from tests.factories import bearer, category, make_agent, make_group, make_organization, make_skill

V1 = "/api/v1"
# What PRODUCT lists, and what belongs to it.
KINDS = {
    *("requesters", "organizations", "agents", "groups", "categories", "tags"),
    *("policies", "rules", "templates", "articles", "article-categories"),
}


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"{V1}/openapi.json").get_json()
    return found


@pytest.mark.requirement("R 0-22", "R 13-22")
def test_every_resource_is_described(spec: dict[str, Any]) -> None:
    assert spec["openapi"] == "3.1.0"
    described = {
        path.removeprefix(V1): set(verbs) - {"parameters"} for path, verbs in spec["paths"].items()
    }
    assert described["/tickets"] == {"get", "post"}
    assert described["/tickets/{number}"] == {"get", "patch", "delete"}
    assert described["/tickets/{number}/comments"] == {"get", "post"}
    for verb in ("assign", "resolve", "close", "reopen", "merge"):
        assert described[f"/tickets/{{number}}/{verb}"] == {"post"}
    for path in ("/tickets/{number}/history", "/statistics"):
        assert described[path] == {"get"}
    for kind in KINDS:
        assert described[f"/{kind}"] == {"get", "post"}, kind
        assert described[f"/{kind}/{{id}}"] == {"get", "patch", "delete"}, kind
    for kind in ("tickets", "requesters", "organizations"):
        assert described[f"/{kind}/external/{{value}}"] == {"get", "put"}


def test_every_route_of_the_api_is_described(app: Flask, spec: dict[str, Any]) -> None:
    routes = {
        (re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.rule.startswith(V1) and "docs" not in rule.endpoint
    }
    described = {(path, method) for path, method, _ in operations(spec)}
    assert {(p, m) for p, m in routes if m not in ("head", "options")} == described


def test_what_is_done_once_for_each_key_says_so(spec: dict[str, Any]) -> None:
    keyed = {
        path.removeprefix(V1)
        for path, method, operation in operations(spec)
        if "Idempotency-Key" in {each["name"] for each in operation.get("parameters", [])}
        and method == "post"
    }
    assert {"/tickets", "/tickets/{number}/comments", "/groups", "/requesters"} <= keyed
    assert "/mail" not in keyed  # a mail is itself its key


def test_operations_have_names_of_their_own_and_words(spec: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(spec)]
    assert len(names) == len(set(names))
    for _, _, operation in operations(spec):
        assert operation["summary"]
        assert operation["description"]
        assert {"401", "429", "503"} <= set(operation["responses"])
        assert "default" not in operation["responses"]  # it would describe everything


@pytest.mark.requirement("R 13-16")
def test_every_operation_has_examples_that_fit_its_schemas(spec: dict[str, Any]) -> None:
    for path, method, operation in operations(spec):
        where = f"{method} {path}"
        bodies = list(operation.get("requestBody", {}).get("content", {}).items())
        for code, answer in operation["responses"].items():
            bodies += list(answer.get("content", {}).items())
            assert code in ("204", "304") or answer.get("content"), where
        for kind, body in bodies:
            assert body.get("example"), f"{where} has no example of {kind}"
            if "json" in kind:
                _fits(spec, body["example"], body["schema"], where)


def _fits(spec: dict[str, Any], value: Any, schema: dict[str, Any], where: str) -> None:
    """As far as JSON Schema is used here."""
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        if value is not None:
            _fits(spec, value, next(c for c in choices if c.get("type") != "null"), where)
        return
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value}"
    if value is None:
        assert "null" in types, f"{where}: null in {schema}"
    elif isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), f"{where}: {value}"
        known = schema.get("properties", {})
        for name, inner in value.items():
            assert name in known or schema.get("additionalProperties") != False, name  # noqa: E712
            if name in known:
                _fits(spec, inner, known[name], f"{where} {name}")
    elif isinstance(value, list):
        assert "array" in types, f"{where}: {value}"
        for inner in value:
            _fits(spec, inner, schema["items"], where)
    elif types:
        kinds = {bool: "boolean", int: "integer", str: "string", float: "number"}
        assert kinds[type(value)] in types, f"{where}: {value!r} in {schema}"


def test_the_description_is_shown_without_any_outside_host(
    client: FlaskClient, spec: dict[str, Any]
) -> None:
    index = client.get(f"{V1}/docs")
    assert index.status_code == 200
    links = set(re.findall(rf'href="({V1}/docs/[a-z-]+)"', index.text))
    assert len(links) == len(spec["tags"])
    shown = "".join(client.get(link).text for link in links)
    for path, method, operation in operations(spec):
        assert f'id="{operation["operationId"].replace("_", "-")}"' in shown
        assert f"<b>{method.upper()}</b> {path}</code>" in shown
    for page in (index.text, shown):
        assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []
    assert client.get(f"{V1}/docs/nothing").status_code == 404


def test_pages_of_tokens_lead_to_the_description(
    client: FlaskClient, app: Flask, sign_in: Any
) -> None:
    sign_in(client, make_agent())
    assert f'href="{V1}/docs"' in client.get("/account/").text


@pytest.mark.parametrize(
    "path",
    ["tickets", "skills", *sorted(KINDS), "categories/{id}/subcategories", "tickets/external/x"],
)
def test_the_example_of_making_one_makes_one(
    client: FlaskClient, spec: dict[str, Any], path: str
) -> None:
    """On a desk that has what the example names, and not yet what it makes."""
    if path != "agents":
        make_agent("priya@desk.example", name="Priya Raman")
    if path != "groups":
        make_group("Ovens")
    if path != "skills":
        make_skill("steam ovens")
    if path != "organizations":
        make_organization("Backhaus Leitner")
    make_group("Second level")
    db.session.add(Calendar(name="Office hours", time_zone="UTC", is_always=True))
    technical = category("technical")
    if path == "rules":
        technical.subcategories.append(Subcategory(key="ovens", name="Ovens"))
    if path == "categories":
        technical.name = "Renamed"
    if path == "articles":
        db.session.add(ArticleCategory(name="Getting started", slug="getting-started"))
    if path == "templates":
        db.session.execute(sa.delete(AutoResponseTemplate))
    auth = bearer(make_agent(role=Role.ADMIN))
    described = f"{V1}/{path}".replace("external/x", "external/{value}")
    method = "put" if "external" in path else "post"
    body = spec["paths"][described][method]["requestBody"]["content"]["application/json"]["example"]
    address = f"{V1}/{path}".replace("{id}", str(technical.id))
    made = client.open(address, method=method.upper(), json=body, headers=auth)
    assert made.status_code == 201, made.text

"""The description as pages of our own: nothing is fetched from elsewhere, no script is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask.typing import ResponseReturnValue

from app.accounts.access import everyone
from app.api.description import Spec, operations
from app.core import markdown
from app.core.errors import NotFound

bp = Blueprint("api_docs", __name__, url_prefix="/api/v1/docs")
DEEPEST = 4  # schemas inside schemas that are shown


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter or a field: its name, what it takes, and what it is."""

    name: str
    kind: str
    text: str
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be done, in words."""

    key: str
    method: str
    path: str
    title: str
    text: str
    parameters: list[Row]
    fields: list[Row]
    example: str
    answer_code: str
    answer: str
    answer_fields: list[Row]
    codes: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Chapter:
    """The operations on one kind of thing."""

    key: str
    title: str
    text: str
    operations: list[Operation]

    @property
    def path(self) -> str:
        """Of its page."""
        return f"/api/v1/docs/{self.key}"


@bp.get("")
@everyone
def index() -> ResponseReturnValue:
    """What holds for all, and the chapters."""
    spec = _spec()
    text = markdown.render(spec["info"]["description"]).html
    return render_template("api/index.html", chapters=_chapters(spec), text=text)


@bp.get("/<chapter>")
@everyone
def show(chapter: str) -> ResponseReturnValue:
    """One chapter."""
    chapters = _chapters(_spec())
    found = next((each for each in chapters if each.key == chapter), None)
    if found is None:
        raise NotFound("There is no such chapter.")
    return render_template("api/chapter.html", chapters=chapters, chapter=found)


def _spec() -> Spec:
    spec: Spec = current_app.extensions["api_description"]()
    return spec


def _chapters(spec: Spec) -> list[Chapter]:
    found = []
    for tag in spec["tags"]:
        name = tag["name"]
        mine = [
            _operation(spec, path, method, operation)
            for path, method, operation in operations(spec)
            if operation["tags"][0] == name
        ]
        found.append(Chapter(name.lower().replace(" ", "-"), name, tag["description"], mine))
    return found


def _operation(spec: Spec, path: str, method: str, operation: Spec) -> Operation:
    body: Spec = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    code, answer = next(
        (code, each) for code, each in operation["responses"].items() if code.startswith("2")
    )
    shown: Spec = next(iter(answer.get("content", {}).values()), {})
    shared = spec["paths"][path].get("parameters", [])
    parameters = [*shared, *operation.get("parameters", [])]
    return Operation(
        key=operation["operationId"].replace("_", "-"),
        method=method.upper(),
        path=path,
        title=operation.get("summary", ""),
        text=operation.get("description", ""),
        parameters=[_parameter(each) for each in parameters],
        fields=_fields(spec, body.get("schema", {})),
        example=_pretty(body.get("example")),
        answer_code=f"{code} {answer['description'].rstrip('.')}",
        answer=_pretty(shown.get("example")),
        answer_fields=_fields(spec, shown.get("schema", {})),
        codes=[
            (code, each["description"])
            for code, each in operation["responses"].items()
            if not code.startswith("2")
        ],
    )


def _parameter(parameter: Spec) -> Row:
    place = {"path": "in the path", "query": "in the query", "header": "header"}[parameter["in"]]
    kind = f"{_kind(parameter.get('schema', {}))}, {place}"
    text = parameter.get("description", "")
    return Row(parameter["name"], kind, text, parameter.get("required", False))


def _fields(spec: Spec, schema: Spec, prefix: str = "", depth: int = 0) -> list[Row]:
    """The fields of an object, those of objects inside it below it, as "requester.email"."""
    schema = _resolved(spec, schema)
    needed = set(schema.get("required", ()))
    rows = []
    for name, field in schema.get("properties", {}).items():
        inner = _resolved(spec, field)
        many = inner.get("type") == "array"
        item = _resolved(spec, inner.get("items", {})) if many else inner
        kind = f"list of {_kind(item)}" if many else _kind(inner)
        text = field.get("description", "") or _limits(inner)
        rows.append(Row(f"{prefix}{name}", kind, text, name in needed))
        if item.get("properties") and depth < DEEPEST:
            rows += _fields(spec, item, f"{prefix}{name}{'[]' if many else ''}.", depth + 1)
    return rows


def _resolved(spec: Spec, schema: Spec) -> Spec:
    """The schema behind a reference; of several, the one that is not null."""
    for choice in schema.get("anyOf") or schema.get("oneOf") or ():
        if choice.get("type") != "null":
            return _resolved(spec, choice) | {"nullable": True}
    for part in schema.get("allOf") or ():
        return _resolved(spec, part)
    if "$ref" in schema:
        found: Spec = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _kind(schema: Spec) -> str:
    if "enum" in schema:
        return ", ".join("null" if value is None else str(value) for value in schema["enum"])
    kind = schema.get("type", "any")
    names = list(kind) if isinstance(kind, list) else [kind]
    if schema.get("nullable") and "null" not in names:
        names.append("null")
    if schema.get("format") in ("date-time", "date"):
        names = ["time" if name == "string" else name for name in names]
    return " or ".join({"string": "text", "integer": "number"}.get(n, n) for n in names)


def _limits(schema: Spec) -> str:
    most, least = schema.get("maxLength"), schema.get("minLength")
    if most:
        return f"{least} to {most:,} characters" if least else f"At most {most:,} characters"
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']:,} to {schema['maximum']:,}"
    return f"At most {schema['maxItems']:,}" if "maxItems" in schema else ""


def _pretty(example: Any) -> str:
    if example is None or isinstance(example, str):
        return example or ""
    return json.dumps(example, indent=2, ensure_ascii=False)

"""The API with its description at /api/v1/openapi.json.

flask-smorest over APIFlask and spectree: plain Flask blueprints, so that one application serves
pages and API; marshmallow schemas; kept by the people who keep marshmallow and apispec.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from flask import Flask, jsonify
from flask_smorest import Api

from app.accounts.access import everyone
from app.api import description, docs
from app.api.v1 import (
    articles,
    blueprint,
    catalog,
    files,
    imports,
    mail,
    merging,
    people,
    policies,
    reports,
    team,
    tickets,
    webhooks,
)
from app.extensions import csrf

# Each of these has put its views on the one blueprint.
RESOURCES = (
    *(tickets, files, imports, merging, people, team, catalog, policies, articles),
    *(webhooks, reports),
)


class DeskApi(Api):
    """Errors are told by `web.errors` for the whole application."""

    DEFAULT_ERROR_RESPONSE_NAME = ""  # every answer is described by itself

    def _register_error_handlers(self) -> None:
        """Leave the application's own in place."""


def init_api(app: Flask) -> None:
    """Register the resources, their description, and the pages that show it."""
    app.config.update(
        API_TITLE=description.TITLE,
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/api/v1",
        OPENAPI_JSON_PATH="openapi.json",
    )
    token = {"type": "http", "scheme": "bearer"}
    spec = {"security": [{"token": []}], "components": {"securitySchemes": {"token": token}}}
    app.json.sort_keys = False  # type: ignore[attr-defined]  # as it is described, and quicker
    api = DeskApi(app, spec_kwargs=spec)
    for resources in (blueprint.bp, mail.bp):
        api.register_blueprint(resources)
        csrf.exempt(resources)  # bearer tokens need none; sessions are checked in `access`
    app.register_blueprint(docs.bp)

    @cache
    def described() -> dict[str, Any]:
        return description.complete(api.spec.to_dict(), _keyed(app))

    app.extensions["api_description"] = described

    @everyone
    def openapi_json() -> Any:
        """The description holds no data, so it is open."""
        return jsonify(described())

    app.view_functions["api-docs.openapi_json"] = openapi_json


def _keyed(app: Flask) -> set[tuple[str, str]]:
    """Path (as it is described) and method of what is done once for each key."""
    return {
        (re.sub(r"<(?:[^:<>]*:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if getattr(app.view_functions[rule.endpoint], "takes_key", False)
        for method in rule.methods or ()
    }

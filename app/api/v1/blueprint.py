"""What every resource of the API shares: how input is read, limits, and what may go wrong."""

from __future__ import annotations

from inspect import getdoc
from typing import Any

from flask.typing import ResponseReturnValue
from flask_smorest.blueprint import Blueprint
from webargs.flaskparser import FlaskParser

from app.api.access import limited_by
from app.api.v1 import schemas
from app.core.errors import Invalid
from app.extensions import limiter
from app.web.errors import answer

RATE = "600 per minute"


class Parser(FlaskParser):
    """Tells wrong input as our `Invalid`, a field a message, like everything else."""

    DEFAULT_VALIDATION_STATUS = 400

    def handle_error(self, error: Any, req: Any, schema: Any, **kwargs: Any) -> Any:
        """Called with marshmallow's ValidationError."""
        # Told by their place: {"json": {"subject": ["Missing"]}}.
        errors = dict(_flat(next(iter(error.messages.values()), {})))
        raise Invalid("Some of the input is wrong.", errors)

    def load_json(self, req: Any, schema: Any) -> Any:
        """Also tells JSON that is nested too deep, or has a number of thousands of digits."""
        try:
            return super().load_json(req, schema)
        except (RecursionError, ValueError) as error:
            return self._handle_invalid_json_error(error, req)

    def _handle_invalid_json_error(self, error: Any, req: Any, *args: Any, **kwargs: Any) -> Any:
        raise Invalid("The body is no valid JSON.")


class ApiBlueprint(Blueprint):
    """A blueprint whose wrong input answers 400 as problem details."""

    ARGUMENTS_PARSER = Parser()

    def arguments(self, schema: Any, **options: Any) -> Any:
        """As the base; a schema is made once, not for each request, which copies all its fields."""
        return super().arguments(schema() if isinstance(schema, type) else schema, **options)

    def _store_endpoint_docs(self, endpoint: str, obj: Any, *args: Any, **options: Any) -> None:
        """The summary is said beside the view: its docstring is all description."""
        super()._store_endpoint_docs(endpoint, obj, *args, **options)
        for method in options.get("methods", ("GET",)):
            self._docs[endpoint][method.lower()]["docstring"] = {"description": getdoc(obj) or ""}


bp = ApiBlueprint("api", __name__, url_prefix="/api/v1", description="Tickets")
# Stands above ``arguments``, like `token_required`: a stranger makes us read no body.
limited = limiter.limit(RATE, key_func=limited_by)

CUSTOM_FIELD = "field_"  # what forms call them by; here they are in custom_fields

PROBLEMS: dict[int, str] = {
    400: "Some of the input is wrong.",
    401: "No token, or one that does not work.",
    403: "Not for this caller.",
    404: "Unknown, or somebody else's.",
    409: "The state does not allow it, or the version is stale.",
    412: "The ticket is not the one of If-Match: it has changed since.",
    413: "Too large.",
    415: "Of the wrong kind.",
    429: "Too many requests.",
}


@bp.errorhandler(Invalid)
def _invalid(error: Invalid) -> ResponseReturnValue:
    """Wrong input, each field by the name that it has in the request."""
    errors = {
        f"custom_fields.{name.removeprefix(CUSTOM_FIELD)}"
        if name.startswith(CUSTOM_FIELD)
        else name: told
        for name, told in error.errors.items()
    }
    return answer(400, error.message, errors)


def documented(*codes: int) -> Any:
    """Describe the problems that a resource may answer with."""

    def decorate(view: Any) -> Any:
        for code in (*codes, 401, 429):
            view = bp.alt_response(
                code,
                schema=schemas.Problem,
                content_type="application/problem+json",
                description=PROBLEMS[code],
            )(view)
        return view

    return decorate


def _flat(messages: Any, path: str = "") -> Any:
    """("requester.email", "Not a valid mail address.") of marshmallow's nested messages."""
    if isinstance(messages, dict):
        for key, value in messages.items():
            inner = path if key == "_schema" else f"{path}.{key}" if path else str(key)
            yield from _flat(value, inner)
    elif isinstance(messages, list):
        yield path or "body", " ".join(str(message) for message in messages)
    else:
        yield path or "body", str(messages)

"""The OpenAPI description: what all operations have in common is added here, once."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from http import HTTPStatus
from typing import Any

from app.api.idempotency import HEADER, LONGEST
from app.api.v1.blueprint import RATE
from app.api.v1.examples import PROBLEM

Spec = dict[str, Any]

TITLE = "Deskhand"
INFO = """What people do on the pages, for other programs.

**Tokens.** Each request has the header `Authorization: Bearer …` with a token that a person has \
made on the page of their account. A token sees and may do what its owner may: a customer's sees \
that customer's tickets alone. It may be made to read only, and to end on a day.

**Times** are ISO 8601 in UTC. **People** are named by id or mail address, groups by id or name, \
categories by their key.

**Pages.** Lists answer with `limit` rows, and with `next_cursor` where there are more: ask for \
`?cursor=` with it.

**Errors** are problem details (RFC 9457): `detail` says what to do, `errors` names fields, and \
`request_id` stands in the log.

**Sending again.** A POST with an `Idempotency-Key` that comes again within a day gets the same \
answer, and nothing happens twice. A PUT by external id makes or changes, so that an import may be \
run again. A ticket's `ETag` sent back as `If-Match` refuses a change (412) where the ticket has \
changed since; as `If-None-Match` it saves reading what has not (304)."""
CHAPTERS = {
    "Tickets": "Opened, read, changed, answered, assigned, resolved, merged and counted.",
    "Requesters": "Customers, by our ids, by their addresses, and by the ids of other programs.",
    "Organizations": "Customers' companies, their mail domains and tiers.",
    "Agents": "Who answers tickets, with presence and what they hold.",
    "Groups": "Teams, their members, and how they hand out tickets.",
    "Skills": "What agents know and categories may need.",
    "Categories": "What tickets are about, with subcategories.",
    "Tags": "Free words on tickets: made, renamed, merged, deleted.",
    "Policies": "How soon tickets are answered and resolved.",
    "Rules": "Who gets a new ticket.",
    "Templates": "Automatic answers to new tickets.",
    "Articles": "The knowledge base: read as the help centre shows it, written by agents.",
    "Article categories": "The shelves of the help centre.",
    "Webhooks": "What other programs are told as it happens.",
    "Reports": "How a period went.",
    "Mail": "Whole mails, handed in by HTTP.",
}
LIMIT, _, PERIOD = RATE.partition(" per ")
HEADERS: Spec = {
    "X-RateLimit-Limit": f"How often a token may ask for this in a {PERIOD}.",
    "X-RateLimit-Remaining": "How often it still may.",
    "X-RateLimit-Reset": "When they are whole again, in seconds since 1970.",
}
RETRY = {"Retry-After": "Seconds to wait."}
KEY: Spec = {
    "in": "header",
    "name": HEADER,
    "schema": {"type": "string", "maxLength": LONGEST},
    "description": "Any words of yours, new for each thing that is to be done once.",
}
EVERYWHERE = {
    401: "No token, or one that does not work.",
    429: "Too many requests.",
    503: "Too busy, or the database is away: nothing is half done.",
}


def complete(spec: Spec, keyed: Collection[tuple[str, str]]) -> Spec:
    """The description as flask-smorest makes it, with what it does not know.

    Args:
        keyed: path and method of what is done once for each key.
    """
    spec["info"]["title"] = f"{TITLE} API"
    spec["info"]["description"] = INFO
    spec["servers"] = [{"url": "/"}]
    for path, method, operation in operations(spec):
        operation["operationId"] = _name(method, path)
        operation["tags"] = [_chapter(tag) for tag in operation.get("tags", [])]
        _add_answers(path, method, operation)
        if (path, method) in keyed:
            operation.setdefault("parameters", []).append(KEY)
    used = [operation["tags"][0] for _, _, operation in operations(spec)]
    order = [*CHAPTERS, *sorted(set(used) - set(CHAPTERS))]
    spec["tags"] = [
        {"name": name, "description": CHAPTERS.get(name, name)} for name in order if name in used
    ]
    spec["paths"] = dict(sorted(spec["paths"].items(), key=lambda item: _place(item[1], order)))
    for name, schema in spec["components"]["schemas"].items():
        if name.endswith("Change"):  # what is not named stays, whatever a new one begins with
            for field in schema.get("properties", {}).values():
                field.pop("default", None)
    return spec


def operations(spec: Spec) -> Iterator[tuple[str, str, Spec]]:
    """Path, method and operation of each."""
    for path, item in spec["paths"].items():
        for method, operation in item.items():
            if method != "parameters":
                yield path, method, operation


def _add_answers(path: str, method: str, operation: Spec) -> None:
    answers = operation["responses"]
    more = dict(EVERYWHERE)
    if method == "post":
        more |= {400: "Some of the input is wrong.", 409: "Its state does not allow it."}
    if "requestBody" in operation:
        more[413] = "Too large."
    if method not in ("get", "head"):
        more[400] = "Some of the input is wrong."
        more[403] = "Not with this token."
    for code, words in more.items():
        answers.setdefault(str(code), {"description": words})
    for code, answer in answers.items():
        if int(code) >= 400:
            told = {"title": HTTPStatus(int(code)).phrase, "status": int(code)}
            example = PROBLEM | told | {"detail": answer["description"]}
            if code != "400":
                example["errors"] = []
            schema = {"$ref": "#/components/schemas/Problem"}
            answer["content"] = {"application/problem+json": {"schema": schema, "example": example}}
        counted = HEADERS | (RETRY if code in ("429", "503") else {})
        headers = answer.setdefault("headers", {})
        for name, words in counted.items():
            headers[name] = {"schema": {"type": "integer"}, "description": words}
        if code in ("200", "201", "304") and "Ticket" in _answered(answer, path):
            headers["ETag"] = {
                "schema": {"type": "string"},
                "description": "Of the ticket as it is shown, for If-Match and If-None-Match.",
            }
        if code == "201":
            headers["Location"] = {"schema": {"type": "string"}, "description": "Where it is."}
    operation["responses"] = dict(sorted(answers.items()))


def _answered(answer: Spec, path: str) -> str:
    """The name of an answer's schema where that is one ticket."""
    schema = answer.get("content", {}).get("application/json", {}).get("schema", {})
    if not schema and path == "/api/v1/tickets/{number}":
        return "TicketDetail"  # 304
    name = str(schema.get("$ref", ""))
    return name if name.endswith("TicketDetail") else ""


def _name(method: str, path: str) -> str:
    """ "patch_tickets_number": for programs that make a client of the description."""
    words = path.removeprefix("/api/v1").replace("{", "").replace("}", "").replace("-", "_")
    return f"{method}{words.replace('/', '_')}"


def _chapter(tag: str) -> str:
    """A blueprint's name as a heading, where nothing better was said."""
    return tag if tag in CHAPTERS else tag.removeprefix("api_").replace("_", " ").capitalize()


def _place(item: Spec, order: list[str]) -> int:
    tag = next(value["tags"][0] for name, value in item.items() if name != "parameters")
    return order.index(tag)

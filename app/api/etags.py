"""ETags of tickets (RFC 9110, sections 8.8.3 and 13).

The tag holds the ticket's version and a hash of what was shown: the hash tells a reader whether
anything is new, the version alone guards changes. A name that changed elsewhere is no reason to
refuse one. Customers, who change nothing, see no version: a note of agents moves it.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

from flask import Response, jsonify, request
from werkzeug.exceptions import PreconditionFailed

from app.tickets.models import Ticket


def tagged(body: dict[str, Any], status: int = 200) -> Response:
    """A ticket as JSON with its ETag; 304 without a body where the reader has just that."""
    response = jsonify(body)
    response.status_code = status
    shown = blake2b(response.get_data(), digest_size=8).hexdigest()
    response.set_etag(f"{body.get('version', '')}-{shown}")
    if request.method == "GET":
        response.headers["Cache-Control"] = "private, no-cache"  # may be kept, and asked about
        response.make_conditional(request.environ)
    return response


def refuse_unread(ticket: Ticket | None) -> None:
    """Let a change through only if its ``If-Match`` (if any) is of the ticket as it stands.

    Weak tags count, too: proxies that compress make strong ones weak.

    Raises:
        PreconditionFailed: the ticket has changed since it was read, or there is none.
    """
    if "If-Match" not in request.headers or (ticket and request.if_match.star_tag):
        return
    tags = request.if_match.as_set(include_weak=True)
    versions = {tag.partition("-")[0] for tag in tags if tag}  # None for what is no tag
    if ticket is None or str(ticket.version) not in versions:
        raise PreconditionFailed

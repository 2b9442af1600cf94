"""What the tests of the API send."""

from __future__ import annotations

from typing import Any

V1 = "/api/v1"
Headers = dict[str, str]


def new(**fields: Any) -> dict[str, Any]:
    """A new ticket; *fields* stand beside or instead of the usual ones."""
    asker = {"email": "ann@x.example", "name": "Ann"}
    return {"subject": "It hums", "description": "All day.", "requester": asker} | fields

"""What a form has sent, for an error page that offers to send it again."""

from __future__ import annotations

from dataclasses import dataclass

from flask import request
from werkzeug.exceptions import HTTPException


@dataclass(frozen=True, slots=True)
class SentForm:
    """Its address, its fields, and the names of those whose files a browser has forgotten.

    ``csrf_token`` is the one that was sent: a page of ours makes nobody's form valid.
    """

    path: str
    csrf_token: str
    fields: list[tuple[str, str]]
    file_fields: list[str]


def sent_form() -> SentForm | None:
    """The form of this request; None where there is none, or one that holds a password."""
    if request.method != "POST":
        return None
    try:
        fields = [item for item in request.form.items(multi=True) if item[0] != "csrf_token"]
        files = [name for name, file in request.files.items() if file.filename]
    except (HTTPException, OSError):  # it did not arrive in one piece
        return None
    if not fields or any("password" in name for name, _ in fields):
        return None
    token = request.form.get("csrf_token", "")
    return SentForm(request.full_path.removesuffix("?"), token, fields, files)

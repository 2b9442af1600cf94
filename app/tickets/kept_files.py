"""Files of a form that comes back: stored already, and named by a signed token in the form."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from itsdangerous import BadData, URLSafeTimedSerializer

from app.tickets.attachments import StoredFile
from app.web.words import filesize

KEPT_SECONDS = 86_400  # shorter than the sweep of files without a row waits


@dataclass(frozen=True, slots=True)
class KeptFile:
    """A file of a try before, and the token that stands for it."""

    token: str
    file: StoredFile

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.file.filename

    @property
    def size_text(self) -> str:
        """In words."""
        return filesize(self.file.size)


def keep(file: StoredFile) -> KeptFile:
    """A token for *file*, good for a day."""
    token = _tokens().dumps([file.sha256, file.filename, file.content_type, file.size])
    return KeptFile(token, file)


def kept(token: str) -> KeptFile | None:
    """The file of a token; None if it is forged or so old that the file may be gone."""
    try:
        return KeptFile(token, StoredFile(*_tokens().loads(token, max_age=KEPT_SECONDS)))
    except (BadData, ValueError):
        return None


def _tokens() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(current_app.config["SECRET_KEY"], salt="deskhand.kept-file")

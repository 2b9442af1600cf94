"""What can be wrong, in words for people; ``web.errors`` turns it into a status and a page."""

from __future__ import annotations

from collections.abc import Mapping


class DomainError(Exception):
    """A rule was broken; ``message`` says what to do about it."""

    status = 400

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Invalid(DomainError):
    """The input is wrong; ``errors`` maps field names to what is wrong with them."""

    status = 422

    def __init__(self, message: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.errors = dict(errors or {})


class NotFound(DomainError):
    """Unknown and foreign things alike, so that nothing can be probed."""

    status = 404


class Forbidden(DomainError):
    """Known who you are; you may not."""

    status = 403


class Conflict(DomainError):
    """The thing has changed meanwhile, or its state does not allow this."""

    status = 409

"""One spelling for a mail address that can be written in several ways."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email


@lru_cache(maxsize=1_000)  # a limit and a form ask, before the writer's lock is held
def spelled_alike(text: str) -> str:
    """*text* in lower case, its domain in Unicode (RFC 5890); what is no address only trimmed."""
    address = text.strip()
    with suppress(EmailNotValidError, UnicodeError):
        address = validate_email(
            address, allow_quoted_local=True, check_deliverability=False, test_environment=True
        ).normalized
    return address.lower()

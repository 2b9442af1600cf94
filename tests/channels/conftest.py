"""What tests with mail workers in processes of their own share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.mail.smtp import Inbox, smtp_server
from tests.own_desk import own_desk


@pytest.fixture
def desk(own_environ: dict[str, str]) -> Iterator[tuple[dict[str, str], Inbox]]:
    """The environment of a desk of its own, and its mail server; its application context is on."""
    with smtp_server() as inbox:
        mails = {"DESKHAND_MAIL_FROM": "support@desk.example", "DESKHAND_SMTP_URL": inbox.url}
        environ = own_environ | mails
        with own_desk(environ):
            yield environ, inbox

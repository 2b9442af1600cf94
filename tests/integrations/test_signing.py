"""Signatures of Standard Webhooks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from app.integrations import signing

# What every library of the project expects, libraries/*/ of github.com/standard-webhooks.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
AT = datetime.fromtimestamp(1_614_265_330, UTC)
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_signature_is_the_one_that_other_libraries_make() -> None:
    headers = signing.headers(ID, b'{"test": 2432232314}', [SECRET], now=AT)
    assert headers == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNED,
    }


def test_two_secrets_make_two_signatures() -> None:
    other = signing.make_secret()
    headers = signing.headers(ID, b'{"test": 2432232314}', [other, SECRET], now=AT)
    first, second = headers["webhook-signature"].split(" ")
    assert second == SIGNED
    assert first != SIGNED


@pytest.mark.parametrize(
    "text",
    ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!", "whsec_c2hvcnQ=", "whsec_é"],
)
def test_what_is_no_secret_is_none(text: str) -> None:
    assert not signing.is_secret(text)
    assert signing.is_secret(signing.make_secret())


def test_the_handbooks_own_check_holds_for_our_signatures() -> None:
    """Who copies it from docs/webhooks.md takes our messages, and no others."""
    [code] = re.findall(r"```python\n(.*?)```", Path("docs/webhooks.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102  (ours)
    body = b'{"type": "webhook.test"}'
    secret, other = signing.make_secret(), signing.make_secret()
    headers = signing.headers(ID, body, [other, secret], now=AT)
    assert names["is_ours"](secret, headers, body)
    assert names["is_ours"](other, headers, body)
    assert not names["is_ours"](signing.make_secret(), headers, body)
    assert not names["is_ours"](secret, headers, body + b" ")
    assert not names["is_ours"](secret, headers | {"webhook-timestamp": "1614265331"}, body)

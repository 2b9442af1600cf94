"""Where a chat window may stand, and what its first message is called."""

from __future__ import annotations

import pytest

from app.channels import chat
from app.core.errors import Invalid


@pytest.mark.parametrize(
    ("typed", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        (" https://Shop.Example/ ", "https://shop.example"),
        ("shop.example", "https://shop.example"),
        ("https://shop.example:443", "https://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("https://bäckerei.example", "https://xn--bckerei-5wa.example"),
        ("http://192.0.2.7:8080", "http://192.0.2.7:8080"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
    ],
)
def test_a_website_is_kept_as_browsers_name_it(typed: str, origin: str) -> None:
    assert chat.normal_origin(typed) == origin


@pytest.mark.parametrize(
    "typed",
    [
        *("", "*", "https://*.shop.example", "https://shop.example/help", "https://shop.example?a"),
        *("https://user@shop.example", "ftp://shop.example", "file:///home"),
        *("https://shop.example:99999", "https://a b.example", "https://" + "a" * 300),
    ],
)
def test_anything_else_is_refused(typed: str) -> None:
    with pytest.raises(Invalid):
        chat.normal_origin(typed)


@pytest.mark.parametrize(
    ("body", "subject"),
    [
        ("Does it fit?\nOur door has 80 cm.", "Does it fit?"),
        ("  two   spaces  ", "two spaces"),
        ("word " * 30, ("word " * 15).strip() + " …"),
        ("x" * 200, "x" * 78 + " …"),
    ],
)
def test_the_first_line_makes_the_subject(body: str, subject: str) -> None:
    assert chat.subject_of(body) == subject
    assert len(chat.subject_of(body)) <= chat.SUBJECT


@pytest.mark.parametrize(
    ("told", "page"),
    [
        ("https://shop.example/ovens?session=secret#part", "shop.example/ovens"),
        ("https://shop.example/", "shop.example"),
        ("https://evil.example/ovens", "shop.example"),
        ("https://shop.example.evil/ovens", "shop.example"),
        ("", "shop.example"),
        ("https://shop.example/" + "o" * 300, "shop.example/" + "o" * 87),
    ],
)
def test_a_page_is_kept_as_far_as_its_origin_vouches_for_it(told: str, page: str) -> None:
    assert chat.page_of("https://shop.example", told) == page

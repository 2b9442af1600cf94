"""Header fields as mailers really write them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail import headers
from app.mail.headers import Address


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("=?UTF-8?B?R3LDvMOfZQ==?=", "Grüße"),
        ("=?iso-8859-1?q?a_b?= =?iso-8859-1?q?_c?=", "a b c"),
        ("=?utf-8?B?R3LD?= =?utf-8?B?vMOfZQ==?=", "Grüße"),  # a character cut in two
        ("Re: =?utf-8?Q?What??=", "Re: What?"),
        ("=?utf-8?Q?with blanks=21?=", "with blanks!"),
        ("=?unknown-9?Q?=C3=BC?=", "ü"),
        ("=?utf-8*de?Q?=C3=BC?=", "ü"),
        ("=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        ("=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),  # no padding
        ("a\r\n b\x00", "a b"),
    ],
)
def test_encoded_words(raw: str, text: str) -> None:
    assert headers.decode_words(raw).replace("\x00", "") == text


@pytest.mark.requirement("X43")
@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("ann@x.example", [("", "ann@x.example")]),
        ("Ann Lee <ann@x.example>", [("Ann Lee", "ann@x.example")]),
        (
            '"Lee, Ann" <ann@x.example>, bob@x.example',
            [("Lee, Ann", "ann@x.example"), ("", "bob@x.example")],
        ),
        ("ann@x.example (Ann Lee)", [("Ann Lee", "ann@x.example")]),
        ("Team: ann@x.example, bob@x.example;", [("", "ann@x.example"), ("", "bob@x.example")]),
        ("undisclosed-recipients:;", []),
        ("=?utf-8?Q?J=C3=BCrgen?= <j@x.example>", [("Jürgen", "j@x.example")]),
        ("=?utf-8?Q?J=C3=BCrgen_<j@x.example>?=", [("Jürgen", "j@x.example")]),
        ('"ann@x.example" <ann@x.example>', [("ann@x.example", "ann@x.example")]),
        ('"boss@x.example" <eve@y.example>', [("", "eve@y.example")]),
        ("=?utf-8?Q?boss=40x.example?= <eve@y.example>", [("", "eve@y.example")]),
        ("'boss@x.example' via List <l@y.example>", [("boss@x.example' via List", "l@y.example")]),
        ("'Ann' <mailto:ann@x.example>", [("Ann", "ann@x.example")]),
        ("ann@x.example; bob@x.example", [("", "ann@x.example"), ("", "bob@x.example")]),
        ('"unclosed <ann@x.example>', [("unclosed", "ann@x.example")]),
        ("<@relay.example:ann@x.example>", [("", "ann@x.example")]),
        ("no address here", []),
        (
            "=?utf-8?Q?M=C3=BCller, Ann, Ltd.?= <ann@x.example>",
            [("Müller, Ann, Ltd.", "ann@x.example")],
        ),
        (
            "Lee, Ann <ann@x.example>, Ray, Bob <bob@x.example>, eve@x.example",
            [("Lee, Ann", "ann@x.example"), ("Ray, Bob", "bob@x.example"), ("", "eve@x.example")],
        ),
        ("ann@x.example (Ann (the cook) Lee)", [("Ann Lee", "ann@x.example")]),
    ],
)
def test_addresses(field: str, found: list[tuple[str, str]]) -> None:
    assert headers.addresses(field) == [Address(*pair) for pair in found]


def test_ids_come_without_brackets_each_once() -> None:
    assert headers.message_ids("<a@x> <b@x>\n <a@x>") == ("a@x", "b@x")
    assert headers.message_ids("a@x, b@x") == ("a@x", "b@x")
    assert headers.message_ids("Ann's mail of Monday") == ()


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ('text/plain; charset="utf-8"', "charset", "utf-8"),
        ("x; filename*=utf-8''%C3%BC.txt", "filename", "ü.txt"),
        ("x; filename*0=a; filename*1=b", "filename", "ab"),
        ("x; filename*1*=%62; filename*0*=iso-8859-1''%E4", "filename", "äb"),
        ('x; filename="a;b.txt"; size=3', "filename", "a;b.txt"),
        ("x; filename=two words.txt", "filename", "two words.txt"),
        ('x; filename="unclosed.txt', "filename", "unclosed.txt"),
        ('x; filename="=?utf-8?Q?=C3=BC?="', "filename", "ü"),
        (r'x; filename="C:\docs\a.txt"', "filename", r"C:\docs\a.txt"),
    ],
)
def test_parameters(field: str, name: str, value: str) -> None:
    assert headers.parameters(field)[1][name] == value


def test_dates_are_utc_or_nothing() -> None:
    assert headers.date("Mon, 01 Jan 2024 10:00:00 +0200") == datetime(2024, 1, 1, 8, tzinfo=UTC)
    assert headers.date("Mon, 01 Jan 2024 10:00:00 -0000") == datetime(2024, 1, 1, 10, tzinfo=UTC)
    assert headers.date("yesterday") is None
    assert headers.date("Mon, 01 Jan 99999999999 10:00:00 +9999") is None


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    headers.decode_words(text)
    headers.parameters(text)
    headers.message_ids(text)
    headers.date(text)
    for address in headers.addresses(text):
        assert "@" in address.email
        assert not set(address.email) & set(" \t\r\n<>,")

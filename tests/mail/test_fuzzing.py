"""No bytes whatever break the reading of mails, or hold it up."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mail.fuzzing import TOKENS, check, mutated

SAMPLES = Path(__file__).parent / "samples"

leaf = st.tuples(
    st.sampled_from(
        [
            b"text/plain",
            b"text/plain; format=flowed; delsp=yes",
            b"text/html; charset=utf-8",
            b"text/calendar",
            b"image/png; name=a.png",
            b"message/rfc822",
            b"message/delivery-status",
            b"application/ms-tnef",
            b"application/pkcs7-mime",
        ]
    ),
    st.sampled_from([b"7bit", b"base64", b"quoted-printable", b"x-uuencode"]),
    st.lists(st.sampled_from(TOKENS) | st.binary(max_size=30), max_size=8).map(b"".join),
).map(lambda x: b"Content-Type: %s\nContent-Transfer-Encoding: %s\n\n%s" % x)


def _multipart(parts: list[bytes]) -> bytes:
    boundary = b"b%d" % (sum(map(len, parts)) % 7)
    kind = (b"mixed", b"alternative", b"related", b"report", b"signed")[len(parts) % 5]
    body = b"".join(b"\n--%s\n%s" % (boundary, part) for part in parts)
    head = b"Content-Type: multipart/%s; boundary=%s\n" % (kind, boundary)
    return b"%s%s\n--%s--\n" % (head, body, boundary)


trees = st.recursive(leaf, lambda children: st.lists(children, max_size=4).map(_multipart))
fields = st.lists(
    st.sampled_from(
        [
            b"From: MAILER-DAEMON@mx.example\n",
            b"From: Ann <a@x.example>\n",
            b"Subject: Undeliverable: x\n",
            b"Subject: =?utf-8?B?4pyT\n",
            b"X-Failed-Recipients: a@x.example,,\n",
            b"References: <a> <b\n",
            b"Auto-Submitted: auto-replied\n",
        ]
    ),
    max_size=4,
).map(b"".join)


@settings(max_examples=250, deadline=None)
@given(fields, trees)
def test_any_tree_of_parts_is_read(head: bytes, tree: bytes) -> None:
    check(head + tree)


def test_damaged_mails_are_read() -> None:
    dice = random.Random(20240101)
    seeds = [path.read_bytes() for path in sorted(SAMPLES.glob("*.eml"))]
    for _ in range(60):
        check(mutated(dice.choice(seeds), dice.choice(seeds), dice))


@pytest.mark.soak
def test_damaged_mails_of_the_corpora_are_read(corpora: Path) -> None:
    """Five minutes, or FUZZ_SECONDS; the bytes that break a rule are in the message."""
    number = int(os.environ.get("FUZZ_SEED", "0")) or random.SystemRandom().getrandbits(32)
    dice = random.Random(number)
    seeds = [path.read_bytes() for path in sorted(corpora.glob("*/mails/*"))]
    until = time.monotonic() + float(os.environ.get("FUZZ_SECONDS", "300"))
    count = 0
    while time.monotonic() < until:
        raw = mutated(dice.choice(seeds), dice.choice(seeds), dice)
        try:
            check(raw)
        except Exception as error:
            found = Path(os.environ.get("FUZZ_FOUND", "/tmp")) / f"fuzz-{number}-{count}.eml"
            found.write_bytes(raw)
            raise AssertionError(f"FUZZ_SEED={number}: {found}") from error
        count += 1
    assert count

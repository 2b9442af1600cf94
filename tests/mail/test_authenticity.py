"""Whose Authentication-Results are believed, and what they say about the sender."""

from __future__ import annotations

import pytest

from app.mail.authenticity import read
from app.mail.models import SenderCheck
from app.mail.parsing import parse

OURS = "mx.desk.example"
PASS = f"{OURS}; spf=pass smtp.mailfrom=x.example; dmarc=pass header.from=x.example"
FAIL = f"{OURS}; dkim=fail header.d=x.example; dmarc=fail (p=reject) header.from=x.example"


def check(*results: str, sender: str = "Ann <ann@x.example>") -> SenderCheck:
    lines = [f"Authentication-Results: {result}" for result in results]
    return read(parse("\r\n".join([*lines, f"From: {sender}", "", "Hi"]).encode()), OURS).check


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (PASS, SenderCheck.PASS),
        (FAIL, SenderCheck.FAIL),
        (f"{OURS} 1; dmarc=pass header.from=x.example", SenderCheck.PASS),
        (f"{OURS.upper()};\r\n\tdmarc = PASS\r\n header.from=X.example", SenderCheck.PASS),
        (f"{OURS}; dmarc=pass (p=none; dis=none) header.from=x.example", SenderCheck.PASS),
        (f"{OURS}; dmarc/1=pass", SenderCheck.PASS),
        (f"{OURS}; none", SenderCheck.UNKNOWN),
        (f"{OURS}; dmarc=none header.from=x.example", SenderCheck.UNKNOWN),
        (f"{OURS}; dmarc=bestguesspass header.from=x.example", SenderCheck.UNKNOWN),
        (f"{OURS}; dmarc=temperror", SenderCheck.UNKNOWN),
        (f"{OURS}; dkim=pass header.d=x.example", SenderCheck.UNKNOWN),
        (f"{OURS}; dmarc=pass header.from=other.example", SenderCheck.UNKNOWN),
        # What is quoted or a comment says nothing.
        (f'{OURS}; spf=fail reason="; dmarc=pass"', SenderCheck.UNKNOWN),
        (f"{OURS}; spf=fail (a (b); dmarc=pass)", SenderCheck.UNKNOWN),
        (f"{OURS}; dmarc=pass header.from=x.example; dmarc=fail", SenderCheck.FAIL),
        ("", SenderCheck.UNKNOWN),
        (";;;(((", SenderCheck.UNKNOWN),
    ],
)
def test_our_servers_word_on_dmarc_counts(result: str, expected: SenderCheck) -> None:
    assert check(result) is expected


@pytest.mark.parametrize(
    "forged",
    [
        "mx.evil.example; dmarc=pass header.from=x.example",
        f"mx.evil.example; ({OURS};) dmarc=pass header.from=x.example",
        f"evil.{OURS}; dmarc=pass header.from=x.example",
        "dmarc=pass header.from=x.example",
    ],
)
def test_another_servers_word_is_not_believed(forged: str) -> None:
    assert check(forged) is SenderCheck.UNKNOWN
    assert check(FAIL, forged) is SenderCheck.FAIL
    assert check(forged, FAIL) is SenderCheck.FAIL


def test_a_field_that_the_sender_wrote_in_our_servers_name_lies_below_its_own() -> None:
    assert check(FAIL, PASS) is SenderCheck.FAIL
    assert check(f"{OURS}; none", PASS) is SenderCheck.UNKNOWN


@pytest.mark.parametrize(
    "sender",
    [
        "Ann <ann@x.example>, boss@x.example",
        "ann@x.example\r\nFrom: boss@x.example",
        "<ann@x.example> <boss@x.example>",  # we read the last one, others the first
        "\r\nSender: ann@x.example",
    ],
)
def test_a_mail_of_several_senders_or_of_none_fails(sender: str) -> None:
    for result in (PASS, FAIL, f"{OURS}; dmarc=none", ""):
        assert check(result, sender=sender) is SenderCheck.FAIL


def test_no_from_field_is_no_sender_either() -> None:
    mail = parse(f"Authentication-Results: {PASS}\r\nSender: ann@x.example\r\n\r\n".encode())
    assert mail.from_email == "ann@x.example"
    assert read(mail, OURS).check is SenderCheck.FAIL


@pytest.mark.parametrize(
    "sender",
    [
        "boss@x.example\0@x.example",
        "<@x.example:boss@x.example>",
        "=?utf-8?q?ann@y.example,?= <boss@x.example>",
        "ann@y.example <boss@x.example>",
    ],
)
def test_an_address_that_others_read_otherwise_is_not_proven(sender: str) -> None:
    for result in (PASS, f"{OURS}; dmarc=pass"):
        assert check(result, sender=sender) is SenderCheck.UNKNOWN
    assert check(FAIL, sender=sender) is SenderCheck.FAIL


def test_an_address_that_is_its_own_name_is_proven() -> None:
    assert check(PASS, sender="ann@x.example <Ann@X.example>") is SenderCheck.PASS


@pytest.mark.parametrize(
    "sender",
    ['"Ann <ann@x.example>" <ann@x.example>', '"Lee, Ann" <ann@x.example>', "Lee, A <a@x.example>"],
)
def test_what_a_name_holds_is_no_sender(sender: str) -> None:
    assert check(f"{OURS}; none", sender=sender) is SenderCheck.UNKNOWN


def test_a_domain_is_compared_in_either_form() -> None:
    result = f"{OURS}; dmarc=pass header.from=xn--mller-kva.example"
    assert check(result, sender="ann@müller.example") is SenderCheck.PASS


def test_the_proof_can_be_told() -> None:
    mail = parse(f"Authentication-Results: {PASS}\r\nFrom: a@x.example\r\n\r\n".encode())
    assert read(mail, OURS).told == f"spf=pass, dmarc=pass, said by {OURS}"

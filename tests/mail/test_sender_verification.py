"""Signatures checked by ourselves, against a name server that really answers."""

from __future__ import annotations

from collections.abc import Iterator

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.mail import sender_verification
from app.mail.models import SenderCheck
from app.mail.parsing import parse
from app.mail.sender_verification import verify
from tests.mail.name_server import Names, name_server

MAIL = b"From: Ann <ann@mail.x.example>\r\nTo: support@desk.example\r\nSubject: Hi\r\n\r\nHello\r\n"


@pytest.fixture
def names() -> Iterator[Names]:
    with name_server() as server:
        server.texts["_dmarc.x.example"] = "v=DMARC1; p=reject"
        server.texts["s._domainkey.x.example"] = f"v=DKIM1; k=rsa; p={PUBLIC}"
        server.texts["s._domainkey.evil.example"] = f"v=DKIM1; k=rsa; p={PUBLIC}"
        yield server


def _keys() -> tuple[bytes, str]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505  (quick)
    pem, der = serialization.Encoding.PEM, serialization.Encoding.DER
    kept = serialization.PrivateFormat.TraditionalOpenSSL
    private = key.private_bytes(pem, kept, serialization.NoEncryption())
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    import base64

    return private, base64.b64encode(key.public_key().public_bytes(der, info)).decode()


PRIVATE, PUBLIC = _keys()


def signed(domain: str = "x.example", mail: bytes = MAIL, **options: object) -> bytes:
    return bytes(dkim.sign(mail, b"s", domain.encode(), PRIVATE, **options)) + mail


def check(raw: bytes) -> SenderCheck:
    return verify(raw, parse(raw)).check


@pytest.mark.usefixtures("names")
def test_a_signature_of_the_senders_organization_proves_a_mail() -> None:
    proof = verify(signed(), parse(signed()))
    assert (proof.check, proof.told) == (SenderCheck.PASS, "dmarc=pass, signed by x.example")
    assert check(signed().replace(b"\r\n", b"\n")) is SenderCheck.PASS


@pytest.mark.usefixtures("names")
@pytest.mark.parametrize(
    "raw",
    [
        MAIL,
        signed("evil.example"),
        signed().replace(b"Hello", b"Pay now"),
        signed().replace(b"ann@", b"boss@"),
        signed(length=True) + b"Pay now\r\n",
        b"DKIM-Signature: nonsense\r\n" + MAIL,
    ],
)
def test_else_a_mail_fails_where_its_domain_asks_for_proof(raw: bytes) -> None:
    assert check(raw) is SenderCheck.FAIL


def test_a_domain_decides_what_counts(names: Names) -> None:
    names.texts["_dmarc.x.example"] = "v=DMARC1; p=reject; adkim=s"
    assert check(signed()) is SenderCheck.FAIL
    names.texts["_dmarc.x.example"] = "v=DMARC1; p=reject; sp=none"
    assert check(MAIL) is SenderCheck.UNKNOWN
    names.texts["_dmarc.x.example"] = "v=DMARC1; p=none"
    assert check(MAIL) is SenderCheck.UNKNOWN
    assert check(signed()) is SenderCheck.PASS
    del names.texts["_dmarc.x.example"]
    assert check(signed()) is SenderCheck.UNKNOWN
    names.texts["_dmarc.example"] = "v=DMARC1; p=reject; psd=y"  # a registry's
    assert check(signed("evil.example")) is SenderCheck.UNKNOWN


def test_silent_name_servers_hold_nobody_up(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender_verification, "SECONDS", 0.2)
    names.is_silent = True
    proof = verify(signed(), parse(signed()))
    assert proof.check is SenderCheck.UNKNOWN
    assert "no answer" in proof.told


@pytest.mark.usefixtures("names")
def test_a_mail_of_several_senders_fails() -> None:
    twice = b"From: boss@x.example\r\n" + signed()
    assert check(twice) is SenderCheck.FAIL

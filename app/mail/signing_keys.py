"""DKIM keys: made here, their private half sealed, their public half for the DNS (RFC 6376)."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from app.core.sealing import seal, unseal

BITS = 2048  # RFC 8301, section 3.2: at least 1024, better 2048


@dataclass(frozen=True, slots=True)
class DnsRecord:
    """A TXT record to publish."""

    name: str
    value: str


def make_key() -> str:
    """A new private key in PEM, sealed: for ``Mailbox.dkim_key``."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return seal(pem.decode("ascii"))


def dns_record(address: str, selector: str, sealed_key: str) -> DnsRecord:
    """The record by which others check what is signed (RFC 6376, section 3.6.1).

    Raises:
        Unreadable: the ``SECRET_KEY`` has changed.
    """
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key(unseal(sealed_key).encode(), password=None)
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    domain = address.rpartition("@")[2]
    value = f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode('ascii')}"
    return DnsRecord(f"{selector}._domainkey.{domain}", value)

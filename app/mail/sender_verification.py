"""Is a mail from whom it says? Found out by ourselves: its DKIM signatures and DMARC (RFC 7489).

For desks whose mail server tells nothing. The address of the client that brought the mail is not
known here, so SPF is left out: where a domain asks for DMARC's quarantine or refusal, only its
signature proves a mail. It asks the DNS, so it is done before any lock is taken, never for a page.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import dkim
import dns.resolver
from dns.exception import DNSException

from app.mail import authenticity
from app.mail.authenticity import Proof
from app.mail.models import SenderCheck
from app.mail.parsing import ParsedEmail

SECONDS = 10.0  # for all questions about one mail
SECONDS_EACH = 3.0
MOST_SIGNATURES = 4
MOST_LABELS = 6  # of a domain, at which its policy is looked for

Ask = Callable[[str], list[str]]
"""The TXT records of a name; none for a name that is not there."""


class OutOfTime(Exception):
    """The name servers did not answer in time."""


def verify(raw: bytes, mail: ParsedEmail) -> Proof:
    """Check who sent *raw*. Never raises; takes at most about ten seconds."""
    if authenticity.has_odd_sender(mail):
        return authenticity.ODD_SENDER
    domain = authenticity.from_domain(mail)
    if not domain or not authenticity.has_one_sender(mail):
        return Proof()
    ask = _asking(time.monotonic() + SECONDS)
    try:
        organization, policy = find_policy(domain, ask)
        if not policy:
            return Proof(SenderCheck.UNKNOWN, f"{domain} has no DMARC policy")
        for signer in _signers(raw, len(mail.fields.get("dkim-signature", ())), ask):
            if _is_aligned(signer, domain, organization, strict=policy.get("adkim") == "s"):
                return Proof(SenderCheck.PASS, f"dmarc=pass, signed by {signer}")
    except (OutOfTime, DNSException) as error:
        return Proof(SenderCheck.UNKNOWN, f"the name servers gave no answer: {error}"[:300])
    asked = policy.get("p" if domain == organization else "sp", policy.get("p", "none"))
    check = SenderCheck.FAIL if asked in ("quarantine", "reject") else SenderCheck.UNKNOWN
    return Proof(check, f"not signed by {domain}, whose policy is {asked}"[:300])


def _asking(until: float) -> Ask:
    """A function that gives the TXT records of a name, none for a name that is not there."""

    def ask(name: str) -> list[str]:
        left = min(SECONDS_EACH, until - time.monotonic())
        if left <= 0:
            raise OutOfTime("too many questions")
        try:
            answer = dns.resolver.resolve(name, "TXT", lifetime=left, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]

    return ask


def find_policy(domain: str, ask: Ask) -> tuple[str, dict[str, str]]:
    """The organization's domain and the policy that binds *domain*, found by walking up.

    The record of the longest name binds; the shortest name with one is the organization's, but
    for registries, which say so (``psd=y``).
    """
    labels = domain.split(".")[-MOST_LABELS:]
    organization, policy = domain, dict[str, str]()
    names = dict.fromkeys([domain, *(".".join(labels[n:]) for n in range(1, len(labels)))])
    for name in names:
        found = [tags for text in ask(f"_dmarc.{name}") if (tags := _tags(text))]
        if len(found) == 1 and found[0].get("psd") != "y":  # two are none (section 6.6.3)
            organization, policy = name, policy or found[0]
    return organization, policy


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    tags = {key.strip().lower(): value.strip().lower() for key, _, value in pairs}
    return tags if text.lstrip().startswith("v=DMARC1") else {}


def _signers(raw: bytes, count: int, ask: Ask) -> list[str]:
    """The domains whose signatures hold for the whole mail."""

    def dnsfunc(name: bytes, timeout: float = 0) -> bytes | None:
        found = ask(name.decode("ascii", "replace").rstrip("."))
        return found[0].encode() if found else None

    signed: Any = dkim.DKIM  # it has no types
    signers = []
    for index in range(min(count, MOST_SIGNATURES)):
        message = signed(raw, minkey=1024)
        try:
            holds = message.verify(idx=index, dnsfunc=dnsfunc)
        except (OutOfTime, DNSException):
            raise
        except Exception:  # noqa: S112  (whatever is wrong with a signature, it proves nothing)
            continue
        fields = message.signature_fields
        if holds and b"l" not in fields:  # else anything may have been added at the end
            signers.append(authenticity.as_ascii(fields[b"d"].decode("utf-8", "replace")))
    return signers


def _is_aligned(signer: str, domain: str, organization: str, *, strict: bool) -> bool:
    """True where the signature is the sender's own (RFC 7489, section 3.1.1)."""
    if signer == domain:
        return True
    return not strict and (signer == organization or signer.endswith(f".{organization}"))

"""What the DNS says of the domains that mail leaves from: MX, SPF, DMARC, and our own DKIM keys.

Whether an SPF record lets our server in cannot be told from here: mail often leaves by another one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import dns.resolver
import sqlalchemy as sa
from dns.exception import DNSException, Timeout

from app.core.db import db
from app.core.sealing import Unreadable
from app.mail import sender_verification, signing_keys
from app.mail.authenticity import as_ascii
from app.mail.models import Mailbox
from app.mail.signing_keys import DnsRecord
from app.process.findings import Finding, fine, note, wrong
from app.settings import Settings

SECONDS, SECONDS_EACH = 30.0, 3.0
KEY_IS_ANOTHER = (
    "Set DESKHAND_SECRET_KEY to the old key, or make a new DKIM key in /admin/mailboxes."
)
NO_ANSWER = "Ask again where name servers answer; mail itself may be well."

Ask = Callable[[str, str], list[str]]
"""The records of a name and a type as text; none for a name that is not there."""


def mail_domains(settings: Settings) -> Iterator[Finding]:
    """Each domain that mail leaves from. The network is asked; nobody waits for us meanwhile."""
    domains, keys = _senders(settings)
    db.session.rollback()
    ask = _asking(time.monotonic() + SECONDS)
    for domain in domains:
        about = f"DNS of {domain}"
        if "." not in domain or domain.endswith(".localhost"):
            told = "is known on this machine alone: nobody can answer mail from there"
            yield note(about, told, "Set DESKHAND_MAIL_FROM to an address of your own domain.")
            continue
        try:
            yield from _domain(about, domain, ask)
            for key in keys.get(domain, ()):
                yield _key(about, key, ask)
        except Timeout:
            told = "no name server answers, so none of this was looked at"
            yield note("DNS", told, NO_ANSWER)
            return
        except DNSException as error:
            told = str(error).partition(":")[0][:200] or type(error).__name__
            yield note(about, f"was not told: {told}", NO_ANSWER)


def _senders(settings: Settings) -> tuple[list[str], dict[str, list[DnsRecord | Unreadable]]]:
    """Domains in the order in which they are looked at, and the DKIM records that they need."""
    boxes = sa.select(Mailbox).where(Mailbox.is_active).order_by(Mailbox.id)
    domains: dict[str, None] = {}
    keys: dict[str, list[DnsRecord | Unreadable]] = {}
    if settings.smtp_url is not None:
        domains[_domain_of(settings.mail_from)] = None
    for box in db.session.scalars(boxes):
        if not box.smtp_url and settings.smtp_url is None:
            continue  # nothing leaves from there
        domain = _domain_of(box.address)
        domains[domain] = None
        if box.dkim_key and box.dkim_selector:
            keys.setdefault(domain, []).append(_record(box))
    return list(domains), keys


def _record(box: Mailbox) -> DnsRecord | Unreadable:
    try:
        record = signing_keys.dns_record(box.address, box.dkim_selector, box.dkim_key)
    except Unreadable as error:
        return error
    return DnsRecord(as_ascii(record.name), record.value)


def _domain_of(address: str) -> str:
    return as_ascii(address.rpartition("@")[2])


def _asking(until: float) -> Ask:
    def ask(name: str, kind: str) -> list[str]:
        left = min(SECONDS_EACH, until - time.monotonic())
        if left <= 0:
            raise Timeout
        try:
            answer = dns.resolver.resolve(name, kind, lifetime=left, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        if kind == "TXT":
            return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]
        return [record.to_text() for record in answer]

    return ask


def _domain(about: str, domain: str, ask: Ask) -> Iterator[Finding]:
    yield _exchange(about, domain, ask)
    yield _spf(about, domain, ask)
    yield _dmarc(about, domain, ask)


def _exchange(about: str, domain: str, ask: Ask) -> Finding:
    """Whether answers find their way (RFC 5321, section 5.1; RFC 7505)."""
    hosts = [record.partition(" ")[2].rstrip(".") for record in ask(domain, "MX")]
    mend = f"Publish an MX record of {domain} that names the server that takes its mail."
    if hosts == [""]:
        return wrong(about, "its MX record says that it takes no mail: answers bounce", mend)
    if hosts:
        return fine(about, f"mail to it goes to {', '.join(sorted(hosts)[:3])}")
    if ask(domain, "A") or ask(domain, "AAAA"):
        return note(about, "has no MX record: answers go to the machine of that name", mend)
    return wrong(about, "has no MX record and no address: answers cannot be delivered", mend)


def _spf(about: str, domain: str, ask: Ask) -> Finding:
    """Whether there is one SPF record that lets anybody in (RFC 7208, sections 3.2 and 4.5)."""
    found = [text for text in ask(domain, "TXT") if text.lower().split(" ")[0] == "v=spf1"]
    mend = f'Publish a TXT record of {domain} such as "v=spf1 include:_spf.your-provider -all".'
    if not found:
        return note(about, "has no SPF record, so many servers take its mail for spam", mend)
    if len(found) > 1:
        return wrong(about, f"has {len(found)} SPF records, which counts as an error", mend)
    words = found[0].lower().split()[1:]
    if not any(_lets_in(word) for word in words):
        return wrong(about, f"its SPF record names nobody who may send: {found[0][:200]}", mend)
    if {"+all", "all"} & set(words):
        return note(about, "its SPF record lets everybody send", "End it with -all or ~all.")
    told = f"has an SPF record; be sure that it names who sends: {found[0][:200]}"
    return fine(about, told)


def _lets_in(word: str) -> bool:
    """Whether a word of it names somebody who may send, here or in another record."""
    is_modifier = "=" in word and not word.startswith("redirect=")
    return word[0] not in "-~?" and not is_modifier


def _dmarc(about: str, domain: str, ask: Ask) -> Finding:
    """Whether a DMARC policy binds it, its own or that of the domain above (RFC 7489, 6.6.3)."""
    published = [t for t in ask(f"_dmarc.{domain}", "TXT") if t.lstrip().startswith("v=DMARC1")]
    mend = (
        f'Publish a TXT record of _dmarc.{domain}: "v=DMARC1; p=none; rua=mailto:postmaster@'
        f'{domain}". Once the reports look well, p=quarantine.'
    )
    if len(published) > 1:
        return wrong(about, f"has {len(published)} DMARC records, which counts as none", mend)
    organization, policy = sender_verification.find_policy(domain, lambda name: ask(name, "TXT"))
    if not policy:
        return note(about, "has no DMARC policy, so large providers trust its mail less", mend)
    asked = policy.get("p" if domain == organization else "sp", policy.get("p", "none"))
    return fine(about, f"has a DMARC policy: {asked}")


def _key(about: str, key: DnsRecord | Unreadable, ask: Ask) -> Finding:
    """Whether others find the key that we sign with (RFC 6376, section 3.6.1)."""
    if isinstance(key, Unreadable):
        return wrong(about, "the key that signs its mail cannot be read", KEY_IS_ANOTHER)
    mend = f"Publish a TXT record of {key.name}: {key.value}"
    found = [value for text in ask(key.name, "TXT") if (value := _public_half(text)) is not None]
    if not found:
        return wrong(about, f"there is no DKIM key at {key.name}, so no signature holds", mend)
    if len(found) > 1:
        return wrong(about, f"there are {len(found)} DKIM keys at {key.name}", mend)
    if found[0] != _public_half(key.value):
        return wrong(about, f"another DKIM key is at {key.name}, so no signature holds", mend)
    return fine(about, f"our DKIM key is at {key.name}")


def _public_half(text: str) -> str | None:
    """``p`` of a DKIM key record without white space ("" where it was revoked), else None."""
    pairs = (part.partition("=") for part in text.split(";"))
    tags = {name.strip(): "".join(value.split()) for name, _, value in pairs}
    return tags.get("p") if tags.get("v", "DKIM1") == "DKIM1" else None

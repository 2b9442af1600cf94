"""What the doctor says of the DNS, asked of a name server of the test's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import dns.resolver
import pytest
from flask import Flask

from app.core.db import db
from app.mail import signing_keys
from app.process import doctor_dns
from app.process.findings import Level
from app.settings import Settings
from tests.factories import make_mailbox
from tests.mail.name_server import Names, name_server

pytestmark = pytest.mark.usefixtures("app")
Told = dict[str, Level]


@pytest.fixture
def names() -> Iterator[Names]:
    """Everything about x.example is well."""
    with name_server() as server:
        server.others["x.example", "MX"] = "10 mx.x.example."
        server.texts["x.example"] = ["site-check=1", "v=spf1 include:_spf.provider.example -all"]
        server.texts["_dmarc.x.example"] = "v=DMARC1; p=reject"
        yield server


@pytest.fixture
def settings(app: Flask) -> Settings:
    """Mail leaves by a server, from x.example."""
    found: Settings = app.extensions["settings"]
    return dataclasses.replace(found, smtp_url="smtp://mail.test", mail_from="desk@x.example")


def look(settings: Settings) -> Told:
    """What was told, and how much it wants somebody."""
    db.session.commit()
    found = list(doctor_dns.mail_domains(settings))
    for one in found:
        assert (one.level is Level.FINE) == (not one.mend), one
    return {f"{one.about}: {one.told}": one.level for one in found}


def trouble(settings: Settings) -> Told:
    """The same, without what is well and with what begins each line cut off."""
    found = look(settings)
    return {
        text.removeprefix("DNS of x.example: "): level
        for text, level in found.items()
        if level is not Level.FINE
    }


def test_a_domain_that_is_well(settings: Settings, names: Names) -> None:
    assert look(settings) == {
        "DNS of x.example: mail to it goes to mx.x.example": Level.FINE,
        "DNS of x.example: has an SPF record; be sure that it names who sends: "
        "v=spf1 include:_spf.provider.example -all": Level.FINE,
        "DNS of x.example: has a DMARC policy: reject": Level.FINE,
    }


@pytest.mark.parametrize(
    ("record", "level", "told"),
    [
        (None, Level.WRONG, "has no MX record and no address"),
        ("0 .", Level.WRONG, "takes no mail"),
    ],
)
def test_answers_that_find_no_way(
    settings: Settings, names: Names, record: str | None, level: Level, told: str
) -> None:
    del names.others["x.example", "MX"]
    if record:
        names.others["x.example", "MX"] = record
    [(text, found)] = trouble(settings).items()
    assert (told in text, found) == (True, level)


def test_a_machine_without_mx_takes_mail_by_its_name(settings: Settings, names: Names) -> None:
    del names.others["x.example", "MX"]
    names.others["x.example", "AAAA"] = "2001:db8::1"
    assert trouble(settings) == {
        "has no MX record: answers go to the machine of that name": Level.NOTE
    }


@pytest.mark.parametrize(
    ("texts", "level", "told"),
    [
        ([], Level.NOTE, "has no SPF record"),
        (["v=spf10 a -all", "about v=spf1"], Level.NOTE, "has no SPF record"),
        (["v=spf1 a -all", "V=SPF1 mx -all"], Level.WRONG, "has 2 SPF records"),
        (["v=spf1 -all"], Level.WRONG, "names nobody who may send"),
        (["v=spf1 ~mx exp=why.x.example ?all"], Level.WRONG, "names nobody who may send"),
        (["v=spf1 a +all"], Level.NOTE, "lets everybody send"),
        (["v=spf1 all"], Level.NOTE, "lets everybody send"),
        (["v=spf1 redirect=_spf.provider.example"], None, ""),
        (["v=spf1 ip4:192.0.2.0/24 ~all"], None, ""),
    ],
)
def test_spf(
    settings: Settings, names: Names, texts: list[str], level: Level | None, told: str
) -> None:
    names.texts["x.example"] = texts or "another text"
    found = trouble(settings)
    assert list(found.values()) == ([level] if level else [])
    assert all(told in text for text in found)


@pytest.mark.parametrize(
    ("records", "level", "told"),
    [
        ({}, Level.NOTE, "has no DMARC policy"),
        ({"_dmarc.mail.x.example": "v=spf1 -all"}, Level.NOTE, "has no DMARC policy"),
        (
            {"_dmarc.mail.x.example": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]},
            *(Level.WRONG, "has 2 DMARC records"),
        ),
        ({"_dmarc.mail.x.example": "v=DMARC1; p=none"}, Level.FINE, "policy: none"),
        ({"_dmarc.x.example": "v=DMARC1; p=reject; sp=quarantine"}, Level.FINE, ": quarantine"),
        ({"_dmarc.x.example": "v=DMARC1; p=reject"}, Level.FINE, "policy: reject"),
    ],
)
def test_dmarc_of_a_domain_or_of_the_one_above(
    settings: Settings, names: Names, records: dict[str, str], level: Level, told: str
) -> None:
    del names.texts["_dmarc.x.example"]
    names.texts.update(records)
    below = dataclasses.replace(settings, mail_from="desk@mail.x.example")
    [(text, found)] = [(t, lv) for t, lv in look(below).items() if "DMARC" in t]
    assert (told in text, found) == (True, level), text


@pytest.fixture
def record() -> signing_keys.DnsRecord:
    """What a mailbox that signs wants in the DNS."""
    key = signing_keys.make_key()
    make_mailbox("support@x.example", dkim_selector="desk", dkim_key=key)
    return signing_keys.dns_record("support@x.example", "desk", key)


def test_a_key_that_is_published_as_it_is(
    settings: Settings, names: Names, record: signing_keys.DnsRecord
) -> None:
    # As many providers write it: without the version, with blanks, in another order.
    half = record.value.partition("p=")[2]
    for text in (record.value, f"p={half[:100]} {half[100:]} ; k=rsa", f"t=s;p={half};"):
        names.texts[record.name] = text
        assert look(settings)[f"DNS of x.example: our DKIM key is at {record.name}"] is Level.FINE


@pytest.mark.parametrize(
    ("published", "told"),
    [
        (None, "there is no DKIM key at desk._domainkey.x.example, so no signature holds"),
        ("v=spf1 -all", "there is no DKIM key at desk._domainkey.x.example, so no signature holds"),
        (
            "v=DKIM1; p=",
            "another DKIM key is at desk._domainkey.x.example, so no signature holds",
        ),
        (
            "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A",
            "another DKIM key is at desk._domainkey.x.example, so no signature holds",
        ),
        (["v=DKIM1; p=a", "v=DKIM1; p=b"], "there are 2 DKIM keys at desk._domainkey.x.example"),
    ],
)
def test_a_key_that_others_do_not_find(
    settings: Settings,
    names: Names,
    record: signing_keys.DnsRecord,
    published: str | None,
    told: str,
) -> None:
    if published:
        names.texts[record.name] = published
    assert trouble(settings) == {told: Level.WRONG}
    db.session.commit()
    mends = [one.mend for one in doctor_dns.mail_domains(settings) if one.told == told]
    assert mends == [f"Publish a TXT record of {record.name}: {record.value}"]


def test_a_key_that_cannot_be_read(settings: Settings, names: Names) -> None:
    make_mailbox("support@x.example", dkim_selector="desk", dkim_key="no secret of ours")
    assert trouble(settings) == {"the key that signs its mail cannot be read": Level.WRONG}


def test_only_domains_that_mail_leaves_from_are_asked_about_each_once(
    settings: Settings, names: Names
) -> None:
    make_mailbox("a@x.example")
    make_mailbox("b@bücher.example")
    make_mailbox("gone@gone.example", is_active=False)
    db.session.commit()
    list(doctor_dns.mail_domains(settings))
    assert {name for name, _ in names.asked if not name.startswith("_dmarc.")} == {
        "x.example",
        "xn--bcher-kva.example",
    }
    assert names.asked.count(("x.example", "MX")) == 1
    names.asked.clear()
    assert list(doctor_dns.mail_domains(dataclasses.replace(settings, smtp_url=None))) == []
    assert names.asked == []


def test_a_name_of_this_machine_alone_is_not_asked_about(settings: Settings, names: Names) -> None:
    for domain in ("localhost", "desk.localhost"):
        found = look(dataclasses.replace(settings, mail_from=f"support@{domain}"))
        told = f"DNS of {domain}: is known on this machine alone: nobody can answer mail from there"
        assert found == {told: Level.NOTE}
    assert names.asked == []


def test_without_answers_it_says_so_and_goes_on(
    settings: Settings, names: Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_dns, "SECONDS_EACH", 0.2)
    make_mailbox("a@y.example")
    names.is_silent = True
    told = "DNS: no name server answers, so none of this was looked at"
    assert look(settings) == {told: Level.NOTE}


def test_a_domain_whose_name_servers_fail_does_not_hide_the_others(
    settings: Settings, names: Names
) -> None:
    make_mailbox("a@x.example")
    names.broken.add("broken.example")
    found = look(dataclasses.replace(settings, mail_from="desk@broken.example"))
    assert [text for text in found if text.startswith("DNS of broken.example: was not told")]
    assert len([text for text in found if text.startswith("DNS of x.example: ")]) == 3


def test_a_machine_without_a_resolver_says_so(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> dns.resolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver, "get_default_resolver", none)
    [(text, level)] = look(settings).items()
    assert text.startswith("DNS of x.example: was not told: ")
    assert level is Level.NOTE

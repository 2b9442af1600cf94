"""HTTP to addresses that people entered: nobody gets inside, and nothing takes for ever."""

from __future__ import annotations

import time
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from app.core import outgoing
from app.core.outgoing import NoAnswer, Outgoing, Refused, is_public, parse
from tests.receiver import certificate, receiver, says

HERE = Outgoing((ip_network("127.0.0.1/32"),))
NOWHERE = Outgoing()


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "::1"),  # this machine
        *("0.0.0.0", "::", "0.1.2.3"),  # noqa: S104  (also this machine)
        *("10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "fd12::1", "fec0::1"),
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "fd00:ec2::254"),  # link-local, metadata
        *("168.63.129.16", "192.0.0.192", "100.100.100.200", "100.64.0.1"),  # metadata elsewhere
        *("224.0.0.1", "239.255.255.255", "224.0.1.1", "ff02::1", "ff0e::1"),  # multicast
        *("255.255.255.255", "240.0.0.1", "198.18.0.1", "192.0.2.1", "203.0.113.9"),  # reserved
        *("2001:db8::1", "3fff::1", "100::1", "5f00::1", "64:ff9b:1::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),  # mapped
        *("::127.0.0.1", "::10.0.0.1"),  # the older form
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),  # NAT64
        *("2002:7f00:1::", "2002:c0a8:101::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),  # tunnels
    ],
)
def test_addresses_inside_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(Refused):
        NOWHERE.check([ip_address(address)], parse("https://example.com/"))


@pytest.mark.parametrize(
    "address",
    [
        *("8.8.8.8", "93.184.216.34", "172.32.0.1", "192.167.255.255", "169.253.255.255"),
        *("2606:4700:4700::1111", "2a00:1450:4001::1"),
        *("::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"),
    ],
)
def test_addresses_that_anybody_reaches_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0"),
        *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]", "LOCALHOST", "localhost."),
        *("169.254.169.254", "[::ffff:169.254.169.254]", "0xa9fea9fe", "127.0.0.1:22"),
    ],
)
def test_no_spelling_of_an_inner_address_is_reached(host: str) -> None:
    """Names are resolved by the same code that connects, whatever they look like."""
    with pytest.raises(NoAnswer):
        NOWHERE.send("GET", f"https://{host}/", headers={}, seconds=10)


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.com", "//example.com", "ftp://example.com", "file:///etc/passwd"),
        *("gopher://example.com", "javascript:alert(1)", "https://", "https:///path"),
        *("https://user:password@example.com/", "https://user@example.com/"),
        *("https://example.com:0/", "https://example.com:99999/", "https://example.com:x/"),
        *("https://exa mple.com/", "https://example.com/a\r\nHost: b", "https://example.com/\x00"),
        "https://example.com/" + "a" * 2_000,
    ],
)
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(Refused):
        NOWHERE.send("GET", url, headers={})


def test_allowed_networks_are_reached_and_no_others() -> None:
    with receiver() as server:
        answer = HERE.send("POST", server.url, headers={"X-Own": "1"}, body=b"hello")
        assert (answer.status, answer.is_whole) == (200, True)
        assert server.got[0].body == b"hello"
        assert server.got[0].headers["host"] in server.url
        for way in (NOWHERE, Outgoing((ip_network("10.0.0.0/8"),))):
            with pytest.raises(Refused):
                way.send("POST", server.url, headers={})
        assert len(server.got) == 1


def test_redirects_lead_nowhere() -> None:
    with receiver() as inside, receiver(says(302, Location=inside.url)) as server:
        answer = HERE.send("GET", server.url, headers={})
        assert answer.status == 302
        assert inside.got == []


def test_proxies_of_the_environment_see_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(says(502)) as proxy, receiver() as server:
        for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert HERE.send("GET", server.url, headers={}).status == 200
        assert proxy.got == []


@pytest.mark.parametrize("manners", ["hang", "trickle"])
def test_a_server_that_hangs_is_left_in_time(manners: str) -> None:
    with receiver() as server:
        server.behave = getattr(server, manners)
        began = time.monotonic()
        with pytest.raises(NoAnswer, match="did not answer within"):
            HERE.send("GET", server.url, headers={}, seconds=1)
        assert time.monotonic() - began < 25


def test_a_body_without_end_is_cut_in_time() -> None:
    with receiver() as server:
        server.behave = server.trickle_body
        began = time.monotonic()
        answer = HERE.send("GET", server.url, headers={}, seconds=1, most=1_000_000)
        assert time.monotonic() - began < 25
        assert (answer.status, answer.is_whole) == (200, False)


def test_a_gigabyte_is_cut_in_size() -> None:
    with receiver() as server:
        server.behave = server.gigabyte
        began = time.monotonic()
        answer = HERE.send("GET", server.url, headers={}, most=1_024)
        assert time.monotonic() - began < 25
        assert (answer.body, answer.is_whole) == (b"g" * 1_024, False)


def test_a_compressed_bomb_stays_compressed() -> None:
    with receiver(says(200, b"\x1f\x8b" + b"\x00" * 50, Content_Encoding="gzip")) as server:
        answer = HERE.send("GET", server.url, headers={})
        assert answer.body.startswith(b"\x1f\x8b")
        assert server.got[0].headers["accept-encoding"] == "identity"


def test_certificates_are_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, tls = certificate(tmp_path, "127.0.0.1")
    with receiver(tls=tls) as server:
        with pytest.raises(NoAnswer, match="certificate"):
            HERE.send("GET", server.url, headers={})
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        outgoing._tls.cache_clear()
        try:
            assert HERE.send("GET", server.url, headers={}).status == 200
            with pytest.raises(NoAnswer, match="certificate"):  # of another name
                HERE.send("GET", server.url.replace("127.0.0.1", "localhost"), headers={})
        finally:
            outgoing._tls.cache_clear()
        assert len(server.got) == 1


def test_nobody_listening_is_said_in_words() -> None:
    with receiver() as server:
        url = server.url
    with pytest.raises(NoAnswer, match="refuses the connection"):
        HERE.send("GET", url, headers={})

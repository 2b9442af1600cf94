"""HTTP to addresses that people entered: webhooks and the like, without a way into our own network.

Whoever may enter an address must not reach what only this machine reaches: other servers of the
network, this machine, the cloud's metadata. So the host is resolved here, its addresses are
checked, and the connection goes to the checked one: a name that changes its mind afterwards gains
nothing. Nothing is redirected, no proxy of the environment is used, certificates are verified, and
an answer has an end in time and in size.

urllib3 over httpx: no dependencies of its own, typed, without an event loop, and its connections
take an IP address and, apart from it, the name that the certificate must bear.
"""

from __future__ import annotations

import importlib
import queue
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPException
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import TYPE_CHECKING, Any

from flask import current_app

if TYPE_CHECKING:
    from urllib3.connection import HTTPConnection
    from urllib3.util.url import Url

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LONGEST_URL = 2_000
PORTS = {"http": 80, "https": 443}
CHUNK = 16_384
AGENT = "Deskhand"
TROUBLE = (OSError, HTTPException, ValueError)
# Nobody's, whatever older versions of Python say, in the registries of special addresses of IANA;
# and what is public by number, but leads to the agent of the machine's own cloud (Azure's).
SPECIAL: tuple[Network, ...] = (
    *(IPv4Network("192.0.0.0/24"), IPv4Network("192.88.99.0/24"), IPv4Network("168.63.129.16/32")),
    *(IPv6Network("2001::/23"), IPv6Network("3fff::/20")),
)
GLOBAL_IPV6 = IPv6Network("2000::/3")  # all that IANA gives out for servers
# IPv6 addresses that stand for an IPv4 one, by their last 32 bits: RFC 6052, RFC 4291 (2.5.5).
STAND_FOR_IPV4 = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"), IPv6Network("::ffff:0:0/96"))


class NoAnswer(Exception):
    """There is no answer; the message says why, for an admin; *seconds*, how long it was asked."""

    seconds: float | None = None


class Refused(NoAnswer):
    """We do not go there: a wrong address, or one inside a network."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        body: its first bytes, as many as were asked for.
        is_whole: False where more came, or the rest did not come.
        seconds: how long all of it took.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    is_whole: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The way out. *allowed* are networks that may be reached though they are not public, by plain
    HTTP too (``DESKHAND_OUTBOUND_ALLOW``).
    """

    allowed: tuple[Network, ...] = ()

    def __post_init__(self) -> None:
        """Load the library here: threads that import it all at once may get half of it."""
        importlib.import_module("urllib3.connection")

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        seconds: float = 15.0,
        most: int = 1_024,
    ) -> Answer:
        """Ask and wait for the answer, at most *seconds* in all, of which *most* bytes are read.

        Blocks; the caller is in no transaction.

        Raises:
            NoAnswer: there is none in time, or we do not go there.
        """
        from urllib3.exceptions import HTTPError

        started = time.monotonic()
        deadline = started + seconds
        target = parse(url)
        connection = self._connect(target, seconds, deadline)
        # A limit for the whole: the socket's own begins anew with every byte that trickles in.
        watch = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, [connection])
        watch.daemon = True
        watch.start()
        try:
            sent = {"Host": target.netloc or "", "User-Agent": AGENT, **headers}
            connection.request(
                method, target.request_uri, body or None, sent, preload_content=False
            )
            response = connection.getresponse()
            if time.monotonic() >= deadline:  # a head that was cut off reads like a short one
                raise TimeoutError
            content, is_whole = _read(response, most)
            told = {name.lower(): value for name, value in response.headers.items()}
            seconds_taken = time.monotonic() - started
            return Answer(response.status, told, content, is_whole, seconds_taken)
        except (HTTPError, *TROUBLE) as error:
            raise NoAnswer(_words(error, seconds, deadline)) from None
        finally:
            watch.cancel()
            connection.close()

    def _connect(self, target: Url, seconds: float, deadline: float) -> HTTPConnection:
        """A connection to the first address of the target that may be had and answers."""
        from urllib3.connection import HTTPConnection, HTTPSConnection
        from urllib3.exceptions import HTTPError

        host = (target.host or "").strip("[]")
        port = target.port or PORTS[target.scheme or ""]
        told = f"{host} has no address."
        addresses = self.check(_resolve(host, port, deadline), target)
        for tried, address in enumerate(addresses):
            # The first one leaves time for the others.
            left = max(0.1, (deadline - time.monotonic()) / (len(addresses) - tried))
            connection: HTTPConnection
            if target.scheme == "https":
                connection = HTTPSConnection(
                    str(address),
                    port,
                    timeout=left,
                    ssl_context=_tls(),
                    server_hostname=host,
                )
            else:
                connection = HTTPConnection(str(address), port, timeout=left)
            try:
                connection.connect()
            except (HTTPError, *TROUBLE) as error:
                connection.close()
                told = _words(error, seconds, deadline)
            else:
                return connection
        raise NoAnswer(told)

    def check(self, found: list[Address], target: Url) -> list[Address]:
        """Those of *found* that we may connect to.

        Raises:
            Refused: none of them.
        """
        inside = [address for address in found if self._is_allowed(address)]
        if target.scheme == "http":
            if not inside and found:
                raise Refused("It must start with https://, so that nobody reads along.")
            return inside
        may = [address for address in found if address in inside or is_public(address)]
        if found and not may:
            raise Refused(
                f"{found[0]} is inside a private network, "
                "and DESKHAND_OUTBOUND_ALLOW does not list it."
            )
        return may

    def _is_allowed(self, address: Address) -> bool:
        plain = _plain(address)
        return any(plain in network for network in self.allowed)


def outgoing() -> Outgoing:
    """The way out of this installation."""
    return Outgoing(current_app.extensions["settings"].outbound_allow)


def check_url(url: str) -> None:
    """Look at an address that somebody enters; names are resolved only when we go there.

    Raises:
        Refused: we would not go there.
    """
    target = parse(url)
    try:
        literal = ip_address((target.host or "").strip("[]"))
    except ValueError:
        return
    outgoing().check([literal], target)


def parse(url: str) -> Url:
    """The parts of an address.

    Raises:
        Refused: it is none for HTTP, or holds a password.
    """
    from urllib3.exceptions import HTTPError
    from urllib3.util import parse_url

    wrong = "Enter an address such as https://example.com/hook."
    if len(url) > LONGEST_URL or any(ord(c) <= 0x20 or ord(c) == 0x7F for c in url):
        raise Refused(wrong)
    try:
        target = parse_url(url)
    except (HTTPError, ValueError):
        raise Refused(wrong) from None
    if target.scheme not in PORTS or not target.host or target.port == 0:
        raise Refused(wrong)
    if target.auth:
        raise Refused("Leave out user and password: addresses are shown to every admin.")
    return target


def is_public(address: Address) -> bool:
    """True for what anybody reaches: not private, loopback, link-local, multicast or reserved, and
    no other spelling of such an address.
    """
    address = _plain(address)
    if not address.is_global or address.is_multicast or any(address in net for net in SPECIAL):
        return False
    if isinstance(address, IPv4Address):
        return not address.is_reserved
    inner = address.sixtofour
    return address in GLOBAL_IPV6 and (inner is None or is_public(inner))


def _plain(address: Address) -> Address:
    """An IPv4 address in the clothes of IPv6 (``::ffff:127.0.0.1``) as what it is."""
    if isinstance(address, IPv6Address) and any(address in net for net in STAND_FOR_IPV4):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _resolve(host: str, port: int, deadline: float) -> list[Address]:
    """Every address of a name. The system's resolver knows no limit, so a thread asks it.

    Raises:
        NoAnswer: there is none, or it is not told in time.
    """
    with suppress(ValueError):
        return [ip_address(host)]
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            told.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            told.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        found = told.get(timeout=max(0.1, deadline - time.monotonic()))
    except queue.Empty:
        raise NoAnswer(f"The address of {host} could not be found in time.") from None
    if isinstance(found, Exception):
        raise NoAnswer(f"{host} has no address.")
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _read(response: Any, most: int) -> tuple[bytes, bool]:
    """The first *most* bytes; whether they are all. What breaks off later was still an answer."""
    from urllib3.exceptions import HTTPError

    content = b""
    try:
        while len(content) <= most:
            chunk = response.read1(min(CHUNK, most + 1 - len(content)), decode_content=False)
            if not chunk:
                return content, True
            content += chunk
    except (HTTPError, *TROUBLE):
        return content[:most], False
    return content[:most], False


def _cut(connection: HTTPConnection) -> None:
    """End whatever is waited for. The plain socket's method: TLS would say goodbye first."""
    sock = connection.sock
    if sock is not None:
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:  # it is closed already
            return


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Certificates of the usual authorities, and those of ``SSL_CERT_FILE``."""
    return ssl.create_default_context()


def _words(error: Exception, seconds: float, deadline: float) -> str:
    if time.monotonic() >= deadline - 0.05 or isinstance(error, TimeoutError):
        return f"It did not answer within {round(seconds, 1):g} seconds."
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"Its certificate is not to be trusted: {cause.verify_message}."
        if isinstance(cause, ConnectionRefusedError):
            return "It refuses the connection."
        cause = cause.__cause__ or cause.__context__
    return f"It does not speak HTTP as it should: {type(error).__name__}."

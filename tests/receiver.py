"""Real HTTP servers for tests, with the manners and the bad manners of servers elsewhere."""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Got:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Manners = Callable[[BaseHTTPRequestHandler, Got], None]


def says(status: int = 200, body: bytes = b"", **headers: str) -> Manners:
    """Answers at once."""

    def behave(handler: BaseHTTPRequestHandler, got: Got) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


@dataclass
class Receiver:
    """A server on this machine. ``behave`` may be changed at any time; ``got`` is what came."""

    url: str = ""
    behave: Manners = field(default_factory=says)
    got: list[Got] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def hang(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        """Never answers."""
        self.is_over.wait(300)

    def trickle(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        """A byte of the head now and then, for ever: no single wait is long."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not self.is_over.wait(0.05):
            handler.wfile.write(b"X")

    def trickle_body(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        """The same with the body."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not self.is_over.wait(0.05):
            handler.wfile.write(b"X")

    def gigabyte(self, handler: BaseHTTPRequestHandler, got: Got) -> None:
        """As much as anybody takes."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        chunk = b"g" * 65_536
        while not self.is_over.is_set():
            handler.wfile.write(chunk)

    def wait_for(self, count: int, seconds: float = 120) -> None:
        """Wait until so many requests have come."""
        deadline = time.monotonic() + seconds
        while len(self.got) < count:
            assert time.monotonic() < deadline, f"{len(self.got)} of {count} requests came"
            time.sleep(0.01)


@contextmanager
def receiver(
    behave: Manners | None = None, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """A server on a free port."""
    found = Receiver()
    found.behave = behave or says()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            got = Got(
                self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body
            )
            found.got.append(got)
            try:
                found.behave(self, got)
            except OSError:  # it had enough of us
                self.close_connection = True

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Whoever goes away early is none of our business."""

    server = Server((host, 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    found.url = f"{scheme}://{host}:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield found
    finally:
        found.is_over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, for these names, and a server's side with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Deskhand’s tests")])
    now = dt.datetime.now(dt.UTC)
    known = [_named(name) for name in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(named)
        .issuer_name(named)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(known), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(public, private)
    return public, server


def _named(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

"""The mail listener as a process of its own, as ``deskhand lmtp`` starts it."""

from __future__ import annotations

import smtplib
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.process.test_run import DESKHAND, environment
from tests.servers import free_port


class Listener:
    """Listens on *listen* for the desk in *folder*."""

    def __init__(self, folder: Path, listen: str, **settings: str) -> None:
        self.listen = listen
        self.command = [*DESKHAND, "lmtp"]
        self.environ = environment(folder, DESKHAND_LMTP_LISTEN=listen, **settings)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, env=self.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.wait_until_it_listens()

    def wait_until_it_listens(self) -> None:
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and self.process.poll() is None:
            if self.listens():
                return
            time.sleep(0.02)
        self.process.kill()
        raise AssertionError(self.process.communicate()[1].decode())

    def listens(self) -> bool:
        with suppress(OSError):
            self.connect().close()
            return True
        return False

    @property
    def address(self) -> tuple[str, int] | str:
        place = self.listen.partition("://")[2]
        host, _, port = place.rpartition(":")
        return place if place.startswith("/") else (host, int(port))

    def connect(self) -> socket.socket:
        """A connection that nothing was said on yet."""
        if isinstance(self.address, tuple):
            return socket.create_connection(self.address, timeout=60)
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        try:
            client.connect(self.address)
        except OSError:
            client.close()
            raise
        return client

    @contextmanager
    def client(self) -> Iterator[smtplib.SMTP]:
        """A client that has said hello."""
        if self.listen.startswith("lmtp"):
            client: smtplib.SMTP = smtplib.LMTP("", timeout=60)
            client.connect(*([self.address] if isinstance(self.address, str) else self.address))
        else:
            assert isinstance(self.address, tuple)
            client = smtplib.SMTP(*self.address, timeout=60)
        client.ehlo("mx.example")
        try:
            yield client
        finally:
            client.close()

    def stop(self) -> int:
        """Ask it to end; how it did."""
        self.process.terminate()
        return self.end()

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode


@contextmanager
def listener(folder: Path, listen: str = "", **settings: str) -> Iterator[Listener]:
    """Run one (LMTP on a free port by default), and stop it."""
    running = Listener(folder, listen or f"lmtp://127.0.0.1:{free_port()}", **settings)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.stop()

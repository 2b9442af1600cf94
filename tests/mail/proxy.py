"""A TCP connection in the test's hand: it passes bytes on, and cuts where the test says."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class Proxy:
    """``port`` leads to the server; both callbacks see what passes and cut by returning False."""

    port: int = 0
    from_client: Callable[[bytes], bool] = lambda data: True
    from_server: Callable[[bytes], bool] = lambda data: True
    connections: int = 0
    _sockets: list[socket.socket] = field(default_factory=list)

    def cut_server_after(self, count: int) -> None:
        """Cut every connection once the server has said *count* bytes on it, or all by now."""
        left = {"bytes": count}

        def passes(data: bytes) -> bool:
            left["bytes"] -= len(data)
            return left["bytes"] > 0

        self.from_server = passes

    def heal(self) -> None:
        """Pass everything on again."""
        self.from_server = self.from_client = lambda data: True

    def cut_all(self) -> None:
        """End every connection there is."""
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


@contextmanager
def proxy_to(port: int) -> Iterator[Proxy]:
    """Listen on a free port of this machine, and pass on to *port*."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Proxy(port=listener.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):  # the listener was closed: the test is over
                while True:
                    client, _ = listener.accept()
                    server = socket.create_connection(("127.0.0.1", port))
                    proxy.connections += 1
                    proxy._sockets += [client, server]
                    for source, target, way in (
                        (client, server, "from_client"),
                        (server, client, "from_server"),
                    ):
                        pass_on = threading.Thread(
                            target=_pass_on, args=(proxy, way, source, target), daemon=True
                        )
                        pass_on.start()

        threading.Thread(target=accept, daemon=True).start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
        proxy.cut_all()
    for one in proxy._sockets:
        one.close()


def _pass_on(proxy: Proxy, way: str, source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(4096):
            if not getattr(proxy, way)(data):
                break
            target.sendall(data)
    for one in (source, target):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)

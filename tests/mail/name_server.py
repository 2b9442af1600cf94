"""A name server on this machine, which really answers over UDP."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import dns.message
import dns.rcode
import dns.rdatatype
import dns.resolver
import dns.rrset


class Names:
    """TXT records by name, and others by name and type; a silent one answers nothing.

    ``broken`` are names of which it says that it failed (SERVFAIL); ``asked`` is what it was asked.
    """

    def __init__(self) -> None:
        self.texts: dict[str, str | list[str]] = {}
        self.others: dict[tuple[str, str], str] = {}
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.is_silent = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(4096)
            except OSError:
                return
            if self.is_silent or not data:
                continue
            question = dns.message.from_wire(data)
            self._socket.sendto(self._answer(question).to_wire(), client)

    def _answer(self, question: dns.message.Message) -> dns.message.Message:
        answer = dns.message.make_response(question)
        name = question.question[0].name.to_text(omit_final_dot=True)
        kind = dns.rdatatype.to_text(question.question[0].rdtype)
        self.asked.append((name, kind))
        known = {(text, "TXT") for text in self.texts} | set(self.others)
        if name in self.broken:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif (name, kind) in known:
            found = [self.others[name, kind]] if kind != "TXT" else _quoted(self.texts[name])
            answer.answer.append(dns.rrset.from_text_list(f"{name}.", 60, "IN", kind, found))
        elif not any(name == other for other, _ in known):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer

    def close(self) -> None:
        self._socket.close()


def _quoted(texts: str | list[str]) -> list[str]:
    """Each in pieces, since none may have more than 255 bytes."""
    several = [texts] if isinstance(texts, str) else texts
    return [
        " ".join(f'"{text[n : n + 200]}"' for n in range(0, len(text), 200)) for text in several
    ]


@contextmanager
def name_server() -> Iterator[Names]:
    """One that this process asks for every name."""
    server = Names()
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], server.port
    with patch.object(dns.resolver, "default_resolver", resolver):
        yield server
    server.close()

"""A mail server that misbehaves as the recipient's address asks for."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

# The local part of a recipient: where it goes wrong, and what is said ("" hangs up silently, None
# says nothing at all).
WHIMS: dict[str, tuple[str, str | None]] = {
    "rcpt-421": ("rcpt", "421 4.3.2 closing"),
    "rcpt-450": ("rcpt", "450 4.2.1 mailbox busy"),
    "rcpt-550": ("rcpt", "550 5.1.1 no such user"),
    "rcpt-hangup": ("rcpt", ""),
    "rcpt-silent": ("rcpt", None),
    "rcpt-nonsense": ("rcpt", "what?"),
    "data-250": ("data", "250 no need to"),
    "data-451": ("data", "451 4.3.0 not now"),
    "data-hangup": ("content", ""),
    "end-421": ("end", "421 4.3.2 closing"),
    "end-451": ("end", "451 4.3.0 not now"),
    "end-554": ("end", "554 5.6.0 looks like spam"),
    "end-hangup": ("end", ""),
    "end-silent": ("end", None),
}


class RudeServer(socketserver.ThreadingTCPServer):
    """Counts who got a mail; at most *most* recipients a connection where that is set."""

    allow_reuse_address = True
    daemon_threads = True
    taken: Counter[str]
    connections = 0
    greeting = "220 rude"
    to_mail = "250 OK"
    most: int | None = None


class Conversation(socketserver.StreamRequestHandler):
    timeout: ClassVar[float] = 10
    server: RudeServer

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        self.server.connections += 1
        self.say(self.server.greeting)
        served, recipient = 0, ""
        while line := self.rfile.readline():
            word = line[:4].upper().strip()
            if word == b"RCPT":
                served += 1
                if self.server.most is not None and served > self.server.most:
                    self.say("421 4.7.0 too many for one connection")
                    return
                recipient = line.partition(b"<")[2].partition(b">")[0].decode()
                if not self.answer("rcpt", recipient, "250 OK"):
                    return
            elif word == b"DATA":
                if not self.take(recipient):
                    return
            elif word == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say(self.server.to_mail if word == b"MAIL" else "250 OK")

    def take(self, recipient: str) -> bool:
        stage = WHIMS.get(recipient.partition("@")[0], ("", ""))[0]
        if stage == "data":
            return self.answer("data", recipient, "")
        self.say("354 go on")
        if stage == "content":
            self.rfile.readline()
            return False
        while self.rfile.readline() not in (b".\r\n", b""):
            pass
        if stage != "end":
            self.server.taken[recipient] += 1
        return self.answer("end", recipient, "250 taken")

    def answer(self, stage: str, recipient: str, usual: str) -> bool:
        """Say what this recipient gets at this stage; False where the conversation is over."""
        where, said = WHIMS.get(recipient.partition("@")[0], ("", ""))
        if where != stage:
            self.say(usual)
            return True
        if said is None:
            self.rfile.read(1)  # until the other side gives up
            return False
        if not said:
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        self.say(said)
        return not said.startswith("421")


@contextmanager
def rude_server(**manners: Any) -> Iterator[RudeServer]:
    """Serve on a free port of this machine."""
    with RudeServer(("127.0.0.1", 0), Conversation) as server:
        server.taken = Counter()
        for name, value in manners.items():
            setattr(server, name, value)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        try:
            yield server
        finally:
            server.shutdown()
